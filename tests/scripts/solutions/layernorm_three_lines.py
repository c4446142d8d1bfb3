"""Layer norm with the sums of the batch norm that students know, D dx^ - sum - x^ sum; np.var in the forward."""
import numpy as np

TASKS = ["6.1"]
TIMES = 4


def layernorm_forward(x, gamma, beta, ln_param=None):
    eps = (ln_param or {}).get("eps", 1e-5)
    mu = np.mean(x, axis=-1, keepdims=True)
    ivar = 1 / np.sqrt(np.var(x, axis=-1, keepdims=True) + eps)
    x_norm = (x - mu) * ivar
    return x_norm * gamma + beta, (x_norm, gamma, ivar)


def layernorm_backward(dout, cache):
    x_norm, gamma, ivar = cache
    D = x_norm.shape[-1]
    rows = dout.reshape(-1, D)
    dgamma = np.sum(rows * x_norm.reshape(-1, D), axis=0)
    dx_norm = dout * gamma
    dx = ivar / D * (D * dx_norm - np.sum(dx_norm, axis=-1, keepdims=True)
                     - x_norm * np.sum(dx_norm * x_norm, axis=-1, keepdims=True))
    return dx, dgamma, np.sum(rows, axis=0)
