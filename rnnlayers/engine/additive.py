"""The time loop of the LSTM with additive attention on packed rows: rnnlayers.additive_attention, line by line.

Images are in the order of the packed captions; counts, integer (N,), has the number of regions of each. The three
products with prev_h are one, prev_h [Wh, Wq, Wbeta]; in a stack they are two, since Wq and Wbeta meet the last layer's
prev_h. The layers above are part of the loop, since the last one's h is what the next step attends from.
"""
import numpy as np

from rnnlayers.engine.kernels import additive_attend, additive_attend_backward, lstm_step, lstm_step_backward
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import add_to_step_before, times, times_transposed, zeros
from rnnlayers.engine.upper import SINGLE, Above, make_layers, upper_backward, upper_forward, upper_gradients
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator


def additive_forward(x: Array, index: Array, h0: Array, c0: Array, A: Array, keys: Array, counts: Array, Wh: Array,
                     Wattn: Array, Wq: Array, v: Array, Wbeta: Array, bbeta: Array, packed: Packed,
                     workspace: Allocator, above: Above = SINGLE) -> tuple[Array, Array, tuple]:
    """x (U, 4H), h0, c0 (>= active, H), A (>= active, L, E), keys (>= active, L, K), counts (>= active,) -> output
    (M, H), weights (M, L), cache. The output is h, or that of the last layer of those above."""
    M, (H, G), L, E, K, dtype = len(index), Wh.shape, A.shape[1], A.shape[2], len(v), x.dtype
    W = np.concatenate([Wh, Wq, Wbeta], axis=1, out=workspace("Wh, Wq, Wbeta", (H, G + K + E), dtype))
    product = workspace("product", (packed.active, G + K + E), dtype)
    gates, weights, query = (workspace(name, (M, width), dtype)
                             for name, width in (("gates", G), ("weights", L), ("query", K)))
    h, prev, c, tanh_c = (workspace(name, (M, H), dtype) for name in ("h", "prev", "c", "tanh_c"))
    z, beta, context = (workspace(name, (M, E), dtype) for name in ("z", "beta", "context"))
    h_before, c_before, last_h = h0, c0, h0
    upper = make_layers(above, h0, c0, packed, workspace)
    for t, (s, e) in enumerate(packed.steps):
        n = e - s
        prev[s:e] = h_before[:n]
        if upper:
            times(prev[s:e], W[:, :G], product[:n, :G])
            times(last_h[:n], W[:, G:], product[:n, G:])
        else:
            times(prev[s:e], W, product[:n])
        query[s:e] = product[:n, G:G + K]
        np.add(product[:n, G + K:], bbeta, out=beta[s:e])
        additive_attend(query[s:e], beta[s:e], keys, A, v, counts, weights[s:e], z[s:e], context[s:e])
        times(context[s:e], Wattn, gates[s:e])
        gates[s:e] += product[:n, :G]
        lstm_step(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]
        last_h = upper_forward(upper, h_before, t, packed.steps)
    cache = A, keys, counts, Wattn, v, W, gates, weights, query, prev, c, tanh_c, c0, z, beta, context, upper
    return upper[-1].output if upper else h, weights, cache


def additive_backward(dh: Array, dattention: Array, cache: tuple, packed: Packed, workspace: Allocator
                      ) -> tuple[list[Array], list[tuple[Array, Array, Array]]]:
    """dh (M, H), overwritten, dattention (M, L) -> [da (M, 4H), dh0, dc0 (active, H), dkeys like keys, dWh, dWattn,
    dWq, dv, dWbeta, dbbeta], gradients of the layers above. dh is the gradient of the output."""
    A, keys, counts, Wattn, v, W, gates, weights, query, prev, c, tanh_c, c0, z, beta, context, upper = cache
    (M, H), (E, G), K, dtype, N = prev.shape, Wattn.shape, len(v), dh.dtype, packed.active
    dh0, dc, dkeys, dv = (zeros(name, shape, dtype, workspace) for name, shape in
                          (("dh0", (N, H)), ("dc", (N, H)), ("dkeys", keys.shape), ("dv", v.shape)))
    dproduct = workspace("dproduct", (M, W.shape[1]), dtype)
    back, scratch = workspace("back", (2 * H * N,), dtype), workspace("dcontext", (E * N,), dtype)
    dquery, dgate = workspace("dquery", (N, K), dtype), workspace("dgate", (N, E), dtype)
    doutput, steps = dh, packed.steps
    if upper:
        dh = zeros("dh of layer 0", dh.shape, dtype, workspace)
    for t in reversed(range(len(steps))):
        s, e = steps[t]
        n = e - s
        if upper:
            dh[s:e] += upper_backward(upper, doutput[s:e], t, steps, back)
        lstm_step_backward(gates[s:e], c[steps[t - 1][0]:s] if t else c0, tanh_c[s:e], dh[s:e], dc[:n])
        dcontext = np.ascontiguousarray(times_transposed(gates[s:e], Wattn, scratch))
        additive_attend_backward(dcontext, dattention[s:e], query[s:e], keys, A, v, counts, weights[s:e], z[s:e],
                                 beta[s:e], dquery[:n], dgate[:n], dkeys, dv)
        dproduct[s:e, :G], dproduct[s:e, G:G + K], dproduct[s:e, G + K:] = gates[s:e], dquery[:n], dgate[:n]
        if upper:                                           # the last layer's h_{t-1} enters the attention
            upper[-1].dh[:n] += times_transposed(dproduct[s:e, G:], W[:, G:], back)
            add_to_step_before(dh, dh0, steps, t, times_transposed(gates[s:e], W[:, :G], back))
        else:
            add_to_step_before(dh, dh0, steps, t, times_transposed(dproduct[s:e], W, back))
    dWattn = np.matmul(context.T, gates, out=workspace("dWattn", Wattn.shape, dtype))
    looking = upper[-1].both[:, :H] if upper else prev      # the h that attended
    dWh, dWq, dWbeta = (np.matmul(h.T, dproduct[:, start:end], out=workspace(name, (H, end - start), dtype))
                        for name, h, start, end in (("dWh", prev, 0, G), ("dWq", looking, G, G + K),
                                                    ("dWbeta", looking, G + K, G + K + E)))
    for layer in upper:                                     # all layers start from the same states
        dh0 += layer.dh
        dc += layer.dc
    grads = [gates, dh0, dc, dkeys, dWh, dWattn, dWq, dv, dWbeta, dproduct[:, G + K:].sum(axis=0)]
    return grads, upper_gradients(upper, workspace)
