"""A variable number of regions: the first regions[n] of picture n's L regions are real, those behind them padding."""
import numpy as np

from rnnlayers.shapes import Array


def real_regions(function: str, regions: Array | None, N: int, L: int) -> Array:
    """Which regions are real: regions integer (N,), 1 to L, or None where all are -> bool (N, L). Raises ValueError."""
    if regions is None:
        return np.ones((N, L), bool)
    counts = np.asarray(regions)
    if counts.shape != (N,) or counts.dtype.kind not in "iu":
        raise ValueError(f"{function}: regions is {counts.dtype} {counts.shape}, expected integers (N,) = ({N},), "
                         "the number of regions of each picture")
    bad = np.flatnonzero((counts < 1) | (counts > L))
    if len(bad):
        raise ValueError(f"{function}: regions[{bad[0]}] is {counts[bad[0]]}, expected a number of regions from 1 to "
                         f"L = {L}")
    return np.arange(L) < counts[:, None]


def mask_padding(x: Array, real: Array, value: float) -> Array:
    """x with a value where real is False; x may be (N, L) like real, or broadcast with it."""
    return np.where(real, x, value)


def without_padding(A: Array, real: Array) -> Array:
    """A (N, L, ...) with zeros where real (N, L) is False: itself if they are there, else a copy.

    A weight of 0 alone does not keep padding out: 0 times NaN is NaN.
    """
    if A[~real].any():
        A = A.copy(order="K")
        A[~real] = 0
    return A
