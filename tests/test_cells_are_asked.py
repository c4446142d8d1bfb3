"""Nobody asks a cell for its name or counts its gates: what cells differ in, they declare (models/cells/cell.py).

Tables that name cells (presets, configurations of the benchmark) are data and may; comparisons may not. The places that
are about one cell are that cell's own files, and the catalogues of mistakes in them.
"""
import ast
import re
from pathlib import Path

import pytest

from models.cells import ALIASES, CELLS

ROOT = Path(__file__).resolve().parent.parent
NAMES = {*CELLS, *ALIASES}
CLASSES = {cls.__name__ for cls in CELLS.values()}
OWN = {f"{folder}/{name}.py" for folder in ("models/cells", "models/packed") for name in CELLS}
CATALOGUES = {"gradcheck/known/cells.py", "gradcheck/known/recurrent.py",
              "scripts/course/mutants.py", "scripts/course/grader_mutants.py"}
WITH_TABLES = "scripts/benchmarks/"             # a table of cells may be looked up where it stands
QUOTED = rf"[\"']({'|'.join(sorted(NAMES))})"
PAGES = re.compile(rf"\bcell(_type)?\b\s*([!=]=|in\b|not\b)|[!=]==?\s*{QUOTED}|{QUOTED}[\"']\s*[!=]=|"
                   rf"startsWith\({QUOTED}")


def names_a_cell(node):
    """Whether an expression is a registered name, a class of a cell, or a list or dict of them."""
    if isinstance(node, ast.Constant):
        return node.value in NAMES if isinstance(node.value, str) else False
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return any(map(names_a_cell, node.elts))
    if isinstance(node, ast.Dict):
        return any(names_a_cell(key) for key in node.keys if key is not None)
    return isinstance(node, ast.Name) and node.id in CLASSES


def speaks_of(node, *words):
    """Whether an expression has one of these names or attributes in it."""
    return any(isinstance(part, ast.Name) and part.id in words or isinstance(part, ast.Attribute) and part.attr in words
               for part in ast.walk(node))


def asks_in_comparison(node):
    sides, among = [node.left, *node.comparators], any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops)
    if any(map(names_a_cell, sides)):
        return "compares a cell's name"
    if not among and any(speaks_of(side, "gates") for side in sides):
        return "counts gates"
    lengths = [isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id == "len"
               for side in sides]
    if not among and any(lengths) and any(speaks_of(side, "H", "hidden_dim") for side in sides):
        return "counts gates by a width"
    if among and isinstance(node.left, ast.Constant) and node.left.value in ("tanh_c", "prev_c", "next_c"):
        return "looks into a step's cache"
    return None


def asks_in_call(node, tables):
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in ("startswith", "endswith", "isinstance", "issubclass") and any(map(names_a_cell, node.args)):
        return f"asks a cell's kind by {name}"
    if name == "hasattr" and speaks_of(node.args[0], "cell", "step", "steps", "cache"):
        return "asks what a cell has"
    if name == "get" and not tables and names_a_cell(node.func.value):
        return "chooses by a cell's name"
    return None


def questions(source, tables=False):
    """Lines of Python that ask -> [(line, what is wrong)]. tables: a table may be looked up where it stands."""
    found = []
    for node in ast.walk(ast.parse(source)):
        what = None
        if isinstance(node, ast.Compare):
            what = asks_in_comparison(node)
        elif isinstance(node, ast.Call):
            what = asks_in_call(node, tables)
        elif isinstance(node, ast.Subscript) and not tables and isinstance(node.value, ast.Dict):
            what = "chooses by a cell's name" if names_a_cell(node.value) else None
        elif isinstance(node, ast.MatchValue):
            what = "matches a cell's name" if names_a_cell(node.value) else None
        if what:
            line = getattr(node, "lineno", None) or node.value.lineno
            found.append((line, what))
    return sorted(found)


@pytest.mark.parametrize("folder", ["models", "scripts", "gradcheck"])
def test_no_code_asks_a_cell_for_its_name(folder):
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name not in OWN | CATALOGUES:
            found += [f"{name}:{line} {what}" for line, what in questions(
                path.read_text("utf-8"), tables=name.startswith(WITH_TABLES))]
    assert not found, "\n".join(found)


def test_no_page_asks_a_cell_for_its_name():
    found = []
    for path in sorted((ROOT / "scripts").rglob("*")):
        if path.suffix in (".html", ".js"):
            lines = path.read_text("utf-8").splitlines()
            found += [f"{path.relative_to(ROOT)}:{k} {line.strip()}" for k, line in enumerate(lines, 1)
                      if PAGES.search(line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("source", [
    "if model.cell_type == 'rnn': pass", "if 'lstm'!=cell: pass", "if cell_type in ('rnn', \"lstm\"): pass",
    "x = 4 if name not in {'bahdanau'} else 1", "if cell.name == 'attn': pass", "y = kind.startswith(('rnn', 'lstm'))",
    "h = {'attention': a, 'bahdanau': b}.get(cell, plain)", "h = {'rnn': a}[cell]", "if isinstance(cell, LSTM): pass",
    "if type(cell) is RNN: pass", "if cell.gates == 4: pass", "if len(cell.gates) > 1: pass",
    "if len(a) == 4 * H: pass", "if len(a) == H: pass", "if hasattr(step, 'tanh_c'): pass",
    "if hasattr(model.cell, 'v'): pass", "if 'tanh_c' in step._fields: pass",
    "match cell:\n    case 'rnn':\n        pass",
])
def test_a_question_is_found(source):
    assert len(questions(source)) == 1


@pytest.mark.parametrize("source", [
    "cell = CELLS[name]", "BOUNDS = {'rnn': 0.1, 'lstm': 0.5}", "if 'f' in cell.gates: pass", "Config('rnn', 3)",
    "if model.attends: pass", "if len(rows) == n: pass", "x = image['attention']", "if features == VECTOR: pass",
    "if hasattr(features, 'in_memory'): pass", "G = len(cell.gates) * H", "if title == 'a cell': pass",
])
def test_what_is_no_question(source):
    assert not questions(source)


@pytest.mark.parametrize("line, asks", [
    ("{% if cell == 'rnn' %}", True), ('if (cell === "lstm") {', True), ("if (run.cell_type != kind)", True),
    ("{% if cell in recurrent %}", True), ("<code>{{ cell }}</code>", False), ("drawn.fading.dc.length ? 1 : 2", False),
])
def test_questions_of_pages(line, asks):
    assert bool(PAGES.search(line)) == asks
