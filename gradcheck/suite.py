"""Checks of the project itself: every public pair of rnnlayers and the whole models, in float64 and float32."""
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import product
from multiprocessing import Pool
from signal import SIG_IGN, SIGINT, signal
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import rnnlayers
from gradcheck.budget import EVALUATIONS
from gradcheck.check import check_model, check_pair
from gradcheck.report import Report
from gradcheck.shapes import SIZES
from gradcheck.table import SHAPES, axes_of, inputs_of, pair_in
from models import CaptioningRNN
from models.cells import ANY, BOTH, CELLS, GRID, VARIANTS, VECTOR, Cell
from models.cells.cell import captioner_shapes

N, T, D, W, H, V, L = (SIZES[letter] for letter in "NTDWHVL")
P = 7                               # width of pooled features
DTYPES = ("float64", "float32")
BACKENDS = ("textbook", "engine")
SAMPLED = 300                       # evaluations of a captioner that has more parameters
RAGGED = "ragged regions"


class Captioner(NamedTuple):
    """A captioner to check."""
    cell: str
    title: str                      # in the name of its report
    case: str                       # "", or RAGGED where pictures also differ in their number of regions
    features: str                   # kind of features
    options: dict[str, Any] = {}
    budget: int = EVALUATIONS


class Row(NamedTuple):
    kind: str                       # "pairs" or "models"
    name: str
    case: str
    backend: str
    report: Report

    def to_dict(self) -> dict[str, Any]:
        return {**self.report.to_dict(), "name": self.name, "case": self.case, "backend": self.backend}


def _recurrent() -> Iterator[Captioner]:
    """The cells of one kind of features with each of their starts, and all the options that they take."""
    for title, name, options in VARIANTS:
        cell = CELLS[name]
        own = {"pooled_dim": P, "penalty": 0.5} if "penalty" in cell.options else {}
        for case in ("", RAGGED)[:1 + cell.attends] if cell.features != ANY else ():
            yield Captioner(name, title, case, cell.features, {**options, **own})


def _transformer(title: str, case: str, features: str, budget: int = SAMPLED, **options: Any) -> Captioner:
    small = {"num_heads": 2, "dim_feedforward": 3, "pooled_dim": P if features == BOTH else None}
    return Captioner("transformer", f"transformer, {title}", case, features, {**small, **options}, budget)


TRANSFORMERS = [
    _transformer("1 layer", "", VECTOR, EVALUATIONS, num_layers=1),
    _transformer("2 layers, pre norm, positions", "", GRID, num_layers=2, norm="pre", region_positions=L + 1),
    _transformer("2 layers, tied, relu", RAGGED, GRID, num_layers=2, tie=True, activation="relu"),
    _transformer("3 layers, tied, pre norm", RAGGED, BOTH, num_layers=3, tie=True, norm="pre")]
MODELS = [*TRANSFORMERS[::-1], *_recurrent()]       # the longest first: processes end at about the same time
SUBJECTS: list[str | Captioner] = [*MODELS, *SHAPES]


def check_all(seed: int = 0, dtypes: Sequence[str] = DTYPES, jobs: int = 1) -> Iterator[Row]:
    """Check everything, a Row at a time, in `jobs` processes -> the same rows in the same order for any number."""
    if jobs == 1:
        for subject in SUBJECTS:
            yield from check_subject(subject, seed, dtypes)
        return
    # Sizes are so small that BLAS uses one thread, and none of the processes spins. Ctrl-C is for the first of them.
    with Pool(jobs, signal, (SIGINT, SIG_IGN)) as pool:
        for rows in pool.imap(partial(check_subject, seed=seed, dtypes=dtypes), SUBJECTS):
            yield from rows


def check_subject(subject: str | Captioner, seed: int = 0, dtypes: Sequence[str] = DTYPES) -> list[Row]:
    """Check a pair, given by its title, or a captioner -> a Row for each dtype and backend.

    All rows are checked at the same float32 numbers, so they share their complex steps.
    """
    rows = _check_title(subject, seed, dtypes) if isinstance(subject, str) else _check_model(subject, seed, dtypes)
    return list(rows)


def _check_title(title: str, seed: int, dtypes: Sequence[str]) -> Iterator[Row]:
    name, _, case = title.partition(", ")
    forward, backward = pair_of(name)
    forward = _remembered(forward)
    for dtype in dtypes:
        inputs = {key: x.astype(dtype) if getattr(x, "dtype", None) == np.float32 else x
                  for key, x in inputs_of(title, np.random.default_rng(seed), "float32").items()}
        report = check_pair(forward, backward, inputs, axes=axes_of(title), rng=seed)
        yield Row("pairs", name, case, "textbook", report)


def _check_model(captioner: Captioner, seed: int, dtypes: Sequence[str]) -> Iterator[Row]:
    losses: dict[bytes, Any] = {}
    for dtype, backend in product(dtypes, BACKENDS):
        report = check_captioner(captioner, dtype, seed, backend, losses)
        yield Row("models", report.name, captioner.case, backend, report)


def pair_of(name: str, module: ModuleType = rnnlayers) -> tuple[Callable, Callable]:
    """Forward and backward of a pair of rnnlayers, or of a module with the same names."""
    return pair_in(module, name)


def check_captioner(captioner: Captioner, dtype: str, seed: int, backend: str,
                    losses: dict[bytes, Any] | None = None) -> Report:
    """The loss of a CaptioningRNN on a ragged batch, with all the options that its cell takes.

    Complex parameters go to the textbook, so the engine's gradients too are held to its complex step. losses: of
    complex parameters, for other dtypes and backends of the same captioner.
    """
    rng, losses = np.random.default_rng(seed), {} if losses is None else losses
    model = _model(captioner, dtype, rng, backend)
    vector, pooled = _floats(rng, N, D), _floats(rng, N, P) if model.pooled_dim else None
    grid = _floats(rng, N, L, D)
    features = {VECTOR: vector, GRID: grid, BOTH: (grid, pooled)}[captioner.features]
    if captioner.case:
        features = grid, pooled, rng.integers(2, L, N)
    captions = rng.integers(1, V, (N, T))
    captions[0, -2:] = 0                                            # a padded row

    def loss() -> Any:
        return _once(losses, model.params.values(),
                     lambda: model.loss(features, captions, np.random.default_rng(seed)))
    report = check_model(loss, model.params, axes=model_axes(model.cell, model.tie), rng=seed, budget=captioner.budget)
    report.name = f"CaptioningRNN {captioner.title}"
    return report


def _model(captioner: Captioner, dtype: str, rng: np.random.Generator, backend: str) -> CaptioningRNN:
    words = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", *"abcdefgh"])}
    options = dict(captioner.options)
    if options.get("pooled_dim"):
        options["pooled_stats"] = _floats(rng, P), 1 + abs(_floats(rng, P))
    model = CaptioningRNN(words, D, W, H, captioner.cell, np.dtype(dtype), seed=rng, dropout=0.3, input_dropout=0.2,
                          feature_dropout=0.25, grid_dropout=0.15, feature_clip=1.5, smoothing=0.1, backend=backend,
                          feature_stats=(_floats(rng, D), 1 + abs(_floats(rng, D))), **options)
    for w in model.params.values():         # a gradient of nearly uniform attention would hide mistakes
        w[...] = _floats(rng, *w.shape) / 2 if model.cell.drawn_small else w.astype(np.float32)
    return model


def model_axes(cell: Cell, tied: bool = False) -> dict[str, tuple[str, ...]]:
    """Names of the axes of a captioner's parameters, the blocks of gates among them."""
    return {name: tuple(f"gate:{cell.gates}" if axis[0].isdigit() else axis for axis in letters.split())
            for name, letters in captioner_shapes(cell, tied).items()}


def _floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def _remembered(forward: Callable) -> Callable:
    """forward, whose outputs at complex inputs are computed once; it returns no cache with them."""
    found: dict[bytes, Any] = {}

    def call(*values: Any) -> Any:
        return _once(found, values, lambda: forward(*values), lambda result: (*result[:-1], None))
    call.__name__ = forward.__name__
    return call


def _once(found: dict[bytes, Any], values: Iterable[Any], call: Callable[[], Any],
          kept: Callable[[Any], Any] = lambda result: (result[0], {})) -> Any:
    """call(); where an array among the values is complex, it is called once for them, and `kept` says what is kept."""
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if not any(map(np.iscomplexobj, arrays)):
        return call()
    key = blake2b(b"".join(array.tobytes() for array in arrays)).digest()
    if key not in found:
        found[key] = kept(call())
    return found[key]
