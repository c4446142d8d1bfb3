"""einsum everywhere, caches as lists; the sequence calls the layer of one step on flattened time."""
import numpy as np

TASKS = ["1.1"]


def affine_forward(x, w, b):
    rows = np.reshape(x, (x.shape[0], w.shape[0]))
    return np.einsum("nd,dm->nm", rows, w) + b[np.newaxis, :], [x, w, b]


def affine_backward(dout, cache):
    x, w, _ = cache
    rows = np.reshape(x, (x.shape[0], w.shape[0]))
    dx = np.einsum("nm,dm->nd", dout, w)
    dw = np.einsum("nd,nm->dm", rows, dout)
    db = np.einsum("nm->m", dout)
    return [dx.reshape(*x.shape), dw, db]


def temporal_affine_forward(x, w, b):
    N, T, D = x.shape
    flat, cache = affine_forward(x.reshape(N * T, D), w, b)
    return flat.reshape(N, T, -1), [cache, N, T]


def temporal_affine_backward(dout, cache):
    inner, N, T = cache
    dx, dw, db = affine_backward(dout.reshape(N * T, -1), inner)
    return dx.reshape(N, T, -1), dw, db
