"""What is handed out: nothing of a solution, under whatever names, and nothing that is not listed."""
import ast
import json
from pathlib import Path

import pytest

from scripts.course.handout import HANDED_OUT, OPTIONAL, handed_out
from scripts.course.leaks import EXCEPTIONS, find_leaks
from scripts.course.notebooks import notebooks_of
from scripts.course.project import SPOILERS, load_project
from scripts.course.tasks import ROOT
from tests.samples import long

SOFTMAX_MINUS_ONE_HOT = """    def last_word(self, h, target):
        scores = h @ self.params["W_vocab"] + self.params["b_vocab"]
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(p)), target] -= 1
        return p @ self.params["W_vocab"].T
"""
LEAKS = {                           # name -> task, code that has its solution in other words
    "one hot off a softmax, in a method": ("1.3", f"class Model:\n{SOFTMAX_MINUS_ONE_HOT}"),
    "one hot alone": ("1.3", "p[np.arange(len(p)), target] -= 1"),
    "one hot by an assignment": ("1.3", "q[rows, words] = q[rows, words] - 1"),
    "softmax, functions for methods": ("4.1", "q = np.exp(s - np.max(s, -1, keepdims=True))\n"
                                       "q = q / np.sum(q, -1)[:, None]"),
    "softmax and one hot, temporaries": ("1.3", "top = s.max(axis=1)\nshifted = s - top[:, None]\np = np.exp(shifted)\n"
                                         "p = p / p.sum(1)[:, None]\nhot = np.zeros_like(p)\nhot[n, t] = 1\n"
                                         "d = p - hot"),
    "log-sum-exp": ("1.3", "z = s - s.max(axis=-1, keepdims=True)\nz -= np.log(np.exp(z).sum(axis=-1))"),
    "gradient of a softmax": ("4.1", "g = p * (d - np.sum(p * d, axis=-1, keepdims=True))"),
    "affine backward, line by line": ("1.1", "gx = up @ w.T\ngw = x.reshape(n, -1).T @ up\ngb = up.sum(axis=0)"),
    "embedding backward": ("1.2", "g = np.zeros(shape)\nnp.add.at(g, ids, up)"),
    "Adam": ("1.4", "m = b * m + (1 - b) * g\nv = c * v + (1 - c) * g * g\n"
             "w = w - lr * (m / (1 - b**t)) / (np.sqrt(v / (1 - c**t)) + eps)"),
    "rnn, another order": ("2.1", "def cell(a, b, U, V, d):\n    return np.tanh(b.dot(V) + d + np.dot(a, U))"),
    "rnn backward, another order": ("2.1", "d = (1 - h * h) * up\ng = d @ U.T"),
    "rnn over time": ("2.2", "for k in range(n):\n    s, m = rnn_step_forward(words[:, k], s, *weights)\n"
                      "    out.append(s)"),
    "rnn back through time": ("2.2", "for k in range(n - 1, -1, -1):\n"
                              "    d, c, *r = rnn_step_backward(up[:, k] + c, m[k])"),
    "captioner's backward": ("2.3", "g, gW, gb = temporal_affine_backward(d, c)\n"
                             "x, other = self.cell.backward(g * k, m, c2)"),
    "lstm": ("3.1", "c = keep * c + new * write\nh = out * np.tanh(c)"),
    "lstm backward": ("3.1", "u = np.tanh(c)\ng = g + (1 - u**2) * gate * back"),
    "attention": ("4.1", "e = np.squeeze(q[:, None] @ K) / math.sqrt(K.shape[1])\nw = softmax(e)"),
    "first state": ("5.3", "s, memo = affine_forward(f, A, a)\nh = np.tanh(s)"),
    "penalty": ("5.4", "left = 1 - (m[:, :, None] * a).sum(axis=1)\np = (left * left).sum() / len(a)"),
    "smoothing": ("5.5", "p = np.where(m, s[i, j, y] - s.mean(axis=2), 0).sum() / n"),
    "constants of another type": ("2.1", "d = (1.0 - h ** 2.0) * up\ng = d @ U.T"),
    "one hot, a constant of another type": ("1.3", "p[np.arange(len(p)), target] -= 1.0"),
    "NumPy's functions as operators": ("2.1", "d = np.multiply(up, np.subtract(1, np.square(h)))\n"
                                       "g = np.matmul(d, U.T)"),
    "NumPy's functions with out": ("2.1", "np.multiply(h, h, out=s)\nnp.subtract(1.0, s, out=s)\n"
                                   "np.multiply(up, s, out=s)\ng = np.matmul(s, U.T)"),
    "NumPy's functions with out by position": ("4.1", "np.subtract(s, s.max(-1)[:, None], q)\nnp.exp(q, q)\n"
                                               "np.divide(q, q.sum(-1)[:, None], q)"),
    "the operator module": ("2.1", "d = operator.mul(operator.sub(1, operator.pow(h, 2)), up)\n"
                            "g = operator.matmul(d, U.T)"),
    "functions of the operator module": ("2.1", "d = mul(sub(1, h * h), up)\ng = matmul(d, U.T)"),
    "the operator module, a softmax": ("4.1", "e = np.exp(operator.sub(s, np.max(s, -1, keepdims=True)))\n"
                                       "w = operator.truediv(e, e.sum(-1)[:, None])"),
    "one hot of an identity matrix": ("1.3", "d = p - np.eye(V)[y]"),
    "one hot of an identity matrix, subtracted": ("1.3", "o = np.identity(V)[y.ravel()]\nd = np.subtract(p, o) / N"),
    "one hot of a comparison": ("1.3", "p -= np.arange(V) == y[:, None]"),
}
BACK = "back = (1 - out * out) * up @ U.T"
TWO_LINES = ("back = (1 - out * out)", "    * up @ U.T")
OUTPUTS = [{"output_type": "stream", "text": ["1\n", f"{BACK}\n"]}]
SHOWN = [{"output_type": "execute_result", "data": {"text/plain": f"{BACK}"}}]


def notebook(source="", outputs=()):
    return json.dumps({"cells": [{"cell_type": "code", "source": source, "outputs": list(outputs)}]})


TEXTS = {                           # path -> text that has the backward of 2.1 in it
    "docstring.py": f'"""How it is done.\n\n    {BACK}\n"""\n',
    "single_quotes.py": f"def f():\n    '''How it is done.\n\n    {BACK}\n    '''\n",
    "one_line.py": f'def f():\n    "{BACK}"\n',
    "one_line_in_single_quotes.py": f"def f():\n    '{BACK}'\n",
    "string.py": f"HINT = '{BACK}'\n",
    "strings.py": 'HINTS = ["back = (1 - out * out) "\n         "* up @ U.T"]\n',
    "formatted.py": f'HINT = f"{BACK}"\n',
    "escaped.py": f'HINT = "See:\\n{BACK}\\n"\n',
    "comment.py": f"x = 1\n# {BACK}\n", "behind.py": f"x = 1    # {BACK}\n",
    "comments.py": f"x = 1\n# {TWO_LINES[0]}\n# {TWO_LINES[1]}\n",
    "comments_with_brackets.py": "# back = ((1 - out * out)\n#         * up\n#         @ U.T)\n",
    "comments_behind.py": f"x = 1    # {TWO_LINES[0]}\ny = 2    # {TWO_LINES[1]}\n",
    "comments_operator_last.py": "# back = (1 - out * out) *\n#     up @ U.T\n",
    "docstring_of_two_lines.py": f'"""It is\n\n    {TWO_LINES[0]}\n    {TWO_LINES[1]}\n"""\n',
    "loop.py": f"# for t in range(T):\n#     {BACK}\n",
    "fenced.md": f"So:\n\n```python\n{BACK}\n```\n", "inline.md": f"Take `{BACK}` here.\n", "a.txt": f"    {BACK}\n",
    "a.ipynb": notebook(["%matplotlib inline\n", BACK]),
    "printed.ipynb": notebook(outputs=OUTPUTS), "shown.ipynb": notebook(outputs=SHOWN),
    "a.cfg": f"[hints]\n# {BACK}\n", "value.cfg": f"[hints]\nback =\n    {BACK}\n", "a.toml": f"# {BACK}\n",
    "a.json": json.dumps({"hints": ["none", {"2.1": f"See\n{BACK}"}]}), "broken.json": f"{{\n{BACK}\n",
    "a.html": f"<pre>\n<b>{BACK}</b>\n</pre>", "a.js": f"let x = 1\n// {BACK}\n", "quoted.js": f'hint = "{BACK}";\n',
}
HARMLESS = [
    "y = x.reshape(N, -1)", "return np.stack(hs, axis=1)", "return np.stack(hs, axis=1), cache", "return out, cache",
    "h, c = h0, c0", "total = x.sum(axis=0)", "N, T, D = x.shape", "y = x @ W + b", "a = x @ Wx + h @ Wh + b", "n += 1",
    "mean = x.mean(axis=0)\nstd = x.std(axis=0)\ny = (x - mean) / std", "p = counts / counts.sum()", "hs.append(h)",
    "words, targets = captions[:, :-1], captions[:, 1:]", "counts[i] += 1", "y = a * x + (1 - a) * z",
    "scores, _ = temporal_affine_forward(h, W, b)\nword = scores.argmax(axis=1)", "norm = np.sqrt((x**2).sum())",
    "h, step = rnn_step_forward(x, h, Wx, Wh, b)", "error = np.abs(a - b).max() / np.abs(b).max()", "dx = 1 - h**2",
    "loss, dx = temporal_softmax_loss(x, y, y != 0)", "np.subtract(a, b, out=a)", "hot = np.eye(V)[y]",
    "a = np.eye(n) - b", "np.add(a, b, out=a[:, 0])", "x = '1 - h**2'", "seen.add(x)", '"""x (N, D), h (N, H)"""',
    "# x (N, D) -> y (N, M),\n# - dx of the same shape,\n# - dW (D, M)",
    "for t in range(T):\n    hs.append(x[:, t] + y[:, t])",
]


@pytest.fixture(scope="module")
def project():
    return load_project()


@pytest.fixture(scope="module")
def in_cases(project):
    """The cases above -> code -> what was found in it, as one text."""
    codes = [*(code for _, code in LEAKS.values()), *HARMLESS]
    found = find_leaks(project, list(project.tasks), {f"{k}/a.py": code.encode() for k, code in enumerate(codes)})
    return {code: "\n".join(leak for leak in found if leak.startswith(f"{k}/")) for k, code in enumerate(codes)}


@pytest.mark.parametrize("name", LEAKS)
def test_a_solution_is_found_under_other_names(name, in_cases):
    task, code = LEAKS[name]
    assert f"solution of {task}" in in_cases[code]


@pytest.mark.parametrize("code", HARMLESS)
def test_idioms_are_no_solution(code, in_cases):
    assert in_cases[code] == ""


def leaks(project, path, code, names=None):
    return find_leaks(project, names or list(project.tasks), {path: code.encode()})


def test_a_leak_is_named_with_its_line_its_task_and_where_the_solution_is(project):
    found = leaks(project, "a.py", f"class Model:\n{SOFTMAX_MINUS_ONE_HOT}", ["1.3"])
    place = next(f"{path}:{region.first + 1}" for path, regions in project.regions.items() for region in regions
                 if region.task == "1.3")
    assert f"a.py:6: computes a part of the solution of 1.3, {place}" in found


@pytest.mark.parametrize("path", TEXTS)
def test_solutions_are_found_in_comments_texts_and_notebooks_too(path, project):
    assert any("computes a part of the solution of 2.1" in leak for leak in leaks(project, path, TEXTS[path], ["2.1"]))


@pytest.mark.parametrize("path", [f"a.{kind}" for kind in ("cfg", "json", "html", "js", "ipynb")])
def test_whole_lines_are_found_in_every_kind_of_file(path, project):
    line = "next_h = np.tanh(x @ Wx + prev_h @ Wh + b)"
    text = {"a.json": json.dumps({"hint": [line]}), "a.html": f"<p>{line}</p>", "a.js": f'hint = "x"; // {line}',
            "a.ipynb": notebook(outputs=[{"output_type": "stream", "text": f"{line}\n"}])}.get(path, f"# {line}")
    assert any("is part of the solution of 2.1" in leak for leak in leaks(project, path, text, ["2.1"]))


@pytest.mark.parametrize("function, is_found", [
    ("rnn_step_forward", False), ("rnn_step_backward", True), ("check_steps", True), ("RNNStepCache", True)])
def test_in_a_tasks_file_only_a_forwards_docstring_may_state_equations(function, is_found, project):
    path = "rnnlayers/rnn.py"
    lines = project.text(path, ()).split("\n")
    first = next(k for k, line in enumerate(lines) if line.startswith((f"def {function}(", f"class {function}(")))
    lines.insert(first + 1, f"    '''{BACK}'''" if function == "RNNStepCache" else "")
    lines[first + 2] = lines[first + 2].replace('"""', f'"""\n    {BACK}\n    ', 1)
    assert bool(leaks(project, path, "\n".join(lines), ["2.1"])) == is_found


def test_what_solved_tasks_share_with_assigned_ones_may_be_handed_out(project):
    """4.1 comes solved with 5.1, and both have a softmax; 1.3 has one too."""
    softmax = "e = np.exp(x - x.max(axis=-1, keepdims=True))\nw = e / e.sum(axis=-1, keepdims=True)\n"
    assert leaks(project, "a.py", softmax, ["4.1"]) and not leaks(project, "a.py", softmax, ["5.1"])


@long
def test_files_that_give_a_solution_away_are_found_and_not_handed_out(project):
    paths = ["models/gradient_norms.py", "docs/derivations.md", "rnnlayers/engine/kernels.py"]
    found = find_leaks(project, list(project.tasks), {path: (ROOT / path).read_bytes() for path in paths})
    assert {path for path in paths if any(leak.startswith(path) for leak in found)} == set(paths)
    assert not {*paths, "gradcheck/known/cells.py"} & set(handed_out(ROOT))


def test_every_exception_is_needed(project, monkeypatch):
    for path, function in list(EXCEPTIONS):
        with monkeypatch.context() as patch:
            patch.delitem(EXCEPTIONS, (path, function))
            text = project.text(path, ()) if path in project.texts else (ROOT / path).read_text(encoding="utf-8")
            assert leaks(project, path, text), f"{path}: {function} has nothing of a solution"


def test_nothing_leaks_from_what_is_handed_out(project):
    files = {path: project.text(path, ()).encode() if path in project.texts else (ROOT / path).read_bytes()
             for path in handed_out(ROOT)}
    files.update({path: text.encode() for path, text in notebooks_of(ROOT).items()},
                 **{"README.md": (ROOT / "docs/students.md").read_bytes()})
    assert find_leaks(project, list(project.tasks), files) == []


def imported(path):
    """Files of this project that a module imports, and the __init__ of its packages."""
    names = {".".join(Path(path).parts[:-1])}
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    parts = [name.split(".")[:k] for name in names for k in range(1, name.count(".") + 2)]
    files = {f"{'/'.join(part)}{end}" for part in parts for end in (".py", "/__init__.py")}
    return {file for file in files if (ROOT / file).is_file()}


def test_what_handed_out_modules_import_is_handed_out_too():
    given = handed_out(ROOT)
    for path in given:
        if path.endswith(".py"):
            missing = {file for file in imported(path) - set(given) if not file.startswith(OPTIONAL)}
            assert not missing, f"{path} imports {sorted(missing)}: list it in scripts/course/handout.py"


def test_every_library_that_is_handed_out_is_used():
    """By what starts: commands, notebooks (lab), the gradient checks, the packages, and a task's supervisor."""
    given = {path for path in handed_out(ROOT) if path.endswith(".py")}
    todo = {path for path in given if path.endswith(("__init__.py", "__main__.py", "/lab.py", "/supervisor.py"))
            or "__main__" in (ROOT / path).read_text(encoding="utf-8")}
    used = set()
    while todo:
        used |= todo
        todo = {file for path in todo for file in imported(path)} & given - used
    listed = {path for path in given if HANDED_OUT[Path(path).parent.as_posix()] != "*"}
    assert listed - used == set()


def test_no_spoiler_is_listed_and_a_module_that_is_gone_is_named(tmp_path):
    assert not set(SPOILERS) & set(handed_out(ROOT))
    with pytest.raises(FileNotFoundError, match="is listed in scripts/course/handout.py and not there"):
        handed_out(tmp_path)
