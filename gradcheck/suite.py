"""Checks of the project itself: every public pair of rnnlayers and the whole models, in float64 and float32."""
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import rnnlayers
from gradcheck.check import check_model, check_pair
from gradcheck.report import Report
from gradcheck.shapes import SIZES
from gradcheck.table import SHAPES, axes_of, inputs_of, pair_in
from models import CaptioningRNN

N, T, D, W, H, V, L = (SIZES[letter] for letter in "NTDWHVL")
P = 7                               # width of pooled features
CELLS = ("rnn", "lstm", "lstm, started", "attention", "bahdanau")
GATE = "gate:ifog"
MODEL_AXES = {
    "W_embed": ("V", "W"), "W_proj": ("D", "H"), "b_proj": ("H",), "Wx": ("W", GATE), "Wh": ("H", GATE), "b": (GATE,),
    "W_vocab": ("H", "V"), "b_vocab": ("V",),
}
DTYPES = ("float64", "float32")


class Row(NamedTuple):
    kind: str                       # "pairs" or "models"
    name: str
    case: str
    backend: str
    report: Report

    def to_dict(self) -> dict[str, Any]:
        return {**self.report.to_dict(), "name": self.name, "case": self.case, "backend": self.backend}


def check_all(seed: int = 0, dtypes: Sequence[str] = DTYPES) -> Iterator[Row]:
    """Check everything, a Row at a time."""
    for dtype in dtypes:
        for title in SHAPES:
            name, _, case = title.partition(", ")
            forward, backward = pair_of(name)
            inputs = inputs_of(title, np.random.default_rng(seed), dtype)
            report = check_pair(forward, backward, inputs, axes=axes_of(title), rng=seed)
            yield Row("pairs", name, case, "textbook", report)
        for cell, backend in product(CELLS, ("textbook", "engine")):
            yield Row("models", f"CaptioningRNN {cell}", "", backend, check_captioner(cell, dtype, seed, backend))


def pair_of(name: str, module: ModuleType = rnnlayers) -> tuple[Callable, Callable]:
    """Forward and backward of a pair of rnnlayers, or of a module with the same names."""
    return pair_in(module, name)


def check_captioner(kind: str, dtype: str, seed: int, backend: str) -> Report:
    """The loss of a CaptioningRNN on a ragged batch, with all its options.

    Complex parameters go to the textbook, so the engine's gradients too are held to its complex step.
    """
    rng, cell = np.random.default_rng(seed), kind
    words = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", *"abcdefgh"])}
    options = {"pooled_dim": P, "penalty": 0.5, "pooled_stats": _stats(rng, P, dtype)} if cell == "bahdanau" else {}
    if cell == "lstm, started":
        cell, options = "lstm", {"start": "both"}
    model = CaptioningRNN(words, D, W, H, cell, np.dtype(dtype), seed=rng, dropout=0.3, input_dropout=0.2,
                          feature_dropout=0.25, grid_dropout=0.15, feature_clip=1.5, smoothing=0.1,
                          feature_stats=_stats(rng, D, dtype), backend=backend, **options)
    vector, grid = rng.standard_normal((N, D)).astype(dtype), rng.standard_normal((N, L, D)).astype(dtype)
    pooled = rng.standard_normal((N, P)).astype(dtype)
    features = {"attention": grid, "bahdanau": (grid, pooled)}.get(cell, vector)
    captions = rng.integers(1, V, (N, T))
    captions[0, -2:] = 0                                            # a padded row
    axes = {name: names for name, names in MODEL_AXES.items() if name in model.params}
    if cell == "rnn":
        axes.update(Wx=("W", "H"), Wh=("H", "H"), b=("H",))
    report = check_model(lambda: model.loss(features, captions, np.random.default_rng(seed)), model.params, axes=axes,
                         rng=seed)
    report.name = f"CaptioningRNN {kind}"
    return report


def _stats(rng: np.random.Generator, width: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal(width).astype(dtype), (1 + rng.random(width)).astype(dtype)
