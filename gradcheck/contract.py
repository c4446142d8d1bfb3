"""The contract of a backward, which is checked before its numbers. Each breach raises Trouble, one sentence.

Most breaches leave numbers that can be checked: those of a pair that gets fresh copies for every call.
"""
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck.copies import on_copies
from gradcheck.numeric import NoValue, Trouble
from gradcheck.pair import Pair, draw, is_float, like
from gradcheck.snapshot import Snapshot, first_change, snapshot

DRAWS = 3                           # random upstream gradients of a check
ROUNDING = {4: 1e-4, 8: 1e-9}       # itemsize -> allowed rounding of a sum of gradients, relative to its terms

Gradients = dict[str, np.ndarray]


def check_contract(pair: Pair, rng: np.random.Generator) -> tuple[list[tuple], list[Gradients]]:
    """Check the whole contract of a Pair -> upstream gradients and gradients, one of each for every draw."""
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


def measurable(pair: Pair, rng: np.random.Generator) -> tuple[Pair, list[tuple], list[Gradients]]:
    """A pair that broke the contract, on copies and without gradients of a wrong shape; upstream gradients, gradients.

    Raises Trouble if there are no numbers to check.
    """
    other = on_copies(pair)
    outs, cache = other.forward()
    if first_change(snapshot(outs, "out"), snapshot(other.forward()[0], "out")):
        raise Trouble("forward is random")
    douts = [draw(outs, rng) for _ in range(DRAWS)]
    grads = [_arrays(other.backward(dout, cache)) for dout in douts]
    other.names = [name for name in pair.names if all(
        grad[name].shape == np.shape(pair.inputs[name]) and np.isfinite(grad[name]).all() for grad in grads)]
    if not other.names:
        raise Trouble("no gradient has the shape of its array and finite numbers")
    return other, douts, grads


def _arrays(grads: Mapping[str, Any]) -> Gradients:
    return {name: np.asarray(grad) for name, grad in grads.items()}


def check_gradients(grads: Mapping[str, Any], inputs: Mapping[str, Any], names: Sequence[str]) -> None:
    """Require the shapes and dtypes of the arrays that the gradients belong to, and finite values. Raises Trouble."""
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


def _as_precise(outs: Sequence, pair: Pair) -> None:
    given = min((np.asarray(pair.inputs[name]).dtype for name in pair.differentiable), key=lambda d: d.itemsize)
    for out in outs:
        if isinstance(out, np.ndarray) and out.dtype.kind == "f" and out.dtype.itemsize < given.itemsize:
            raise Trouble(f"forward returns {out.dtype} for {given} inputs: let buffers take the dtype of the inputs")


def _gradients(pair: Pair, dout: Sequence, cache: Any) -> Gradients:
    """Call backward with a copy of dout. Raises Trouble if it changes one of its arguments or forward's inputs."""
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
        raise Trouble(f"backward writes to {path}: leave the cache as forward made it")
    check_gradients(grads, pair.inputs, pair.names)
    return {name: np.array(grad) for name, grad in grads.items()}


def _unwritten(function: str, before: Snapshot, pair: Pair) -> None:
    path = first_change(before, snapshot(pair.inputs, ""))
    if path:
        raise Trouble(f"{function} writes to its input {_unquoted(path)}: work on a copy")


def _deterministic(pair: Pair, outs: Sequence, dout: Sequence, cache: Any, grads: Gradients) -> None:
    kept = snapshot(outs, "out")
    again, _ = pair.forward()
    if first_change(kept, snapshot(again, "out")):
        raise Trouble("forward returns different values when it is called again with the same inputs (random numbers "
                      "without a fixed seed, or state that a call leaves behind)")
    name = _differs(grads, _gradients(pair, dout, cache))
    if name:
        raise Trouble(f"backward returns a different d{name} when it is called again with the same arguments")


def _interleaved(pair: Pair, douts: Sequence[tuple], grads: Sequence[Gradients], rng: np.random.Generator) -> None:
    """Forward A, forward B, backward A, backward B must give the gradients of A and of B alone: no shared state."""
    other, cache = _other_inputs(pair, rng)
    if other is None:
        return
    alone = _copies(pair.backward(douts[1], cache))
    outs_a, cache_a = pair.forward()
    kept_outs = snapshot(outs_a, "out")
    _, cache_b = pair.forward(other)
    if first_change(kept_outs, snapshot(outs_a, "out")):
        raise Trouble("forward overwrites the output that it returned before: return new arrays from each call")
    grads_a = pair.backward(douts[0], cache_a)
    kept = _copies(grads_a)
    grads_b = pair.backward(douts[1], cache_b)
    name = _differs(grads[0], kept) or _differs(alone, grads_b)
    if name:
        raise Trouble(f"d{name} changes when forward is called with other inputs before backward: "
                      "the calls share something (a global, an attribute, a buffer)")
    name = _differs(kept, grads_a)
    if name:
        raise Trouble(f"backward overwrites the d{name} that it returned before: return new arrays from each call")


def _other_inputs(pair: Pair, rng: np.random.Generator) -> tuple[Gradients | None, Any]:
    """Inputs close to the given ones that forward accepts, and their cache; None, None if it accepts none."""
    for share in (1e-2, 1e-4, 1e-6):
        other = {}
        for name in pair.differentiable:
            x = pair.inputs[name]
            other[name] = like(x, x * (1 + share * rng.uniform(-1, 1, np.shape(x))))
        try:
            return other, pair.forward(other, partial("forward with inputs moved by {:g}".format, share))[1]
        except NoValue:
            continue
    return None, None


def _zero_gives_zero(pair: Pair, dout: Sequence, cache: Any) -> None:
    grads = pair.backward([like(d, 0 * d) for d in dout], cache)
    for name, grad in grads.items():
        if np.any(np.asarray(grad) != 0):
            raise Trouble(f"d{name} is not zero for an upstream gradient of zero: backward adds something that does "
                          "not come from dout")


def _linear(pair: Pair, outs: Sequence, douts: Sequence[tuple], cache: Any, grads: Sequence[Gradients]) -> None:
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


def _copies(grads: Gradients) -> Gradients:
    return {name: np.array(grad) for name, grad in grads.items()}


def _differs(one: Gradients, two: Gradients) -> str | None:
    """The first gradient whose bytes differ, or None."""
    return next((name for name in one if np.asarray(one[name]).tobytes() != np.asarray(two[name]).tobytes()), None)


def _unquoted(path: str) -> str:
    """['x'] -> x, ['config']['m'] -> config['m']."""
    head, _, rest = path[2:].partition("']")
    return head + rest
