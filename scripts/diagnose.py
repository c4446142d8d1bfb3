"""Find out what is wrong with a run: test the known ways in which captioners fail, and name likely causes.

Every symptom prints the figure behind its verdict, for healthy symptoms too; docs/diagnosis.md explains them. Exit
code 1 if something is found.
"""
import argparse
import json
import sys

import numpy as np

from scripts.commandline.command import run, set_threads
from scripts.commandline.decoding_options import add_beam
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split, add_threads, check_least
from scripts.diagnosis.evidence import Evidence
from scripts.diagnosis.findings import diagnose, entry, last_line, lines
from scripts.runs import load_run, open_run_data
from scripts.runs.folders import epoch_of
from scripts.runs.released import search_of


def parse(argv=None):
    parser = Parser(prog="python -m scripts.diagnose", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run(parser)
    add_split(parser, "val")
    parser.add_argument("--images", type=int, default=300, metavar="N", help="images to look at (default 300)")
    add_beam(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="S",
                        help="random seed of the choice of images (default 0)")
    add_data(parser, "dataset folder, if it has moved since training, or one with other features to be compared with "
             "those of training")
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON document")
    add_threads(parser)
    args = parser.parse_args(argv)
    check_least(args, images=1, beam=1, seed=0)
    return args


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    checkpoint = load_run(args.run)
    dataset = open_run_data(checkpoint, args.data, features=False)
    decoding = search_of(checkpoint, args.beam)
    evidence = Evidence(checkpoint, dataset, args.split, args.images, decoding, np.random.default_rng(args.seed))
    epoch, beam = epoch_of(checkpoint), decoding["beam"]
    if not args.json:
        print(f"{checkpoint.path}: {checkpoint.model.cell_type}, {len(evidence.rows):,} images of {args.split}, beam "
              f"{beam}" + (", stopped before its first epoch's end: hardly trained" if epoch == 0 else ""))
    entries = []
    for name, finding in diagnose(evidence):
        entries.append(entry(name, finding))
        if not args.json:
            print(*lines(name, finding), sep="\n", flush=True)
    found = [entry["name"] for entry in entries if entry["found"]]
    if args.json:
        json.dump({"run": str(args.run), "epoch": epoch, "split": args.split, "images": len(evidence.rows),
                   "beam": beam, "found": found, "symptoms": entries}, sys.stdout, indent=1, allow_nan=False)
        print()
    else:
        print(last_line(entries))
        print_next("diagnose", run=args.run)
    return 1 if found else 0


if __name__ == "__main__":
    run(main)
