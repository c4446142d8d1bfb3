"""Layer normalisation."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnlayers.precision import widened
from rnnlayers.shapes import Array, check_like, check_shapes


def layernorm_forward(x: Array, gamma: Array, beta: Array, ln_param: Mapping[str, Any] | None = None
                      ) -> tuple[Array, tuple]:
    """Normalise each vector to mean 0 and variance 1, then scale and shift.

    x^ = (x - mean) / sqrt(var + eps), mean and var over the last axis, var divided by D;  out = gamma x^ + beta

    x (..., D), gamma (D,), beta (D,), ln_param None or {"eps": 1e-5} -> out (..., D), cache.
    Raises ValueError on shapes that do not fit.
    Source: Ba, Kiros and Hinton (2016), "Layer normalization", section 3.
    """
    x = np.asarray(x)
    check_shapes("layernorm_forward", gamma=(gamma, "D"), beta=(beta, "D"))
    if x.shape[-1:] != np.shape(gamma):
        raise ValueError(f"layernorm_forward: x is {x.shape}, expected (..., D) with D={len(gamma)} as gamma has it")
    eps = float((ln_param or {}).get("eps", 1e-5))
    # BEGIN SOLUTION 6.1: eps is added to the variance
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (widened(centred) * centred).mean(axis=-1, keepdims=True)
    std = np.sqrt(variance + eps).astype(centred.dtype, copy=False)
    normal = centred / std
    return gamma * normal + beta, (normal, std, gamma)
    # END SOLUTION 6.1


def layernorm_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """Gradients of layernorm_forward, where x is also in its mean and in its variance.

    dout (..., D) -> dx (..., D), dgamma (D,), dbeta (D,). Raises ValueError if the shape of dout is not that of out.
    """
    # BEGIN SOLUTION 6.1: x may have any number of axes before the last
    normal, std, gamma = cache
    check_like("layernorm_backward", dout=(dout, normal.shape))
    leading = tuple(range(normal.ndim - 1))
    dnormal = gamma * dout                                          # out = gamma x^ + beta
    along = (dnormal * normal).mean(axis=-1, keepdims=True)         # var depends on x
    dx = (dnormal - dnormal.mean(axis=-1, keepdims=True) - normal * along) / std        # and so does the mean
    return dx, (dout * normal).sum(axis=leading), dout.sum(axis=leading)
    # END SOLUTION 6.1
