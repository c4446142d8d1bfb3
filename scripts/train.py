"""Train a captioner. Without arguments: an LSTM with attention on the built-in scenes, in about 75 s on two cores."""
import contextlib
import math
import sys

from scripts.commandline.command import one_line, run, set_threads
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_threads
from scripts.runs.divergence import sentence
from scripts.runs.settings import add_settings
from scripts.runs.start import resume_run, start_run
from scripts.runs.training import judge_overfit, train
from scripts.runs.training_files import say, show_report

WRITTEN = ("best.h5", "last.h5", "history.csv", "curves.png", "samples.png")


def parse(argv=None):
    parser = Parser(prog="python -m scripts.train", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="dataset folder of scripts.prepare_data, or the course's "
                        "coco_captioning (default: the scenes, made in datasets/scenes; with --preset "
                        "datasets/flickr8k)")
    parser.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-K, the next free K)")
    parser.add_argument("--from", dest="from_run", metavar="RUN", help="start from the weights of another run (a "
                        "folder or a checkpoint file): take over its cell and sizes, the vectors of the words that "
                        "both vocabularies have, and, if the same encoder made the features, the part that reads them")
    parser.add_argument("--resume", metavar="DIR", help="continue a stopped run with its own settings")
    parser.add_argument("--cache-mb", type=float, default=1024, metavar="MB",
                        help="memory for features; a split that does not fit is read batch by batch (default 1024)")
    add_threads(parser)
    add_settings(parser)
    args = parser.parse_args(argv)
    if not 0 <= args.cache_mb < math.inf:
        raise ValueError(f"--cache-mb {args.cache_mb}: expected a number of at least 0")
    return args


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    set_threads(args.threads)
    with contextlib.ExitStack() as held:                    # the lock on the run, until all files are written
        solver, files = resume_run(args, held) if args.resume else start_run(args, held)
        return train_and_judge(solver, files, report=not argv)


def train_and_judge(solver, files, report):
    """Train, and print what came of it -> the exit code. report: write the report if training was not stopped."""
    say(files.describe(solver))
    stopped, diverged = train(solver, files)
    if stopped:
        print(f"stopped at step {solver.iteration:,} of {solver.num_iterations:,}; go on with: "
              f"python -m scripts.train --resume {files.folder}", file=sys.stderr)
        return 130
    if diverged:
        print(one_line(sentence(diverged, files.settings, files.folder)), file=sys.stderr)
        return 1
    for line in files.samples:
        say(line)
    say(f"done: {files.folder} has {', '.join(name for name in WRITTEN if (files.folder / name).exists())}")
    if report:
        show_report(files.folder)
    learnt = files.settings["overfit"] is None or judge_overfit(solver, files.settings["model"])
    split = "val" if files.settings["overfit"] is None else "train"
    print_next("train with report" if report else "train", run=files.folder, split=split)
    return 0 if learnt else 1


if __name__ == "__main__":
    run(main)
