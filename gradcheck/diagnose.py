"""Likely causes: each mistake predicts wrong numbers, and is named only if its prediction fits to 1e-6."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck.axes import Axes
from gradcheck.judge import Verdict
from gradcheck.measure import Measured
from gradcheck.mistakes import CATALOGUE, FIT
from gradcheck.numeric import Probe, Trouble
from gradcheck.pair import Pair, draw

if TYPE_CHECKING:
    from gradcheck.model import Model

try:
    from gradcheck.cells import cell_mistakes
except ImportError:                 # the course's copy leaves it out, since it holds the right backward of each cell
    def cell_mistakes(e: Evidence, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
        yield from ()

Gradients = dict[str, np.ndarray]   # name -> (K, *shape) for K upstream gradients


class Diagnosis(NamedTuple):
    arrays: list[str]               # names of gradients
    kind: str                       # a short fixed word for programs: "factor", "sign", ...
    sentence: str


class Evidence:
    """What a prediction may use. Gradients have a leading axis of K upstream gradients."""

    def __init__(self, analytic: Gradients, numeric: Gradients, wrong: list[str], axes: dict[str, Axes],
                 rows: Gradients | None = None, inputs: dict[str, Any] | None = None,
                 outs: Sequence[np.ndarray] = (), douts: Sequence[np.ndarray] = ()) -> None:
        self.analytic, self.numeric, self.wrong, self.axes = analytic, numeric, wrong, axes
        self.rows = rows or {}              # name -> Jacobian (size of the array, size of all outputs)
        self.inputs = inputs or {}          # floats in float64, whole numbers as they are
        self.outs, self.douts = outs, douts         # outputs; upstream gradients (K, ...) of each
        # (name, inputs to replace) -> numeric gradients at these inputs
        self.measure: Callable[[str, dict], np.ndarray] | None = None
        # (name, axis) -> yours / numeric with that axis one entry shorter, None if that fails
        self.factor_without: Callable[[str, str], float | None] | None = None
        # kind, sentence, gradients: the predictions of gradcheck.cells, once they are made
        self.cell: list[tuple[str, str, Gradients]] | None = None


def diagnose(subject: Pair | Model, verdicts: Sequence[Verdict], douts: Sequence[tuple], weights: np.ndarray,
             probes: dict[str, Probe]) -> list[Diagnosis]:
    """Likely causes of the wrong gradients among the verdicts -> list of Diagnosis, at most one for each array."""
    whole = [verdict for verdict in verdicts if verdict.measured.complete]
    evidence = _evidence(subject, whole, douts, weights, probes)
    found: dict[tuple[str, str], list[str]] = {}    # (kind, sentence) -> gradients that it explains
    for name in evidence.wrong:
        for kind, sentence, prediction in _predictions(evidence, name):
            if np.isfinite(prediction).all() and fits(evidence.analytic[name], prediction, evidence.numeric[name]):
                found.setdefault((kind, sentence), []).append(name)
    return _fewest(found)


def fits(analytic: np.ndarray, prediction: np.ndarray, numeric: np.ndarray) -> bool:
    """Whether a prediction equals the wrong gradient to 1e-6, far better than the right gradient does."""
    miss = np.abs(analytic - prediction).max()
    return miss <= FIT * np.abs(prediction).max() and miss <= 1e-3 * np.abs(analytic - numeric).max()


def _predictions(evidence: Evidence, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    for predict in CATALOGUE:
        yield from predict(evidence, name)
    yield from cell_mistakes(evidence, name)


def _fewest(found: dict[tuple[str, str], list[str]]) -> list[Diagnosis]:
    """Few causes that together explain all explainable gradients: the one that explains most comes first.

    Of two that explain equally many, the one earlier in the catalogue is taken.
    """
    diagnoses: list[Diagnosis] = []
    explained: set[str] = set()
    while True:
        rest = {cause: [name for name in names if name not in explained] for cause, names in found.items()}
        cause = max(rest, key=lambda cause: len(rest[cause]), default=None)
        if cause is None or not rest[cause]:
            return diagnoses
        explained.update(rest[cause])
        arrays = [f"d{name}" for name in rest[cause]]
        diagnoses.append(Diagnosis(arrays, cause[0], f"{', '.join(arrays)}: {cause[1]}"))


def _evidence(subject: Pair | Model, verdicts: Sequence[Verdict], douts: Sequence[tuple], weights: np.ndarray,
              probes: dict[str, Probe]) -> Evidence:
    names = {verdict.name[1:]: verdict for verdict in verdicts}
    shape = {name: (-1, *verdict.measured.probe.x.shape) for name, verdict in names.items()}
    numeric = {name: verdict.measured.numeric.reshape(shape[name]) for name, verdict in names.items()}
    analytic = {name: verdict.analytic.reshape(shape[name]) for name, verdict in names.items()}
    wrong = [name for name, verdict in names.items() if not verdict.ok]
    axes = {name: verdict.measured.axes for name, verdict in names.items()}
    if not isinstance(subject, Pair):
        return Evidence(analytic, numeric, wrong, axes)
    analytic.update(_in_float64(subject, analytic, douts))
    rows = {name: verdict.measured.rows for name, verdict in names.items() if verdict.measured.rows is not None}
    outs = next(iter(probes.values())).outs
    stacked = [np.array([np.asarray(dout[k], float) for dout in douts]) for k in range(len(outs))]
    evidence = Evidence(analytic, numeric, wrong, axes, rows, {**subject.inputs, **subject.truth()}, outs, stacked)
    evidence.measure = lambda name, changed: _measure(subject, names[name].measured, changed)
    evidence.factor_without = lambda name, axis: _factor_without(subject, names[name].measured, axis)
    return evidence


def _in_float64(subject: Pair, analytic: Gradients, douts: Sequence[tuple]) -> Gradients:
    """The gradients of a float32 pair in float64, where a cause shows to 1e-6; {} if backward does not accept that."""
    if all(np.asarray(subject.inputs[name]).dtype.itemsize >= 8 for name in subject.names):
        return {}
    pair = subject.with_inputs(subject.truth())
    try:
        grads = [pair.backward([np.asarray(d, float) for d in dout], pair.forward()[1]) for dout in douts]
        return {name: np.array([np.asarray(grad[name], float) for grad in grads]) for name in analytic}
    except (Trouble, ValueError):
        return {}


def _measure(subject: Pair, measured: Measured, changed: dict[str, Any]) -> np.ndarray:
    """The numeric gradients of one array with some other inputs replaced."""
    function = subject.with_inputs(changed).function(measured.probe.name)
    try:
        probe = Probe(function, measured.probe.x, watch=subject.watch)
        slopes = [measured.weights @ probe.line(entry).slope(measured.method) for entry in range(probe.x.size)]
    except Trouble:
        return np.full((len(measured.weights), *measured.probe.x.shape), np.nan)
    return np.array(slopes).T.reshape(-1, *probe.x.shape)


def _factor_without(subject: Pair, measured: Measured, axis: str) -> float | None:
    """yours / numeric after every array with the named axis has lost one entry along it; None if that fails."""
    places = {name: array.axis(axis) for name, array in subject.axes.items()}
    cut = {name: np.delete(subject.inputs[name], -1, axis=place) for name, place in places.items() if place is not None}
    pair, rng, name = subject.with_inputs({**subject.truth(), **cut}), np.random.default_rng(0), measured.probe.name
    pair.inputs.update({name: np.asarray(x, float) for name, x in cut.items() if name in subject.differentiable})
    try:
        outs, cache = pair.forward()
        dout = draw(outs, rng)
        yours = np.asarray(pair.backward(dout, cache)[name], float).ravel()
        probe = Probe(pair.function(name), pair.truth()[name], name, watch=subject.watch)
        slope, _ = probe.projection(np.arange(len(yours)), yours / np.linalg.norm(yours)).settle(probe.weights([dout]))
        return float(np.linalg.norm(yours) / slope[0])
    except (Trouble, ValueError):
        return None
