"""The time loops of the plain RNN and the LSTM on packed rows: rnnlayers.rnn and rnnlayers.lstm, line by line.

Only h Wh has to wait for the step before. What comes from the inputs is done before the loop (x, one row for each
distinct input, b included; index (M,) says which), what goes to the weights after it, in single products over M rows.
"""
import numpy as np

from rnnlayers.engine.kernels import lstm_loop, lstm_loop_back, lstm_step, lstm_step_back, rnn_step
from rnnlayers.engine.products import add_to_step_before, times, times_transposed, zeros

FEW_BYTES = 2**19                   # of Wh times captions, up to which one compiled loop beats BLAS step by step


def rnn_forward(x, index, h0, Wh, packed, memory):
    """x (U, H), h0 (>= active, H) -> h (M, H), cache."""
    shape = len(index), len(Wh)
    h, prev = memory("h", shape, x.dtype), memory("prev", shape, x.dtype)
    h_before = h0
    for s, e in packed.steps:
        prev[s:e] = h_before[:e - s]                        # captions that go on are the first ones
        times(prev[s:e], Wh, h[s:e])
        rnn_step(h[s:e], x, index[s:e])                     # tanh(x Wx + prev_h Wh + b)
        h_before = h[s:e]
    return h, (h, prev)


def rnn_backward(dh, cache, Wh, packed, memory):
    """dh (M, H), overwritten by da -> da (M, H), dh0 (active, H), dWh."""
    h, prev = cache
    N, H = packed.active, len(Wh)
    dh0, back = zeros("dh0", (N, H), h.dtype, memory), memory("back", (H * N,), h.dtype)
    steps = packed.steps
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        da = dh[s:e]
        da *= 1 - h[s:e]**2                                 # h = tanh(a)
        add_to_step_before(dh, dh0, steps, t, times_transposed(da, Wh, back))
    return dh, dh0, np.matmul(prev.T, dh, out=memory("dWh", Wh.shape, h.dtype))


def lstm_forward(x, index, h0, Wh, packed, memory, c0=None):
    """x (U, 4H), h0 and c0 (>= active, H), None for zeros -> h (M, H), cache."""
    M, H, dtype = len(index), len(Wh), x.dtype
    gates = memory("gates", (M, 4 * H), dtype)
    h, prev, c, tanh_c = (memory(name, (M, H), dtype) for name in ("h", "prev", "c", "tanh_c"))
    c0 = np.zeros_like(h0) if c0 is None else c0
    if _few(packed, Wh):
        lstm_loop(h0, c0, x, index, np.array(packed.starts), Wh, gates, prev, c, tanh_c, h)
        return h, (gates, prev, c, tanh_c, c0)
    h_before, c_before = h0, c0
    for s, e in packed.steps:
        prev[s:e] = h_before[:e - s]
        times(prev[s:e], Wh, gates[s:e])
        lstm_step(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]
    return h, (gates, prev, c, tanh_c, c0)


def lstm_backward(dh, cache, Wh, packed, memory):
    """dh (M, H), overwritten -> da (M, 4H), dh0 (active, H), dWh, dc0 (active, H)."""
    gates, prev, c, tanh_c, c0 = cache
    N, H = packed.active, len(Wh)
    dh0, dc = zeros("dh0", (N, H), dh.dtype, memory), zeros("dc", (N, H), dh.dtype, memory)
    back = memory("back", (H * N,), dh.dtype)
    steps = packed.steps
    if _few(packed, Wh):
        lstm_loop_back(dh, c0, np.array(packed.starts), Wh, gates, c, tanh_c, dh0, dc)
        steps = []
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        lstm_step_back(gates[s:e], c[steps[t - 1][0]:s] if t else c0, tanh_c[s:e], dh[s:e], dc[:e - s])
        add_to_step_before(dh, dh0, steps, t, times_transposed(gates[s:e], Wh, back))
    return gates, dh0, np.matmul(prev.T, gates, out=memory("dWh", Wh.shape, dh.dtype)), dc


def _few(packed, Wh):
    """Whether the batch is so small that one compiled loop over all steps is faster than a product for each."""
    return packed.active > 0 and packed.active * Wh.nbytes <= FEW_BYTES
