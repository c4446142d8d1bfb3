"""One product of [x, h] with [Wx; Wh], a nested cache, in-place sums into an own copy of dh."""
import numpy as np

TASKS = ["2.1", "2.2"]


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    both, W = np.concatenate([x, prev_h], axis=1), np.concatenate([Wx, Wh], axis=0)
    next_h = np.tanh(both @ W + b)
    return next_h, ((both, W), (x.shape[1], next_h))


def rnn_step_backward(dnext_h, cache):
    (both, W), (D, next_h) = cache
    da = dnext_h / np.cosh(np.arctanh(next_h)) ** 2
    dboth, dW = da @ W.T, both.T @ da
    return dboth[:, :D], dboth[:, D:], dW[:D], dW[D:], da.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    h, cache = [], {}
    for t in range(x.shape[1]):
        state, cache[t] = rnn_step_forward(x[:, t], h[t - 1] if t else h0, Wx, Wh, b)
        h.append(state)
    return np.swapaxes(np.array(h), 0, 1), cache


def rnn_backward(dh, cache):
    dh = dh.copy()
    T = dh.shape[1]
    total = None
    dx = [None] * T
    for t in reversed(range(T)):
        dx[t], dprev, *grads = rnn_step_backward(dh[:, t], cache[t])
        if t > 0:
            dh[:, t - 1] += dprev
        total = grads if total is None else [a + b for a, b in zip(total, grads)]
    return (np.stack(dx, axis=1), dprev, *total)
