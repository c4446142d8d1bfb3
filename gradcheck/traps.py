"""The sizes at which backwards break: a batch of one, a single time step. Made only from named axes n and t."""
import numpy as np

from gradcheck.contract import check_gradients
from gradcheck.judge import tolerance_of
from gradcheck.numeric import NoValue, Probe, Trouble, resolve
from gradcheck.pair import draw

TRAPS = {"n": "a batch of one (axis n cut to length 1)", "t": "a single time step (axis t cut to length 1)"}


def check_traps(pair, axes, rng):
    """Check gradients again with each of the axes n and t cut to length 1. Raises Trouble."""
    for letter, words in TRAPS.items():
        cut = {name: _cut(pair.inputs[name], array.axis(letter)) for name, array in axes.items()
               if array.axis(letter) is not None}
        if cut and any(cut[name].shape != pair.inputs[name].shape for name in cut):
            small = pair.with_inputs(cut)
            try:
                _check_small(small, rng)
            except Trouble as trouble:
                raise Trouble(f"with {words}: {trouble}") from trouble


def _check_small(pair, rng):
    try:
        outs, cache = pair.forward()
    except NoValue:
        return                      # a forward may refuse such inputs; what it accepts has to have the right gradients
    dout = draw(outs, rng)
    grads = pair.backward(dout, cache)
    check_gradients(grads, pair.inputs, pair.names)
    truth = pair.truth()
    for name in pair.names:
        probe = Probe(pair.function(name), truth[name], name, watch=pair.watch)
        weights = probe.weights([dout])
        method = resolve("auto", probe, weights, [np.arange(probe.x.size)], rng)
        direction = rng.standard_normal(probe.x.size)
        line = probe.projection(np.arange(probe.x.size), direction)
        slope, spread = (weights @ line.slope("complex"), 0) if method == "complex" else line.settle(weights)
        terms = np.asarray(grads[name], float).ravel() * direction
        allowed = 10 * tolerance_of(method, np.asarray(grads[name]).dtype) * np.abs(terms).sum() + 10 * spread
        floor = 1e-9 * np.abs(weights * probe.base).sum()
        if (np.abs(terms.sum() - slope) > allowed + floor).any():
            raise Trouble(f"d{name} is wrong: its slope in a random direction is {terms.sum():.6g}, numeric "
                          f"{float(slope[0]):.6g}")


def _cut(x, axis):
    return np.ascontiguousarray(np.take(x, [0], axis=axis))
