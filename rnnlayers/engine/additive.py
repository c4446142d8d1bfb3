"""The time loop of the LSTM with additive attention on packed rows: rnnlayers.additive_attention, line by line.

Images lie in the order of the packed captions. What takes prev_h is one product, prev_h [Wh, Wq, Wbeta].
"""
import numpy as np

from rnnlayers.engine.kernels import additive_look, additive_look_back, lstm_step, lstm_step_back, sum_keys
from rnnlayers.engine.products import add_to_step_before, times, times_transposed, zeros


def additive_forward(x, index, h0, c0, A, keys, Wh, Wattn, Wq, v, Wbeta, bbeta, packed, memory):
    """x (U, 4H), h0 and c0 (>= active, H), A (>= active, L, E), keys (>= active, L, K) -> h (M, H), weights, cache."""
    M, H, (_, L, E), K, dtype = len(index), len(Wh), A.shape, len(v), x.dtype
    W = np.concatenate([Wh, Wq, Wbeta], axis=1, out=memory("Wh, Wq, Wbeta", (H, 4 * H + K + E), dtype))
    product = memory("product", (packed.active, W.shape[1]), dtype)
    gates, weights = memory("gates", (M, 4 * H), dtype), memory("weights", (M, L), dtype)
    h, prev, c, tanh_c = (memory(name, (M, H), dtype) for name in ("h", "prev", "c", "tanh_c"))
    s_, z, beta, context = (memory(name, (M, *size), dtype) for name, size in
                            (("s", (L, K)), ("z", (E,)), ("beta", (E,)), ("context", (E,))))
    query = memory("query", (packed.active, K), dtype)
    h_before, c_before = h0, c0
    for s, e in packed.steps:
        n = e - s
        prev[s:e] = h_before[:n]
        times(prev[s:e], W, product[:n])
        query[:n] = product[:n, 4 * H:4 * H + K]
        np.add(product[:n, 4 * H + K:], bbeta, out=beta[s:e])
        additive_look(query[:n], beta[s:e], keys, A, v, s_[s:e], weights[s:e], z[s:e], context[s:e])
        times(context[s:e], Wattn, gates[s:e])
        gates[s:e] += product[:n, :4 * H]
        lstm_step(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]
    return h, weights, (A, Wattn, v, W, gates, weights, prev, c, tanh_c, c0, s_, z, beta, context)


def additive_backward(dh, dmaps, cache, packed, memory):
    """dh (M, H), overwritten, dmaps (M, L) -> da (M, 4H), dh0, dc0 (active, H), dkeys, dWh, dWattn, dWq, dv, dWbeta, dbbeta."""
    A, Wattn, v, W, gates, weights, prev, c, tanh_c, c0, s_, z, beta, context = cache
    (M, H), L, (E, G), K, dtype, N = prev.shape, A.shape[1], Wattn.shape, len(v), dh.dtype, packed.active
    dh0, dc = zeros("dh0", (N, H), dtype, memory), zeros("dc", (N, H), dtype, memory)
    dproduct, de = memory("dproduct", (M, W.shape[1]), dtype), memory("de", (M, L), dtype)
    back, dcontext = memory("back", (H * N,), dtype), memory("dcontext", (E * N,), dtype)
    dquery, dgate = memory("query", (N, K), dtype), memory("dgate", (N, E), dtype)
    steps = packed.steps
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        n = e - s
        lstm_step_back(gates[s:e], c[steps[t - 1][0]:s] if t else c0, tanh_c[s:e], dh[s:e], dc[:n])
        dlook = np.ascontiguousarray(times_transposed(gates[s:e], Wattn, dcontext))
        additive_look_back(dlook, dmaps[s:e], A, v, s_[s:e], weights[s:e], z[s:e], beta[s:e], de[s:e], dquery[:n],
                           dgate[:n])
        dproduct[s:e, :G], dproduct[s:e, G:G + K], dproduct[s:e, G + K:] = gates[s:e], dquery[:n], dgate[:n]
        add_to_step_before(dh, dh0, steps, t, times_transposed(dproduct[s:e], W, back))
    dkeys, dv = memory("dkeys", (*A.shape[:2], K), dtype), memory("dv", v.shape, dtype)
    sum_keys(de, s_, v, np.array(packed.starts), packed.lengths, dkeys, dv)
    dW = np.matmul(prev.T, dproduct, out=memory("dW", W.shape, dtype))
    dWattn = np.matmul(context.T, gates, out=memory("dWattn", Wattn.shape, dtype))
    dbbeta = dproduct[:, G + K:].sum(axis=0)
    return gates, dh0, dc, dkeys, dW[:, :G], dWattn, dW[:, G:G + K], dv, dW[:, G + K:], dbbeta
