"""The Python code in a file that is handed out: of a module or a notebook, and in comments, strings and other texts."""
import ast
import html
import json
import re
import textwrap
import tokenize
from io import StringIO

MANY = 8                            # the most lines that one statement in a text is searched on
LONG = 1000                         # characters; a longer line of a text is data
QUOTED = re.compile(r"""(["'`])(.+?)\1""")
MARKS = re.compile(r"^(\s*(#|>|;|//)+)+|\s*#.*$")           # of a comment or a quotation; a comment behind code


def lines_in(path, content):
    """The lines of a file, and what is behind a # or // or in quotes in them: all that could be a line of code."""
    return [part for line in _lines(path, content)
            for part in (line, *re.split("#|//", line, maxsplit=1)[1:], *_quoted(line)) if part]


def code_in(path, content, stating=()):
    """The parts of a file that parse as Python -> list of (number of the first line, ast.Module).

    The docstrings of the functions in `stating` are left out, and that of the module if "" is one of them.
    """
    if path.endswith(".py"):
        return _of_module(content.decode("utf-8", "replace"), stating)
    if b"\0" in content:                                    # no text
        return []
    return [*(_of_cells(content) if path.endswith(".ipynb") else ()), *_of_prose(_lines(path, content), 1)]


# --- lines ------------------------------------------------------------------------------------------------------------

def _lines(path, content):
    """The lines of a file: of JSON and notebooks those of all strings, of HTML without tags."""
    text = content.decode("utf-8", "replace")
    if path.endswith((".json", ".ipynb")):
        try:
            return [line for string in _strings(json.loads(text)) for line in string.splitlines()]
        except ValueError:                                  # no JSON
            return text.splitlines()
    return (html.unescape(re.sub(r"<[^<>\n]*>", "", text)) if path.endswith(".html") else text).splitlines()


def _strings(value):
    """All strings in a value of JSON, in order."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(part)


def _quoted(line):
    return [match[2] for match in QUOTED.finditer(line)]


# --- modules and notebooks --------------------------------------------------------------------------------------------

def _of_cells(content):
    """A notebook's code cells as one module, with line numbers that run through all cells."""
    lines = [line for cell in json.loads(content)["cells"] if cell.get("cell_type") == "code"
             for line in "".join(cell["source"]).splitlines()]
    return _of_module("\n".join("" if line.startswith(("%", "!")) else line for line in lines))


def _of_module(text, stating=()):
    try:
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(StringIO(text).readline))
    except (SyntaxError, ValueError, tokenize.TokenError):
        return _of_prose(text.splitlines(), 1)
    left_out = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.FunctionDef))
                and getattr(node, "name", "") in stating and ast.get_docstring(node) is not None}
    found = [(1, tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            found += _of_prose(node.value.splitlines(), node.lineno)
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    for line in sorted(comments):
        if line - 1 not in comments:
            block = []
            while line + len(block) in comments:
                block.append(comments[line + len(block)])
            found += _of_prose(block, line)
    return found


# --- prose ------------------------------------------------------------------------------------------------------------

def _of_prose(lines, first):
    """Lines that are statements, adjacent ones joined, and code in quotes or `backticks`."""
    lines = [MARKS.sub("", line) if len(line) < LONG else "" for line in lines]
    found = [(first + k, _parsed(code)) for k, line in enumerate(lines) for code in _quoted(line)]
    run, k = [], 0
    while k <= len(lines):
        statement, count = _statement(lines, k)
        if statement:
            run += [statement, *[""] * (count - 1)]         # so that the lines keep their numbers
        elif run:
            found.append((first + k - len(run), _joined(run)))
            run = []
        k += count
    return [(line, tree) for line, tree in found if tree]


def _statement(lines, k):
    """The longest statement that begins in a line, as one line, and its number of lines; ("", 1) if there is none."""
    end = k + 1
    while end < min(len(lines), k + MANY) and _goes_on(lines[k:end], lines[end]):
        end += 1
    for last in range(min(end, len(lines)), k, -1):
        text = " ".join([lines[k].rstrip(" \\"), *(line.strip(" \\") for line in lines[k + 1:last])])
        if _parsed(text.strip()):
            return text, last - k
    return "", 1


def _goes_on(lines, line):
    """Whether a line may continue those before it: after an open bracket, or with an operator between them."""
    text = "".join(lines).rstrip()
    is_open = sum(map(text.count, "([{")) > sum(map(text.count, ")]}"))
    return bool(line.strip() and (is_open or re.search(r"[-+*/@=,\\]$", text) or re.match(r"\s*[-+*/@=)\]]", line)))


def _joined(run):
    """Statements as a module: with their indents, or if these do not fit each for itself."""
    lines = (line.strip() for line in run)
    return _parsed(textwrap.dedent("\n".join(run))) or _parsed("\n".join(
        f"{line} pass" if line.endswith(":") else line for line in lines))


def _parsed(code):
    """The code as a module; the head of a loop at its end gets a body. None if it is neither."""
    for text in (code, f"{code} pass"):
        try:
            return ast.parse(text) if code else None
        except (SyntaxError, ValueError):
            continue
    return None
