"""Additive attention; softmax's derivative region by region, from a copy of the weights less 1 in one column."""
import numpy as np

TASKS = ["5.1"]


def additive_attention_forward(prev_h, A, keys, Wq, v, Wbeta, bbeta, regions=None):
    s = np.tanh(keys + (prev_h @ Wq)[:, None])
    e = s @ v
    w = np.exp(e - e.max(axis=1, keepdims=True))
    w /= w.sum(axis=1, keepdims=True)
    z = (w[:, :, None] * A).sum(axis=1)
    beta = sigmoid(prev_h @ Wbeta + bbeta)
    return beta * z, w, (prev_h, A, Wq, v, Wbeta, s, w, z, beta)


def additive_attention_backward(dcontext, dweights, cache):
    prev_h, A, Wq, v, Wbeta, s, w, z, beta = cache
    dz, dgate = dcontext * beta, dcontext * z * beta * (1 - beta)
    dw = dweights + (A * dz[:, None]).sum(axis=2)
    de = np.empty_like(w)
    for i in range(w.shape[1]):
        p = w.copy()
        p[:, i] -= 1
        de[:, i] = -w[:, i] * (p * dw).sum(axis=1)
    dkeys = de[:, :, None] * v * (1 - s ** 2)
    dq, dv = dkeys.sum(axis=1), (de[:, :, None] * s).sum(axis=(0, 1))
    dprev_h = dq @ Wq.T + dgate @ Wbeta.T
    return dprev_h, w[:, :, None] * dz[:, None], dkeys, prev_h.T @ dq, dv, prev_h.T @ dgate, dgate.sum(axis=0)
