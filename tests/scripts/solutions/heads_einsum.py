"""Multi-head attention by einsum, with -inf at what is blocked and no helper functions; a dict as cache."""
import numpy as np

TASKS = ["6.2"]
TIMES = 4


def multihead_attention_forward(query, key, value, Wq, bq, Wk, bk, Wv, bv, Wo, bo, num_heads, attn_mask=None,
                                keep=None):
    N, S, E = query.shape
    T, d = key.shape[1], E // num_heads
    q = (query @ Wq + bq).reshape(N, S, num_heads, d)
    k = (key @ Wk + bk).reshape(N, T, num_heads, d)
    v = (value @ Wv + bv).reshape(N, T, num_heads, d)
    scores = np.einsum("nshd,nthd->nhst", q, k) / np.sqrt(d)
    if attn_mask is not None:
        mask = np.asarray(attn_mask).reshape((-1, 1, S, T))
        scores = np.where(mask == 0, -np.inf, scores)
    highest = np.max(scores, axis=-1, keepdims=True)
    e = np.exp(scores - np.where(np.isfinite(highest), highest, 0))
    total = np.sum(e, axis=-1, keepdims=True)
    weights = e / np.where(total == 0, 1, total)
    dropped = weights if keep is None else weights * keep
    mixed = np.einsum("nhst,nthd->nshd", dropped, v).reshape(N, S, E)
    cache = dict(query=query, key=key, value=value, Wq=Wq, Wk=Wk, Wv=Wv, Wo=Wo, q=q, k=k, v=v, weights=weights,
                 dropped=dropped, keep=keep, mixed=mixed)
    return mixed @ Wo + bo, cache


def multihead_attention_backward(dout, cache):
    c = cache
    N, S, num_heads, d = c["q"].shape
    T, E = c["k"].shape[1], num_heads * d
    dWo = np.einsum("nse,nsf->ef", c["mixed"], dout)
    dmixed = (dout @ c["Wo"].T).reshape(N, S, num_heads, d)
    dweights = np.einsum("nshd,nthd->nhst", dmixed, c["v"])
    if c["keep"] is not None:
        dweights = dweights * c["keep"]
    w = c["weights"]
    dscores = w * (dweights - np.einsum("nhst,nhst->nhs", dweights, w)[..., None]) / np.sqrt(d)
    dq = np.einsum("nhst,nthd->nshd", dscores, c["k"]).reshape(N, S, E)
    dk = np.einsum("nhst,nshd->nthd", dscores, c["q"]).reshape(N, T, E)
    dv = np.einsum("nhst,nshd->nthd", c["dropped"], dmixed).reshape(N, T, E)
    grads = []
    for x, dprojected in ((c["query"], dq), (c["key"], dk), (c["value"], dv)):
        grads += [np.einsum("nte,ntf->ef", x, dprojected), dprojected.sum(axis=(0, 1))]
    return (dq @ c["Wq"].T, dk @ c["Wk"].T, dv @ c["Wv"].T, *grads, dWo, dout.sum(axis=(0, 1)))


def attention_weights(cache):
    return cache["weights"]
