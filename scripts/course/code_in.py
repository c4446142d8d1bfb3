"""The Python code in a file that is handed out: of a module, a notebook's cells, comments, docstrings and Markdown."""
import ast
import io
import json
import re
import tokenize

PROSE = (".md", ".rst", ".txt")


def lines_in(path, content):
    """The lines of a file, also behind a #; of a notebook those of its cells. In no text all that could be a line."""
    lines = content.decode("utf-8", "replace").splitlines()
    if path.endswith(".ipynb"):
        lines = [line for cell in json.loads(content)["cells"] for line in "".join(cell["source"]).splitlines()]
    return [part for line in lines for part in (line, line.partition("#")[2]) if part]


def code_in(path, content, docstrings=True):
    """The parts of a file that parse as Python -> list of (number of the first line, ast.Module)."""
    if not path.endswith((".py", ".ipynb", *PROSE)):
        return []
    text = content.decode("utf-8", "replace")
    if path.endswith(".ipynb"):
        return _of_notebook(json.loads(text)["cells"])
    return _of_module(text, docstrings) if path.endswith(".py") else _of_prose(text.splitlines(), 1)


def _of_notebook(cells):
    """The code cells as one module, with line numbers that run through all cells, and the Markdown."""
    code = [line for cell in cells if cell.get("cell_type") == "code" for line in "".join(cell["source"]).splitlines()]
    prose = [line for cell in cells if cell.get("cell_type") != "code" for line in "".join(cell["source"]).splitlines()]
    return [*_of_module("\n".join("" if line.startswith(("%", "!")) else line for line in code)),
            *_of_prose(prose, 1)]


def _of_module(text, docstrings=True):
    try:
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError):
        return _of_prose(text.splitlines(), 1)
    found, comments = [(1, tree)], {}
    for token in tokens:
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string
        elif docstrings and token.type == tokenize.STRING and token.string.endswith(('"""', "'''")):
            found += _of_prose(token.string.strip("rbuf'\"").splitlines(), token.start[0])
    for line in sorted(comments):
        if line - 1 not in comments:
            block = []
            while line + len(block) in comments:
                block.append(comments[line + len(block)])
            found += _of_prose(block, line)
    return found


def _of_prose(lines, first):
    """Lines that are statements, adjacent ones joined, and code between `backticks`."""
    found, run = [], []
    for k, line in enumerate([*lines, "no statement"]):
        line = re.sub(r"^[\s#>]*|\s*#.*$", "", line)
        if _parsed(line):
            run.append(line)
            continue
        if run:
            found.append((first + k - len(run), _parsed("\n".join(run))))
        run = []
        found += [(first + k, tree) for code in re.findall(r"`([^`]+)`", line) if (tree := _parsed(code))]
    return [(line, tree) for line, tree in found if tree]


def _parsed(code):
    """The line as a statement or the head of a loop; None if it is neither."""
    for text in (code, f"{code} pass"):
        try:
            return ast.parse(text) if code else None
        except (SyntaxError, ValueError):
            continue
    return None
