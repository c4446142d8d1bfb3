"""The time loop of the LSTM with dot product attention on packed rows: rnnlayers.attention, line by line.

The layers above it in a stack are part of the loop, since the last one's h is what the next step attends from.
Images are in the order of the packed captions, and a region is a row: A (N, L, H). counts, integer (N,), has the number
of regions of each image.
"""
from typing import NamedTuple

import numpy as np

from rnnlayers.engine.kernels import attend, attend_backward, lstm_step, lstm_step_backward
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import add_to_step_before, times, times_transposed, zeros
from rnnlayers.engine.upper import SINGLE, Above, Layer, make_layers, upper_backward, upper_forward, upper_gradients
from rnnlayers.regions import real_regions
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator


def region_mean(A: Array, counts: Array) -> Array:
    """Mean over the regions of each image, A (N, L, H), counts (N,) -> (N, H). The padding of A becomes 0."""
    A[~real_regions("attention", counts, *A.shape[:2])] = 0
    return A.sum(axis=1) / counts[:, None].astype(A.dtype)


class Cache(NamedTuple):
    A: Array
    counts: Array
    W: Array                        # (2H, 4H): Wh, and Wattn below it
    gates: Array
    weights: Array
    c: Array
    tanh_c: Array
    both: Array                     # (M, 2H): prev_h and attn side by side
    first: Array                    # (>= active, H): h0 and c0
    upper: list[Layer]


def attention_forward(x: Array, index: Array, A: Array, counts: Array, Wh: Array, Wattn: Array, packed: Packed,
                      workspace: Allocator, above: Above = SINGLE) -> tuple[Array, Array, Cache]:
    """x (U, 4H), A (>= active, L, H), whose padding becomes 0, counts as many -> output (M, H), weights (M, L), cache.

    The output is h, or that of the last layer of those above.
    """
    M, (_, L, H), dtype = len(index), A.shape, x.dtype
    W = np.concatenate([Wh, Wattn], out=workspace("Wh, Wattn", (2 * H, 4 * H), dtype))
    gates, weights = workspace("gates", (M, 4 * H), dtype), workspace("weights", (M, L), dtype)
    h, c, tanh_c, attn = (workspace(name, (M, H), dtype) for name in ("h", "c", "tanh_c", "attn"))
    both = workspace("both", (M, 2 * H), dtype)                # prev_h and attn side by side: one product a step
    first = region_mean(A[:packed.active], counts[:packed.active])      # h0 and c0
    h_before, c_before, last_h = first, first, first
    upper = make_layers(above, first, first, packed, workspace)
    for t, (s, e) in enumerate(packed.steps):
        attend(last_h[:e - s], A, counts, weights[s:e], attn[s:e])
        both[s:e, :H], both[s:e, H:] = h_before[:e - s], attn[s:e]
        times(both[s:e], W, gates[s:e])
        lstm_step(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]
        last_h = upper_forward(upper, h_before, t, packed.steps)
    cache = Cache(A, counts, W, gates, weights, c, tanh_c, both, first, upper)
    return upper[-1].output if upper else h, weights, cache


def attention_backward(dh: Array, dattention: Array, cache: Cache, packed: Packed, workspace: Allocator
                       ) -> tuple[Array, Array, Array, Array, list[tuple[Array, Array, Array]]]:
    """dh (M, H), overwritten, dattention (M, L) -> da (M, 4H), dA like A, dWh, dWattn, gradients of the layers above.

    dh is the gradient of the output.
    """
    A, counts, W, gates, weights, c, tanh_c, both, first, upper = cache
    (M, L), H, dtype, N = weights.shape, first.shape[1], dh.dtype, packed.active
    dh0, dc = zeros("dh0", first.shape, dtype, workspace), zeros("dc", first.shape, dtype, workspace)
    dattn, dscores = workspace("attn", (M, H), dtype), workspace("dscores", (M, L), dtype)    # attn is kept in both
    dboth, dprev_h = workspace("dboth", (2 * H * N,), dtype), workspace("dprev_h", (N, H), dtype)
    doutput, steps = dh, packed.steps
    if upper:
        dh = zeros("dh of layer 0", dh.shape, dtype, workspace)
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        n = e - s
        if upper:
            dh[s:e] += upper_backward(upper, doutput[s:e], t, steps, dboth)
        lstm_step_backward(gates[s:e], c[steps[t - 1][0]:s] if t else first, tanh_c[s:e], dh[s:e], dc[:n])
        back = times_transposed(gates[s:e], W, dboth)
        dattn[s:e] = back[:, H:]
        attend_backward(dattn[s:e], dattention[s:e], A, counts, weights[s:e], dscores[s:e], dprev_h[:n])
        if upper:                                           # the last layer's h_{t-1} enters the attention
            upper[-1].dh[:n] += dprev_h[:n]
            dprev_h[:n] = 0
        dprev_h[:n] += back[:, :H]                          # h_{t-1} enters the cell, and a single layer's both
        add_to_step_before(dh, dh0, steps, t, dprev_h[:n])
    dA = workspace("dA", A.shape, dtype)
    dmean = sum((layer.dh + layer.dc for layer in upper), dh0 + dc)         # all layers start from the same states
    dA[:N] = (dmean / counts[:N, None].astype(dtype))[:, None]              # h0 = c0 = mean of A
    dA[N:] = 0
    dA[~real_regions("attention", counts, len(A), L)] = 0
    looking = (upper[-1].both if upper else both)[:, :H]    # the h that attended
    for n, length in enumerate(packed.lengths):             # A is used in the scores and in the context
        rows = np.array(packed.starts[:length]) + n
        dA[n] += dscores[rows].T @ looking[rows] + weights[rows].T @ dattn[rows]
    dW = np.matmul(both.T, gates, out=workspace("dW", W.shape, dtype))
    return gates, dA, dW[:H], dW[H:], upper_gradients(upper, workspace)
