"""Find out what is wrong with a run: test the known ways in which captioners fail, and name likely causes.

Every symptom prints the figure it is judged by, even where all is well; docs/diagnosis.md explains them. Exit code 1
if something is found.
"""
import argparse
import json
import math
import sys

import numpy as np

from scripts.commandline.command import run, set_threads
from scripts.commandline.run_options import add_data, add_run, add_split, add_threads, check_least
from scripts.diagnosis.evidence import Evidence
from scripts.diagnosis.finding import not_judged
from scripts.diagnosis.symptoms import SYMPTOMS
from scripts.runs import load_run, open_run_data

MARKS = {True: "FOUND", False: "ok", None: "-"}


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.diagnose", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run(parser)
    add_split(parser, "val")
    parser.add_argument("--images", type=int, default=300, metavar="N", help="images to look at (default 300)")
    parser.add_argument("--beam", type=int, default=3, metavar="K", help="captions kept at each word (default 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="S",
                        help="random seed of the choice of images (default 0)")
    add_data(parser, "dataset folder, if it has moved since training, or one with other features to be compared with "
             "those of training")
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON document")
    add_threads(parser)
    args = parser.parse_args(argv)
    check_least(args, images=1, beam=1, seed=0)
    return args


def diagnose(evidence):
    """Test every symptom -> yields its name and Finding.

    Where the weights or the features are damaged, what cannot be computed is not judged. Raises ValueError where it
    cannot be for another reason.
    """
    found = set()
    for name, symptom in SYMPTOMS.items():
        try:
            with np.errstate(all="ignore"):                 # a figure that is no number is found
                finding = not_judged("the weights are damaged") if "weights" in found else symptom(evidence)
        except ValueError as error:
            if not found & {"weights", "features"}:
                raise
            finding = not_judged(str(error))
        found |= {name} if finding.found else set()
        yield name, finding


def lines(name, finding):
    """A finding as lines of text."""
    bounds = [f"{word} {value:.3g}" for word, value in (("at least", finding.low), ("at most", finding.high))
              if value is not None]
    text = [f"{MARKS[finding.found]:6s}{name:16s}{finding.says}"]
    if finding.found:
        expected = f" (expected {' and '.join(bounds)}, found {finding.figure:.3g})" if bounds else ""
        text = [text[0] + expected, f"{'':22s}likely cause: {finding.cause}", f"{'':22s}what to do: {finding.advice}"]
    return text


def entry(name, finding):
    """A finding as JSON has it: a figure that is no number is null."""
    figure = finding.figure if finding.figure is not None and math.isfinite(finding.figure) else None
    return {"name": name, **finding._asdict(), "figure": figure}


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    checkpoint = load_run(args.run)
    dataset = open_run_data(checkpoint, args.data, features=False)
    evidence = Evidence(checkpoint, dataset, args.split, args.images, args.beam, np.random.default_rng(args.seed))
    epoch = checkpoint.run.get("epoch", (checkpoint.solver or {}).get("epoch"))
    if not args.json:
        print(f"{checkpoint.path}: {checkpoint.model.cell_type}, {len(evidence.rows):,} images of {args.split}, beam "
              f"{args.beam}" + (", stopped before its first epoch's end: hardly trained" if epoch == 0 else ""))
    found, entries = [], []
    for name, finding in diagnose(evidence):
        found += [name] if finding.found else []
        entries.append(entry(name, finding))
        if not args.json:
            print(*lines(name, finding), sep="\n", flush=True)
    if args.json:
        json.dump({"run": str(args.run), "epoch": epoch, "split": args.split, "images": len(evidence.rows),
                   "beam": args.beam, "found": found, "symptoms": entries}, sys.stdout, indent=1, allow_nan=False)
        print()
    else:
        skipped = sum(finding["found"] is None for finding in entries)
        print((f"found: {', '.join(found)}" if found else "nothing found")
              + (f"; {skipped} of {len(entries)} not judged" if skipped else ""))
    return 1 if found else 0


if __name__ == "__main__":
    run(main)
