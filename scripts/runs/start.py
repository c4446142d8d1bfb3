"""How training begins: a new run, or one that was stopped and goes on. args: the options of scripts.train."""
import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from data.contents import contents
from data.dataset import Dataset, open_dataset
from models import CaptioningSolver
from models.cells import CELLS
from models.checkpoint import Checkpoint, restore_solver
from scripts.commandline.progress import reading
from scripts.datasets.defaults import FLICKR8K, SCENES, ensure_dataset
from scripts.runs import load_run, new_run
from scripts.runs.folders import hold_run, open_same_data
from scripts.runs.settings import DEFAULTS, filled, settings_of, typed
from scripts.runs.training import make_model, make_solver
from scripts.runs.training_files import TrainingFiles, say
from scripts.runs.transfer import settings_taken, take_over


def start_run(args: argparse.Namespace, held: ExitStack | None = None) -> tuple[CaptioningSolver, TrainingFiles]:
    """A new run -> solver, its files. held: takes the lock on its folder, if given."""
    source = None if args.from_run is None else load_run(args.from_run)
    taken = source and settings_taken(source)
    settings_of(args, args.data is None, taken)             # what is out of bounds is refused before scenes are drawn
    folder = ensure_dataset(args.data or (SCENES if args.preset is None else FLICKR8K))
    settings = settings_of(args, (folder / "objects.json").is_file(), taken)
    dataset = open_dataset(folder, CELLS[settings["model"]].features)
    return begin_run(args, settings, dataset, source, held)


def begin_run(args: argparse.Namespace, settings: dict[str, Any], dataset: Dataset, source: Checkpoint | None,
              held: ExitStack | None) -> tuple[CaptioningSolver, TrainingFiles]:
    """A new run on an open dataset -> solver, its files. source: the run whose weights it starts from, or None."""
    if (settings["overfit"] or 0) > len(dataset.captions["train"]):
        raise ValueError(f"--overfit {settings['overfit']}: expected 1 to {len(dataset.captions['train'])} captions")
    if settings["overfit"] is None and "val" not in dataset.captions:
        raise ValueError(f"{dataset.folder}: has no val split, and training needs one to validate on: python -m "
                         "scripts.prepare_data ... --val 0.1 takes some of the training images (--overfit needs none)")
    _note_single_region(dataset)
    if args.hidden not in (None, settings["hidden"]):
        say(f"note: --hidden {args.hidden} is not used: what a {settings['model']} makes of a word is as wide as the "
            f"word vectors, --wordvec {settings['wordvec']}")
    dataset.preload(args.cache_mb * 2**20)
    model = make_model(settings, dataset)
    start = source and take_over(model, source, dataset)
    solver = make_solver(model, settings, dataset)
    name = f"{dataset.name}-{settings['model']}" + ("-overfit" if settings["overfit"] is not None else "")
    now = contents(dataset, reading)
    return solver, TrainingFiles(new_run(args.out, name, held), dataset, settings, now, start)


def _note_single_region(dataset: Dataset) -> None:
    """Print a line if attention has nothing to choose from; the features are regions for models with attention only."""
    features = dataset.features["train"]
    if len(features.shape) == 3 and features.shape[1] == 1:
        say(f"note: {features.path} has one region for each image, so all attention weights will be 1: extract regions "
            "(scripts.extract_features --list MODEL shows which outputs have them), or use --model lstm")


def resume_run(args: argparse.Namespace, held: ExitStack | None = None) -> tuple[CaptioningSolver, TrainingFiles]:
    """A stopped run, as it was at its last checkpoint -> solver, its files.

    held: takes the lock on its folder, if given. Raises ValueError if settings or data differ, or if another process
    trains in the folder.
    """
    if args.from_run is not None:
        raise ValueError(f"--from {args.from_run} with --resume {args.resume}: a run that goes on has its own weights, "
                         "leave one of the two out")
    run = Path(args.resume)
    folder = run.parent if run.is_file() else run
    if folder.is_dir():
        hold_run(folder, held)                              # before anything in it is read
    checkpoint = load_run(run, "last")
    if checkpoint.solver is None:
        raise ValueError(f"--resume {run}: {checkpoint.path} has no training state, only a model: --from {run} starts "
                         "another run from its weights")
    dataset, now = open_same_data(checkpoint, args.data, reading)
    settings = filled({**DEFAULTS, **checkpoint.run["settings"]})
    for name in DEFAULTS:
        asked = getattr(args, name)
        if asked is not None and asked != settings[name] and name != "epochs":
            has = typed(name, settings[name]) if isinstance(asked, bool) else settings[name]
            raise ValueError(f"{typed(name, asked)} with --resume: the run has {has}; leave it out, or start another "
                             "run")
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
    _note_what_is_missing(checkpoint, solver, folder)
    if solver.best_epoch:
        solver.best_params = load_run(folder, "best").model.params
    return solver, TrainingFiles(folder, dataset, settings, now, checkpoint.run.get("from"))


def _note_what_is_missing(checkpoint: Checkpoint, solver: CaptioningSolver, folder: Path) -> None:
    """Print lines about what a run that goes on does not have."""
    if "word_losses" not in checkpoint.solver:
        say(f"note: {folder}: an older version recorded the losses of its {solver.iteration:,} steps by caption; "
            "curves show them divided by the mean number of words")
    if solver.best_epoch and not (folder / "best.h5").exists():
        say(f"note: {folder}: best.h5, the weights of epoch {solver.best_epoch}, is missing: last.h5 is used "
            "instead until an epoch is better")
