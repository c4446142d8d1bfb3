"""Likely causes: each predicts a wrong gradient in numbers, and is named only where the prediction fits to 1e-6."""
from typing import NamedTuple

import numpy as np

from gradcheck.mistakes import CATALOGUE, FIT
from gradcheck.numeric import Probe, Trouble
from gradcheck.pair import draw

try:
    from gradcheck.cells import cell_mistakes
except ImportError:                 # a course's copy leaves it out: it has a right RNN and LSTM in it
    def cell_mistakes(e, name):
        return ()


class Diagnosis(NamedTuple):
    arrays: list                    # names of gradients
    kind: str                       # short, fixed words for programs: "factor", "sign", ...
    sentence: str


class Evidence:
    """All that a prediction may draw on. Gradients have a leading axis of K upstream gradients."""

    def __init__(self, analytic, numeric, wrong, axes, rows=None, inputs=None, outs=(), douts=()):
        self.analytic, self.numeric, self.wrong, self.axes = analytic, numeric, wrong, axes
        self.rows = rows or {}              # name -> Jacobian (size of the array, size of all outputs)
        self.inputs = inputs or {}          # in float64, whole numbers as they are
        self.outs, self.douts = outs, douts         # outputs; upstream gradients (K, ...) of each
        self.measure = None                 # (name, inputs to exchange) -> numeric gradients there, or None
        self.factor_without = None          # (name, axis) -> yours / numeric with that axis one shorter, or None


def diagnose(subject, verdicts, douts, weights, probes):
    """Likely causes of the wrong gradients among the verdicts -> list of Diagnosis, at most one for each array."""
    whole = [verdict for verdict in verdicts if verdict.measured.complete]
    evidence = _evidence(subject, whole, douts, weights, probes)
    found = {}                                      # (kind, sentence) -> gradients that it explains
    for name in evidence.wrong:
        for kind, sentence, prediction in _predictions(evidence, name):
            if np.isfinite(prediction).all() and fits(evidence.analytic[name], prediction, evidence.numeric[name]):
                found.setdefault((kind, sentence), []).append(name)
    return _fewest(found)


def fits(analytic, prediction, numeric):
    """Whether a prediction is the wrong gradient to 1e-6, and not merely as good as the right one."""
    miss = np.abs(analytic - prediction).max()
    return miss <= FIT * np.abs(prediction).max() and miss <= 1e-3 * np.abs(analytic - numeric).max()


def _predictions(evidence, name):
    for predict in CATALOGUE:
        yield from predict(evidence, name)
    yield from cell_mistakes(evidence, name)


def _fewest(found):
    """As few causes as explain all that can be explained; among equals the one that stands first in the catalogue."""
    diagnoses, explained = [], set()
    while True:
        rest = {cause: [name for name in names if name not in explained] for cause, names in found.items()}
        cause = max(rest, key=lambda cause: len(rest[cause]), default=None)
        if cause is None or not rest[cause]:
            return diagnoses
        explained.update(rest[cause])
        arrays = [f"d{name}" for name in rest[cause]]
        diagnoses.append(Diagnosis(arrays, cause[0], f"{', '.join(arrays)}: {cause[1]}"))


def _evidence(subject, verdicts, douts, weights, probes):
    names = {verdict.name[1:]: verdict for verdict in verdicts}
    shape = {name: (-1, *verdict.measured.probe.x.shape) for name, verdict in names.items()}
    numeric = {name: verdict.measured.numeric.reshape(shape[name]) for name, verdict in names.items()}
    analytic = {name: verdict.analytic.reshape(shape[name]) for name, verdict in names.items()}
    wrong = [name for name, verdict in names.items() if not verdict.ok]
    axes = {name: verdict.measured.axes for name, verdict in names.items()}
    if not hasattr(subject, "inputs"):
        return Evidence(analytic, numeric, wrong, axes)
    analytic.update(_in_float64(subject, analytic, douts))
    rows = {name: verdict.measured.rows for name, verdict in names.items() if verdict.measured.rows is not None}
    outs = next(iter(probes.values())).outs
    stacked = [np.array([np.asarray(dout[k], float) for dout in douts]) for k in range(len(outs))]
    evidence = Evidence(analytic, numeric, wrong, axes, rows, {**subject.inputs, **subject.truth()}, outs, stacked)
    evidence.measure = lambda name, changed: _measure(subject, names[name].measured, changed)
    evidence.factor_without = lambda name, axis: _factor_without(subject, names[name].measured, axis)
    return evidence


def _in_float64(subject, analytic, douts):
    """float32 gradients again in float64, where backward allows it: causes show through to 1e-6 only there."""
    if all(np.asarray(subject.inputs[name]).dtype.itemsize >= 8 for name in subject.names):
        return {}
    pair = subject.with_inputs(subject.truth())
    try:
        grads = [pair.backward([np.asarray(d, float) for d in dout], pair.forward()[1]) for dout in douts]
        return {name: np.array([np.asarray(grad[name], float) for grad in grads]) for name in analytic}
    except (Trouble, ValueError):
        return {}


def _measure(subject, measured, changed):
    """The numeric gradients of one array with other inputs exchanged."""
    function = subject.with_inputs(changed).function(measured.probe.name)
    try:
        probe = Probe(function, measured.probe.x, watch=subject.watch)
        slopes = [measured.weights @ probe.line(entry).slope(measured.method) for entry in range(probe.x.size)]
    except Trouble:
        return np.full((len(measured.weights), *measured.probe.x.shape), np.nan)
    return np.array(slopes).T.reshape(-1, *probe.x.shape)


def _factor_without(subject, measured, axis):
    """yours / numeric where every array with the named axis has one entry less along it; None where that fails."""
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
