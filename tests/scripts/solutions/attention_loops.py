"""Attention with a loop over the batch, matrix products with transposes, and the full Jacobian of the softmax."""
import numpy as np

TASKS = ["4.1"]


def softmax(x):
    shifted = x.T - x.max(axis=-1).T
    e = np.exp(shifted)
    return (e / e.sum(axis=0)).T


def softmax_backward(dout, out):
    flat_d, flat = dout.reshape(-1, dout.shape[-1]), out.reshape(-1, out.shape[-1])
    dx = np.zeros(flat.shape)
    for k in range(len(flat)):
        jacobian = np.diag(flat[k]) - np.outer(flat[k], flat[k])
        dx[k] = jacobian @ flat_d[k]
    return dx.reshape(out.shape)


def dot_product_attention_forward(prev_h, A, regions=None):
    N, H = prev_h.shape
    shape = A.shape
    A = A.reshape(N, H, -1)
    attn, weights = [], []
    for n in range(N):
        w = softmax((A[n].T @ prev_h[n])[None] / H ** 0.5)[0]
        weights.append(w)
        attn.append(A[n] @ w)
    weights = np.array(weights)
    return np.array(attn), weights.reshape(N, *shape[2:]), [prev_h, A, weights, shape]


def dot_product_attention_backward(dattn, cache, dweights=None):
    prev_h, A, weights, shape = cache
    dprev_h, dA = np.zeros(prev_h.shape), np.zeros(A.shape)
    N, H = prev_h.shape
    for n in range(N):
        dw = A[n].T @ dattn[n]
        if dweights is not None:
            dw = dw + dweights[n].ravel()
        ds = softmax_backward(dw[None], weights[n][None])[0] / np.sqrt(H)
        dprev_h[n] = A[n] @ ds
        dA[n] = np.outer(dattn[n], weights[n]) + np.outer(prev_h[n], ds)
    return dprev_h, dA.reshape(shape)
