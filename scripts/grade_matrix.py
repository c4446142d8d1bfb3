"""Test the grader: every mutant of the catalogue is put into the solved project and graded.

    python -m scripts.grade_matrix --out docs/grade_matrix.md

A mutant has to lose points in the task whose region it stands in, and in no other; the solved project loses none, and
one without solutions gets none. Exit code 1 if that fails. --one takes the first mutant of each task.
"""
import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from gradcheck.suite import pair_of
from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.course.channel import Remote
from scripts.course.draws import draw_for
from scripts.course.grader_mutants import COURSE
from scripts.course.grading import goldens_of, grade
from scripts.course.in_process import InProcess
from scripts.course.mutants import MUTANTS
from scripts.course.project import load_project
from scripts.course.submission import Submission


class Row(NamedTuple):
    """What came of one submission."""
    name: str
    task: str                       # the one that ought to lose, "" for none, "all" for the stub
    lost: dict                      # task -> points
    named: bool                     # whether the report has a likely cause

    def right(self, project):
        expected = set(project.tasks) if self.task == "all" else {self.task} - {""}
        whole = self.task != "all" or all(self.lost[name] == task.points for name, task in project.tasks.items())
        return {name for name, points in self.lost.items() if points} == expected and whole


def place_of(mutant, project):
    """The file that a mutant changes and the task of the region it stands in. Raises ValueError where there is none."""
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
    """Grades whole projects; what came of a tree is kept, so tasks whose files did not change are not run again."""

    def __init__(self, project, open_tree):
        self.project, self.open_tree, self.memo, self.draw = project, open_tree, {}, draw_for("matrix", project.version)
        self.goldens = goldens_of(project, self.draw)

    def row(self, name, task, texts):
        """Grade a project with these texts in place of its own."""
        submission = Submission("matrix", {**self.project.texts, **texts}, [], "")
        graded = list(grade(self.project, submission, list(self.project.tasks), self.draw, self.goldens,
                            memo=self.memo, open_tree=self.open_tree))
        lost = {one.task.name: round(one.task.points - one.score, 2) for one in graded}
        named = any("likely cause" in outcome.report for one in graded for outcome in one.outcomes)
        return Row(name, task, lost, named)

    def mutated(self, mutants):
        """A Row for each of some mutants."""
        rows = []
        for mutant in mutants:
            path, task = place_of(mutant, self.project)
            text = self.project.texts[path].replace(mutant.old, mutant.new)
            rows.append(self.row(f"{mutant.pair}: {mutant.name}", task, {path: text}))
        return rows

    def reference(self):
        return self.row("the solution", "", {})

    def stub(self):
        return self.row("nothing written", "all", {path: self.project.text(path, ()) for path in self.project.texts})


def by_task(mutants, project):
    """Task -> its mutants: they have most trees in common."""
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


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.grade_matrix", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", action="store_true", help="one mutant of each task instead of all")
    parser.add_argument("--in-process", action="store_true",
                        help="without a process for each task: faster, the same checks")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--out", type=Path, help="the table, in Markdown")
    args = parser.parse_args(argv)
    started, project = time.monotonic(), load_project()
    matrix, mutants = Matrix(project, InProcess if args.in_process else Remote), [*MUTANTS, *COURSE]
    chosen = one_of_each(mutants, project) if args.one else mutants
    rows = [matrix.reference(), matrix.stub()]
    with ProcessPoolExecutor(args.jobs) as pool:
        for part in pool.map(matrix.mutated, filter(None, by_task(chosen, project).values())):
            rows += part
    for row in rows:
        if not row.right(project):
            print(f"WRONG  {row.name}: ought to lose in {row.task or 'no task'}, lost "
                  f"{ {name: points for name, points in row.lost.items() if points} }")
    wrong = sum(not row.right(project) for row in rows)
    print(f"{len(rows) - 2} mutants, the solution and nothing: {wrong} graded wrong, "
          f"{time.monotonic() - started:.0f} s")
    if args.out:
        write_atomically(args.out, page(rows, project).encode())
    return 1 if wrong else 0


def page(rows, project):
    """The whole result in Markdown."""
    wrong = sum(not row.right(project) for row in rows)
    lines = [
        "# The grader, tested", "",
        "Every mutant of `scripts/course/mutants.py` and `scripts/course/grader_mutants.py` put into the solved",
        "project and graded, in the hidden checks of one made-up student. Made by",
        "`python -m scripts.grade_matrix --in-process --out ...`:",
        "the same checks as ever, without a process for each task; `--one` in `.ci/run` has that too.", "",
        f"- {len(rows) - 2} mutants, the solution, and a project with nothing written: {wrong} graded wrong.",
        "- Right means: points are lost in the task whose region the mutant stands in, and in no other; the solution "
        "loses none; where nothing is written all are lost.", "",
        "Points lost, of those in the first line; \"cause named\": the feedback names a likely mistake.", "",
        _row("submission", "task", *project.tasks, "cause named"),
        _row("---", "---", *["---:"] * len(project.tasks), "---"),
        _row("", "", *(task.points for task in project.tasks.values()), ""),
    ]
    lines += [_row(row.name.replace("|", "/"), row.task or "none",
                   *(f"{row.lost[name]:g}" if row.lost[name] else "" for name in project.tasks),
                   "yes" if row.named else "") for row in rows]
    return "\n".join(lines) + "\n"


def _row(*cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    run(main)
