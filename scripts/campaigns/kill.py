"""Training is killed again and again, at random moments and in the middle of writing, and goes on by --resume.

Promises: the newest checkpoint is whole after every kill and never older than before; every run goes on; it ends as a
run that nobody killed, bit for bit.
"""
import contextlib
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.scene_dataset import make_scene_dataset
from models.checkpoint import Checkpoint, load_checkpoint
from scripts import train
from scripts.campaigns.count import Count, Tally, until
from scripts.campaigns.forks import Ended, start, wait

SIZES = {"train": 67, "val": 13, "test": 3}
CELLS = ("lstm", "attention", "gru", "bahdanau", "rnn")
OPTIONS = ["--hidden", "48", "--wordvec", "37", "--batch", "25", "--epochs", "12", "--dropout", "0.2",
           "--average", "0.9", "--cache-mb", "64"]
KILLS = 6                           # of one run, then it may end


class Promises(NamedTuple):
    """What may not happen, counted."""
    damaged: Tally
    stuck: Tally
    different: Tally


def campaign(minutes: float, seed: int) -> list[Count]:
    """Kill runs of all cells in turn for some minutes -> a Count of each promise."""
    if not hasattr(os, "fork"):
        raise OSError("this campaign needs a system with fork, such as Linux or macOS")
    promises = Promises(*map(Tally, ("checkpoint damaged, lost or older after a kill", "killed run that does not go on",
                                     "run that ends otherwise than one without kills")))
    moments, rounds = {"at random": 0, "while writing": 0}, until(minutes)
    with tempfile.TemporaryDirectory() as place:
        make_scene_dataset(Path(place, "data"), seed, SIZES)
        whole = {cell: _whole(Path(place), cell) for cell in CELLS}
        for k in rounds:
            _kill_one(Path(place), CELLS[k % len(CELLS)], whole, random.Random(f"{seed} {k}"), promises, moments)
    print(", ".join(f"{count} kills {when}" for when, count in moments.items()))
    return [promise.count() for promise in promises]


def _whole(place: Path, cell: str) -> tuple[dict[str, Any], float]:
    """The end of a run that nobody kills, and its seconds. It runs here, so that forks find all kernels compiled."""
    out, log = place / f"whole-{cell}", place / "log"
    with open(log, "w") as file, contextlib.redirect_stdout(file):
        train.main(_new(place, cell, out, 1))                   # compiles
    begun = time.monotonic()
    ended = wait(start(train.main, _new(place, cell, out := place / f"{cell}-whole"), log), log)
    if ended.code:
        raise ValueError(f"training fails without any kill: {ended.text}")
    return _end(out), time.monotonic() - begun


def _new(place, cell, out, epochs=None):
    more = [] if epochs is None else ["--epochs", str(epochs)]
    return ["--data", str(place / "data"), "--model", cell, "--out", str(out), *OPTIONS, *more]


def _kill_one(place, cell, whole, rng, promises, moments):
    """One run to its end, with kills on the way."""
    out, log, done = place / f"run-{rng.getrandbits(60)}", place / "log", -1
    for kill in range(KILLS + 1):
        begins = not (out / "last.h5").exists()
        child = start(train.main, _new(place, cell, out) if begins else ["--resume", str(out)], log)
        if kill < KILLS:
            _kill(child, out, rng, 0.7 * whole[cell][1], moments)
        ended = wait(child, log)
        promises.stuck.add(_stuck(ended, cell))
        if ended.code == 0:
            break
        done, fault = _looked_at(out, done)
        promises.damaged.add(fault and f"{cell}, kill {kill + 1}: {fault}")
    promises.different.add(f"{cell}: {why}" if (why := _difference(out, whole[cell][0])) else "")


def _stuck(ended: Ended, cell: str) -> str:
    return "" if ended.code in (0, -signal.SIGKILL) else f"{cell}: exit code {ended.code}: {ended.text[-300:]}"


def _kill(child, out, rng, longest, moments):
    """Kill a process after a random time: then, or when it next has a half-written file."""
    writing = rng.random() < 0.7
    end = time.monotonic() + rng.uniform(0, longest)
    while time.monotonic() < end:
        time.sleep(0.001)
    while writing and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if _writes(out):
            break
    moments["while writing" if writing and _writes(out) else "at random"] += 1
    os.kill(child, signal.SIGKILL)


def _writes(out):
    with contextlib.suppress(FileNotFoundError):
        return any(name.endswith(".part") for name in os.listdir(out))
    return False


def _looked_at(out, done):
    """The steps of the newest checkpoint after a kill, and what is wrong with it; done: its steps before."""
    try:
        for name in ("best.h5", "last.h5"):
            checkpoint = load_checkpoint(out / name) if (out / name).exists() else None
    except ValueError as error:
        return done, str(error)
    steps = -1 if checkpoint is None else checkpoint.solver["iteration"]
    return steps, f"{steps} steps, {done} before" if steps < done else ""


def _end(out: Path) -> dict[str, Any]:
    """Everything that two equal runs have in common: name -> bytes, or what compares likewise."""
    last, best = load_checkpoint(out / "last.h5"), load_checkpoint(out / "best.h5")
    return {**_contents("last.h5", last), **_contents("best.h5", best), "samples": (out / "samples.png").read_bytes(),
            "files": sorted(os.listdir(out))}


def _contents(name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    found = {f"{name} {key}": w.tobytes() for key, w in checkpoint.model.params.items()}
    for key, value in (checkpoint.solver or {}).items():
        found[f"{name} {key}"] = _comparable(value)
    return found


def _comparable(value):
    """A solver's state as a text, without its times."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: _comparable(part) for key, part in value.items() if key != "seconds"}
    return [_comparable(part) for part in value] if isinstance(value, list) else repr(value)


def _difference(out: Path, whole: dict[str, Any]) -> str:
    """What of a run's end differs from the run that nobody killed, "" if nothing does."""
    try:
        end = _end(out)
    except (OSError, ValueError) as error:
        return str(error)
    found = [key for key in {**whole, **end} if key != "last.h5 seconds" and end.get(key) != whole.get(key)]
    return f"{', '.join(found[:3])} differ{'s' if len(found) == 1 else ''}" if found else ""
