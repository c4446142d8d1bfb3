"""Starting a run from a notebook, with the settings, the files and the training loop of scripts.train."""
import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from data.caption_data import CaptionData
from data.dataset import Dataset, open_dataset
from data.loading import find_dataset
from models.cells import CELLS
from models.checkpoint import restore_solver
from models.options import did_you_mean
from scripts.notebook.live import LiveCurves, in_notebook
from scripts.notebook.run import Run
from scripts.runs import load_run, open_run_data, training
from scripts.runs.divergence import sentence
from scripts.runs.settings import DEFAULTS, PRESETS, SETTINGS, settings_of
from scripts.runs.start import begin_run
from scripts.runs.stored import check_value
from scripts.runs.training_files import say
from scripts.runs.transfer import settings_taken

CACHE_MB = 1024                     # memory for features, as in scripts.train


def train(data: CaptionData | str | os.PathLike = "scenes", model: str | None = None, *,
          out: str | os.PathLike | None = None, preset: str | None = None, from_run: str | os.PathLike | None = None,
          **settings: Any) -> Run:
    """Train a captioner as `python -m scripts.train` does, with curves that grow in the notebook -> Run.

    data: what data.load returned, or a name or folder that it takes. If you changed captions and image_idxs in it, the
    changed ones are used; the features are read from the folder, in the form that the model needs.
    model: a cell, such as "attention"; by default that of scripts.train for these data. settings: the other settings of
    scripts.train by name, such as epochs=2, hidden=64, seed=3 (docs/options.md). preset, from_run: as there.
    out: the folder of the run; None: runs/NAME-K with the next free K. The run stays there for the commands.

    The progress bar needs ipywidgets in a notebook. Ctrl-C, or the notebook's stop button, ends training after the
    current step; then the run so far is returned.
    Raises TypeError for an unknown setting, ValueError for a value, data or an option that does not fit,
    FileExistsError if `out` is not empty, FloatingPointError if training diverged, with what to change.
    """
    args = _options({"model": model, **settings}, out, preset, from_run)
    source = None if from_run is None else load_run(from_run)
    folder = _folder(data)
    chosen = settings_of(args, (folder / "objects.json").is_file(), source and settings_taken(source))
    dataset = _dataset(data, folder, CELLS[chosen["model"]].features)
    with contextlib.ExitStack() as held:
        solver, files = begin_run(args, chosen, dataset, source, held)
        say(files.describe(solver))
        stopped, diverged = training.train(solver, files, *([LiveCurves()] if in_notebook() else []))
        if diverged:
            raise FloatingPointError(sentence(diverged, files.settings, files.folder))
        if stopped:
            say(f"stopped at step {solver.iteration:,} of {solver.num_iterations:,}")
        return Run(load_run(files.folder), dataset, solver, files.folder)


def open_run(folder: str | os.PathLike, data: CaptionData | str | os.PathLike | None = None) -> Run:
    """The Run of a folder that scripts.train or `train` wrote. data: of the run; None: where they were then.

    Raises FileNotFoundError or ValueError if the folder is no run, or if the data are missing or have changed.
    """
    best, last = load_run(folder), load_run(folder, "last")
    dataset = open_run_data(best, None if data is None else _folder(data))
    solver = training.make_solver(last.model, {**DEFAULTS, **last.run["settings"]}, dataset)
    if last.solver is not None:
        restore_solver(solver, last)
    return Run(best, dataset, solver, Path(folder))


def _options(settings, out, preset, from_run):
    """The options of scripts.train -> Namespace. Raises TypeError or ValueError."""
    settings = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
    for name, value in settings.items():
        if name not in SETTINGS:
            raise TypeError(f"train: no setting {name!r}{did_you_mean(name, SETTINGS)}; expected some of "
                            f"{', '.join(SETTINGS)}")
        if value is not None:
            check_value(name, value, "train")
    if preset is not None and preset not in PRESETS:
        raise ValueError(f"preset {preset!r}: expected one of {', '.join(PRESETS)}{did_you_mean(preset, PRESETS)}")
    return argparse.Namespace(**{**dict.fromkeys(DEFAULTS), **settings}, out=out, preset=preset, from_run=from_run,
                              cache_mb=CACHE_MB)


def _folder(data: Any) -> Path:
    """The folder of the data. Raises ValueError for a dict that has none."""
    if not isinstance(data, dict):
        return find_dataset(data)
    if getattr(data, "dataset", None) is None:
        raise ValueError("data: a dict that was not made by data.load, expected load(NAME or FOLDER); to train on "
                         "arrays of your own, use CaptioningSolver(model, data)")
    return data.dataset.folder


def _dataset(data: Any, folder: Path, kind: str) -> Dataset:
    """The open dataset with features of the kind that the model takes, and the captions that are in `data`.

    Raises ValueError if features or vocabulary in `data` are not those of the folder.
    """
    if not isinstance(data, dict):
        return open_dataset(folder, kind)
    own = data.dataset
    for name, value in {**{f"{split}_features": own.features[split] for split in own.captions},
                        "word_to_idx": own.vocabulary.word_to_idx}.items():
        if data.get(name) is not value:
            raise ValueError(f"data[{name!r}] was replaced, expected that of {folder}: train reads features and "
                             "vocabulary from the folder; to train on arrays of your own, use CaptioningSolver")
    dataset = own if kind == data.kind else open_dataset(folder, kind)
    return dataset._replace(captions={split: np.asarray(data[f"{split}_captions"]) for split in own.captions},
                            image_idxs={split: np.asarray(data[f"{split}_image_idxs"]) for split in own.captions})
