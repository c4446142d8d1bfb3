"""Correct solutions in the manner of students, which have to get full points: tests/scripts/solutions, one file each.

A file's docstring says what is special about it, TASKS which tasks it solves. TIMES = 4 has it graded under four times
as many ids as the others; COSTS says what a solution with a flaw loses, task -> points, and it must lose just that. Its
functions take the place of the project's of the same names, the methods of its class, CaptioningRNN or Transformer,
those of the project's.
"""
import ast
from pathlib import Path
from typing import NamedTuple

from scripts.course.draws import draw_for
from scripts.course.grading import goldens_of, grade
from scripts.course.in_process import InProcess
from scripts.course.project import without
from scripts.course.submission import Submission
from scripts.course.tasks import ROOT, closure

SOLUTIONS = ROOT / "tests/scripts/solutions"


class Variant(NamedTuple):
    """A solution of some tasks."""
    name: str
    what: str
    tasks: list
    times: int                      # factor of the number of ids that it is graded under
    costs: dict                     # what it loses, task -> points
    text: str


class Result(NamedTuple):
    """A variant under one id."""
    lost: dict                      # task -> points, of tasks that lost some
    hints: tuple                    # names of the properties that gave a hint
    why: list                       # what the properties that lost say


def load_variants(folder: Path = SOLUTIONS) -> list[Variant]:
    """All variants of a folder. Raises ValueError on a file without TASKS or docstring."""
    return [read_variant(path) for path in sorted(folder.glob("*.py"))]


def read_variant(path: Path) -> Variant:
    """One variant. Raises ValueError on a file without TASKS or docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    values = {node.targets[0].id: node.value for node in tree.body
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    what = ast.get_docstring(tree)
    if "TASKS" not in values or not what:
        raise ValueError(f"{path}: expected a docstring that says what the solution is, and TASKS = [...]")
    tasks, times, costs = (ast.literal_eval(values[name]) if name in values else default
                           for name, default in (("TASKS", []), ("TIMES", 1), ("COSTS", {})))
    return Variant(path.stem, what.split("\n")[0], tasks, times, costs, text)


def texts_with(project, variant):
    """The project's files with a variant in place of its functions, path -> text."""
    tree = ast.parse(variant.text)
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    owners = {name.split(".")[0] for places in project.places.values() for _, name in places if "." in name}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in owners]
    lines = variant.text.split("\n")
    methods = [line for node in classes for line in lines[node.body[0].lineno - 1:node.end_lineno]]
    for node in classes:
        lines[node.lineno - 1:node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    everywhere = {name for places in project.places.values() for _, name in places}
    texts, source = dict(project.texts), "\n".join(lines)
    for path in project.files(variant.tasks):
        places = {name for places in project.places.values() for file, name in places if file == path}
        own = functions & places
        if own:
            texts[path] = f"{without(texts[path], own)}\n\n{without(source, everywhere - own)}"
        elif methods and any(name.startswith(f"{classes[0].name}.") for name in places):
            texts[path] = _in_class(texts[path], classes[0].name, methods) + "\n\n" + source
    return texts


def _in_class(text, name, methods):
    """A module's text with more methods at the end of a class, which take the place of those before."""
    lines = text.split("\n")
    node = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name)
    lines[node.end_lineno:node.end_lineno] = ["", *methods]
    return "\n".join(lines)


def student(k: int) -> str:
    """The id of the k-th made-up student."""
    return f"student {k}"


def graded(project, variants, k, open_tree=InProcess):
    """Grade variants under the k-th id -> yields (variant, Result)."""
    draw = draw_for(student(k), project.version)
    goldens, memo = goldens_of(project, draw), {}
    for variant in variants:
        submission = Submission(student(k), texts_with(project, variant), [], "")
        given = [name for name in closure(variant.tasks, project.tasks) if name not in variant.tasks]
        yield variant, result_of(grade(project, submission, variant.tasks, draw, goldens, given, memo=memo,
                                       open_tree=open_tree))


def result_of(tasks):
    """The Result of graded tasks."""
    tasks = list(tasks)
    lost = {one.task.name: round(one.task.points - one.score, 2) for one in tasks if one.score < one.task.points}
    outcomes = [outcome for one in tasks for outcome in one.outcomes]
    return Result(lost, tuple(outcome.name for outcome in outcomes if getattr(outcome, "hint", "")),
                  [f"{outcome.name}: {outcome.problem}" for outcome in outcomes if outcome.problem])


class Row(NamedTuple):
    """A variant under all its ids."""
    variant: Variant
    ids: int
    lost: dict                      # task -> the most points that it lost
    hints: list                     # names of the properties that gave a hint
    wrong: str                      # a sentence, or ""


def table(variants, found):
    """Results (name, id, Result) -> a Row for each variant."""
    rows = []
    for variant in variants:
        own = [(k, result) for name, k, result in found if name == variant.name]
        lost = {task: max(result.lost.get(task, 0) for _, result in own) for task in variant.tasks}
        hints = sorted({hint for _, result in own for hint in result.hints})
        wrong = [f"student {k} loses {result.lost}, expected {variant.costs}: {'; '.join(result.why[:2])}"
                 for k, result in own if not as_expected(variant, result)]
        rows.append(Row(variant, len(own), lost, hints, f"{len(wrong)} of {len(own)} ids: {wrong[0]}" if wrong else ""))
    return rows


def as_expected(variant, result):
    """Whether a variant loses what it costs; a task's points are split in hundredths by other sizes of its draws."""
    return set(result.lost) == set(variant.costs) and all(
        abs(result.lost[task] - points) < 0.02 for task, points in variant.costs.items())


def page(rows, project, ids):
    """The whole result in Markdown."""
    wrong = sum(bool(row.wrong) for row in rows)
    lines = [
        "# Solutions of students, graded", "",
        "Solutions as students write them, `tests/scripts/solutions`, put into the project and graded in the hidden",
        "checks of made-up students. Made by `python -m scripts.grade_variants --in-process --out ...`.", "",
        f"- {len(rows)} solutions under {ids} ids, some under more: {wrong} graded wrong.",
        "- Right means: full points under every id; a solution whose name begins with `costs` has a flaw, and loses "
        "what its file says.", "",
        "| solution | what it is | tasks | ids | lowest points | hints |", "| --- | --- | --- | ---: | ---: | --- |"]
    for row in rows:
        of = {task: project.tasks[task].points for task in row.variant.tasks}
        points = ", ".join(f"{of[task] - row.lost[task]:g} of {of[task]}" for task in of)
        lines.append(f"| {row.variant.name} | {row.variant.what} | {', '.join(of)} | {row.ids} | {points} | "
                     f"{', '.join(row.hints)} |")
    return "\n".join(lines) + "\n"
