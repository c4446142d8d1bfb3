"""The time loops of the recurrent cells on packed rows: the layers of rnnlayers, line by line.

Only h Wh has to wait for the step before. The projection of the inputs is computed before the loop (x, one row for each
distinct input, b included; index (M,) holds each word's row), the gradients of the weights after it, in single products
over M rows. All loops have one shape, that of a Loop; LOOPS has one for each cell.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnnlayers.engine.kernels import (
    Kernel,
    greedy_gru,
    greedy_lstm,
    greedy_rnn,
    gru_step,
    gru_step_backward,
    lstm_loop,
    lstm_loop_backward,
    lstm_step,
    lstm_step_backward,
    rnn_step,
)
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import add_to_step_before, product, times, times_transposed, zeros
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator

Arrays = tuple[Array, ...]
FEW_BYTES = 2**19                   # of Wh times captions: up to here one compiled loop beats BLAS step by step


def rnn_forward(x: Array, index: Array, states0: Arrays, weights: Arrays, packed: Packed,
                workspace: Allocator) -> tuple[Array, Arrays]:
    """x (U, H), states0 = h0 (>= active, H), weights = Wh -> h (M, H), cache."""
    (h0,), (Wh,) = states0, weights
    shape = len(index), len(Wh)
    h, prev = workspace("h", shape, x.dtype), workspace("prev", shape, x.dtype)
    h_before = h0
    for s, e in packed.steps:
        prev[s:e] = h_before[:e - s]                        # the captions that go on come first
        times(prev[s:e], Wh, h[s:e])
        rnn_step(h[s:e], x, index[s:e])                     # tanh(x Wx + prev_h Wh + b)
        h_before = h[s:e]
    return h, (h, prev, Wh)


def rnn_backward(dh: Array, cache: Arrays, packed: Packed, workspace: Allocator) -> tuple[Array, Arrays, Arrays]:
    """dh (M, H), overwritten by da -> da (M, H), dstates0 = dh0 (active, H), dweights = dWh."""
    h, prev, Wh = cache
    N, H = packed.active, len(Wh)
    dh0, back = zeros("dh0", (N, H), h.dtype, workspace), workspace("back", (H * N,), h.dtype)
    steps = packed.steps
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        da = dh[s:e]
        da *= 1 - h[s:e]**2                                 # h = tanh(a)
        add_to_step_before(dh, dh0, steps, t, times_transposed(da, Wh, back))
    return dh, (dh0,), (np.matmul(prev.T, dh, out=workspace("dWh", Wh.shape, h.dtype)),)


def rnn_next(x: Array, index: Array, states: Arrays, weights: Arrays) -> Arrays:
    """One step: x (U, H), index (n,), states = h (n, H), weights = Wh -> states."""
    (h,), (Wh,) = states, weights
    h = product(h, Wh)
    rnn_step(h, x, index)
    return (h,)


def lstm_forward(x: Array, index: Array, states0: Arrays, weights: Arrays, packed: Packed,
                 workspace: Allocator) -> tuple[Array, Arrays]:
    """x (U, 4H), states0 = h0 and c0 (>= active, H), weights = Wh -> h (M, H), cache."""
    (h0, c0), (Wh,) = states0, weights
    M, H, dtype = len(index), len(Wh), x.dtype
    gates = workspace("gates", (M, 4 * H), dtype)
    h, prev, c, tanh_c = (workspace(name, (M, H), dtype) for name in ("h", "prev", "c", "tanh_c"))
    cache = gates, prev, c, tanh_c, c0, Wh
    if _few(packed, Wh):
        lstm_loop(h0, c0, x, index, np.array(packed.starts), Wh, gates, prev, c, tanh_c, h)
        return h, cache
    h_before, c_before = h0, c0
    for s, e in packed.steps:
        prev[s:e] = h_before[:e - s]
        times(prev[s:e], Wh, gates[s:e])
        lstm_step(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]
    return h, cache


def lstm_backward(dh: Array, cache: Arrays, packed: Packed, workspace: Allocator) -> tuple[Array, Arrays, Arrays]:
    """dh (M, H), overwritten -> da (M, 4H), dstates0 = dh0 and dc0 (active, H), dweights = dWh."""
    gates, prev, c, tanh_c, c0, Wh = cache
    N, H = packed.active, len(Wh)
    dh0, dc = zeros("dh0", (N, H), dh.dtype, workspace), zeros("dc", (N, H), dh.dtype, workspace)
    back = workspace("back", (H * N,), dh.dtype)
    steps = packed.steps
    if _few(packed, Wh):
        lstm_loop_backward(dh, c0, np.array(packed.starts), Wh, gates, c, tanh_c, dh0, dc)
        steps = []
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        lstm_step_backward(gates[s:e], c[steps[t - 1][0]:s] if t else c0, tanh_c[s:e], dh[s:e], dc[:e - s])
        add_to_step_before(dh, dh0, steps, t, times_transposed(gates[s:e], Wh, back))
    return gates, (dh0, dc), (np.matmul(prev.T, gates, out=workspace("dWh", Wh.shape, dh.dtype)),)


def lstm_next(x: Array, index: Array, states: Arrays, weights: Arrays) -> Arrays:
    """One step: x (U, 4H), index (n,), states = h and c (n, H), weights = Wh -> states."""
    (h, c), (Wh,) = states, weights
    return lstm_update(product(h, Wh), x, index, c)


def lstm_update(a: Array, x: Array, index: Array, prev_c: Array) -> Arrays:
    """h and c (n, H), new arrays, from a (n, 4H), which is overwritten: all of the gates' input but x[index]."""
    h, c, tanh_c = (np.empty_like(prev_c) for _ in range(3))
    lstm_step(a, x, index, prev_c, c, tanh_c, h)
    return h, c


def gru_forward(x: Array, index: Array, states0: Arrays, weights: Arrays, packed: Packed,
                workspace: Allocator) -> tuple[Array, Arrays]:
    """x (U, 3H), states0 = h0 (>= active, H), weights = Wh and bn -> h (M, H), cache."""
    (h0,), (Wh, bn) = states0, weights
    M, H, dtype = len(index), len(Wh), x.dtype
    gates = workspace("gates", (M, 3 * H), dtype)
    h, prev, m = (workspace(name, (M, H), dtype) for name in ("h", "prev", "m"))
    h_before = h0
    for s, e in packed.steps:
        prev[s:e] = h_before[:e - s]
        times(prev[s:e], Wh, gates[s:e])
        gru_step(gates[s:e], x, index[s:e], bn, prev[s:e], m[s:e], h[s:e])
        h_before = h[s:e]
    return h, (gates, prev, m, Wh)


def gru_backward(dh: Array, cache: Arrays, packed: Packed, workspace: Allocator) -> tuple[Array, Arrays, Arrays]:
    """dh (M, H), overwritten -> da (M, 3H), dstates0 = dh0 (active, H), dweights = dWh and dbn."""
    gates, prev, m, Wh = cache
    N, H = packed.active, len(Wh)
    dh0, back = zeros("dh0", (N, H), dh.dtype, workspace), workspace("back", (H * N,), dh.dtype)
    da, steps = workspace("da", gates.shape, dh.dtype), packed.steps
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        gru_step_backward(gates[s:e], m[s:e], prev[s:e], dh[s:e], da[s:e])      # gates become du, dh becomes z dh
        add_to_step_before(dh, dh0, steps, t, times_transposed(gates[s:e], Wh, back))
        add_to_step_before(dh, dh0, steps, t, dh[s:e])
    dWh = np.matmul(prev.T, gates, out=workspace("dWh", Wh.shape, dh.dtype))
    return da, (dh0,), (dWh, gates[:, 2 * H:].sum(axis=0))


def gru_next(x: Array, index: Array, states: Arrays, weights: Arrays) -> Arrays:
    """One step: x (U, 3H), index (n,), states = h (n, H), weights = Wh and bn -> states."""
    (prev_h,), (Wh, bn) = states, weights
    h, m = np.empty_like(prev_h), np.empty_like(prev_h)
    gru_step(product(prev_h, Wh), x, index, bn, prev_h, m, h)
    return (h,)


def _few(packed: Packed, Wh: Array) -> bool:
    """Whether the batch is so small that one compiled loop over all steps is faster than a product for each."""
    return packed.active > 0 and packed.active * Wh.nbytes <= FEW_BYTES


class Loop(NamedTuple):
    """The time loop of a recurrent cell. states are arrays (n, H), h first; weights are the arrays that h meets.

    forward(x, index, states0, weights, packed, workspace) -> h (M, H), cache
    backward(dh, cache, packed, workspace) -> da, dstates0, dweights; dh is overwritten
    step(x, index, states, weights) -> states, in new arrays
    greedy(W_embed, Wx, b, W_vocab, b_vocab, *weights, *states, word, end, words) -> number of words; states are those
    of one caption, each (H,), and are overwritten
    """
    forward: Callable[..., tuple[Array, Arrays]]
    backward: Callable[..., tuple[Array, Arrays, Arrays]]
    step: Callable[[Array, Array, Arrays, Arrays], Arrays]
    weights: tuple[str, ...]        # names of the recurrent parameters
    states: int                     # how many arrays are carried from step to step: 1 for h, 2 for h and c
    greedy: Kernel | None           # captions one image faster than single steps, where there is such a kernel


LOOPS: dict[str, Loop] = {
    "rnn": Loop(rnn_forward, rnn_backward, rnn_next, ("Wh",), 1, greedy_rnn),
    "lstm": Loop(lstm_forward, lstm_backward, lstm_next, ("Wh",), 2, greedy_lstm),
    "gru": Loop(gru_forward, gru_backward, gru_next, ("Wh", "bn"), 1, greedy_gru),
}
