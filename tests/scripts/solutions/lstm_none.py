"""dnext_c = None before the last step, which the own step handles; sigmoid by masks; a list as cache."""
import numpy as np

TASKS = ["3.1", "3.2"]


def _logistic(x):
    pos_mask = x >= 0
    neg_mask = x < 0
    z = np.zeros_like(x)
    z[pos_mask] = np.exp(-x[pos_mask])
    z[neg_mask] = np.exp(x[neg_mask])
    top = np.ones_like(x)
    top[neg_mask] = z[neg_mask]
    return top / (1 + z)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    gates = [_logistic(a[:, k * H:(k + 1) * H]) for k in range(3)]
    gates.append(np.tanh(a[:, 3 * H:]))
    next_c = gates[1] * prev_c + gates[0] * gates[3]
    next_h = gates[2] * np.tanh(next_c)
    return next_h, next_c, [x, prev_h, prev_c, Wx, Wh, gates, next_c]


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, (i, f, o, g), next_c = cache
    dc = dnext_h * o * (1 - np.tanh(next_c) ** 2)
    if dnext_c is not None:
        dc = dc + dnext_c
    da = np.empty((x.shape[0], 4 * f.shape[1]), dtype=dc.dtype)
    H = f.shape[1]
    da[:, :H] = dc * g * i * (1 - i)
    da[:, H:2 * H] = dc * prev_c * f * (1 - f)
    da[:, 2 * H:3 * H] = dnext_h * np.tanh(next_c) * o * (1 - o)
    da[:, 3 * H:] = dc * i * (1 - g ** 2)
    return da.dot(Wx.T), da.dot(Wh.T), dc * f, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    T = x.shape[1]
    h, c = [h0] + [None] * T, np.zeros_like(h0)
    cache = [None] * T
    for t in range(T):
        h[t + 1], c, cache[t] = lstm_step_forward(x[:, t], h[t], c, Wx, Wh, b)
    return np.stack(h[1:], axis=1), cache


def lstm_backward(dh, cache):
    dnext_c, dnext_h = None, 0
    total = [0, 0, 0]
    dx = []
    for t in range(len(cache) - 1, -1, -1):
        dx_t, dnext_h, dnext_c, *rest = lstm_step_backward(dh[:, t] + dnext_h, dnext_c, cache[t])
        dx.append(dx_t)
        total = [old + new for old, new in zip(total, rest)]
    dx.reverse()
    return (np.stack(dx, axis=1), dnext_h) + tuple(total)
