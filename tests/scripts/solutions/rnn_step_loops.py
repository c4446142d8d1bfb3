"""A step with a loop over the batch and tanh by exponentials, the cache a list."""
import numpy as np

TASKS = ["2.1"]


def _tanh(a):
    e = np.exp(-2 * a)
    return (1 - e) / (1 + e)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.zeros_like(prev_h)
    for n in range(x.shape[0]):
        next_h[n] = _tanh(x[n] @ Wx + prev_h[n] @ Wh + b)
    return next_h, [x, prev_h, Wx, Wh, b, next_h, "tanh"]


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, b, next_h, _ = cache
    dx, dprev_h = np.zeros(x.shape), np.zeros(prev_h.shape)
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(b.shape)
    for n in range(x.shape[0]):
        da = dnext_h[n] * (1 + next_h[n]) * (1 - next_h[n])
        dx[n] = Wx @ da
        dprev_h[n] = Wh @ da
        dWx += np.outer(x[n], da)
        dWh += np.outer(prev_h[n], da)
        db += da
    return dx, dprev_h, dWx, dWh, db
