"""Dot-product attention by einsum, the course's two axes of regions flattened; no padding of regions."""
import numpy as np

TASKS = ["4.1"]


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_backward(dout, out):
    return out * (dout - np.einsum("...l,...l->...", dout, out)[..., None])


def dot_product_attention_forward(prev_h, A, regions=None):
    N, H = prev_h.shape
    flat = A.reshape(N, H, -1)
    weights = softmax(np.einsum("nh,nhl->nl", prev_h, flat) / np.sqrt(H))
    attn = np.einsum("nhl,nl->nh", flat, weights)
    return attn, weights.reshape((N,) + A.shape[2:]), (prev_h, A, weights)


def dot_product_attention_backward(dattn, cache, dweights=None):
    prev_h, A, weights = cache
    N, H = prev_h.shape
    flat = A.reshape(N, H, -1)
    d = np.einsum("nh,nhl->nl", dattn, flat)
    if dweights is not None:
        d = d + dweights.reshape(N, -1)
    dscores = softmax_backward(d, weights) / np.sqrt(H)
    dprev_h = np.einsum("nl,nhl->nh", dscores, flat)
    dA = np.einsum("nh,nl->nhl", dattn, weights) + np.einsum("nh,nl->nhl", prev_h, dscores)
    return dprev_h, dA.reshape(A.shape)
