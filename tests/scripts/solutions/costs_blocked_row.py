"""Blocked scores are -1e9: a query that sees no key attends to all of them, which costs the special case."""
import numpy as np

TASKS = ["6.2"]
COSTS = {"6.2": 0.67}


def softmax_rows(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def multihead_attention_forward(query, key, value, Wq, bq, Wk, bk, Wv, bv, Wo, bo, num_heads, attn_mask=None,
                                keep=None):
    E = query.shape[2]
    d = E // num_heads
    q, k, v = query.dot(Wq) + bq, key.dot(Wk) + bk, value.dot(Wv) + bv
    outs, weights = [], []
    for h in range(num_heads):
        cols = slice(h * d, (h + 1) * d)
        scores = q[:, :, cols] @ k[:, :, cols].transpose(0, 2, 1) / d ** 0.5
        if attn_mask is not None:
            scores = np.where(attn_mask, scores, -1e9)
        w = softmax_rows(scores)
        weights.append(w)
        outs.append((w if keep is None else w * keep[:, h]) @ v[:, :, cols])
    joined = np.concatenate(outs, axis=2)
    return joined @ Wo + bo, (query, key, value, Wq, Wk, Wv, Wo, q, k, v, weights, keep, joined)


def multihead_attention_backward(dout, cache):
    query, key, value, Wq, Wk, Wv, Wo, q, k, v, weights, keep, joined = cache
    E, d = q.shape[2], q.shape[2] // len(weights)
    rows = dout.reshape(-1, E)
    djoined = dout @ Wo.T
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for h, w in enumerate(weights):
        cols = slice(h * d, (h + 1) * d)
        mask = 1 if keep is None else keep[:, h]
        dw = djoined[:, :, cols] @ v[:, :, cols].transpose(0, 2, 1) * mask
        dv[:, :, cols] = (w * mask).transpose(0, 2, 1) @ djoined[:, :, cols]
        ds = w * (dw - np.sum(dw * w, axis=2, keepdims=True)) / d ** 0.5
        dq[:, :, cols] = ds @ k[:, :, cols]
        dk[:, :, cols] = ds.transpose(0, 2, 1) @ q[:, :, cols]

    def projection(x, dy):
        return x.reshape(-1, E).T @ dy.reshape(-1, E), dy.reshape(-1, E).sum(axis=0)
    dWq, dbq = projection(query, dq)
    dWk, dbk = projection(key, dk)
    dWv, dbv = projection(value, dv)
    dWo, dbo = joined.reshape(-1, E).T @ rows, rows.sum(axis=0)
    return dq @ Wq.T, dk @ Wk.T, dv @ Wv.T, dWq, dbq, dWk, dbk, dWv, dbv, dWo, dbo


def attention_weights(cache):
    return np.stack(cache[10], axis=1)
