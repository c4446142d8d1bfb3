"""Additive attention with einsum and a dict as cache, its softmax written out."""
import numpy as np

TASKS = ["5.1"]


def additive_attention_forward(prev_h, A, keys, Wq, v, Wbeta, bbeta, regions=None):
    s = np.tanh(keys + prev_h.dot(Wq)[:, np.newaxis, :])
    e = np.einsum("nlk,k->nl", s, v)
    weights = np.exp(e - e.max(axis=1)[:, None])
    weights = weights / weights.sum(axis=1)[:, None]
    z = np.einsum("nl,nle->ne", weights, A)
    beta = sigmoid(prev_h.dot(Wbeta) + bbeta)
    cache = {"prev_h": prev_h, "A": A, "Wq": Wq, "v": v, "Wbeta": Wbeta, "s": s, "weights": weights, "z": z,
             "beta": beta}
    return beta * z, weights, cache


def additive_attention_backward(dcontext, dweights, cache):
    A, s, w, v, prev_h, beta = (cache[k] for k in ("A", "s", "weights", "v", "prev_h", "beta"))
    dbeta = dcontext * cache["z"]
    draw = dbeta * beta * (1 - beta)
    dz = dcontext * beta
    dA = np.einsum("nl,ne->nle", w, dz)
    dw = dweights + np.einsum("nle,ne->nl", A, dz)
    de = w * (dw - np.sum(dw * w, axis=1, keepdims=True))
    dv = np.einsum("nl,nlk->k", de, s)
    dpre = np.einsum("nl,k->nlk", de, v) * (1 - s ** 2)
    dq = dpre.sum(axis=1)
    dprev_h = dq.dot(cache["Wq"].T) + draw.dot(cache["Wbeta"].T)
    return dprev_h, dA, dpre, prev_h.T.dot(dq), dv, prev_h.T.dot(draw), draw.sum(axis=0)
