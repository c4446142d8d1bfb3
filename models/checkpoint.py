"""Checkpoints: a model, and what its training needs to continue bit for bit, in one HDF5 file without pickle.

The file begins with a block of 512 bytes that holds the SHA-256 of the rest (data/sealed.py), and the root
group has the attribute format = "rnnlayers checkpoint 2". Version 0.1 wrote the same without block and attribute.

    /config /vocabulary /run /solver   JSON texts (the last two may be absent)
    /params/NAME                       the weights, in the model's type or float16
    /feature_stats                     (2, D) mean and standard deviation, if the model has them
    /loss_history                      float64, one entry a step
    /word_losses                       the same in nats a word; older files have none
    /optimiser/NAME/KEY                m and v of Adam and the like
    /averages/NAME                     moving averages of the weights, if the solver makes them
"""
import io
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import h5py
import numpy as np

from data.looking import check_storage
from data.sealed import new_sealed, open_sealed
from models.captioning_rnn import CaptioningRNN
from models.solver import CaptioningSolver
from models.stored_model import FAULTS, config_of, dtype_of, model_of, parsed, stored_weights
from rnnlayers.workspace import aligned

Path = str | os.PathLike[str]
# A solver's state and the types of its values
SCALARS: dict[str, tuple[type, ...]] = {
    "iteration": (int,), "epoch": (int,), "seconds": (float, int), "best_val_loss": (float, int), "history": (list,),
    "epoch_nll": (float, int), "epoch_words": (int,), "own_seed": (int, type(None))}
LOSSES = "loss_history", "word_losses"
REMEDY = "load_checkpoint and save_checkpoint (models.checkpoint), or training on, write one that has it"


class Checkpoint(NamedTuple):
    model: CaptioningRNN
    run: dict                       # what the caller stored with the model
    solver: dict | None             # for restore_solver
    path: str


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write bytes beside `path`, then rename: at any moment the file is whole, either the old or the new one.

    Raises OSError (a full disk, say) with the old file intact and nothing left beside it.
    """
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
    try:
        with open(handle, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_checkpoint(path: Path, model: CaptioningRNN, run: dict | None = None,
                    solver: CaptioningSolver | None = None, halved: Collection[str] = ()) -> None:
    """Save a model, a JSON-able dict `run`, and if given the state of its solver.

    halved: names of the weights to store as float16. Raises ValueError where the parameters are of several types, and
    OSError if the file cannot be written; an older file under the same name is then unchanged.
    """
    buffer = io.BytesIO()           # HDF5 in memory: a full disk then fails one plain write, not HDF5
    with new_sealed(buffer, "checkpoint") as f:
        f["config"], f["vocabulary"] = json.dumps(config_of(model)), json.dumps(model.word_to_idx)
        f["run"] = json.dumps(run or {})
        for name in ("feature_stats", "pooled_stats"):
            if getattr(model, name) is not None:
                f[name] = np.stack(getattr(model, name)).astype(np.float32)
        for name, w in stored_weights(model, halved).items():
            f[f"params/{name}"] = w
        if solver is not None:
            _save_solver(f, solver)
    with buffer.getbuffer() as content:
        write_atomically(path, content)


def load_checkpoint(path: Path) -> Checkpoint:
    """Load what save_checkpoint wrote -> Checkpoint. Raises ValueError where the file is not a whole checkpoint.

    A file of version 0.1, which has no digest, loads with a line on standard error.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with open_sealed(path, "checkpoint", REMEDY) as f:
            model = _load_model(f)
            solver = _load_solver(f, model) if "solver" in f else None
            return Checkpoint(model, _json(f, "run"), solver, str(path))
    except PermissionError:
        raise
    except FAULTS as error:
        raise ValueError(f"{path}: not a whole checkpoint: {str(error) or type(error).__name__}") from error


def restore_solver(solver: CaptioningSolver, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's training state into a solver made with the same options. Raises ValueError if it has none."""
    if checkpoint.solver is None:
        raise ValueError(f"{checkpoint.path}: holds a model only, expected the training state too")
    for name, value in checkpoint.solver.items():
        setattr(solver, name, value)
    if "word_losses" not in checkpoint.solver:              # of an older version
        null = solver.model.word_to_idx["<NULL>"]
        solver.word_losses = word_losses(checkpoint.solver, solver.data["train_captions"], null)


def word_losses(state: Mapping[str, Any], captions: np.ndarray, null: int) -> list[float]:
    """The loss of each step of a checkpoint's training state in nats a word.

    A file of an older version has them for each caption alone: then a caption has as many words as the mean of
    `captions` (N, T) of its training data has. null: id of <NULL>.
    """
    words = (np.asarray(captions)[:, 1:] != null).sum(axis=1).mean()
    return state.get("word_losses") or (np.array(state["loss_history"]) / words).tolist()


def _load_model(f: h5py.File) -> CaptioningRNN:
    stored = f["params"]
    model = model_of(_json(f, "config"), _json(f, "vocabulary"), {name: _form(stored[name]) for name in stored},
                     {name: _form(f[name]) for name in ("feature_stats", "pooled_stats") if name in f})
    for name in ("feature_stats", "pooled_stats"):
        if name in f:
            setattr(model, name, tuple(_read(f[name])))
    for name in model.params:
        model.params[name] = aligned(_read(stored[name]).astype(model.dtype, copy=False))
    return model


def _json(f: h5py.File, name: str) -> dict[str, Any]:
    return parsed(_read(f[name]), name)


def _form(stored: h5py.Dataset) -> tuple[tuple[int, ...], np.dtype]:
    check_storage(stored)
    return stored.shape, stored.dtype


def _read(stored: h5py.Dataset) -> Any:
    check_storage(stored)
    return stored[()]


def _like(stored: h5py.Dataset, expected: np.ndarray) -> np.ndarray:
    if _form(stored) != (expected.shape, expected.dtype):
        raise ValueError(f"{stored.name} is {stored.dtype} {stored.shape}, expected {expected.dtype} {expected.shape}")
    return _read(stored)


def _save_solver(f: h5py.File, solver: CaptioningSolver) -> None:
    scalars, dtype = {name: getattr(solver, name) for name in SCALARS}, dtype_of(solver.model)
    scalars["optim_configs"], scalars["arrays"] = {}, []
    for name, config in solver.optim_configs.items():
        for key, value in config.items():
            if isinstance(value, np.ndarray):
                f[f"optimiser/{name}/{key}"] = value.astype(dtype, copy=False)
                scalars["arrays"].append([name, key])
            else:
                scalars["optim_configs"].setdefault(name, {})[key] = value
    for name, value in solver.averages.items():
        f[f"averages/{name}"] = value.astype(dtype, copy=False)
    f["solver"] = json.dumps(scalars)
    for name in LOSSES:
        f[name] = np.array(getattr(solver, name), np.float64)


def _load_solver(f: h5py.File, model: CaptioningRNN) -> dict[str, Any]:
    state = _json(f, "solver")
    arrays, configs = state.pop("arrays"), state.pop("optim_configs")
    for name, value in state.items():
        if type(value) not in SCALARS[name]:
            raise ValueError(f"{name} of the solver is {value!r:.60}")
    configs = {name: {**configs.get(name, {})} for name in model.params}
    for row in [*state["history"], *configs.values()]:
        if not all(isinstance(value, (int, float, type(None))) for value in dict(row).values()):
            raise ValueError(f"the solver has {row!r:.60}, expected numbers by their names")
    for name, key in arrays:
        configs[name][key] = _like(f[f"optimiser/{name}/{key}"], model.params[name])
    averages = {name: aligned(_like(f[f"averages/{name}"], model.params[name])) for name in f.get("averages", ())}
    losses = {name: _losses(f[name]) for name in LOSSES if name in f or name == LOSSES[0]}
    if len({*map(len, losses.values())}) > 1:
        raise ValueError(f"{' and '.join(losses)} are of different lengths")
    return {**state, "optim_configs": configs, "averages": averages, **losses}


def _losses(stored: h5py.Dataset) -> list[float]:
    if stored.dtype != np.float64 or stored.ndim != 1:
        raise ValueError(f"{stored.name[1:]} is {stored.dtype} {stored.shape}, expected float64 (steps,)")
    return _read(stored).tolist()
