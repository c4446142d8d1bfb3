"""A sequence that does not call the step: all projections of x at once, the gradients as sums over time at the end."""
import numpy as np

TASKS = ["2.2"]


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    xs = (x.reshape(N * T, D) @ Wx + b).reshape(N, T, -1)
    hs = [h0]
    for t in range(T):
        hs.append(np.tanh(xs[:, t] + hs[-1] @ Wh))
    h = np.stack(hs, axis=1)
    return h[:, 1:], (x, h, Wx, Wh)


def rnn_backward(dh, cache):
    x, h, Wx, Wh = cache
    N, T, D = x.shape
    da = np.zeros_like(dh)
    carry = np.zeros_like(dh[:, 0])
    for t in range(T - 1, -1, -1):
        da[:, t] = (dh[:, t] + carry) * (1 - h[:, t + 1] ** 2)
        carry = da[:, t] @ Wh.T
    flat = da.reshape(N * T, -1)
    dWx = x.reshape(N * T, D).T @ flat
    dWh = h[:, :-1].reshape(N * T, -1).T @ flat
    return (flat @ Wx.T).reshape(x.shape), carry, dWx, dWh, flat.sum(axis=0)
