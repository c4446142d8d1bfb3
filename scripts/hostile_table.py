"""Hand in every kind of hostile submission and record the outcome of each.

    python -m scripts.hostile_table --out docs/hostile.md

Needs a Linux that can confine a process fully (scripts.grade --confinement full). Each kind is tried with full
confinement, without namespaces, and with the audit hook alone. Exit code 1 if a promise broke in one of the first two.
"""
import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from scripts.campaigns.grade import FORMS, kinds, trials
from scripts.campaigns.hostile_page import page
from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output, text_kind, write_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least
from scripts.course.confinement import check
from scripts.course.probe import confined_here

TABLE = text_kind("table of scripts.hostile_table", "# Hostile submissions\n")


def main(argv=None):
    parser = Parser(prog="python -m scripts.hostile_table", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORD", default="", help="kinds whose names contain this word (default all)")
    parser.add_argument("--out", type=Path, required=True, help="the table, in Markdown")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (default %(default)s)")
    add_force(parser)
    args = parser.parse_args(argv)
    check_least(args, jobs=1)
    chosen = [kind for kind in kinds() if args.only in kind.name]
    if not chosen:
        parser.error(f"--only {args.only}: no kind has this word in its name")
    check_output("--out", args.out, TABLE, args.force)
    check("full", confined_here())
    with ProcessPoolExecutor(args.jobs) as pool:
        results = dict(zip(FORMS, pool.map(trials, FORMS, [chosen] * len(FORMS))))
    write_output(args.out, page(chosen, results).encode())
    broken = [f"{name}, {form}: {text}" for form in list(FORMS)[:2] for name, result in results[form].items()
              for text in result.faults.values()]
    print("\n".join([*broken, f"{len(chosen)} kinds, {len(broken)} promises broken: {args.out}"]))
    print_next("hostile_table")
    return 1 if broken else 0


if __name__ == "__main__":
    run(main)
