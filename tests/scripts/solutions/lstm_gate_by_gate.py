"""Weights of each gate apart, gradients hstacked; sigmoid through tanh; nested functions."""
import numpy as np

TASKS = ["3.1"]


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_c.shape[1]

    def part(k):
        return slice(k * H, (k + 1) * H)

    def gate(k):
        return 0.5 * (np.tanh(0.5 * (x @ Wx[:, part(k)] + prev_h @ Wh[:, part(k)] + b[part(k)])) + 1)
    i, f, o = (gate(k) for k in range(3))
    g = np.tanh(x @ Wx[:, part(3)] + prev_h @ Wh[:, part(3)] + b[part(3)])
    c = f * prev_c + i * g
    return o * np.tanh(c), c, ((x, prev_h, prev_c), (Wx, Wh, b), (i, f, o, g), c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    (x, prev_h, prev_c), (Wx, Wh, b), (i, f, o, g), c = cache
    tc = np.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    das = [dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * tc * o * (1 - o), dc * i * (1 - g**2)]
    H = c.shape[1]
    dx, dprev_h = np.zeros(x.shape), np.zeros(prev_h.shape)
    for k, da in enumerate(das):
        dx += da @ Wx[:, k * H:(k + 1) * H].T
        dprev_h += da @ Wh[:, k * H:(k + 1) * H].T
    dWx = np.hstack([x.T @ da for da in das])
    dWh = np.hstack([prev_h.T @ da for da in das])
    db = np.hstack([da.sum(axis=0) for da in das])
    return dx, dprev_h, dc * f, dWx, dWh, db
