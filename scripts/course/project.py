"""The project as the course kit sees it: which function belongs to which task, with and without its solution."""
import ast
import json
from pathlib import Path
from typing import NamedTuple

from scripts.course.draws import STANDARD, Constants
from scripts.course.regions import find_regions, rewrite, stub
from scripts.course.tasks import ASSIGNMENT, ROOT, Task, closure, load_tasks

MARKED = ("rnnlayers/*.py", "models/*.py", "models/cells/*.py")     # where solution regions may stand
UNDER_TEST = ("rnnlayers/*.py", "models/*.py", "models/cells/*.py", "gradcheck/*.py", "data/*.py")
SPOILERS = {                        # they contain solutions: neither handed out nor under test
    "models/gradient_norms.py", "models/stacked_attention.py",
}
STAND_IN = "scripts/course/stand_in.py"             # goes into the tree under test
MISSING = 'raise FileNotFoundError("{} is missing, or no text in UTF-8")\n'


class Project(NamedTuple):
    """The tasks, and the functions that students write for them."""
    root: Path
    tasks: dict[str, Task]          # by name
    version: str
    texts: dict                     # path -> text of each file with regions; empty in a student's tree
    regions: dict                   # path -> its regions; empty in a student's tree
    places: dict                    # task -> list of (path, function)
    under_test: dict                # path -> text of each file that is there when a submission runs
    constants: Constants = STANDARD     # those in the texts
    student: str = ""               # whose tree this is, if it has constants of its own

    @property
    def is_reference(self):
        """Whether the solutions are here."""
        return bool(self.regions)

    def files(self, names):
        """Paths of the files that some tasks are written in."""
        return list(dict.fromkeys(path for name in names for path, _ in self.places[name]))

    def text(self, path, solved, chosen=None):
        """A marked file with the solutions of some tasks, a raise for the others. chosen: the assignment's tasks."""
        return rewrite(self.texts[path], self.regions[path], lambda region: None if region.task in solved else stub(
            region, self.tasks[region.task], chosen is None or region.task in chosen))


def load_project(root: Path = ROOT) -> Project:
    """The project in a folder, this one or a student's tree. Raises ValueError on markers that do not match."""
    tasks, version = load_tasks(root)
    if (root / ASSIGNMENT).is_file():
        made = json.loads((root / ASSIGNMENT).read_text(encoding="utf-8"))
        places = {name: [tuple(place) for place in places] for name, places in made["places"].items()}
        return Project(root, {name: tasks[name] for name in made["tasks"]}, version, {}, {}, places, _under_test(root),
                       student=made.get("student", ""))
    texts, regions, places = {}, {}, {name: [] for name in tasks}
    for file in sorted(path for pattern in MARKED for path in root.glob(pattern)):
        path, text = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
        found = find_regions(text, path, tasks)
        if found:
            texts[path], regions[path] = text, found
            for region in found:
                if (path, region.function) not in places[region.task]:
                    places[region.task].append((path, region.function))
    empty = [name for name, found in places.items() if not found]
    if empty:
        raise ValueError(f"{root / 'assignments/tasks.json'}: no file has a region of task {empty[0]}")
    return Project(root, tasks, version, texts, regions, places, _under_test(root))


def _under_test(root):
    paths = {file.relative_to(root).as_posix() for pattern in UNDER_TEST for file in root.glob(pattern)}
    return {path: (root / path).read_text("utf-8", "replace") for path in sorted(paths - SPOILERS)}


def tree_under_test(project, task, submitted, given, kept=()):
    """The files that one task is graded on, path -> text.

    Files with functions of the task, or of tasks that it builds on, come from the submission; all others are the
    project's own, without solutions. Functions of `given` tasks are taken from the reference, those of other tasks
    raise; both are in separate modules, but for methods. Of `kept` tasks the submission's forwards stay, with the
    reference's gradients. A file that was not handed in raises when it is imported. A student's tree is taken as it is.
    """
    files = dict(project.under_test)
    own = {place for name in closure([task], project.tasks) if name not in given for place in project.places[name]}
    for path in {path for path, _ in own}:
        files[path] = submitted.get(path, MISSING.format(path))     # not the reference's, which would be right
    if project.texts:
        files["rnnlayers/_stand_in.py"] = (ROOT / STAND_IN).read_text("utf-8")
    for path in project.texts:
        text = files[path] if path in {path for path, _ in own} else project.text(path, _methods(project, path, given))
        names = sorted(name for places in project.places.values() for place, name in places
                       if place == path and (place, name) not in own and "." not in name)
        keeping = sorted(name for task in kept for place, name in project.places[task] if place == path)
        files[path] = text
        if names or keeping:
            folder, stem = Path(path).parent.as_posix(), Path(path).stem
            files[f"{folder}/_given_{stem}.py"] = project.text(path, closure({*given, *kept}, project.tasks))
            files[path] = f"{without(text, names)}\n\n{_imports(project, path, names, keeping)}"
    return files


def _methods(project, path, given):
    """Those of the given tasks that are methods in a file: they cannot be imported from another module."""
    return [name for name in given if (path, True) in [(file, "." in place) for file, place in project.places[name]]]


def _imports(project, path, names, keeping):
    """Lines at the end of a module that take `names` from the reference, and the gradients of `keeping`.

    A given pair of one upstream gradient is taken as it is: nothing can be left out of its backward's arguments.
    """
    module = f"{Path(path).parent.as_posix().replace('/', '.')}._given_{Path(path).stem}"
    lines = [f"from {module} import {', '.join(names)}  # noqa"] if names else []
    for name in [name.removesuffix("_forward") for name in (*names, *keeping) if name.endswith("_forward")]:
        several = _arguments(project.texts[path], f"{name}_backward") > 2
        if f"{name}_backward" in keeping or several and f"{name}_backward" in names:
            pair = f"{name}_forward, {name}_backward"
            lines += [f"import {module} as _right  # noqa",
                      "from rnnlayers._stand_in import stand_in as _stand_in  # noqa",
                      f"{pair} = _stand_in(_right.{name}_forward, _right.{name}_backward, {pair})"]
    return "\n".join(lines) + "\n"


def narrower(project, submitted, tasks):
    """Those of some tasks in which a function of the submission takes fewer arguments than the reference's, or is a
    method: a captioner's loss that serves the RNN alone is right too."""
    return {name for name in tasks for path, function in project.places[name]
            if project.texts and ("." in function or -1 < _arguments(submitted.get(path, ""), function)
                                  < _arguments(project.texts[path], function))}


def _arguments(text, function):
    """The number of a function's arguments, -1 where the text has no such function."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return -1
    found = [node.args for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    return len(found[-1].args) + 100 * bool(found[-1].vararg) if found else -1


def without(text, names):
    """A module's text with empty lines in place of some functions; unchanged if it is not valid Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):      # the last if it nests too deep
        return text
    lines = text.split("\n")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines[first - 1:node.end_lineno] = [""] * (node.end_lineno - first + 1)
    return "\n".join(lines)
