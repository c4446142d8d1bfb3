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
from models.cells import BOTH, CELLS, GRID, VARIANTS, VECTOR, Cell, Variant
from models.cells.cell import captioner_shapes

N, T, D, W, H, V, L = (SIZES[letter] for letter in "NTDWHVL")
P = 7                               # width of pooled features
DTYPES = ("float64", "float32")
MODELS = [(variant, case) for variant in VARIANTS
          for case in (("", "ragged regions") if CELLS[variant.name].attends else ("",))]


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
        for (variant, case), backend in product(MODELS, ("textbook", "engine")):
            report = check_captioner(variant, dtype, seed, backend, case)
            yield Row("models", report.name, case, backend, report)


def pair_of(name: str, module: ModuleType = rnnlayers) -> tuple[Callable, Callable]:
    """Forward and backward of a pair of rnnlayers, or of a module with the same names."""
    return pair_in(module, name)


def check_captioner(variant: Variant, dtype: str, seed: int, backend: str, case: str = "") -> Report:
    """The loss of a CaptioningRNN on a ragged batch, with all the options that its cell takes.

    In the case "ragged regions" pictures also differ in their number of regions.
    Complex parameters go to the textbook, so the engine's gradients too are held to its complex step.
    """
    rng = np.random.default_rng(seed)
    words = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", *"abcdefgh"])}
    options = {}
    if "pooled_dim" in CELLS[variant.name].options:
        options = {"pooled_dim": P, "penalty": 0.5, "pooled_stats": _stats(rng, P, dtype)}
    model = CaptioningRNN(words, D, W, H, variant.name, np.dtype(dtype), seed=rng, dropout=0.3, input_dropout=0.2,
                          feature_dropout=0.25, grid_dropout=0.15, feature_clip=1.5, smoothing=0.1,
                          feature_stats=_stats(rng, D, dtype), backend=backend, **variant.options, **options)
    vector, grid = rng.standard_normal((N, D)).astype(dtype), rng.standard_normal((N, L, D)).astype(dtype)
    pooled = rng.standard_normal((N, P)).astype(dtype)
    features = {VECTOR: vector, GRID: grid, BOTH: (grid, pooled)}[model.cell.features]
    if case:
        features = grid, pooled if model.pooled_dim else None, rng.integers(2, L, N)
    captions = rng.integers(1, V, (N, T))
    captions[0, -2:] = 0                                            # a padded row
    report = check_model(lambda: model.loss(features, captions, np.random.default_rng(seed)), model.params,
                         axes=model_axes(model.cell), rng=seed)
    report.name = f"CaptioningRNN {variant.title}"
    return report


def model_axes(cell: Cell) -> dict[str, tuple[str, ...]]:
    """Names of the axes of a captioner's parameters, the blocks of gates among them."""
    shapes = captioner_shapes(cell)
    return {name: tuple(f"gate:{cell.gates}" if axis[0].isdigit() else axis for axis in letters.split())
            for name, letters in shapes.items()}


def _stats(rng: np.random.Generator, width: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal(width).astype(dtype), (1 + rng.random(width)).astype(dtype)
