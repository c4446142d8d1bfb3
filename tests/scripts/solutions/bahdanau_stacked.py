"""Show, attend and tell with a stacked step, tuples in a list, in-place sums into zeros without a dtype."""
import numpy as np

TASKS = ["5.2"]


def bahdanau_forward(x, h0, c0, A, Wx, Wh, Wattn, b, Wa, ba, Wq, v, Wbeta, bbeta, regions=None):
    keys, keys_cache = temporal_affine_forward(A, Wa, ba)
    h, c = h0, c0
    W = np.concatenate([Wx, Wattn], axis=0)
    hs, maps, steps = [], [], []
    for t in range(x.shape[1]):
        context, weights, attention = additive_attention_forward(h, A, keys, Wq, v, Wbeta, bbeta)
        h, c, step = lstm_step_forward(np.concatenate([x[:, t], context], axis=1), h, c, W, Wh, b)
        hs.append(h)
        maps.append(weights)
        steps.append((attention, step))
    shapes = [w.shape for w in (A, keys, W, Wh, b, Wq, v, Wbeta, bbeta)]
    return np.stack(hs, axis=1), np.stack(maps, axis=1), (keys_cache, steps, shapes, x.shape)


def bahdanau_backward(dh, dweights, cache):
    keys_cache, steps, shapes, (N, T, D) = cache
    dA, dkeys, dW, dWh, db, dWq, dv, dWbeta, dbbeta = sums = [np.zeros(shape) for shape in shapes]
    dx = np.zeros((N, T, D))
    dprev_h = dprev_c = np.zeros(dh[:, 0].shape)
    for t in reversed(range(T)):
        attention, step = steps[t]
        dboth, dprev_h, dprev_c, dW_t, dWh_t, db_t = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, step)
        dx[:, t] = dboth[:, :D]
        back = additive_attention_backward(dboth[:, D:], dweights[:, t], attention)
        dprev_h = dprev_h + back[0]
        for total, term in zip(sums, [back[1], back[2], dW_t, dWh_t, db_t, *back[3:]]):
            total += term
    dA_keys, dWa, dba = temporal_affine_backward(dkeys, keys_cache)
    dA += dA_keys
    return dx, dprev_h, dprev_c, dA, dW[:D], dWh, dW[D:], db, dWa, dba, dWq, dv, dWbeta, dbbeta
