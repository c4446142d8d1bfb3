"""Solution regions: the lines of a source file that students have to write.

    # BEGIN SOLUTION 2.1: a hint, which stays in the students' file
    ...
    # END SOLUTION 2.1
"""
import ast
import re
import textwrap
from typing import NamedTuple

MARKER = re.compile(r"(\s*)#\s*(BEGIN|END)\s+SOLUTION\b\s*([^\s:]*)\s*(?::\s*(.*))?$")
TELLING = 8                         # fewest tokens of a line that is searched for as a whole


class Region(NamedTuple):
    task: str
    hint: str
    indent: str
    first: int                      # line of BEGIN, from 0
    last: int                       # line of END
    function: str                   # that contains it, "adam" or "CaptioningRNN.loss"


def find_regions(text, path, tasks):
    """The regions of a file's text, in order. Raises ValueError with file and line on markers that do not match."""
    found, begin = [], None
    for k, line in enumerate(text.split("\n")):
        match = MARKER.match(line)
        if not match:
            if re.search(r"#\s*(BEGIN|END)\s+SOLUTION", line, re.I):
                raise ValueError(f"{path}:{k + 1}: a marker has to stand alone on its line")
            continue
        indent, word, task, hint = match.groups()
        if task not in tasks:
            raise ValueError(f"{path}:{k + 1}: unknown task {task!r}, expected one of {', '.join(tasks)}")
        if word == "BEGIN":
            if begin:
                raise ValueError(f"{path}:{k + 1}: BEGIN SOLUTION {task} inside the region of {begin[0]} from line "
                                 f"{begin[3] + 1}: regions do not nest")
            begin = (task, hint or "", indent, k)
        else:
            if not begin or begin[0] != task:
                raise ValueError(f"{path}:{k + 1}: END SOLUTION {task} without its BEGIN"
                                 + (f", expected END SOLUTION {begin[0]}" if begin else ""))
            found.append(Region(*begin, k, ""))
            begin = None
    if begin:
        raise ValueError(f"{path}:{begin[3] + 1}: BEGIN SOLUTION {begin[0]} has no END")
    tree = ast.parse(text, str(path)) if found else None
    return [region._replace(function=_function(tree, path, region.first + 1)) for region in found]


def rewrite(text, regions, body):
    """The text with each region replaced by the lines that body(region) returns; None keeps the region's own lines.

    The markers are removed.
    """
    lines = text.split("\n")
    for region in reversed(regions):
        new = body(region)
        lines[region.first:region.last + 1] = lines[region.first + 1:region.last] if new is None else new
    return "\n".join(lines)


def stub(region, task, chosen):
    """The lines in the students' file: the hint, and a raise that says what to do."""
    words = (f"task {task.name} is not written yet: python -m scripts.grade . --task {task.name} tests it" if chosen
             else f"task {task.name} is not part of this assignment")
    hint = [f"{region.indent}# Task {task.name}: {region.hint}"] if region.hint and chosen else []
    return [*hint, f'{region.indent}raise NotImplementedError("{words}")']


def solution_lines(text, regions):
    """The telling code lines of all regions, normalised -> task -> set of str."""
    lines, found = text.split("\n"), {}
    for region in regions:
        found.setdefault(region.task, set()).update(
            map(normal, filter(tells, lines[region.first + 1:region.last])))
    return found


def tells(line):
    """Whether a line is more than an idiom such as h, c = h0, c0: it calculates or calls a layer, in some words."""
    line = re.sub(r"(^|\s)#.*", "", line)
    return bool(re.search(r"[\w)\]]\s*[-+*/@]|_(forward|backward)\(", line)) and len(
        re.findall(r"\w+|[^\w\s]", line)) >= TELLING


def region_code(text, region):
    """The statements of a region -> ast.Module."""
    return ast.parse(textwrap.dedent("\n".join(text.split("\n")[region.first + 1:region.last])))


def normal(line):
    """A line without its comment and all white space."""
    return re.sub(r"\s+", "", re.sub(r"(^|\s)#.*", "", line))


def _function(tree, path, line):
    """The function around a line, as 'name' or 'Class.name'."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inner:
            if isinstance(function, ast.FunctionDef) and function.lineno <= line <= function.end_lineno:
                return function.name if function is node else f"{node.name}.{function.name}"
    raise ValueError(f"{path}:{line}: a solution region has to lie in a function")
