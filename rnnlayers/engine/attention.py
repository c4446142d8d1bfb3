"""The time loop of the LSTM with dot product attention on packed rows: rnnlayers.attention, line by line.

Images are in the order of the packed captions, and a region is a row: A (N, L, H). counts, integer (N,), has the number
of regions of each image.
"""
import numpy as np

from rnnlayers.engine.kernels import attend, attend_backward, lstm_step, lstm_step_backward
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import add_to_step_before, times, times_transposed, zeros
from rnnlayers.regions import real_regions
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator


def region_mean(A: Array, counts: Array) -> Array:
    """Mean over the regions of each image, A (N, L, H), counts (N,) -> (N, H). The padding of A becomes 0."""
    A[~real_regions("attention", counts, *A.shape[:2])] = 0
    return A.sum(axis=1) / counts[:, None].astype(A.dtype)


def attention_forward(x: Array, index: Array, A: Array, counts: Array, Wh: Array, Wattn: Array, packed: Packed,
                      workspace: Allocator) -> tuple[Array, Array, tuple[Array, ...]]:
    """x (U, 4H), A (>= active, L, H), whose padding becomes 0, counts as many -> h (M, H), weights (M, L), cache."""
    M, (_, L, H), dtype = len(index), A.shape, x.dtype
    W = np.concatenate([Wh, Wattn], out=workspace("Wh, Wattn", (2 * H, 4 * H), dtype))
    gates, weights = workspace("gates", (M, 4 * H), dtype), workspace("weights", (M, L), dtype)
    h, c, tanh_c, attn = (workspace(name, (M, H), dtype) for name in ("h", "c", "tanh_c", "attn"))
    both = workspace("both", (M, 2 * H), dtype)                # prev_h and attn side by side: one product a step
    first = region_mean(A[:packed.active], counts[:packed.active])      # h0 and c0
    h_before, c_before = first, first
    for s, e in packed.steps:
        attend(h_before[:e - s], A, counts, weights[s:e], attn[s:e])
        both[s:e, :H], both[s:e, H:] = h_before[:e - s], attn[s:e]
        times(both[s:e], W, gates[s:e])
        lstm_step(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]
    return h, weights, (A, counts, W, gates, weights, c, tanh_c, both, first)


def attention_backward(dh: Array, dattention: Array, cache: tuple[Array, ...], packed: Packed,
                       workspace: Allocator) -> tuple[Array, ...]:
    """dh (M, H), overwritten, dattention (M, L) -> da (M, 4H), dA like A, dWh, dWattn."""
    A, counts, W, gates, weights, c, tanh_c, both, first = cache
    (M, L), H, dtype, N = weights.shape, first.shape[1], dh.dtype, packed.active
    dh0, dc = zeros("dh0", first.shape, dtype, workspace), zeros("dc", first.shape, dtype, workspace)
    dattn, dscores = workspace("attn", (M, H), dtype), workspace("dscores", (M, L), dtype)    # attn is kept in both
    dboth, dprev_h = workspace("dboth", (2 * H * N,), dtype), workspace("dprev_h", (N, H), dtype)
    steps = packed.steps
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        n = e - s
        lstm_step_backward(gates[s:e], c[steps[t - 1][0]:s] if t else first, tanh_c[s:e], dh[s:e], dc[:n])
        back = times_transposed(gates[s:e], W, dboth)
        dattn[s:e] = back[:, H:]
        attend_backward(dattn[s:e], dattention[s:e], A, counts, weights[s:e], dscores[s:e], dprev_h[:n])
        dprev_h[:n] += back[:, :H]                          # h_{t-1} enters the cell and the attention
        add_to_step_before(dh, dh0, steps, t, dprev_h[:n])
    dA = workspace("dA", A.shape, dtype)
    dA[:N] = ((dh0 + dc) / counts[:N, None].astype(dtype))[:, None]         # h0 = c0 = mean of A
    dA[N:] = 0
    dA[~real_regions("attention", counts, len(A), L)] = 0
    for n, length in enumerate(packed.lengths):             # A is used in the scores and in the context
        rows = np.array(packed.starts[:length]) + n
        dA[n] += dscores[rows].T @ both[rows, :H] + weights[rows].T @ dattn[rows]
    dW = np.matmul(both.T, gates, out=workspace("dW", W.shape, dtype))
    return gates, dA, dW[:H], dW[H:]
