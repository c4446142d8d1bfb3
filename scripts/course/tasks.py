"""The tasks of the course: assignments/tasks.json, and ways to choose some of them."""
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TASKS, ASSIGNMENT, GOLDENS = "assignments/tasks.json", "assignments/assignment.json", "assignments/goldens.npz"
NOTEBOOKS = [f"assignments/{name}_Captioning.ipynb" for name in ("RNN", "LSTM", "Attention", "Transformer")]


class Task(NamedTuple):
    """One task: what it is worth, what it builds on, how it is checked."""
    name: str                       # "2.3"
    title: str
    points: int
    needs: tuple[str, ...]          # names of the tasks that it builds on
    check: str                      # "pairs", or another one of grading.CHECKS
    pairs: tuple[str, ...]          # lines of gradcheck.table.SHAPES, for "pairs"
    large: tuple                    # those of them that are tried with inputs that overflow a naive formula
    special: tuple                  # more lines of SHAPES, each a property of its own beside those of its pair


def load_tasks(root: Path = ROOT) -> tuple[dict[str, Task], str]:
    """All tasks, name -> Task, each after the tasks that it builds on; and the version of the file.

    Raises ValueError if a task builds on one that does not come before it.
    """
    content, tasks = json.loads((root / TASKS).read_text(encoding="utf-8")), {}
    for name, entry in content["tasks"].items():
        missing = [need for need in entry["needs"] if need not in tasks]
        if missing:
            raise ValueError(f"{root / TASKS}: task {name} needs {missing[0]}, which does not come before it")
        tasks[name] = Task(name, entry["title"], entry["points"], tuple(entry["needs"]), entry["check"],
                           *(tuple(entry.get(key, ())) for key in ("pairs", "large", "special")))
    return tasks, content["version"]


def choose(text: str | None, tasks: dict[str, Task], option: str) -> list[str]:
    """The tasks in a list such as '1,2.3', where a part stands for all its tasks: their names in order.

    None stands for all. Raises ValueError on a name that is neither a task nor a part.
    """
    if text is None:
        return list(tasks)
    wanted = [part.strip() for part in text.split(",")]
    for part in wanted:
        if part not in tasks and part not in {name.split(".")[0] for name in tasks}:
            raise ValueError(f"{option} {text}: no task or part {part!r}, expected some of {', '.join(tasks)}")
    return [name for name in tasks if name in wanted or name.split(".")[0] in wanted]


def closure(names: Iterable[str], tasks: dict[str, Task]) -> list[str]:
    """Some tasks with all that they build on, directly or not: their names in order."""
    found = set(names)
    for name in reversed(tasks):                                    # the tasks that it builds on come before it
        if name in found:
            found.update(tasks[name].needs)
    return [name for name in tasks if name in found]


def task_lines(tasks):
    """A list of all tasks with their points -> str."""
    lines = [f"  {task.name}  {task.points:2d} points  {task.title}" for task in tasks.values()]
    return "\n".join(["tasks:", *lines, f"  {sum(task.points for task in tasks.values())} points in all"])
