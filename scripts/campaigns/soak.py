"""Long training: a run that is saved and loaded again and again stays, bit for bit, beside one that never stops.

Promises besides: the losses stay finite, and memory, open files and threads do not grow.
"""
import os
import random
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.dataset import Dataset, open_dataset
from data.scene_dataset import make_scene_dataset
from models import CaptioningSolver
from models.cells import CELLS
from models.checkpoint import load_checkpoint, restore_solver, save_checkpoint
from scripts.campaigns.count import Count, Tally, until
from scripts.runs.settings import DEFAULTS_SCENES
from scripts.runs.training import make_model, make_solver

SIZES = {"train": 67, "val": 13, "test": 3}
SETTINGS = {**DEFAULTS_SCENES, "hidden": 48, "wordvec": 37, "batch": 25, "epochs": 10_000, "average": 0.99,
            "schedule": "constant", "lr": 1e-3}
STEPS, GROWTH = 200, 20             # steps between two comparisons, at most; MB


class Pair(NamedTuple):
    """The same training twice: one solver never stops, the other one is loaded from a file again and again."""
    dataset: Dataset
    settings: dict
    whole: CaptioningSolver
    resumed: CaptioningSolver


def campaign(minutes: float, seed: int) -> list[Count]:
    """Train every cell in turn for some minutes -> a Count of each promise; what was tried are steps."""
    different, infinite = Tally("step after which the resumed run differs"), Tally("loss that is not finite")
    growing = Tally(f"{STEPS} steps after which there are {GROWTH} MB, a file or a thread more than at the start")
    rounds, rng, first = until(minutes), random.Random(seed), None
    with tempfile.TemporaryDirectory() as place:
        make_scene_dataset(Path(place, "data"), seed, SIZES)
        pairs = [_pair(Path(place, "data"), cell, seed) for cell in CELLS]
        for k in rounds:
            pair = pairs[k % len(pairs)]
            steps = rng.randint(1, STEPS)
            pairs[k % len(pairs)] = pair = _go_on(pair, steps, Path(place, "last.h5"))
            for step in range(-steps, 0):
                different.add(_differs(pair, step))
                loss = pair.whole.loss_history[step]
                infinite.add("" if np.isfinite(loss) else f"{pair.whole.model.cell_type}: {loss}")
            now = _used()
            if k >= 4 * len(pairs):                     # by then every cell has reached its largest batch
                first = first or now
                growing.add(_grown(first, now))
    print(f"{sum(pair.whole.iteration for pair in pairs):,} steps of {', '.join(CELLS)}; memory, files, threads "
          f"{first or now} at the start, {now} at the end")
    return [different.count(), infinite.count(), growing.count()]


def _pair(folder, cell, seed):
    settings = {**SETTINGS, "model": cell, "seed": seed}
    dataset = open_dataset(folder, CELLS[cell].features)
    dataset.preload(2**26)
    return Pair(dataset, settings, *(make_solver(make_model(settings, dataset), settings, dataset) for _ in range(2)))


def _go_on(pair, steps, path):
    """Both solvers some steps further, the second from a file."""
    save_checkpoint(path, pair.resumed.model, {}, pair.resumed)
    checkpoint = load_checkpoint(path)
    resumed = make_solver(checkpoint.model, pair.settings, pair.dataset)
    restore_solver(resumed, checkpoint)
    for solver in (pair.whole, resumed):
        end = solver.iteration + steps
        solver.callbacks = (lambda solver, end=end: setattr(solver, "stop", solver.iteration == end),)
        solver.train()
    return pair._replace(resumed=resumed)


def _differs(pair, step):
    """What differs after a step, "" if nothing does; weights are there after the last one alone."""
    whole, resumed = pair.whole, pair.resumed
    if whole.loss_history[step] != resumed.loss_history[step]:
        return f"{whole.model.cell_type}: losses {whole.loss_history[step]!r} and {resumed.loss_history[step]!r}"
    for name, array in _arrays(whole).items() if step == -1 else ():
        if array.tobytes() != _arrays(resumed)[name].tobytes():
            return f"{whole.model.cell_type}: {name} after {whole.iteration} steps"
    return ""


def _arrays(solver):
    """Weights, their averages, and what the update rule keeps."""
    kept = {f"{name} {key}": np.asarray(value) for name, config in solver.optim_configs.items()
            for key, value in config.items()}
    return {**solver.model.params, **{f"average of {name}": w for name, w in solver.averages.items()}, **kept}


def _used() -> tuple[int, int, int]:
    """MB of memory, open files, and threads of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20, len(os.listdir("/proc/self/fd")), threading.active_count()
    except OSError:
        return 0, 0, threading.active_count()


def _grown(first, now):
    grown = now[0] - first[0] > GROWTH or now[1] > first[1] or now[2] > first[2]
    return f"MB, files, threads were {first}, are {now}" if grown else ""
