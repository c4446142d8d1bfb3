"""Affine layers: one matrix product and a bias, for a batch and for a batch of sequences."""
import numpy as np

from rnnlayers.shapes import Array, check_like, check_shapes


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple]:
    """Affine map of a batch, out = x w + b, with each x[n] flattened.

    x (N, d1, ..., dk), w (D, M) with D = d1 ... dk, b (M,) -> out (N, M), cache. Any float or complex dtype.
    Raises ValueError on shapes that do not fit.
    """
    rows = _rows(x)
    check_shapes("affine_forward", x=(rows, "N D"), w=(w, "D M"), b=(b, "M"))
    # BEGIN SOLUTION 1.1
    return rows @ w + b, (x, w, b)
    # END SOLUTION 1.1


def affine_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """Gradients of affine_forward: dx = dout wT, dw = xT dout, db = sum over N of dout.

    dout (N, M) -> dx (N, d1, ..., dk), dw (D, M), db (M,). Raises ValueError if the shape of dout is not that of out.
    """
    # BEGIN SOLUTION 1.1
    x, w, b = cache
    check_like("affine_backward", dout=(dout, (np.shape(x)[0], len(b))))
    return (dout @ w.T).reshape(np.shape(x)), _rows(x).T @ dout, dout.sum(axis=0)
    # END SOLUTION 1.1


def _rows(x: Array) -> Array:
    x = np.asarray(x)
    if x.ndim == 0:
        raise ValueError("affine_forward: x is a scalar, expected (N, d1, ..., dk)")
    return x.reshape(len(x), int(np.prod(x.shape[1:])))


def temporal_affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple]:
    """The same affine map at every time step, out[n, t] = x[n, t] w + b.

    x (N, T, D), w (D, M), b (M,) -> out (N, T, M), cache. Raises ValueError on shapes that do not fit.
    """
    check_shapes("temporal_affine_forward", x=(x, "N T D"), w=(w, "D M"), b=(b, "M"))
    # BEGIN SOLUTION 1.1
    N, T, D = x.shape
    out = (x.reshape(N * T, D) @ w).reshape(N, T, w.shape[1])    # one product for all steps
    return out + b, (x, w, b)
    # END SOLUTION 1.1


def temporal_affine_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """Gradients of temporal_affine_forward; the weights' sum over batch and time.

    dout (N, T, M) -> dx (N, T, D), dw (D, M), db (M,). Raises ValueError if the shape of dout is not that of out.
    """
    # BEGIN SOLUTION 1.1
    x, w, b = cache
    N, T, D = x.shape
    check_like("temporal_affine_backward", dout=(dout, (N, T, len(b))))
    flat = dout.reshape(N * T, len(b))
    return (flat @ w.T).reshape(x.shape), x.reshape(N * T, D).T @ flat, flat.sum(axis=0)
    # END SOLUTION 1.1
