"""Damaged checkpoints, captions and released models: none loads with other content, hangs, or ends in more than a line.

A small run on drawn scenes is trained; then copies of its files are damaged at random and loaded, in a process that is
watched, and now and then by a command. So are files of the old format, in which damage may go unnoticed, but not hang.
"""
import concurrent.futures
import contextlib
import hashlib
import importlib.util
import io
import itertools
import json
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data.files import read_hdf5
from data.scene_dataset import make_scene_dataset
from models.checkpoint import Checkpoint, load_checkpoint
from models.safetensors_file import load_model, save_model
from scripts import release, train
from scripts.campaigns.corruptions import corruptions
from scripts.campaigns.count import Count, Tally, until

SECONDS = 20            # within which a file loads or is refused
COMMAND_SECONDS = 60    # for a command: on a busy machine Python and its libraries take long to start
BATCH = 25              # files that are loaded in a row
EVERY = 20              # batches between two files that a command takes
COMMANDS = ("evaluate", "caption", "diagnose", "report", "serve --port 0", "train --from")     # that take a file
SMALL = ["--model", "rnn", "--hidden", "8", "--wordvec", "6", "--epochs", "1"]
LINE = (ValueError, OSError, MemoryError, ArithmeticError)      # what scripts.commandline.command makes a line of


def campaign(minutes: float, seed: int) -> list[Count]:
    """Damage files for so many minutes."""
    content, hangs, errors, lines = (Tally(f"damaged file {words}") for words in (
        "loads with other content", f"loads for more than {SECONDS} s", "ends in another exception than bad input, or "
        "in a crash", "makes a command end in more than one line, or not with exit code 2"))
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder))
        with contextlib.redirect_stderr(io.StringIO()):         # notes about old files
            sources = {path: (path.read_bytes(), load(path), corruptions(path.read_bytes(), rng)) for path in files}
        new, old = files[:-2], files[-2:]
        loader, commands = _Loader(), itertools.cycle(COMMANDS)
        for k in until(minutes):
            group = old if k % 5 == 4 else new
            path = group[k // 5 % len(group)]
            whole, digest, damage = sources[path]
            if k % EVERY == 0:
                what, damaged = next(damage)
                path.write_bytes(damaged)
                lines.add(_fault_of_command(path, what, next(commands)))
            batch = list(itertools.islice(damage, BATCH if group is new else 1))    # some old ones hang
            for (what, _), result in zip(batch, loader.load(path, [damaged for _, damaged in batch])):
                loaded = len(result) == len(digest)
                hangs.add(f"{path.name}, {what}" if result == "hang" else "")
                errors.add(f"{path.name}, {what}: {result}" if result not in ("hang", "refused") and not loaded else "")
                if group is new:
                    content.add(f"{path.name}, {what}" if loaded and result != digest else "")
            path.write_bytes(whole)
        loader.close()
    return [tally.count() for tally in (content, hangs, errors, lines)]


def make_files(folder: Path) -> list[Path]:
    """The files of a small run and of its data set, a released model, and two files as version 0.1 wrote them."""
    data, run = folder / "data", folder / "run"
    make_scene_dataset(data, seed=1, sizes={"train": 30, "val": 6, "test": 6})
    with contextlib.redirect_stdout(io.StringIO()):
        train.main(["--data", str(data), "--out", str(run), *SMALL])
        release.main([str(run), "--out", str(folder / "model.h5")])
    files = [run / "last.h5", run / "best.h5", data / "captions.h5", folder / "model.h5"]
    if importlib.util.find_spec("safetensors"):
        checkpoint = load_checkpoint(run / "best.h5")
        save_model(run / "model.safetensors", checkpoint.model, checkpoint.run)
        files.append(run / "model.safetensors")
    for path in files[1:3]:
        files.append(path.with_name(f"old-{path.name}"))
        as_version_0_1(path, files[-1])
    return files


def as_version_0_1(path: Path, out: Path) -> None:
    """Write an HDF5 file's content without digest and format."""
    with h5py.File(path) as file, h5py.File(out, "w") as old:
        for name in file:
            file.copy(name, old)


def load(path: Path) -> str:
    """A SHA-256 of all that a file gives when it is loaded."""
    if "captions" in path.name:
        return _digest(read_hdf5(path, None, "captions"))
    return _digest((load_model if path.suffix == ".safetensors" else load_checkpoint)(path))


def _digest(loaded: Any) -> str:
    digest = hashlib.sha256()
    if isinstance(loaded, Checkpoint):
        solver, arrays = dict(loaded.solver or {}), dict(loaded.model.params)
        arrays |= {f"averages/{name}": w for name, w in solver.pop("averages", {}).items()}
        configs = solver.pop("optim_configs", {})
        for name, config in configs.items():
            arrays |= {f"{name}/{key}": np.asarray(value) for key, value in config.items()}
        for name in ("feature_stats", "pooled_stats"):
            arrays[name] = np.array(getattr(loaded.model, name) or 0.0)
        digest.update(json.dumps([loaded.run, solver, loaded.model.word_to_idx, loaded.model.cell_type]).encode())
        loaded = arrays
    for name in sorted(loaded):
        digest.update(f"{name} {loaded[name].dtype} {loaded[name].shape} ".encode() + loaded[name].tobytes())
    return digest.hexdigest()


def attempt(path: Path) -> str:
    """What load gives, 'refused', or the exception."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return load(path)
    except LINE:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _attempts(path: Path, contents: list[bytes]) -> list[str]:
    found = []
    for content in contents:
        path.write_bytes(content)
        found.append(attempt(path))
    return found


class _Loader:
    """Loads files in another process, which is replaced when it hangs or crashes."""

    def __init__(self):
        self._pool = None

    def load(self, path: Path, contents: list[bytes]) -> list[str]:
        """What attempt says of a file with each of these contents; 'hang' or 'crash' of all if one did that."""
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(1, get_context("spawn"))
            self._pool.submit(int).result()
        try:
            return self._pool.submit(_attempts, path, contents).result(SECONDS)
        except concurrent.futures.TimeoutError:
            fault = "hang"
        except concurrent.futures.process.BrokenProcessPool:
            fault = "crash"
        self.close()
        return [fault] * len(contents)

    def close(self):
        """End the process."""
        if self._pool is not None:
            for process in list(self._pool._processes.values()):
                process.kill()
            self._pool.shutdown()
            self._pool = None


def _fault_of_command(path: Path, what: str, command: str) -> str:
    """What is wrong with the end of a command that takes this file, '' if nothing is."""
    if path.name == "captions.h5":
        command = f"show_batch --out {path.parent / 'batch.png'} --data {path.parent}"
    elif path.name == "last.h5":
        command = f"train --resume {path.parent}"
    else:
        command += f" {path}"
    try:
        result = subprocess.run([sys.executable, "-m", *f"scripts.{command}".split()], capture_output=True, text=True,
                                timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        return f"{path.name}, {what}: {command} did not end"
    if result.returncode == 2 and result.stderr.count("\n") == 1 and result.stderr.startswith("error: "):
        return ""
    return f"{path.name}, {what}: {command} exit code {result.returncode}, {result.stderr[-200:]!r}"
