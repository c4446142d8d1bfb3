"""Matrix products with few rows, in the form that BLAS computes fastest (docs/performance.md has the table)."""
import numpy as np
from numpy.typing import DTypeLike

from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator, Shape

FEW = 7                             # rows up to which single products with a vector are faster
FEW_TRANSPOSED = 4
MANY = 256                          # rows from which both forms of a product are equally fast


def times(h: Array, W: Array, out: Array) -> None:
    """out = h W for h (n, H), W (H, G). A few rows one by one: a product of matrices costs more than n of vectors."""
    if len(h) <= FEW:
        np.matmul(h[:, None], W, out=out[:, None])
    else:
        np.matmul(h, W, out=out)


def product(h: Array, W: Array) -> Array:
    """h W for h (n, H), W (H, G), in a new array."""
    out = np.empty((len(h), W.shape[1]), W.dtype)
    times(h, W, out)
    return out


def times_transposed(da: Array, W: Array, scratch: Array) -> Array:
    """da W^T (n, H) for da (n, G), W (H, G), in scratch (>= nH,): the transpose of W da^T, which reads W in order."""
    n, H = len(da), len(W)
    out = scratch[:n * H]
    if n <= FEW_TRANSPOSED:
        return np.matmul(da[:, None], W.T, out=out.reshape(n, 1, H))[:, 0]
    if n >= MANY:
        return np.matmul(da, W.T, out=out.reshape(n, H))
    return np.matmul(W, da.T, out=out.reshape(H, n)).T


def add_to_step_before(dh: Array, dh0: Array, steps: list[tuple[int, int]], t: int, dprev_h: Array) -> None:
    """Add dprev_h (n, H) to the gradient of the h from which step t started: rows of dh, or of dh0 for t = 0."""
    target = dh[steps[t - 1][0]:] if t else dh0
    target[:len(dprev_h)] += dprev_h


def zeros(name: str, shape: Shape, dtype: DTypeLike, workspace: Allocator) -> Array:
    """An array of zeros in the workspace."""
    array = workspace(name, shape, dtype)
    array[:] = 0
    return array
