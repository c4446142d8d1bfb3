"""Layer norm step by step through the graph: the variance, the mean, and x, with a dict as cache."""
import numpy as np

TASKS = ["6.1"]


def layernorm_forward(x, gamma, beta, ln_param=None):
    eps = 1e-5 if ln_param is None else ln_param.get("eps", 1e-5)
    D = x.shape[-1]
    mean = np.sum(x, axis=-1, keepdims=True) / D
    shifted = x - mean
    var = np.sum(shifted ** 2, axis=-1, keepdims=True) / D
    root = np.sqrt(var + eps)
    x_hat = shifted / root
    return gamma * x_hat + beta, {"shifted": shifted, "root": root, "x_hat": x_hat, "gamma": gamma}


def layernorm_backward(dout, cache):
    shifted, root, x_hat, gamma = cache["shifted"], cache["root"], cache["x_hat"], cache["gamma"]
    D = shifted.shape[-1]
    axes = tuple(range(dout.ndim - 1))
    dx_hat = dout * gamma
    droot = -np.sum(dx_hat * shifted, axis=-1, keepdims=True) / root ** 2
    dvar = droot / (2 * root)
    dshifted = dx_hat / root + 2 * shifted * dvar / D
    dmean = -np.sum(dshifted, axis=-1, keepdims=True)
    return dshifted + dmean / D, np.sum(dout * x_hat, axis=axes), np.sum(dout, axis=axes)
