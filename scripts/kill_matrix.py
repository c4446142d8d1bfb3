"""Test the gradient checker: it has to reject every wrong backward of the catalogue, and must accept correct code.

    python -m scripts.kill_matrix --out docs/kill_matrix.md

Writes a table with, for every mutant, how often it was rejected over seeds and weight scales 1 and 0.01, how often its
mistake was named, and how often the rules of the usual checkers rejected it. Exit code 1 if the checker was ever wrong.
"""
import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output, text_kind, write_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least
from scripts.course.kill_matrix import TITLES, judge_correct, judge_mutants, page

TABLE = text_kind("table of scripts.kill_matrix", "# The kill matrix\n")


def main(argv=None):
    parser = Parser(prog="python -m scripts.kill_matrix", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="random seeds for each mutant and scale (%(default)s)")
    parser.add_argument("--correct-seeds", type=int, default=200, help="random seeds for correct code (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the table, in Markdown")
    add_force(parser)
    arguments = parser.parse_args(argv)
    check_least(arguments, seeds=1, correct_seeds=1, jobs=1)
    check_output("--out", arguments.out, TABLE, arguments.force)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        mutants = pool.map(partial(judge_mutants, seeds=arguments.seeds), TITLES)
        correct = pool.map(partial(judge_correct, seeds=arguments.correct_seeds, rule_seeds=arguments.seeds), TITLES)
        counts, correct = [count for part in mutants for count in part], dict(zip(TITLES, correct))
    write_output(arguments.out, page(counts, correct, arguments.seeds, arguments.correct_seeds).encode())
    survived = sum(count.runs - count.rejected for count in counts)
    alarms = sum(wrong for _, wrong, _, _ in correct.values())
    print(f"{len(counts)} mutants, {survived} runs survived; {alarms} false alarms on correct code; {arguments.out}")
    print_next("kill_matrix")
    return 1 if survived or alarms else 0


if __name__ == "__main__":
    run(main)
