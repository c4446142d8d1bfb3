"""The update rules of rnnlayers.optim in place, as loops for Numba: each number is read and written once.

All take the gradient's factor from clipping, `scale`, and `shrink`, what is left of the weight after decay.
"""
import math

import numpy as np
from numba import njit

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(**KERNEL)
def _sgd(w, dw, scale, shrink, lr):
    for i in range(w.size):
        w[i] = shrink * w[i] - lr * (scale * dw[i])


@njit(**KERNEL)
def _sgd_momentum(w, dw, velocity, scale, shrink, lr, momentum):
    for i in range(w.size):
        velocity[i] = momentum * velocity[i] - lr * (scale * dw[i])
        w[i] = shrink * w[i] + velocity[i]


@njit(**KERNEL)
def _rmsprop(w, dw, cache, scale, shrink, lr, decay, rest, epsilon):
    for i in range(w.size):
        g = scale * dw[i]
        cache[i] = decay * cache[i] + rest * g * g
        w[i] = shrink * w[i] - lr * g / (math.sqrt(cache[i]) + epsilon)


@njit(**KERNEL)
def _adam(w, dw, m, v, scale, shrink, step, root, beta1, rest1, beta2, rest2, epsilon):
    for i in range(w.size):
        g = scale * dw[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        w[i] = shrink * w[i] - step * m[i] / (math.sqrt(v[i] * root) + epsilon)
