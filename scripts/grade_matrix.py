"""Test the grader: put every mutant of the catalogue into the solved project and grade it.

    python -m scripts.grade_matrix --out docs/grade_matrix.md

A mutant has to lose points in the task whose region it changes and in no other; the solved project must lose none, and
a project without solutions must get none. Exit code 1 otherwise. All this holds for each of three made-up students.
--one takes the first mutant of each task, and one student. With --variants each student has their own constants, and
the solutions of the project and of the other students have to lose where the constants differ.
"""
import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output, text_kind, write_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least
from scripts.course.channel import Remote
from scripts.course.grade_matrix import STUDENTS, Matrix, by_task, one_of_each, page
from scripts.course.grader_mutants import GRADED
from scripts.course.in_process import InProcess
from scripts.course.own_constants import project_for
from scripts.course.project import load_project

TABLE = text_kind("table of scripts.grade_matrix", "# The grader, tested\n")


def main(argv=None):
    parser = Parser(prog="python -m scripts.grade_matrix", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", action="store_true", help="one mutant of each task instead of all")
    parser.add_argument("--in-process", action="store_true",
                        help="the same checks without a process for each task, which is faster")
    parser.add_argument("--variants", action="store_true", help="each student has their own constants")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (default %(default)s)")
    parser.add_argument("--out", type=Path, help="the table, in Markdown")
    add_force(parser)
    args = parser.parse_args(argv)
    check_least(args, jobs=1)
    check_output("--out", args.out, TABLE, args.force)
    started, project = time.monotonic(), load_project()
    chosen = one_of_each(GRADED, project) if args.one else GRADED
    tables = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        for student in STUDENTS[:1] if args.one else STUDENTS:
            own = project_for(project, student) if args.variants else project
            matrix = Matrix(own, InProcess if args.in_process else Remote, student)
            tables[student] = [*_graded(matrix, chosen, pool), *(_copies(matrix, project) if args.variants else ())]
    wrong = {(student, row.name): row for student, rows in tables.items() for row in rows if not row.right(project)}
    for (student, _), row in wrong.items():
        print(f"WRONG  {row.name}: ought to lose in {row.task or 'no task'}{' with a hint' if row.hinted else ''}, "
              f"{student} lost { {name: row.lost[name] for name in row.loses} }")
    copies = f", {len(STUDENTS)} copies" if args.variants else ""
    print(f"{len(chosen)} mutants, the solution and nothing{copies}, {len(tables)} students: {len(wrong)} graded "
          f"wrong, {time.monotonic() - started:.0f} s")
    if args.out:
        write_output(args.out, page(tables, project, args.variants).encode())
    print_next("grade_matrix")
    return 1 if wrong else 0


def _graded(matrix, mutants, pool):
    """The rows of one student: the solution, nothing written, and the mutants."""
    rows = [matrix.reference(), matrix.stub()]
    for part in pool.map(matrix.mutated, filter(None, by_task(mutants, matrix.project).values())):
        rows += part
    return rows


def _copies(matrix, project):
    """The rows of solutions that have other constants: the project's, and those of the other students."""
    others = [student for student in STUDENTS if student != matrix.project.student]
    return [matrix.copied(project, "the project"), *(
        matrix.copied(project_for(project, other), f"other student {k}") for k, other in enumerate(others, 1))]


if __name__ == "__main__":
    run(main)
