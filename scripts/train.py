"""Train a captioner. Without arguments: an LSTM with attention on the built-in scenes, in under three minutes."""
import importlib.util
import math
import sys
from pathlib import Path

from data.dataset import open_dataset
from models.cells import CELLS
from models.checkpoint import restore_solver
from scripts.commandline.command import run, set_threads
from scripts.commandline.run_options import add_threads
from scripts.datasets.defaults import FLICKR8K, SCENES, ensure_dataset
from scripts.runs import load_run, new_run, open_run_data
from scripts.runs.settings import BOUNDS, DEFAULTS, Parser, add_settings, settings_of
from scripts.runs.training import make_model, make_solver, train
from scripts.runs.training_files import TrainingFiles, say


def parse(argv=None):
    parser = Parser(prog="python -m scripts.train", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="dataset folder of scripts.prepare_data, or the course's "
                        "coco_captioning (default: the scenes, made in datasets/scenes; with --preset "
                        "datasets/flickr8k)")
    parser.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-K, the next free K)")
    parser.add_argument("--resume", metavar="DIR", help="continue a stopped run with its own settings")
    parser.add_argument("--cache-mb", type=float, default=1024, metavar="MB",
                        help="memory for features; a split that does not fit is read batch by batch (default 1024)")
    add_threads(parser)
    add_settings(parser)
    return parser.parse_args(argv)


def start(args):
    """A new run -> solver, its files."""
    folder = ensure_dataset(args.data or (SCENES if args.preset is None else FLICKR8K))
    settings = settings_of(args, scenes=(folder / "objects.json").is_file())
    dataset = open_dataset(folder, CELLS[settings["model"]].features)
    if (settings["overfit"] or 0) > len(dataset.captions["train"]):
        raise ValueError(f"--overfit {settings['overfit']}: expected 1 to {len(dataset.captions['train'])} captions")
    dataset.preload(args.cache_mb * 2**20)
    solver = make_solver(make_model(settings, dataset), settings, dataset)
    name = f"{dataset.name}-{settings['model']}" + ("-overfit" if settings["overfit"] is not None else "")
    return solver, TrainingFiles(new_run(args.out, name), dataset, settings)


def resume(args):
    """A stopped run, as it was at its last checkpoint -> solver, its files. Raises ValueError if settings differ."""
    checkpoint = load_run(args.resume, "last")
    folder = Path(checkpoint.path).parent
    dataset = open_run_data(checkpoint, args.data, captions=True)
    settings = {**DEFAULTS, **checkpoint.run["settings"]}
    for name in DEFAULTS:
        asked = getattr(args, name)
        if asked is not None and asked != settings[name] and name != "epochs":
            raise ValueError(f"--{name.replace('_', '-')} {asked} with --resume: the run has {settings[name]}; "
                             "leave it out, or start another run")
    if args.out is not None and Path(args.out).resolve() != folder.resolve():
        raise ValueError(f"--out {args.out} with --resume {args.resume}: a run goes on in its own folder")
    if args.preset is not None:
        raise ValueError(f"--preset {args.preset} with --resume: the run has its settings, leave it out")
    if args.epochs is not None and args.epochs < max(checkpoint.solver["epoch"], 1):
        raise ValueError(f"--epochs {args.epochs} with --resume: the run has done {checkpoint.solver['epoch']} already")
    settings["epochs"] = args.epochs or settings["epochs"]
    dataset.preload(args.cache_mb * 2**20)
    solver = make_solver(checkpoint.model, settings, dataset)
    restore_solver(solver, checkpoint)
    if solver.best_epoch:
        solver.best_params = load_run(folder, "best").model.params
    return solver, TrainingFiles(folder, dataset, settings)


def show(folder):
    """Write the report of a run, where the packages for it are; a course's copy has no report."""
    if importlib.util.find_spec("scripts.report") is None:
        return
    if importlib.util.find_spec("jinja2") is None:
        say(f"to look at it: pip install -e \".[report]\" && python -m scripts.report {folder}")
        return
    from scripts import report
    report.main([str(folder)])


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    if not 0 <= args.cache_mb < math.inf:
        raise ValueError(f"--cache-mb {args.cache_mb}: expected a number of at least 0")
    set_threads(args.threads)
    solver, files = resume(args) if args.resume else start(args)
    say(files.describe(solver))
    try:
        stopped = train(solver, files)
    except KeyboardInterrupt:                               # a second Ctrl-C
        stopped = True
    if stopped:
        print(f"stopped at step {solver.iteration:,} of {solver.num_iterations:,}; go on with: "
              f"python -m scripts.train --resume {files.folder}", file=sys.stderr)
        return 130
    say(f"done: {files.folder} has best.h5, last.h5, history.csv, curves.png, samples.png")
    if not argv:
        show(files.folder)
    return 0 if files.settings["overfit"] is None else judge_overfit(solver, files.settings["model"])


def judge_overfit(solver, cell):
    """Print whether the last training loss is under the course's bound -> exit code."""
    loss, bound = solver.loss_history[-1], BOUNDS[cell]
    say(f"overfit: final training loss {loss:.4f}, {'under' if loss < bound else 'NOT under'} {bound}")
    return 0 if loss < bound else 1


if __name__ == "__main__":
    run(main)
