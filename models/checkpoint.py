"""Checkpoints: a model, and what its training needs to continue bit for bit, in one HDF5 file without pickle.

    /config /vocabulary /run /solver   JSON texts (the last two may be absent)
    /params/NAME                       the weights
    /feature_stats                     (2, D) mean and standard deviation, if the model has them
    /loss_history                      float64, one entry a step
    /optimiser/NAME/KEY                m and v of Adam and the like
    /averages/NAME                     moving averages of the weights, if the solver makes them
"""
import io
import json
import os
import tempfile
from typing import Any, NamedTuple

import h5py
import numpy as np

from models.captioning_rnn import CaptioningRNN
from models.options import STORED, attribute
from models.solver import CaptioningSolver
from rnnlayers.workspace import aligned

Path = str | os.PathLike[str]
SCALARS = ("iteration", "epoch", "seconds", "best_val_loss", "history", "epoch_nll", "epoch_words", "own_seed")


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
                    solver: CaptioningSolver | None = None) -> None:
    """Save a model, a JSON-able dict `run`, and if given the state of its solver.

    Raises OSError if the file cannot be written; an older file under the same name is then unchanged.
    """
    buffer = io.BytesIO()           # HDF5 in memory: a full disk then fails one plain write, not HDF5
    with h5py.File(buffer, "w") as f:
        f["config"], f["vocabulary"] = json.dumps(_config(model)), json.dumps(model.word_to_idx)
        f["run"] = json.dumps(run or {})
        for name in ("feature_stats", "pooled_stats"):
            if getattr(model, name) is not None:
                f[name] = np.stack(getattr(model, name)).astype(np.float32)
        for name, w in model.params.items():
            f[f"params/{name}"] = w
        if solver is not None:
            _save_solver(f, solver)
    write_atomically(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Load what save_checkpoint wrote -> Checkpoint. Raises ValueError where the file is not a whole checkpoint."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with h5py.File(path, "r") as f:
            model = _load_model(f)
            solver = _load_solver(f) if "solver" in f else None
            return Checkpoint(model, json.loads(f["run"][()]), solver, str(path))
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: not a whole checkpoint (truncated, or another kind of file): {error}") from error


def restore_solver(solver: CaptioningSolver, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's training state into a solver made with the same options. Raises ValueError if it has none."""
    if checkpoint.solver is None:
        raise ValueError(f"{checkpoint.path}: holds a model only, expected the training state too")
    for name, value in checkpoint.solver.items():
        setattr(solver, name, value)


def _config(model: CaptioningRNN) -> dict[str, Any]:
    return {"cell_type": model.cell_type, "input_dim": model.input_dim, "wordvec_dim": model.params["W_embed"].shape[1],
            "hidden_dim": model.params["W_vocab"].shape[0], "dtype": np.dtype(model.dtype).name,
            **{option.name: getattr(model, attribute(option.name)) for option in STORED}}


def _load_model(f: h5py.File) -> CaptioningRNN:
    config = json.loads(f["config"][()])
    dtype = np.dtype(config.pop("dtype")).type
    model = CaptioningRNN(json.loads(f["vocabulary"][()]), **config, dtype=dtype, seed=0)
    for name, width in (("feature_stats", model.input_dim), ("pooled_stats", model.pooled_dim)):
        if name in f:
            setattr(model, name, tuple(_like(np.zeros((2, width), np.float32), f[name])))
    for name, w in model.params.items():
        model.params[name] = aligned(_like(w, f[f"params/{name}"]))
    return model


def _like(expected: np.ndarray, stored: h5py.Dataset) -> np.ndarray:
    if stored.shape != expected.shape or stored.dtype != expected.dtype:
        raise ValueError(f"{stored.name} is {stored.dtype} {stored.shape}, expected {expected.dtype} {expected.shape}")
    return stored[()]


def _save_solver(f: h5py.File, solver: CaptioningSolver) -> None:
    scalars = {name: getattr(solver, name) for name in SCALARS}
    scalars["optim_configs"], scalars["arrays"] = {}, []
    for name, config in solver.optim_configs.items():
        for key, value in config.items():
            if isinstance(value, np.ndarray):
                f[f"optimiser/{name}/{key}"] = value
                scalars["arrays"].append([name, key])
            else:
                scalars["optim_configs"].setdefault(name, {})[key] = value
    for name, value in solver.averages.items():
        f[f"averages/{name}"] = value
    f["solver"] = json.dumps(scalars)
    f["loss_history"] = np.array(solver.loss_history, np.float64)


def _load_solver(f: h5py.File) -> dict[str, Any]:
    state = json.loads(f["solver"][()])
    for name, key in state.pop("arrays"):
        value = _like(f[f"params/{name}"], f[f"optimiser/{name}/{key}"])
        state["optim_configs"].setdefault(name, {})[key] = value
    averages = {name: aligned(_like(f[f"params/{name}"], f[f"averages/{name}"])) for name in f.get("averages", ())}
    return {**state, "averages": averages, "loss_history": f["loss_history"][()].tolist()}
