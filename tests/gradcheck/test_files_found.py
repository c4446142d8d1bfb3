"""python -m gradcheck FILE.py: mistakes that it must not pass over, and right layers that it must not call wrong."""
import os
import subprocess
import sys
import textwrap
from argparse import Namespace
from pathlib import Path

import pytest

import gradcheck
from gradcheck.__main__ import check_outputs, main
from gradcheck.docstrings import shapes_in
from gradcheck.report import Report

COMMAND = [sys.executable, "-m", "gradcheck"]
WITH_PATH = {**os.environ, "PYTHONPATH": str(Path(gradcheck.__file__).parents[1])}
DOUBLE = '''
def double_forward(x):
    """x: (N, D)"""
    return 2 * x, None
def double_backward(dout, cache):
    return 2 * dout
'''


@pytest.fixture
def check(tmp_path, capsys):
    """Function: text of mylayers.py, options -> exit code, what is printed."""
    def run(text, *options):
        (tmp_path / "mylayers.py").write_text("import numpy as np\n" + textwrap.dedent(text))
        code = main([str(tmp_path / "mylayers.py"), *options])
        said = capsys.readouterr()
        return code, said.out + said.err
    return run


def linear(described, name="linear"):
    """A correct linear layer with this docstring."""
    return f'''
def {name}_forward(x, w, b):
    """
{textwrap.indent(textwrap.dedent(described).strip(), "    ")}
    """
    return x @ w + b, (x, w, b)
def {name}_backward(dout, cache):
    x, w, b = cache
    db = dout.sum(axis=0)
    return dout @ w.T, x.T @ dout, db if np.ndim(b) else db.sum()
'''


@pytest.mark.parametrize("package", [True, False])
def test_equally_named_packages_beside_two_files(package, tmp_path, capsys):
    for folder, factor in (("ann", 2), ("bob", 3)):
        (tmp_path / folder / "lib").mkdir(parents=True)
        (tmp_path / folder / "lib" / "helper.py").write_text(f"FACTOR = {factor}")
        if package:
            (tmp_path / folder / "lib" / "__init__.py").write_text("")
        (tmp_path / folder / "layers.py").write_text(
            f"from lib.helper import FACTOR{DOUBLE.replace('return 2 * dout', 'return FACTOR * dout')}")
    assert main([str(tmp_path / folder / "layers.py") for folder in ("ann", "bob")]) == 1
    said = capsys.readouterr().out
    assert "found pairs: 2" in said and "dx: 1.5 times" in said
    assert not {"lib", "lib.helper"} & set(sys.modules)


@pytest.mark.parametrize("text", [
    "from solution import double_forward\ndef double_backward(dout, cache):\n    return 3 * dout\n",
    "from solution import double_backward\ndef double_forward(x):\n    'x: (N, D)'\n    return 3 * x, None\n",
    'from solution import keep\n@keep\ndef double_forward(x):\n    "x: (N, D)"\n    return 2 * x, None\n'
    "@keep\ndef double_backward(dout, cache):\n    return 3 * dout\n",
])
def test_a_pair_counts_if_one_of_its_functions_is_defined_in_the_file(text, check, tmp_path):
    (tmp_path / "solution.py").write_text(DOUBLE + textwrap.dedent('''
        def keep(function):
            def kept(x, cache=None):
                return function(x) if function.__code__.co_argcount == 1 else function(x, cache)
            kept.__doc__ = function.__doc__
            return kept
        '''))
    code, said = check(text + DOUBLE.replace("double", "other"))
    assert code == 1 and "double: WRONG" in said and "found pairs: 2" in said
    code, said = check("from solution import *\n" + DOUBLE.replace("double", "other"))
    assert code == 0 and "double" not in said               # pairs that are only imported are left out


def test_functions_without_a_partner(check):
    lone = "def affine_foward(x): pass\ndef affine_backward(dout, cache): pass\ndef forward_backward(x): pass\n"
    code, said = check(DOUBLE + lone + "alias_backward = double_backward\n")
    assert code == 2 and "affine_backward: could not be checked: no affine_forward; is it affine_foward?" in said
    assert said.endswith("found pairs: 2, not checked: 1\n")
    code, said = check(DOUBLE + "def affine_forward(x): pass\ndef affine_backwrd(dout, cache): pass\n")
    assert code == 2 and "affine_forward: could not be checked: no affine_backward; is it affine_backwrd?" in said
    code, said = check(lone)
    assert code == 2 and said.endswith("x_forward and x_backward, only affine_backward, affine_foward\n")


HIDDEN = {
    "dropout_param": '''
        def drop_forward(x, dropout_param):
            """
            x: (N, D)
            dropout_param: dictionary with the keys 'p' (keep probability) and 'seed'
            """
            mask = np.random.default_rng(dropout_param["seed"]).random(x.shape) < dropout_param["p"]
            return x * mask / dropout_param["p"], (mask, dropout_param["p"])
        def drop_backward(dout, cache):
            return dout * cache[0] / (1 - cache[1])
        ''',
    "stride": '''
        def skip_forward(x, stride):
            """x: (N, D)"""
            return x[:, ::stride] * 1, (x, stride)
        def skip_backward(dout, cache):
            dx = np.zeros_like(cache[0])
            dx[:, :dout.shape[1]] = dout
            return dx
        ''',
    "G": '''
        def group_forward(x, G):
            """x: (N, C, H, W)"""
            groups = x.reshape(len(x), G, -1)
            return (groups - groups.mean(axis=2, keepdims=True)).reshape(x.shape), x
        def group_backward(dout, x):
            return dout - dout.mean(axis=(1, 2, 3), keepdims=True)
        ''',
    "slope": '''
        def leaky_forward(x, slope):
            """x: (N, D)"""
            return np.where(x > 0, x, slope * x), (x, slope)
        def leaky_backward(dout, cache):
            return np.where(cache[0] > 0, dout, cache[1] ** 2 / 0.1 * dout)
        ''',
    "b": '''
        def bias_forward(x, b=None):
            """x: (N, D), b: (D,)"""
            return x * 1 if b is None else x + b, b
        def bias_backward(dout, b):
            return dout if b is None else (dout, dout.sum(axis=0) / 2)
        ''',
    "mask": '''
        def hide_forward(x, mask=None):
            """
            x: (N, D)
            mask: Boolean array of shape (N, D)
            """
            return x * 1 if mask is None else x * mask, None
        def hide_backward(dout, cache):
            return dout * 1
        ''',
}


@pytest.mark.parametrize("argument", HIDDEN)
def test_guessed_inputs_do_not_hide_mistakes(argument, check):
    code, said = check(HIDDEN[argument])
    assert code == 1 and f"{argument}=" in said, said


def test_arguments_at_their_defaults_are_named(check):
    code, said = check('''
        def scale_forward(x, b=None, *, alpha=2.0, fast=False):
            """
            x: (N, D)
            b: (D,), which has no gradient
            """
            return alpha * x + (0 if b is None else b), alpha
        def scale_backward(dout, alpha):
            return alpha * dout
        ''')
    assert code == 0 and 'scale: --shapes "x=N,D", from the docstring, at their defaults: b, alpha, fast\n' in said


def test_shapes_with_names_that_no_forward_has(check, tmp_path, capsys):
    code, said = check(DOUBLE, "--shapes", "x=N,D y=N")
    assert code == 2 and said == "gradcheck: --shapes: no forward has an argument y, expected some of x\n"
    (tmp_path / "more.py").write_text("import numpy as np\n" + linear("x: (N, D)\nw: (D, M)\nb: (M,)"))
    files = [str(tmp_path / name) for name in ("mylayers.py", "more.py")]
    assert main([*files, "--shapes", "x=N,D w=D,2 b=2"]) == 0 and main([*files, "--shapes", "x=N,D y=N"]) == 2
    assert "no forward has an argument y, expected some of b, w, x" in capsys.readouterr().err


WHOLE = {                                   # description of ids -> what it is taken for
    "integer array of shape (N, T)": "N,T<2", "array of word indices, (N, T)": "N,T<2", "labels (N,)": "N<2",
    "(N,) class labels": "N<2", "indices of shape (N,), 0 <= i < V": "N<V", "(N, T), dtype int64": "N,T<2",
    "shape (M,), one for each of the labels": "M", "(N, D) where D is an integer": "N,D",
    "(N, D) indices of the batch are in the first axis": "N,D", "(D, M), M is the number of labels": "D,M",
    "(N, D), not boolean": "N,D", "Boolean array (N, T)": "N,T<bool", "(N, T) bool": "N,T<bool",
    "a learned scalar": "", "scalar": "", "[M]": "M", "shape N, D": "N,D", "int or tuple (kh, kw)": None,
    "tuple (int, int)": None, "(2, 3) a tuple": None, "tuple (h, c), each of shape (N, D)": None,
}


@pytest.mark.parametrize("words", WHOLE)
def test_descriptions(words):
    found = shapes_in(f"ids: {words}", ["ids"]).get("ids")
    assert found == WHOLE[words]


def test_names_of_weights_are_floats_unless_their_array_is_called_one_of_integers():
    assert shapes_in("x: indices (N, T)\nw: labels (D, M)\nb: ids (M,)", "xwb") == {"x": "N,T", "w": "D,M", "b": "M<2"}
    assert shapes_in("x: integer array (N, T)", "x") == {"x": "N,T<2"}


@pytest.mark.parametrize("described", [
    "x: inputs of shape (N, D)\nw: weights of shape (D, M), M is the number of labels\nb: (M,), one for each label",
    "x is (N, D), w is (D, M), and b is (M,).",
    "x: (N, D)\nw: (D, 1)\nb: scalar",
    "x: [N, D]\nw: [D, M]\nb: [M]",
    "x: input of shape (N, D), w: weights of shape (D, M), b: bias of shape (M,)",
    "x: shape N, D\nw: shape D, M\nb: shape M",
    "x: integers, as floats, of shape (N, D)\nw: an integer array (D, M)\nb: (M,)",
    "x: pictures (N, 3072)\nw: (3072, M)\nb: (M,)",
])
def test_right_layers_are_right(described, check):
    code, said = check(linear(described))
    assert code == 0 and "found pairs: 1, not checked: 0" in said, said


def test_targets_and_learned_numbers(check):
    code, said = check("""
        def mse_forward(z, y):
            '''
            z: predictions (N, D)
            y: targets (N, D)
            '''
            return ((z - y) ** 2).sum(), z - y
        def mse_backward(dout, cache):
            return dout * 2 * cache
        def prelu_forward(x, alpha):
            '''
            x: (N, D)
            alpha: a learned scalar
            '''
            return np.where(x > 0, x, alpha * x), (x, alpha)
        def prelu_backward(dout, cache):
            x, alpha = cache
            return np.where(x > 0, dout, alpha * dout), np.asarray((dout * x * (x <= 0)).sum())
        """)
    assert code == 0 and 'mse: --shapes "z=N,D y=N,D", from the docstring, without a gradient: y\n' in said
    assert 'prelu: --shapes "x=N,D alpha="' in said


@pytest.mark.parametrize("body, reason", [
    ("return dout, dout", "backward returned 2 gradients, expected 1: dx (y=N<2 makes whole numbers below 2"),
    ("raise NotImplementedError('later')", "backward raised NotImplementedError: later, with --shapes"),
    ("pass", "backward returned None for dx, expected an array"),
    ("return {'dx': dout}", "backward returned a dict for dx, expected an array"),
])
def test_a_backward_that_cannot_be_called_so_is_not_called_wrong(body, reason, check):
    text = DOUBLE.replace("return 2 * dout", body)
    code, said = check(text)
    assert code == 2 and f"double: could not be checked: {reason}" in said
    code, said = check(text, "--shapes", "x=N,D")           # these are no guess
    assert code == 1 and "double: WRONG" in said


def test_sizes_and_types_that_functions_refuse(check):
    code, said = check('''
        def even_forward(x):
            """x: (N, D)"""
            assert x.dtype == np.float64, "doubles"
            return x * x, x
        def even_backward(dout, x):
            if x.shape[1] % 2:
                raise ValueError("odd")
            return 2 * x * dout
        ''')
    assert code == 0 and 'even: --shapes "x=4,6", from the docstring, with other sizes, since backward raised' in said
    assert "even: in float64 alone, because forward raised AssertionError: doubles for float32 inputs" in said


def test_large_pictures_are_made_small(check):
    code, said = check(DOUBLE.replace("(N, D)", "(N, 3, 224, 224)"))
    assert code == 0 and 'double: --shapes "x=N,3,8,8", from the docstring, made small\n' in said


def test_a_check_that_takes_too_long_is_no_verdict(check, monkeypatch):
    monkeypatch.setattr("gradcheck.guess.TRIAL", (10, 0.2))
    code, said = check(DOUBLE.replace("return 2 * dout", "while True: __import__('time').sleep(0.01)"))
    assert code == 2 and "double: could not be checked: backward does not end" in said


def test_a_check_that_overruns_its_budget_is_no_verdict(check, monkeypatch):
    late = "the check takes longer than its budget of 60 s; it stopped before forward"
    monkeypatch.setattr("gradcheck.files.check_pair", lambda *_, **__: Report("", "float64", late))
    code, said = check(DOUBLE)
    assert code == 2 and f"double in float64: could not be checked: {late}" in said


def test_a_batch_has_at_least_four_rows(check):
    """Two rows, normalised, are 1 and -1 whatever they are."""
    code, said = check(DOUBLE.replace("    return 2 * x", "    assert len(x) in (1, 4)\n    return 2 * x"))
    assert code == 0 and 'double: --shapes "x=N,D", from the docstring\n' in said


@pytest.mark.parametrize("signature, reason", [
    ("*xs", "forward takes *xs: its arguments have no names"), ("slope=1, *, x", None), ("x, *, w=2", None),
    ("x, /", None)])
def test_arguments_without_a_name_or_only_with_one(signature, reason, check):
    code, said = check(DOUBLE.replace("double_forward(x)", f"double_forward({signature})"))
    assert code == (2 if reason else 0) and (reason or "found pairs: 1") in said


def test_a_docstring_that_cannot_be_read_for_one_name(check):
    text = DOUBLE.replace("(x):", "(x, n):").replace("x: (N, D)", "x: (N, D), n: shape (0, D)")
    assert "no shape for n in the docstring" in check(text)[1]
    assert check(text, "--shapes", "n=(1)")[0] == 0


def test_an_error_above_the_tolerance_has_a_reason(check):
    code, said = check('''
        def norm_forward(x):
            """x: (N, D)"""
            length = np.linalg.norm(x, axis=1, keepdims=True)
            return x / length, (x / length, length)
        def norm_backward(dout, cache):
            out, length = cache
            return (dout - out * (dout * out).sum(axis=1, keepdims=True)) / length
        ''')
    line = next(line for line in said.splitlines() if "float64" in line)
    assert code == 0 and "1e-07   ok, numeric gradient good to " in line
    assert check(DOUBLE)[1].count("ok\n") == 2


def test_modules_that_interrupt_or_read_the_keyboard(check):
    code, said = check("raise KeyboardInterrupt")
    assert code == 2 and said == "gradcheck: cannot import mylayers.py: KeyboardInterrupt\n"
    code, said = check("input()")
    assert code == 2 and "EOFError" in said and said.count("\n") == 1


def test_outputs_are_refused_before_any_check(check, tmp_path):
    (tmp_path / "taken").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none" / "a.json", "-"):
        code, said = check(DOUBLE, "--json", str(path))
        assert code == 2 and said.startswith("gradcheck: --json ") and said.count("\n") == 1
    with pytest.raises(ValueError, match="--json /dev/stdout"):     # called so, since a failure would replace it
        check_outputs(Namespace(json=Path("/dev/stdout"), plot=None))
    code, said = check(DOUBLE, "--plot", str(tmp_path / "taken"))
    assert code == 2 and said.startswith("gradcheck: --plot ") and said.count("\n") == 1


def test_files_may_change_the_folder_and_lie_beside_a_matplotlib(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "matplotlib.py").write_text("raise RuntimeError")
    (tmp_path / "files" / "layers.py").write_text("import os\nos.chdir('..')\n" + DOUBLE)
    command = [*COMMAND, "files/layers.py", "--json", "all.json", "--plot", "maps"]
    done = subprocess.run(command, cwd=tmp_path, env=WITH_PATH, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "all.json").is_file(), done.stderr
    assert len(list((tmp_path / "maps").iterdir())) == 2


def test_a_reader_that_has_read_enough(tmp_path):
    (tmp_path / "layers.py").write_text(DOUBLE)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, str(tmp_path / "layers.py")], env=WITH_PATH, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 2 and not done.stderr


def test_arguments_that_are_neither_files_nor_functions(check):
    code, said = check(DOUBLE, "layers")
    assert code == 2 and said.startswith("gradcheck: 'layers' is not module:function") and said.count("\n") == 1
