"""Matrix products with few rows, in the form that BLAS does fastest (docs/performance.md has the table)."""
import numpy as np

FEW = 7                             # rows up to which products of a vector each are faster, one by one
FEW_TRANSPOSED = 4
MANY = 256                          # rows from which a product is as fast in either form


def times(h, W, out):
    """out = h W for h (n, H), W (H, G). A few rows one by one: a product of matrices costs more than n of vectors."""
    if len(h) <= FEW:
        np.matmul(h[:, None], W, out=out[:, None])
    else:
        np.matmul(h, W, out=out)


def times_transposed(da, W, scratch):
    """da W^T (n, H) for da (n, G), W (H, G), in scratch (>= nH,): the transpose of W da^T, which reads W in order."""
    n, H = len(da), len(W)
    out = scratch[:n * H]
    if n <= FEW_TRANSPOSED:
        return np.matmul(da[:, None], W.T, out=out.reshape(n, 1, H))[:, 0]
    if n >= MANY:
        return np.matmul(da, W.T, out=out.reshape(n, H))
    return np.matmul(W, da.T, out=out.reshape(H, n)).T


def add_to_step_before(dh, dh0, steps, t, dprev_h):
    """Add dprev_h (n, H) to what arrives at the h that step t started from: rows of dh, or dh0."""
    target = dh[steps[t - 1][0]:] if t else dh0
    target[:len(dprev_h)] += dprev_h


def zeros(name, shape, dtype, memory):
    array = memory(name, shape, dtype)
    array[:] = 0
    return array
