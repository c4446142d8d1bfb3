"""In which type a layer computes what float16 and whole numbers cannot hold."""
import numpy as np
from numpy.typing import ArrayLike

from rnnlayers.shapes import Array


def floating(x: ArrayLike) -> Array:
    """x as an array, whole numbers and bool as float64."""
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind in "iub" else x


def widened(x: Array) -> Array:
    """x as float32 where it is float16, whose largest number is 65504; x itself in wider types, complex included.

    Squares and dot products of moderate float16 numbers are larger than that: layers compute them in float32.
    """
    return x.astype(np.result_type(x, np.float32), copy=False)
