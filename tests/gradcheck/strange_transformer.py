"""A transformer's layers as somebody else writes them: other names, no biases of attention, caches of tuples."""
import numpy as np


def softmax(z):
    z = z - z.max(-1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(-1, keepdims=True)


def mha_forward(query, key, value, w_q, w_k, w_v, w_o, heads=2, mask=None):
    """Multi-head attention.

    Args:
        query: input of shape (N, S, E)
        key: input of shape (N, T, E)
        value: input of shape (N, T, E)
        w_q: weights of shape (E, E)
        w_k: weights of shape (E, E)
        w_v: weights of shape (E, E)
        w_o: weights of shape (E, E)
        heads: number of heads
        mask: boolean array of shape (S, T)

    Returns:
        out: (N, S, E)
        cache: everything for the backward pass
    """
    n, s, e = query.shape
    t, d = key.shape[1], e // heads

    def split(a, length):
        return a.reshape(n, length, heads, d).transpose(0, 2, 1, 3)
    q, k, v = split(query @ w_q, s), split(key @ w_k, t), split(value @ w_v, t)
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(d)
    if mask is not None:
        scores = np.where(mask, scores, -1e9)
    p = softmax(scores)
    ctx = (p @ v).transpose(0, 2, 1, 3).reshape(n, s, e)
    return ctx @ w_o, (query, key, value, w_q, w_k, w_v, w_o, (q, k, v), (scores, p), ctx, heads)


def mha_backward(dout, cache):
    query, key, value, w_q, w_k, w_v, w_o, (q, k, v), (scores, p), ctx, heads = cache
    n, s, e = query.shape
    t, d = key.shape[1], e // heads
    dw_o = np.einsum("nse,nsf->ef", ctx, dout)
    dctx = (dout @ w_o.T).reshape(n, s, heads, d).transpose(0, 2, 1, 3)
    dv = p.transpose(0, 1, 3, 2) @ dctx
    dp = dctx @ v.transpose(0, 1, 3, 2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d)
    dq, dk = ds @ k, ds.transpose(0, 1, 3, 2) @ q

    def join(a, length):
        return a.transpose(0, 2, 1, 3).reshape(n, length, e)
    dq, dk, dv = join(dq, s), join(dk, t), join(dv, t)
    return (dq @ w_q.T, dk @ w_k.T, dv @ w_v.T, np.einsum("nse,nsf->ef", query, dq),
            np.einsum("nse,nsf->ef", key, dk), np.einsum("nse,nsf->ef", value, dv), dw_o)


def norm(x, g, b):
    mu, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    xh = (x - mu) / np.sqrt(var + 1e-5)
    return g * xh + b, (xh, var, g)


def norm_back(d, cache):
    xh, var, g = cache
    dg, db, d = (d * xh).sum((0, 1)), d.sum((0, 1)), d * g
    return (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / np.sqrt(var + 1e-5), dg, db


def block_forward(x, w_q, w_k, w_v, w_o, g1, b1, W1, c1, W2, c2, g2, b2):
    """Encoder block.

    x: (N, S, E)
    w_q: (E, E)
    w_k: (E, E)
    w_v: (E, E)
    w_o: (E, E)
    g1: (E,)
    b1: (E,)
    W1: (E, F)
    c1: (F,)
    W2: (F, E)
    c2: (E,)
    g2: (E,)
    b2: (E,)
    """
    a, mha = mha_forward(x, x, x, w_q, w_k, w_v, w_o)
    y, n1 = norm(x + a, g1, b1)
    h = y @ W1 + c1
    f = np.maximum(h, 0)
    out, n2 = norm(y + f @ W2 + c2, g2, b2)
    return out, (mha, y, n1, h, f, n2, W1, W2)


def block_backward(dout, cache):
    mha, y, n1, h, f, n2, W1, W2 = cache
    d, dg2, db2 = norm_back(dout, n2)
    dc2, dW2 = d.sum((0, 1)), np.einsum("nsf,nse->fe", f, d)
    dh = (d @ W2.T) * (h > 0)
    dc1, dW1 = dh.sum((0, 1)), np.einsum("nse,nsf->ef", y, dh)
    dy = d + dh @ W1.T
    d, dg1, db1 = norm_back(dy, n1)
    dq, dk, dv, *dw = mha_backward(d, mha)
    return d + dq + dk + dv, *dw, dg1, db1, dW1, dc1, dW2, dc2, dg2, db2
