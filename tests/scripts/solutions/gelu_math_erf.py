"""GELU by math.erf, which takes real numbers one by one, and the feed-forward layer without the affine layers."""
import math

import numpy as np

TASKS = ["6.4"]


def normal_cdf(x):
    return np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))), otypes=[float])(x)


def gelu_forward(x):
    return x * normal_cdf(x), x


def gelu_backward(dout, cache):
    x = cache
    pdf = np.exp(-0.5 * x ** 2) / np.sqrt(2 * np.pi)
    return dout * (normal_cdf(x) + x * pdf)


def feed_forward_forward(x, W1, b1, W2, b2, activation="gelu", keep=None):
    hidden = x @ W1 + b1
    active = gelu_forward(hidden)[0] if activation == "gelu" else np.maximum(hidden, 0)
    dropped = active if keep is None else active * keep
    return dropped @ W2 + b2, (x, W1, W2, hidden, dropped, activation, keep)


def feed_forward_backward(dout, cache):
    x, W1, W2, hidden, dropped, activation, keep = cache
    dW2 = np.tensordot(dropped, dout, axes=[(0, 1), (0, 1)])
    d = dout @ W2.T
    if keep is not None:
        d = d * keep
    d = gelu_backward(d, hidden) if activation == "gelu" else d * (hidden > 0)
    dW1 = np.tensordot(x, d, axes=[(0, 1), (0, 1)])
    return d @ W1.T, dW1, d.sum(axis=(0, 1)), dW2, dout.sum(axis=(0, 1))
