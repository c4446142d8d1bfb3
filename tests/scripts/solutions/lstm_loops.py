"""A step in a loop over the batch, results preallocated, a dict of arrays as cache."""
import numpy as np

TASKS = ["3.1"]


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    kind = np.result_type(x, prev_h, prev_c, Wx, Wh, b)
    cache = {name: np.zeros(prev_h.shape, kind) for name in ("i", "f", "o", "g", "c", "h")}
    for n in range(x.shape[0]):
        a = np.dot(x[n], Wx) + np.dot(prev_h[n], Wh) + b
        cache["i"][n], cache["f"][n] = sigmoid(a[:H]), sigmoid(a[H:2*H])
        cache["o"][n], cache["g"][n] = sigmoid(a[2*H:3*H]), np.tanh(a[3*H:])
        cache["c"][n] = cache["f"][n] * prev_c[n] + cache["i"][n] * cache["g"][n]
        cache["h"][n] = cache["o"][n] * np.tanh(cache["c"][n])
    cache["inputs"] = (x, prev_h, prev_c, Wx, Wh)
    return cache["h"].copy(), cache["c"].copy(), cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh = cache["inputs"]
    dx, dprev_h, dprev_c = np.zeros_like(x), np.zeros_like(prev_h), np.zeros_like(prev_c)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wx.shape[1])
    for n in range(x.shape[0]):
        i, f, o, g, c = (cache[name][n] for name in "ifogc")
        dc = dnext_c[n] + dnext_h[n] * o * (1 - np.tanh(c)**2)
        da = np.concatenate([dc * g * i * (1-i), dc * prev_c[n] * f * (1-f), dnext_h[n] * np.tanh(c) * o * (1-o),
                             dc * i * (1 - g*g)])
        dx[n], dprev_h[n], dprev_c[n] = np.dot(Wx, da), np.dot(Wh, da), dc * f
        dWx += np.outer(x[n], da)
        dWh += np.outer(prev_h[n], da)
        db += da
    return dx, dprev_h, dprev_c, dWx, dWh, db
