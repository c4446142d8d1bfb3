"""In which type a layer computes what float16 cannot hold."""
import numpy as np

from rnnlayers.shapes import Array


def widened(x: Array) -> Array:
    """x as float32 where it is float16, whose largest number is 65504; x itself in wider types, complex included.

    Squares and dot products of moderate float16 numbers are larger than that: layers compute them in float32.
    """
    return x.astype(np.result_type(x, np.float32), copy=False)
