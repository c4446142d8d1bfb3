"""The LSTM that attends by stacking [x, attn] and [Wx; Wattn] for a course-form step; a plain mean over the regions."""
import numpy as np

TASKS = ["3.1", "4.2"]


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    s = sigmoid(a[:, :3 * H])
    i, f, o = s[:, :H], s[:, H:2 * H], s[:, 2 * H:]
    g = np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    th = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - th**2)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * th * o * (1 - o), dc * i * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def attention_forward(x, A, Wx, Wh, Wattn, b, regions=None):
    N, T, D = x.shape
    h = A.reshape(N, A.shape[1], -1).mean(axis=2)
    c = h
    W = np.vstack([Wx, Wattn])
    out, caches = [], []
    for t in range(T):
        attn, _, cache_attn = dot_product_attention_forward(h, A)
        h, c, cache_step = lstm_step_forward(np.hstack([x[:, t], attn]), h, c, W, Wh, b)
        out.append(h)
        caches.append((cache_attn, cache_step))
    return np.stack(out, axis=1), (caches, A, D)


def attention_backward(dh, cache):
    caches, A, D = cache
    N, T, H = dh.shape
    L = int(np.prod(A.shape[2:]))
    dx, dA = np.zeros((N, T, D)), np.zeros(A.shape)
    dW, dWh, db = np.zeros((D + H, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        cache_attn, cache_step = caches[t]
        dboth, dprev_h, dprev_c, dW_t, dWh_t, db_t = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache_step)
        dx[:, t] = dboth[:, :D]
        dquery, dA_t = dot_product_attention_backward(dboth[:, D:], cache_attn)
        dprev_h = dprev_h + dquery
        dA += dA_t
        dW += dW_t
        dWh += dWh_t
        db += db_t
    dmean = (dprev_h + dprev_c) / L
    dA += np.repeat(dmean[:, :, None], L, axis=2).reshape(A.shape)
    return dx, dA, dW[:D], dWh, dW[D:], db
