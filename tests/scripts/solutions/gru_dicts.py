"""A GRU as h + (1 - z)(n - h), dict caches, weights split by gate; the sequence starts from a scalar zero."""
import numpy as np

TASKS = ["3.3", "3.4"]


def gru_step_forward(x, prev_h, Wx, Wh, b, bn):
    xr, xz, xn = np.split(x @ Wx + b, 3, axis=1)
    hr, hz, hn = np.split(prev_h @ Wh, 3, axis=1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + r * (hn + bn))
    c = {"x": x, "h": prev_h, "Wx": Wx, "Wh": Wh, "r": r, "z": z, "n": n, "hn": hn + bn}
    return n + z * (prev_h - n), c


def gru_step_backward(dnext_h, cache):
    r, z, n, h = (cache[k] for k in ("r", "z", "n", "h"))
    d_n = dnext_h * (1 - z) * (1 - n * n)
    d_z = dnext_h * (h - n) * z * (1 - z)
    d_r = d_n * cache["hn"] * r * (1 - r)
    left, right = np.hstack([d_r, d_z, d_n]), np.hstack([d_r, d_z, d_n * r])
    dh = right @ cache["Wh"].T
    dh += dnext_h * z
    return left @ cache["Wx"].T, dh, cache["x"].T @ left, h.T @ right, left.sum(0), (d_n * r).sum(0)


def gru_forward(x, h0, Wx, Wh, b, bn):
    states, cache = [], []
    for t in range(x.shape[1]):
        h, c = gru_step_forward(x[:, t], states[-1] if states else h0, Wx, Wh, b, bn)
        states.append(h)
        cache.append(c)
    return np.transpose(states, (1, 0, 2)), cache


def gru_backward(dh, cache):
    dnext, sums = 0, [0.0] * 4
    dx = np.empty(dh.shape[:2] + cache[0]["x"].shape[1:])
    for t in reversed(range(len(cache))):
        dx[:, t], dnext, *grads = gru_step_backward(dh[:, t] + dnext, cache[t])
        sums = [s + g for s, g in zip(sums, grads)]
    return (dx, dnext) + tuple(sums)
