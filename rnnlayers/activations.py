"""The logistic function."""
import numpy as np

from rnnlayers.shapes import Array


def sigmoid(x: Array) -> Array:
    """Logistic function 1 / (1 + exp(-x)), without overflow and with full relative accuracy at both ends.

    x of any shape and real or complex dtype -> the same shape and dtype (integers give float64).
    For x >= 0 it is 1 / (1 + z), else z / (1 + z), with z = exp(-|x|) at most 1 in size.
    """
    x = np.asarray(x)
    positive = x.real >= 0
    z = np.exp(np.where(positive, -x, x))
    return np.where(positive, 1, z) / (1 + z)
