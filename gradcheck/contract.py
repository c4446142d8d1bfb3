"""What a backward has to keep to before its numbers are worth a look. Each breach is Trouble, in one sentence."""
import numpy as np

from gradcheck.numeric import NoValue, Trouble
from gradcheck.pair import draw, is_float, like
from gradcheck.snapshot import first_change, snapshot

DRAWS = 3                           # upstream gradients that the numbers are checked with
ROUNDING = {4: 1e-4, 8: 1e-9}       # itemsize -> what a sum of gradients may differ by, relative to its terms


def check_contract(pair, rng):
    """All contract checks of a Pair -> upstream gradients [draw] of lists, gradients [draw] of name -> array."""
    before = snapshot(pair.inputs, "")
    outs, cache = pair.forward()
    _unwritten("forward", before, pair)
    _as_precise(outs, pair)
    douts = [draw(outs, rng) for _ in range(DRAWS)]
    grads = [_gradients(pair, douts[0], cache)]
    _deterministic(pair, outs, douts[0], cache, grads[0])
    grads += [_gradients(pair, dout, cache) for dout in douts[1:]]
    _interleaved(pair, douts, grads, rng)
    _zero_gives_zero(pair, douts[0], cache)
    _linear(pair, outs, douts, cache, grads)
    return douts, grads


def check_gradients(grads, inputs, names):
    """Shapes, dtypes and values of gradients against the arrays they belong to."""
    widest = np.result_type(*[np.asarray(inputs[name]).dtype for name in names])
    for name in names:
        grad, x = np.asarray(grads[name]), np.asarray(inputs[name])
        if grad.shape != x.shape:
            raise Trouble(f"d{name} is {grad.shape}, expected {x.shape}, the shape of {name}")
        if grad.dtype not in (x.dtype, widest):
            raise Trouble(f"d{name} is {grad.dtype}, expected {x.dtype}, the dtype of {name}")
        if not np.isfinite(grad).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(grad))[0])
            raise Trouble(f"d{name}{list(place)} is {grad[place]}")


def _as_precise(outs, pair):
    given = min((np.asarray(pair.inputs[name]).dtype for name in pair.differentiable), key=lambda d: d.itemsize)
    for out in outs:
        if isinstance(out, np.ndarray) and out.dtype.kind == "f" and out.dtype.itemsize < given.itemsize:
            raise Trouble(f"forward returns {out.dtype} for {given} inputs: let buffers take the dtype of the inputs")


def _gradients(pair, dout, cache):
    """Backward with a fresh copy of dout; nothing that it was given may change."""
    given = [np.copy(d) if isinstance(d, np.ndarray) else d for d in dout]
    before = snapshot(given, "dout"), snapshot(pair.inputs, ""), snapshot(cache, "cache")
    grads = pair.backward(given, cache)
    path = first_change(before[0], snapshot(given, "dout"))
    if path:
        raise Trouble(f"backward writes to {'dout' if len(given) == 1 else path}, the upstream gradient it was given: "
                      "work on a copy")
    _unwritten("backward", before[1], pair)
    path = first_change(before[2], snapshot(cache, "cache"))
    if path:
        raise Trouble(f"backward writes to {path}: a cache has to stay as forward made it")
    check_gradients(grads, pair.inputs, pair.names)
    return {name: np.array(grad) for name, grad in grads.items()}


def _unwritten(function, before, pair):
    path = first_change(before, snapshot(pair.inputs, ""))
    if path:
        raise Trouble(f"{function} writes to its input {_unquoted(path)}: work on a copy")


def _deterministic(pair, outs, dout, cache, grads):
    kept = snapshot(outs, "out")
    again, _ = pair.forward()
    if first_change(kept, snapshot(again, "out")):
        raise Trouble("forward returns something else when it is called again with the same inputs (random numbers "
                      "without a fixed seed, or state that a call leaves behind)")
    name = _differs(grads, _gradients(pair, dout, cache))
    if name:
        raise Trouble(f"backward returns another d{name} when it is called again with the same arguments")


def _interleaved(pair, douts, grads, rng):
    """forward A, forward B, backward A, backward B gives what each alone gives: nothing is shared between calls."""
    other, cache = _other_inputs(pair, rng)
    if other is None:
        return
    alone = _copies(pair.backward(douts[1], cache))
    outs_a, cache_a = pair.forward()
    kept_outs = snapshot(outs_a, "out")
    _, cache_b = pair.forward(other)
    if first_change(kept_outs, snapshot(outs_a, "out")):
        raise Trouble("forward overwrites the output that it returned before: give each call arrays of its own")
    grads_a = pair.backward(douts[0], cache_a)
    kept = _copies(grads_a)
    grads_b = pair.backward(douts[1], cache_b)
    name = _differs(grads[0], kept) or _differs(alone, grads_b)
    if name:
        raise Trouble(f"d{name} changes when forward is called with other inputs before backward: "
                      "the calls share something (a global, an attribute, a buffer)")
    name = _differs(kept, grads_a)
    if name:
        raise Trouble(f"backward overwrites the d{name} that it returned before: give each call arrays of its own")


def _other_inputs(pair, rng):
    """Inputs a little away that forward accepts, and their cache; None, None where it accepts none."""
    for share in (1e-2, 1e-4, 1e-6):
        other = {}
        for name in pair.differentiable:
            x = pair.inputs[name]
            other[name] = like(x, x * (1 + share * rng.uniform(-1, 1, np.shape(x))))
        try:
            return other, pair.forward(other, lambda share=share: f"forward with inputs {share:.0%} away")[1]
        except NoValue:
            continue
    return None, None


def _zero_gives_zero(pair, dout, cache):
    grads = pair.backward([like(d, 0 * d) for d in dout], cache)
    for name, grad in grads.items():
        if np.any(np.asarray(grad) != 0):
            raise Trouble(f"d{name} is not zero for an upstream gradient of zero: something is added in backward "
                          "that does not come from dout")


def _linear(pair, outs, douts, cache, grads):
    mixed = [like(p, 2 * p - 3 * q) for p, q in zip(*douts[:2])]
    found = pair.backward(mixed, cache)
    largest = max(np.abs(grad).max(initial=0) for grad in grads[0].values())
    terms = max(np.abs(d * out).max(initial=0) for d, out in zip(douts[0], filter(is_float, outs)))
    for name in pair.names:
        one, two = grads[0][name], grads[1][name]
        allowed = ROUNDING[one.dtype.itemsize] * (np.abs(2 * one).max(initial=0) + np.abs(3 * two).max(initial=0))
        allowed += 1e3 * np.finfo(one.dtype).eps * max(largest, terms)
        if np.abs(np.asarray(found[name]) - (2 * one - 3 * two)).max(initial=0) > allowed:
            raise Trouble(f"d{name} is not linear in the upstream gradient: backward(2a - 3b) differs from "
                          "2 backward(a) - 3 backward(b)")


def _copies(grads):
    return {name: np.array(grad) for name, grad in grads.items()}


def _differs(one, two):
    return next((name for name in one if np.asarray(one[name]).tobytes() != np.asarray(two[name]).tobytes()), None)


def _unquoted(path):
    """['x'] -> x, ['config']['m'] -> config['m']."""
    head, _, rest = path[2:].partition("']")
    return head + rest
