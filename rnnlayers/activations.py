"""Activation functions: the logistic function, ReLU and GELU."""
import math

import numpy as np

from rnnlayers.erf import erfc
from rnnlayers.precision import floating
from rnnlayers.shapes import Array, check_like


def sigmoid(x: Array) -> Array:
    """Logistic function 1 / (1 + exp(-x)), without overflow and with full relative accuracy at both ends.

    x of any shape and real or complex dtype -> the same shape and dtype (integers give float64).
    For x >= 0 it is 1 / (1 + z), else z / (1 + z), with z = exp(-|x|) at most 1 in size.
    """
    x = floating(x)
    positive = x.real >= 0
    z = np.exp(np.where(positive, -x, x))
    return np.where(positive, 1, z) / (1 + z)


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Rectified linear unit, out = max(0, x). x of any shape, real or complex (its real part decides) -> out, cache.

    Source: Nair and Hinton (2010), "Rectified linear units improve restricted Boltzmann machines".
    """
    x = np.asarray(x)
    return np.where(x.real < 0, np.zeros_like(x), x), x      # NaN stays


def relu_backward(dout: Array, cache: Array) -> Array:
    """Gradient of relu_forward: dout like x -> dx, dout where x > 0 and else 0. Raises ValueError on another shape."""
    check_like("relu_backward", dout=(dout, cache.shape))
    return np.where(cache.real > 0, dout, np.zeros_like(dout))


def gelu_forward(x: Array) -> tuple[Array, tuple]:
    """Gaussian error linear unit, out = x Phi(x), Phi the distribution function of the standard normal.

    x of any shape, real or complex (integers give float64) -> out, cache. Exact, not the approximation by tanh.
    Source: Hendrycks and Gimpel (2016), "Gaussian error linear units (GELUs)", section 2.
    """
    x = floating(x)
    # BEGIN SOLUTION 6.4: erfc(z) is the complementary error function, with Phi(x) = erfc(-x / sqrt(2)) / 2
    phi = erfc(-x / math.sqrt(2)) / 2
    return x * phi, (x, phi)
    # END SOLUTION 6.4


def gelu_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of gelu_forward: dout like x -> dx. Raises ValueError on another shape."""
    # BEGIN SOLUTION 6.4
    x, phi = cache
    check_like("gelu_backward", dout=(dout, x.shape))
    small = np.where(abs(x.real) < 40, x, 40)               # beyond, the density is 0 and x^2 might overflow
    return dout * (phi + small * np.exp(-small * small / 2) / math.sqrt(2 * math.pi))
    # END SOLUTION 6.4
