"""What holds for the project as a whole: who imports whom, the README's commands, packages of the same name."""
import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"rnnlayers", "models", "data", "gradcheck", "scripts", "tests"}
ALLOWED = {          # folder -> what it may import besides itself and the standard library
    "rnnlayers": {"numpy"},
    "models": {"numpy", "h5py", "rnnlayers"},
    "data": {"numpy", "h5py", "PIL"},
    "gradcheck": {"numpy"},
}
EXCEPTIONS = {"gradcheck/suite.py": {"rnnlayers", "models"}, "gradcheck/plot.py": {"matplotlib"},
              "rnnlayers/engine": {"numba"}, "data/onnx_models.py": {"onnxruntime"},
              "data/picture_formats.py": {"pillow_heif"}, "models/safetensors_file.py": {"safetensors"},
              "models/checkpoint.py": {"data.sealed", "data.looking"}}      # files with a digest: no data sets


def imports(path):
    """The modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("folder", ALLOWED)
def test_import_arrows(folder):
    for path in (ROOT / folder).rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("rnnlayers/engine/"):
            name = "rnnlayers/engine"
        allowed = {folder, *sys.stdlib_module_names, *ALLOWED[folder], *EXCEPTIONS.get(name, ())}
        foreign = {module for module in imports(path) if not {module, module.split(".")[0]} & allowed}
        assert not foreign, f"{name} imports {foreign}"
        if "h5py" in imports(path) and folder == "models":
            assert path.name == "checkpoint.py"


def test_importing_the_layers_is_light():
    code = "import sys, rnnlayers; print(*(m for m in ('h5py', 'matplotlib', 'numba', 'PIL') if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout.strip() == ""


@pytest.mark.parametrize("package", ["data", "models"])
@pytest.mark.parametrize("regular", [True, False])
def test_somebody_elses_package_is_named(package, regular, tmp_path):
    (tmp_path / package).mkdir()
    if regular:
        (tmp_path / package / "__init__.py").touch()
    code = f"import sys; sys.path[:] = [{str(tmp_path)!r}, *sys.path]; import scripts"
    if not regular:                                      # a plain folder loses against a regular package on the path
        code = f"import sys; sys.path.append({str(ROOT)!r}); import scripts; import {package} as p; print(p.__file__)"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    if regular:
        assert result.returncode and f"the package {package!r} found at {tmp_path / package} is not rnnlayers' own" in (
            result.stderr)
    else:
        assert str(ROOT / package) in result.stdout


def test_readme_begins_with_two_commands():
    block = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S).group(1)
    lines = block.strip().split("\n")
    assert len(lines) == 2 and all(line.startswith("python3 -m venv") for line in lines)
    assert lines[0].endswith("python -m scripts.train") and lines[1].endswith("python -m pytest -n auto")


def test_the_derivations_show_the_code_as_it_is():
    sources = "".join(path.read_text(encoding="utf-8") for folder in ("rnnlayers", "models", "models/cells")
                      for path in (ROOT / folder).glob("*.py"))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/derivations.md").read_text(encoding="utf-8"), re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    assert len(lines) > 20 and not [line for line in lines if line not in sources]


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")),
         *sorted((ROOT / "assignments").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_modules_and_commands_that_exist(page):
    text = page.read_text(encoding="utf-8")
    paths = set(re.findall(rf"(?<![\w/])(?:{'|'.join(OURS)})/[\w/]*\w\.py\b", text))
    folders = {f"{path}/" for path in re.findall(rf"`((?:{'|'.join(OURS)})/[\w/]*)/`", text)}
    names = re.findall(r"python -m ((?:scripts|models|gradcheck)[\w.]*\w)", text)
    names = {name.replace(".", "/") for name in names}
    modules = {f"{name}/__main__.py" if (ROOT / name).is_dir() else f"{name}.py" for name in names}
    missing = [path for path in paths | folders | modules if "NAME" not in path and not (ROOT / path).exists()]
    assert not missing


def test_every_function_can_be_found_as_the_course_names_it():
    code = """
from rnnlayers import *
from rnnlayers.optim import sgd, sgd_momentum, rmsprop, adam
from models import CaptioningRNN, CaptioningSolver
from data import load_coco_data, sample_coco_minibatch, decode_captions, image_from_url, tokenize
from gradcheck import (eval_numerical_gradient, eval_numerical_gradient_array, eval_numerical_gradient_blobs,
                       eval_numerical_gradient_net, grad_check_sparse, rel_error)
[rnn_step_forward, rnn_step_backward, rnn_forward, rnn_backward, word_embedding_forward, word_embedding_backward,
 sigmoid, lstm_step_forward, lstm_step_backward, lstm_forward, lstm_backward, temporal_affine_forward,
 temporal_affine_backward, temporal_softmax_loss, affine_forward, affine_backward]
"""
    exec(compile(code, "names", "exec"), {})


def lengths():
    """(path, name, lines) of every file and of every function, without its docstring."""
    for folder in sorted(OURS):
        for path in (ROOT / folder).rglob("*.py"):
            name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            yield name, "", text.count("\n")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    docstring = ast.get_docstring(node, clean=False)
                    own = node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)
                    yield name, node.name, own


def test_functions_and_files_are_short():
    long = []
    for name, function, lines in lengths():
        bound = 40 if function else 400 if name.startswith("tests/") else 300
        if lines > bound and (function or name != "rnnlayers/engine/kernels.py"):
            long.append((name, function, lines))
    assert not long


def test_long_tables_are_whole_in_ci():
    """What the suite has only a sample of is tested as a whole by .ci/run."""
    command = re.search(r"RNNLAYERS_ALL=1 .*?(?<!\\)\n", (ROOT / ".ci/run").read_text(), re.S)[0]
    whole = tuple(word for word in command.split() if word.startswith("tests/"))
    sampled = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")
               if re.search(r"^from tests\.samples", path.read_text(encoding="utf-8"), re.M)]
    assert sampled and not [path for path in sampled if not path.startswith(whole)]


def test_the_version_is_the_same_everywhere():
    import rnnlayers
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == rnnlayers.__version__
    assert f"\n## {rnnlayers.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_is_one_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900
