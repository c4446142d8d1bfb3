"""Attack one of the project's promises for some minutes and count what breaks.

    python -m scripts.campaign corrupt

Prints a table with, for each promise, how often it was tried and how often it broke, and the first faults on standard
error. However short the time, it attacks at least once. Exit code 1 if any promise broke.
"""
import argparse
import importlib
import math
import sys

from scripts.commandline.command import one_line, run
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser, choice

MINUTES = {"kill": 10, "corrupt": 5, "input": 20, "serve": 10, "grade": 25, "soak": 30}


def parse(argv=None):
    parser = Parser(prog="python -m scripts.campaign", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", type=choice(list(MINUTES)), metavar="NAME", help=", ".join(MINUTES))
    parser.add_argument("--minutes", type=float, help="time limit (default: " + ", ".join(
        f"{name} {minutes}" for name, minutes in MINUTES.items()) + ")")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the attacks (default 0)")
    args = parser.parse_args(argv)
    args.minutes = MINUTES[args.name] if args.minutes is None else args.minutes
    if not 0 < args.minutes < math.inf:
        parser.error(f"--minutes {args.minutes:g}: expected more than 0")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: expected at least 0")
    return args


def main(argv=None):
    args = parse(argv)
    counts = importlib.import_module(f"scripts.campaigns.{args.name}").campaign(args.minutes, args.seed)
    print("| what may not happen | tried | happened |\n|---|---:|---:|")
    print(*(count.line() for count in counts), sep="\n")
    for count in counts:
        for example in count.examples:
            print(f"{count.promise}: {one_line(example)}", file=sys.stderr)
    if untried := [count.promise for count in counts if not count.tried]:
        print(f"not tried for lack of time, give more --minutes: {'; '.join(untried)}", file=sys.stderr)
    print_next("campaign", sys.stderr)
    return 1 if any(count.faults for count in counts) else 0


if __name__ == "__main__":
    run(main)
