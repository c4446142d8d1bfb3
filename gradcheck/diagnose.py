"""Likely causes: each mistake predicts wrong numbers, and is named only if its prediction fits to 1e-6."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck.axes import Axes
from gradcheck.factors import FIT
from gradcheck.judge import TOLERANCE, Verdict
from gradcheck.measure import Measured
from gradcheck.mistakes import CATALOGUE, IF_UNKNOWN
from gradcheck.numeric import Probe, Trouble
from gradcheck.pair import Pair, draw
from gradcheck.places import where

if TYPE_CHECKING:
    from gradcheck.model import Model

try:
    from gradcheck.known.match import predict
except ImportError:                 # the course's copy leaves it out, since it holds the right backward of each cell
    def predict(inputs: Mapping, outs: Sequence, douts: Sequence, wrong: Mapping) -> list:      # type: ignore[misc]
        return []

CLOSE = 1e-6                        # of the largest entry: a difference that rounded constants make

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
        # (name, places) -> yours / numeric with these axes (array -> axis) one entry shorter, None if that fails
        self.factor_without: Callable[[str, dict[str, int]], float | None] | None = None
        # kind, sentence, gradients: the predictions for a known layer, once they are made
        self.known: list[tuple[str, str, Gradients]] | None = None


def diagnose(subject: Pair | Model, verdicts: Sequence[Verdict], douts: Sequence[tuple], weights: np.ndarray,
             probes: dict[str, Probe]) -> list[Diagnosis]:
    """Likely causes of the wrong gradients among the verdicts -> list of Diagnosis, at most one for each array."""
    whole = [verdict for verdict in verdicts if verdict.measured.complete]
    evidence = _evidence(subject, whole, douts, weights, probes)
    found: dict[tuple[str, str], dict[str, None]] = {}      # (kind, sentence) -> gradients that it explains
    for name in evidence.wrong:
        for kind, sentence, prediction in _predictions(evidence, name):
            if np.isfinite(prediction).all() and fits(evidence.analytic[name], prediction, evidence.numeric[name]):
                found.setdefault((kind, sentence), {})[name] = None
    diagnoses = _fewest(found)
    named = {array for diagnosis in diagnoses for array in diagnosis.arrays}
    return diagnoses + [_rounded(verdict) for verdict in whole if verdict.name not in named and _is_close(verdict)]


def unexplained(subject: Pair | Model, verdicts: Sequence[Verdict], diagnoses: Sequence[Diagnosis]) -> list[str]:
    """Where the wrong gradients without a diagnosis are wrong, in words."""
    named = {array for diagnosis in diagnoses for array in diagnosis.arrays}
    inputs = subject.inputs if isinstance(subject, Pair) else {}
    found = [where(verdict, inputs) for verdict in verdicts
             if not verdict.ok and verdict.measured.complete and verdict.name not in named]
    return [words for words in found if words]


def _is_close(verdict: Verdict) -> bool:
    """Whether most entries differ, each by little of its own size: a wrong formula shows in some, or by more."""
    n = verdict.measured.numeric
    if verdict.ok:
        return False
    error, size = verdict.measured.differs(verdict.analytic), np.abs(n)
    near = (error <= 1e-2 * size).all() and (error <= 10 * CLOSE * size).mean() > 0.9
    most = 2 * len(verdict.wrong) > np.count_nonzero(n.any(axis=0))
    return bool(near and most and _distance(verdict) <= CLOSE)


def _distance(verdict: Verdict) -> float:
    """The largest difference, relative to the largest entry."""
    largest = np.abs(verdict.measured.numeric).max(initial=np.finfo(float).tiny)
    return float(verdict.measured.differs(verdict.analytic).max() / largest)


def _rounded(verdict: Verdict) -> Diagnosis:
    return Diagnosis([verdict.name], "rounded", f"{verdict.name}: close to: rounded constants. It differs by "
                     f"{_distance(verdict):.1e} of the largest entry, as if a constant had few digits, or a part were "
                     "computed in float32")


def fits(analytic: np.ndarray, prediction: np.ndarray, numeric: np.ndarray) -> bool:
    """Whether a prediction equals the wrong gradient to 1e-6, far better than the right gradient does."""
    miss = np.abs(analytic - prediction).max()
    return miss <= FIT * np.abs(prediction).max() and miss <= 1e-3 * np.abs(analytic - numeric).max()


def _predictions(evidence: Evidence, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    yield from _zero_by_assigning(evidence, name)
    for predict in CATALOGUE:
        yield from predict(evidence, name)
    yield from _known(evidence, name)
    for predict in IF_UNKNOWN:
        yield from predict(evidence, name)


def _zero_by_assigning(e: Evidence, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """A gradient of zero where the first step's part is zero, since a loop over the steps may keep just that."""
    if not e.analytic[name].any():
        for kind, sentence, prediction in _known(e, name):
            if "assigned" in sentence and not prediction.any():
                yield kind, f"zero everywhere: {sentence}, and the first step gives zero, as h0 is zero", prediction


def _known(e: Evidence, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """Predictions of one gradient of a known layer -> kind, sentence, predicted gradient; none if it is not known."""
    if e.known is None:
        wrong = {name: e.analytic[name] for name in e.wrong}
        found = predict(e.inputs, e.outs, e.douts, wrong) if len(e.douts) else []
        e.known = sorted(found, key=lambda prediction: not _leaves_right(e, prediction[2]))
    for kind, sentence, grads in e.known:
        if name in grads:
            yield kind, sentence, grads[name]


def _fewest(found: Mapping[tuple[str, str], Iterable[str]]) -> list[Diagnosis]:
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


def _leaves_right(e: Evidence, grads: Gradients) -> bool:
    """Whether a mistake in a known layer leaves the gradients right that are right here."""
    right = [name for name in grads if name in e.numeric and name not in e.wrong]
    sizes = {name: np.abs(e.numeric[name]).max(initial=0) for name in right}
    rounding = 1e-12 * max(sizes.values(), default=0)
    return all(np.abs(grads[name] - e.numeric[name]).max(initial=0) <= CLOSE * sizes[name] + rounding for name in right)


def _evidence(subject: Pair | Model, verdicts: Sequence[Verdict], douts: Sequence[tuple], weights: np.ndarray,
              probes: dict[str, Probe]) -> Evidence:
    names = {verdict.name[1:]: verdict for verdict in verdicts}
    shape = {name: (len(verdict.analytic), *verdict.measured.probe.x.shape) for name, verdict in names.items()}
    numeric = {name: verdict.measured.numeric.reshape(shape[name]) for name, verdict in names.items()}
    analytic = {name: verdict.analytic.reshape(shape[name]) for name, verdict in names.items()}
    wrong = [name for name, verdict in names.items() if not verdict.ok]
    if not isinstance(subject, Pair):
        return Evidence(analytic, numeric, wrong, {name: verdict.measured.axes for name, verdict in names.items()})
    if any(np.asarray(subject.inputs[name]).dtype.itemsize < 8 for name in subject.names):
        exact = subject.in_float64(douts)               # there a cause shows to 1e-6
        analytic.update({name: exact[name] for name in analytic if name in exact})
    wrong = [name for name in wrong if not _is_right(analytic[name], names[name])]      # else wrong in float32 alone
    rows = {name: verdict.measured.rows for name, verdict in names.items() if verdict.measured.rows is not None}
    outs = next(iter(probes.values())).outs
    stacked = [np.array([np.asarray(dout[k], float) for dout in douts]) for k in range(len(outs))]
    inputs = {**subject.inputs, **subject.truth()}
    evidence = Evidence(analytic, numeric, wrong, subject.axes, rows, inputs, outs, stacked)
    evidence.measure = lambda name, changed: _measure(subject, names[name].measured, changed)
    evidence.factor_without = lambda name, places: _factor_without(subject, names[name].measured, places)
    return evidence


def _is_right(analytic: np.ndarray, verdict: Verdict) -> bool:
    """Whether a float64 gradient agrees with the numeric one, within ten times the tolerance."""
    numeric = verdict.measured.numeric
    error = np.abs(analytic.reshape(numeric.shape) - numeric).max(initial=0)
    return bool(error <= 10 * TOLERANCE[verdict.measured.method] * np.abs(numeric).max(initial=0))


def _measure(subject: Pair, measured: Measured, changed: dict[str, Any]) -> np.ndarray:
    """The numeric gradients of one array with some other inputs replaced."""
    function = subject.with_inputs(changed).function(measured.probe.name)
    try:
        probe = Probe(function, measured.probe.x, watch=subject.watch)
        slopes = [measured.weights @ probe.line(entry).slope(measured.method) for entry in range(probe.x.size)]
    except Trouble:
        return np.full((len(measured.weights), *measured.probe.x.shape), np.nan)
    return np.array(slopes).T.reshape(-1, *probe.x.shape)


def _factor_without(subject: Pair, measured: Measured, places: dict[str, int]) -> float | None:
    """yours / numeric after arrays have lost one entry along an axis each; None if that fails."""
    cut = {name: np.delete(subject.inputs[name], -1, axis=place) for name, place in places.items()}
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
