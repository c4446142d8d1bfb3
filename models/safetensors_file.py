"""A model's weights in the format safetensors, with all that makes captions from them: no code, no training state.

Arrays: the weights under their names, in the model's type or float16, and feature_stats (2, D) and pooled_stats (2, P)
where the model has them. The metadata, which are texts, hold

    format               "rnnlayers model 1"
    config, vocabulary   JSON, as in a checkpoint
    run                  JSON: what the caller stores with the model
    sha256               of these texts and of the arrays' names, types, shapes and bytes

Other programs read the arrays without this package. Needs safetensors: pip install -e ".[safetensors]"
"""
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from models.captioning_rnn import CaptioningRNN
from models.checkpoint import Checkpoint, Path, write_atomically
from models.stored_model import FAULTS, config_of, model_of, parsed, stored_weights
from rnnlayers.workspace import aligned

FORMAT = "rnnlayers model 1"
TEXTS = ("format", "config", "vocabulary", "run")
STATISTICS = ("feature_stats", "pooled_stats")
DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64"}


def save_model(path: Path, model: CaptioningRNN, run: dict | None = None, halved: Collection[str] = ()) -> None:
    """Write a model, and a JSON-able dict `run`, to a file that should end in .safetensors.

    halved: names of the weights to store as float16. Raises ValueError without safetensors or where the parameters are
    of several types, and OSError if the file cannot be written; an older one is then unchanged.
    """
    arrays = {name: np.ascontiguousarray(w) for name, w in stored_weights(model, halved).items()}
    for name in STATISTICS:
        if getattr(model, name) is not None:
            arrays[name] = np.stack(getattr(model, name)).astype(np.float32)
    texts = {"format": FORMAT, "config": json.dumps(config_of(model)), "vocabulary": json.dumps(model.word_to_idx),
             "run": json.dumps(run or {})}
    write_atomically(path, _library().numpy.save(arrays, {**texts, "sha256": _digest(texts, arrays)}))


def load_model(path: Path) -> Checkpoint:
    """Load what save_model wrote -> Checkpoint without training state.

    Raises FileNotFoundError, and ValueError for any other file or content, or without safetensors.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such model file")
    safetensors = _library()
    try:
        with safetensors.safe_open(path, "numpy") as file:
            return _load(file, path)
    except PermissionError:
        raise
    except (*FAULTS, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: not a whole model in safetensors: {str(error) or type(error).__name__}") from error


def _load(file: Any, path: Path) -> Checkpoint:
    texts = dict(file.metadata() or {})
    if texts.get("format") != FORMAT:
        raise ValueError(f"its metadata have format {texts.get('format')!r:.60}, expected {FORMAT!r}, as models have "
                         "that models.safetensors_file wrote")
    forms = {name: _form(file.get_slice(name)) for name in file.keys()}     # noqa: SIM118  (it is no dict)
    model = model_of(parsed(texts["config"], "config"), parsed(texts["vocabulary"], "vocabulary"), forms, forms)
    if unknown := sorted(forms.keys() - model.params.keys() - {*STATISTICS}):
        raise ValueError(f"arrays {', '.join(unknown)!r:.60} are not the model's")
    arrays = {name: file.get_tensor(name) for name in forms}
    if _digest(texts, arrays) != texts["sha256"]:
        raise ValueError("its content is not that of its SHA-256: it was damaged, or changed after it was written")
    for name in STATISTICS:
        if name in arrays:
            setattr(model, name, tuple(arrays[name]))
    model.params = {name: aligned(arrays[name].astype(model.dtype, copy=False)) for name in model.params}
    return Checkpoint(model, parsed(texts["run"], "run"), None, str(path))


def _form(part: Any) -> tuple[tuple[int, ...], np.dtype]:
    if part.get_dtype() not in DTYPES:
        raise ValueError(f"an array is {part.get_dtype()}, expected {', '.join(DTYPES)}")
    return tuple(part.get_shape()), np.dtype(DTYPES[part.get_dtype()])


def _digest(texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    forms = {name: [str(arrays[name].dtype), arrays[name].shape] for name in sorted(arrays)}
    digest = hashlib.sha256(json.dumps([[texts[name] for name in TEXTS], forms]).encode())
    for name in forms:
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _library() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise ValueError("models in safetensors need the package: pip install -e \".[safetensors]\"") from None
    return safetensors
