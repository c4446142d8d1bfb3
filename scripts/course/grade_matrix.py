"""The points that the grader takes from projects with one mutant each."""
from typing import NamedTuple

from gradcheck.suite import pair_of
from scripts.course.draws import draw_for
from scripts.course.grader_mutants import ELSEWHERE, HINT
from scripts.course.grading import goldens_of, grade
from scripts.course.submission import Submission

STUDENTS = ("matrix", "ada", "bob")     # made up: their ids decide the hidden checks
VARIED = ("3.1",), ("1.4",), ("1.3", "5.5", "6.6")     # the tasks that each of own_constants is in

COPIES = "Each student has their own constants. A copy of another solution has to lose in the tasks where they differ."


class Row(NamedTuple):
    """The result of one submission."""
    name: str
    task: str                       # those that have to lose points, "" for none, "all" for the stub
    lost: dict                      # task -> points
    named: bool                     # whether the report has a likely cause
    hint: bool                      # whether the feedback has one
    hinted: bool                    # whether it ought to: mutants that lose nothing

    def right(self, project):
        expected = set(project.tasks) if self.task == "all" else set(self.task.split(", ")) - {""}
        whole = self.task != "all" or all(self.lost[name] == task.points for name, task in project.tasks.items())
        return self.loses == expected and whole and (self.hint or not self.hinted)

    @property
    def loses(self):
        """The tasks that lose points."""
        return {name for name, points in self.lost.items() if points}


def place_of(mutant, project):
    """The file that a mutant changes, and the task whose region it is in. Raises ValueError if it is in none."""
    module = mutant.module or pair_of(mutant.pair.partition(", ")[0])[0].__module__
    path = f"{module.replace('.', '/')}.py"
    text = project.texts[path]
    if text.count(mutant.old) != 1:
        raise ValueError(f"mutant {mutant.name!r} of {mutant.pair}: {mutant.old!r} stands {text.count(mutant.old)} "
                         f"times in {path}, expected once: adapt the catalogue")
    line = text[:text.index(mutant.old)].count("\n")
    for region in project.regions[path]:
        if region.first < line < region.last:
            return path, region.task
    raise ValueError(f"mutant {mutant.name!r} of {mutant.pair} stands in no solution region of {path}")


class Matrix:
    """Grades whole projects and keeps the results, so that tasks whose files did not change are not run again."""

    def __init__(self, project, open_tree, student=STUDENTS[0]):
        self.project, self.open_tree, self.memo, self.draw = project, open_tree, {}, draw_for(student, project.version,
                                                                                              project.constants)
        self.goldens = goldens_of(project, self.draw)

    def row(self, name, task, texts, hinted=False):
        """Grade a project with these texts in place of its own."""
        submission = Submission("matrix", {**self.project.texts, **texts}, [], "")
        graded = list(grade(self.project, submission, list(self.project.tasks), self.draw, self.goldens,
                            memo=self.memo, open_tree=self.open_tree))
        lost = {one.task.name: round(one.task.points - one.score, 2) for one in graded}
        named = any("likely cause" in outcome.report for one in graded for outcome in one.outcomes)
        return Row(name, task, lost, named, any(outcome.hint for one in graded for outcome in one.outcomes), hinted)

    def mutated(self, mutants):
        """A Row for each of some mutants."""
        rows = []
        for mutant in mutants:
            path, task = place_of(mutant, self.project)
            text = self.project.texts[path].replace(mutant.old, mutant.new)
            loses = "" if mutant.kind == HINT else ELSEWHERE.get(mutant.pair, task)
            rows.append(self.row(f"{mutant.pair}: {mutant.name}", loses, {path: text}, mutant.kind == HINT))
        return rows

    def reference(self):
        return self.row("the solution", "", {})

    def copied(self, other, whose):
        """The solution of a project with other constants: it loses in the tasks where these differ."""
        differ = [tasks for tasks, mine, theirs in zip(VARIED, self.project.constants, other.constants)
                  if mine != theirs]
        return self.row(f"the solution of {whose}", ", ".join(name for tasks in differ for name in tasks), other.texts)

    def stub(self):
        return self.row("nothing written", "all", {path: self.project.text(path, ()) for path in self.project.texts})


def by_task(mutants, project):
    """Task -> its mutants, which share most of their trees."""
    groups = {name: [] for name in project.tasks}
    for mutant in mutants:
        groups[place_of(mutant, project)[1]].append(mutant)
    return groups


def one_of_each(mutants, project):
    """The first mutant of each task. Raises ValueError where a task has none."""
    groups = by_task(mutants, project)
    missing = [name for name, group in groups.items() if not group]
    if missing:
        raise ValueError(f"no mutant stands in a region of task {missing[0]}")
    return [group[0] for group in groups.values()]


def page(tables, project, variants=False):
    """The whole result in Markdown. tables: student -> rows, the same mutants in each. variants: see grade_matrix."""
    rows, *others = tables.values()
    wrong = sum(any(not row.right(project) for row in same) for same in zip(rows, *others))
    differ = sum(any(row.loses != one.loses for row in same) for one, *same in zip(rows, *others))
    lines = [
        "# The grader, tested", "",
        "Every mutant of `scripts/course/mutants.py` and `scripts/course/grader_mutants.py` put into the solved",
        f"project and graded, in the hidden checks of made-up students ({', '.join(tables)}). Made by",
        f"`python -m scripts.grade_matrix --in-process {'--variants ' * variants}--out ...`:",
        "the same checks as ever, without a process for each task; `--one` in `.ci/run` has that too, for one student.",
        "",
        *([COPIES, ""] if variants else []),
        f"- {sum(row.name[:4] != 'the ' for row in rows) - 1} mutants, the solution, and a project with nothing "
        f"written: {wrong} graded wrong for any student.",
        f"- The students lose points in the same tasks by {len(rows) - differ} of {len(rows)} submissions.",
        "- Right means: points are lost in the task whose region the mutant stands in, and in no other; the solution "
        "loses none; where nothing is written all are lost. A mutant of a dtype earns a hint and loses nothing.", "",
        f"Points that {next(iter(tables))} loses, of those in the first line. \"All agree\": every student loses the "
        "same points (\"tasks\": points of the same tasks). \"Cause named\": the feedback names a likely mistake, or",
        "has a hint.", "",
        _row("submission", "task", *project.tasks, "all agree", "cause named"),
        _row("---", "---", *["---:"] * len(project.tasks), "---", "---"),
        _row("", "", *(task.points for task in project.tasks.values()), "", ""),
    ]
    lines += [_row(row.name.replace("|", "/"), row.task or "none",
                   *(f"{row.lost[name]:g}" if row.lost[name] else "" for name in project.tasks),
                   _agreement(row, same), "yes" if row.named else "hint" if row.hint else "")
              for row, *same in zip(rows, *others)]
    return "\n".join(lines) + "\n"


def _agreement(row, same):
    """Whether others lose the same points, or at least points in the same tasks."""
    if all(other.lost == row.lost for other in same):
        return "yes"
    return "tasks" if all(other.loses == row.loses for other in same) else "no"


def _row(*cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |"
