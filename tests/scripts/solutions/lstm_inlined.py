"""A sequence with the step written out in its loop, gates in arrays (T, N, H), own sigmoid by np.where."""
import numpy as np

TASKS = ["3.2"]


def _sig(a):
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1 / (1 + e), e / (1 + e))


def lstm_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    gates, cs, hs = [], [np.zeros_like(h0)], [h0]
    for t in range(T):
        a = x[:, t] @ Wx + hs[t] @ Wh + b
        i, f, o = _sig(a[:, :H]), _sig(a[:, H:2 * H]), _sig(a[:, 2 * H:3 * H])
        g = np.tanh(a[:, 3 * H:])
        cs.append(f * cs[t] + i * g)
        hs.append(o * np.tanh(cs[-1]))
        gates.append((i, f, o, g))
    return np.stack(hs[1:], 1), (x, hs, cs, gates, Wx, Wh)


def lstm_backward(dh, cache):
    x, hs, cs, gates, Wx, Wh = cache
    N, T, D = x.shape
    dx, dWx, dWh, db = np.zeros(x.shape), np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(Wx.shape[1])
    dnext_h, dnext_c = np.zeros(hs[0].shape), np.zeros(hs[0].shape)
    for t in range(T)[::-1]:
        i, f, o, g = gates[t]
        th = np.tanh(cs[t + 1])
        d = dh[:, t] + dnext_h
        dnext_c = dnext_c + d * o * (1 - th ** 2)
        da = np.concatenate([dnext_c * g * i * (1 - i), dnext_c * cs[t] * f * (1 - f), d * th * o * (1 - o),
                             dnext_c * i * (1 - g ** 2)], axis=1)
        dx[:, t] = da @ Wx.T
        dnext_h = da @ Wh.T
        dnext_c = dnext_c * f
        dWx += x[:, t].T @ da
        dWh += hs[t].T @ da
        db += da.sum(axis=0)
    return dx, dnext_h, dWx, dWh, db
