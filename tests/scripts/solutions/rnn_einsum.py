"""einsum, the sequence unpacks a step's tuple and its backward starts from None."""
import numpy as np

TASKS = ["2.1", "2.2"]


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(np.einsum("nd,dh->nh", x, Wx) + np.einsum("ng,gh->nh", prev_h, Wh) + b)
    return next_h, (next_h, x, prev_h, Wx, Wh)


def rnn_step_backward(dnext_h, cache):
    next_h, x, prev_h, Wx, Wh = cache
    da = dnext_h - dnext_h * next_h * next_h
    return (np.einsum("nh,dh->nd", da, Wx), np.einsum("nh,gh->ng", da, Wh), np.einsum("nd,nh->dh", x, da),
            np.einsum("ng,nh->gh", prev_h, da), np.einsum("nh->h", da))


def rnn_forward(x, h0, Wx, Wh, b):
    h = np.empty(x.shape[:2] + h0.shape[1:], dtype=np.result_type(x, h0, Wx, Wh, b))
    last, cache = h0, ()
    for t in range(x.shape[1]):
        last, one = rnn_step_forward(x[:, t], last, Wx, Wh, b)
        h[:, t] = last
        cache += (one,)
    return h, cache


def rnn_backward(dh, cache):
    grads, later = None, None
    dxs = []
    for t in range(len(cache))[::-1]:
        next_h, x, prev_h, Wx, Wh = cache[t]
        upstream = dh[:, t] if later is None else dh[:, t] + later
        dx, later, dWx, dWh, db = rnn_step_backward(upstream, cache[t])
        dxs.insert(0, dx)
        if grads is None:
            grads = [np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(Wh.shape[1])]
        for total, term in zip(grads, (dWx, dWh, db)):
            total += term
    return np.stack(dxs, 1), later, grads[0], grads[1], grads[2]
