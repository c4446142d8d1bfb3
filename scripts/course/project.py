"""The project as the course kit sees it: which function belongs to which task, with and without its solution."""
import ast
import json
from pathlib import Path
from typing import NamedTuple

from scripts.course.regions import find_regions, rewrite, stub
from scripts.course.tasks import ASSIGNMENT, ROOT, Task, closure, load_tasks

MARKED = ("rnnlayers/*.py", "models/*.py")          # where solution regions may stand
UNDER_TEST = ("rnnlayers/*.py", "models/*.py", "models/cells/*.py", "gradcheck/*.py", "data/*.py")
SPOILERS = {                        # they contain solutions: neither handed out nor under test
    "gradcheck/cells.py",           # recurrent cells, correct and with all their mistakes
    "models/gradient_norms.py",
}
MISSING = 'raise FileNotFoundError("{} is missing, or no text in UTF-8")\n'


class Project(NamedTuple):
    """The tasks, and the functions that students write for them."""
    root: Path
    tasks: dict[str, Task]          # by name
    version: str
    texts: dict                     # path -> text of each file with regions; empty in a student's tree
    regions: dict                   # path -> its regions; empty in a student's tree
    places: dict                    # task -> list of (path, function)

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
        return Project(root, {name: tasks[name] for name in made["tasks"]}, version, {}, {}, places)
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
    return Project(root, tasks, version, texts, regions, places)


def tree_under_test(project, task, submitted, given):
    """The files that one task is graded on, path -> text.

    Files with functions of the task, or of tasks that it builds on, come from the submission; all others are the
    project's own, without solutions. Functions of `given` tasks are taken from the reference, those of other tasks
    raise; both are in separate modules. A file that was not handed in raises when it is imported. A student's tree is
    taken as it is.
    """
    paths = {file.relative_to(project.root).as_posix() for pattern in UNDER_TEST for file in project.root.glob(pattern)}
    files = {path: (project.root / path).read_text("utf-8", "replace") for path in sorted(paths - SPOILERS)}
    own = {place for name in closure([task], project.tasks) if name not in given for place in project.places[name]}
    for path in {path for path, _ in own}:
        files[path] = submitted.get(path, MISSING.format(path))     # not the reference's, which would be right
    for path in project.texts:
        folder, stem = Path(path).parent.as_posix(), Path(path).stem
        names = sorted(name for places in project.places.values() for place, name in places
                       if place == path and (place, name) not in own and "." not in name)
        text = files[path] if path in {path for path, _ in own} else project.text(path, ())
        files[path] = text
        if names:
            files[f"{folder}/_given_{stem}.py"] = project.text(path, closure(given, project.tasks))
            files[path] = (f"{without(text, names)}\n\n"
                           f"from {folder.replace('/', '.')}._given_{stem} import {', '.join(names)}  # noqa\n")
    return files


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
