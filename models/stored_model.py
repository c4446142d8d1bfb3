"""What files store of a model beside its weights, settings and vocabulary, and a model made of that, all checked first.

Files come from anywhere: sizes are compared with those of the stored weights before any array is made.
"""
import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from models.captioning_rnn import CaptioningRNN
from models.cells import CELLS, cell_name
from models.cells.cell import Cell, axis_sizes, captioner_shapes, letter_sizes
from models.options import STORED, attribute, check_value

SIZES = ("input_dim", "wordvec_dim", "hidden_dim")
FAULTS = (OSError, KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, RecursionError,
          RuntimeError, MemoryError)         # what reading and checking a file of any content may raise

Forms = Mapping[str, tuple[tuple[int, ...], np.dtype]]      # name -> shape and type of a stored array


def config_of(model: CaptioningRNN) -> dict[str, Any]:
    """The settings that make a model of the same shapes and behaviour, for JSON.

    The type is that of the parameters, which may have been replaced. Raises ValueError where a file cannot have it.
    """
    return {"cell_type": model.cell_type, "input_dim": model.input_dim, "wordvec_dim": model.params["W_embed"].shape[1],
            "hidden_dim": model.weights()["W_vocab"].shape[0], "dtype": dtype_of(model).name,
            **{option.name: getattr(model, attribute(option.name)) for option in STORED}}


def dtype_of(model: CaptioningRNN) -> np.dtype:
    """The one type of a model's parameters as they are now; some may be float16 beside it, as they may in a file."""
    names = {w.dtype: name for name, w in model.params.items()}
    widest = np.result_type(*names)
    if any(dtype.kind != "f" or dtype not in (widest, np.float16) for dtype in names):
        found = ", ".join(f"{name} is {dtype}" for dtype, name in names.items())
        raise ValueError(f"params: {found}, expected one floating-point type for all: convert them with astype before "
                         "the model is saved")
    return widest


def stored_weights(model: CaptioningRNN, halved: Collection[str]) -> dict[str, np.ndarray]:
    """The weights as a file has them: those named in `halved` as float16, where numbers beyond 65,504 are infinite."""
    with np.errstate(over="ignore"):
        return {name: w.astype(np.float16) if name in halved else w for name, w in model.params.items()}


def parsed(text: Any, name: str) -> dict[str, Any]:
    """The JSON object in a text. Raises ValueError (RecursionError for thousands of nested brackets)."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"{name} is {content!r:.60}, expected a JSON object")
    return content


def model_of(config: Mapping[str, Any], vocabulary: dict[str, int], params: Forms, others: Forms) -> CaptioningRNN:
    """A model with these settings and words; its weights are drawn, and still to be replaced by the stored ones.

    params, others: forms of the stored weights, each of the model's type or float16, and of feature_stats and
    pooled_stats where they are stored. Raises ValueError, or another of FAULTS, where something is not as the settings
    say.
    """
    sizes, dtype = _sizes(config, vocabulary), np.dtype(config["dtype"])
    if dtype.kind != "f":
        raise ValueError(f"dtype is {dtype}, expected a floating-point type")
    for option in STORED:                                   # before the cell names its weights: of 10**9 layers, say
        check_value(option, config.get(option.name, option.default))
    cell = CELLS[cell_name(config["cell_type"])](**config)
    shapes, sizes = captioner_shapes(cell, bool(config.get("tie"))), {**sizes, **cell.sizes()}
    for name, letters in shapes.items():
        _check_form(name, params, axis_sizes(letters, sizes), dtype, np.dtype(np.float16))
    for name, size in (("feature_stats", sizes["D"]), ("pooled_stats", sizes["P"])):
        if name in others:
            _check_form(name, others, (2, size), np.dtype(np.float32))
    options = {name: value for name, value in config.items() if name != "dtype"}
    return CaptioningRNN(vocabulary, **options, dtype=dtype.type, seed=0)


def _sizes(config: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> dict[str, int]:
    """Letter -> size, after a check that there are no other settings, and of the words' ids."""
    known = {"cell_type", "dtype", *SIZES, *(option.name for option in STORED)}
    if not known >= config.keys():
        raise ValueError(f"settings {', '.join(sorted(config.keys() - known))!r:.60} are unknown: a later version may "
                         "have written the file")
    D, W, H = (config[name] for name in SIZES)
    pooled_dim = config.get("pooled_dim")
    sizes = letter_sizes(Cell(), len(vocabulary), D, D if pooled_dim is None else pooled_dim, W, H)
    if not all(type(size) is int and 0 < size < 2**31 for size in sizes.values()):
        raise ValueError(f"sizes are {sizes!r:.100}, expected whole numbers from 1")
    flags = {option.name for option in STORED if option.kind is bool}
    for name, value in config.items():
        if (isinstance(value, (list, dict)) or isinstance(value, bool) != (name in flags)
                or isinstance(value, float) and not np.isfinite(value)):
            raise ValueError(f"a setting is {value!r:.60}, expected a name or a finite number")
    if not all(type(i) is int and 0 <= i < len(vocabulary) for i in vocabulary.values()):
        raise ValueError(f"the vocabulary has ids other than whole numbers from 0 to {len(vocabulary) - 1}")
    return sizes


def _check_form(name: str, stored: Forms, shape: tuple[int, ...], dtype: np.dtype, *others: np.dtype) -> None:
    if name not in stored:
        raise ValueError(f"{name} is missing, expected {dtype} {shape}")
    found_shape, found_dtype = stored[name]
    if found_shape != shape or found_dtype not in (dtype, *others):
        raise ValueError(f"{name} is {found_dtype} {found_shape}, expected {dtype} {shape}")
