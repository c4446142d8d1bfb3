"""Loops over the batch and over time into np.zeros without a dtype, caches as dicts."""
import numpy as np

TASKS = ["1.1"]


def affine_forward(x, w, b):
    out = np.zeros((len(x), len(b)), dtype=np.result_type(x, w, b))
    for n in range(len(x)):
        out[n] = np.dot(x[n].flatten(), w) + b
    return out, {"x": x, "w": w, "b": b}


def affine_backward(dout, cache):
    x, w, b = cache["x"], cache["w"], cache["b"]
    dx = np.zeros(x.shape)
    dw = np.zeros(w.shape)
    db = np.zeros(b.shape)
    for n in range(x.shape[0]):
        dx[n] = np.dot(w, dout[n]).reshape(x[n].shape)
        dw += np.outer(x[n].flatten(), dout[n])
        db += dout[n]
    return dx, dw, db


def temporal_affine_forward(x, w, b):
    steps = []
    for t in range(x.shape[1]):
        steps.append(np.dot(x[:, t, :], w) + b)
    return np.stack(steps, axis=1), {"x": x, "w": w}


def temporal_affine_backward(dout, cache):
    x, w = cache["x"], cache["w"]
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(w.shape[1])
    for t in range(x.shape[1]):
        dx[:, t, :] = np.dot(dout[:, t, :], w.T)
        dw += np.dot(x[:, t, :].T, dout[:, t, :])
        db += np.sum(dout[:, t, :], axis=0)
    return dx, dw, db
