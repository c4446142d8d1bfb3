"""Test the grader: correct solutions, as students write them, must get full points under every student id.

    python -m scripts.grade_variants --in-process --out docs/grade_variants.md

The solutions are in tests/scripts/solutions. For some tasks the result once depended on the id: their solutions are
graded under four times as many ids. Exit code 1 if a correct solution loses points, or if a solution with a known flaw
loses other points than it should.
"""
import argparse
import functools
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output, text_kind, write_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least
from scripts.course.channel import Remote
from scripts.course.in_process import InProcess
from scripts.course.project import load_project
from scripts.course.variants import graded, load_variants, page, table

TABLE = text_kind("table of scripts.grade_variants", "# Solutions of students, graded\n")


def main(argv=None):
    parser = Parser(prog="python -m scripts.grade_variants", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=50, help="ids of made-up students (%(default)s)")
    parser.add_argument("--in-process", action="store_true",
                        help="the same checks without a process for each task, which is faster")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (default %(default)s)")
    parser.add_argument("--out", type=Path, help="the table, in Markdown")
    add_force(parser)
    args = parser.parse_args(argv)
    check_least(args, ids=1, jobs=1)
    check_output("--out", args.out, TABLE, args.force)
    started, variants, project = time.monotonic(), load_variants(), load_project()
    work = functools.partial(_under, args.ids, InProcess if args.in_process else Remote)
    with ProcessPoolExecutor(args.jobs) as pool:
        found = [one for some in pool.map(work, range(max(v.times for v in variants) * args.ids)) for one in some]
    rows = table(variants, found)
    for row in rows:
        if row.wrong:
            print(f"WRONG  {row.variant.name}: {row.wrong}")
    wrong = sum(bool(row.wrong) for row in rows)
    print(f"{len(variants)} solutions, {len(found)} times graded: {wrong} wrong, {time.monotonic() - started:.0f} s")
    if args.out:
        write_output(args.out, page(rows, project, args.ids).encode())
    print_next("grade_variants")
    return 1 if wrong else 0


def _under(ids, open_tree, k):
    """The results of all variants that are graded under the k-th id -> list of (name, k, Result)."""
    project = load_project()
    variants = [variant for variant in load_variants() if k < ids * variant.times]
    return [(variant.name, k, result) for variant, result in graded(project, variants, k, open_tree)]


if __name__ == "__main__":
    run(main)
