"""Eight kinds of layers as other people write them, each with its backward: what the checker is tried on beside ours.

They differ from rnnlayers in their names, layouts and ways of computing, on purpose. Each pair has its forward's
arguments in SHAPES, as in gradcheck.table. A backward returns gradients in the order of forward's arrays of floats.
"""
import numpy as np

SHAPES = {                          # a number stands for itself
    "batch_norm": "x=5,D gamma=D beta=D",
    "layer_norm": "x=N,T,W scale=W shift=W",
    "conv": "x=N,3,7,5 w=4,3,3,3 b=4",
    "max_pool": "x=N,3,7,5",
    "gru_net": "x=N,T,D h0=N,H Wz=D,H Uz=H,H bz=H Wr=D,H Ur=H,H br=H Wc=D,H Uc=H,H bc=H",
    "multi_head": "x=N,T,12 Wq=12,12 Wk=12,12 Wv=12,12 Wo=12,12",
    "lookup": "ids=N,T<V table=V,W",
    "cross_entropy": "scores=N,V labels=N<V",
}


def batch_norm_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    centred = x - mu
    var = np.mean(centred ** 2, axis=0)
    std = np.sqrt(var + eps)
    xhat = centred / std
    return gamma * xhat + beta, {"xhat": xhat, "centred": centred, "std": std, "gamma": gamma}


def batch_norm_backward(dout, cache):
    xhat, centred, std = cache["xhat"], cache["centred"], cache["std"]
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * cache["gamma"]
    dvar = np.sum(dxhat * centred, axis=0) * -0.5 / std ** 3
    dmu = -np.sum(dxhat / std, axis=0)
    dx = dxhat / std + dvar * 2 * centred / N + dmu / N
    return dx, dgamma, dbeta


def layer_norm_forward(x, scale, shift):
    mean = x.mean(-1, keepdims=True)
    rstd = (x.var(-1, keepdims=True) + 1e-6) ** -0.5
    norm = (x - mean) * rstd
    return norm * scale + shift, (norm, rstd, scale)


def layer_norm_backward(dout, cache):
    norm, rstd, scale = cache
    dnorm = dout * scale
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return dx, (dout * norm).sum((0, 1)), dout.sum((0, 1))


def im2col(x, k, stride, pad):
    N, C, H, W = x.shape
    high, wide = (H + 2 * pad - k) // stride + 1, (W + 2 * pad - k) // stride + 1
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = np.zeros((N, high, wide, C, k, k), x.dtype)
    for i in range(high):
        for j in range(wide):
            cols[:, i, j] = x[:, :, i * stride:i * stride + k, j * stride:j * stride + k]
    return cols.reshape(N * high * wide, -1), high, wide


def col2im(cols, shape, k, stride, pad, high, wide):
    N, C, H, W = shape
    cols = cols.reshape(N, high, wide, C, k, k)
    x = np.zeros((N, C, H + 2 * pad, W + 2 * pad), cols.dtype)
    for i in range(high):
        for j in range(wide):
            x[:, :, i * stride:i * stride + k, j * stride:j * stride + k] += cols[:, i, j]
    return x[:, :, pad:pad + H, pad:pad + W]


def conv_forward(x, w, b, stride=2, pad=1):
    F, k = len(w), w.shape[-1]
    cols, high, wide = im2col(x, k, stride, pad)
    out = cols @ w.reshape(F, -1).T + b
    return out.reshape(len(x), high, wide, F).transpose(0, 3, 1, 2), (x.shape, w, cols, stride, pad, high, wide)


def conv_backward(dout, cache):
    shape, w, cols, stride, pad, high, wide = cache
    F = len(w)
    dflat = dout.transpose(0, 2, 3, 1).reshape(-1, F)
    dw = (dflat.T @ cols).reshape(w.shape)
    db = dout.sum(axis=(0, 2, 3))
    dcols = dflat @ w.reshape(F, -1)
    return col2im(dcols, shape, w.shape[-1], stride, pad, high, wide), dw, db


def max_pool_forward(x, k=3, stride=2):
    N, C, H, W = x.shape
    out = np.empty((N, C, (H - k) // stride + 1, (W - k) // stride + 1), x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i * stride:i * stride + k, j * stride:j * stride + k].max(axis=(2, 3))
    return out, (x, out, k, stride)


def max_pool_backward(dout, cache):
    x, out, k, stride = cache
    dx = np.zeros_like(x)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = np.s_[:, :, i * stride:i * stride + k, j * stride:j * stride + k]
            mask = x[window] == out[:, :, i, j, None, None]
            dx[window] += mask * dout[:, :, i, j, None, None]
    return dx


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_net_forward(x, h0, Wz, Uz, bz, Wr, Ur, br, Wc, Uc, bc):
    h, hs, steps = h0, [], []
    for t in range(x.shape[1]):
        xt = x[:, t]
        z = sigmoid(xt @ Wz + h @ Uz + bz)
        r = sigmoid(xt @ Wr + h @ Ur + br)
        c = np.tanh(xt @ Wc + (r * h) @ Uc + bc)
        steps.append((xt, h, z, r, c))
        h = z * c + (1 - z) * h
        hs.append(h)
    return np.stack(hs, axis=1), (steps, (Wz, Uz, Wr, Ur, Wc, Uc))


def gru_net_backward(dout, cache):
    steps, (Wz, Uz, Wr, Ur, Wc, Uc) = cache
    grads = [np.zeros_like(w) for w in (Wz, Uz, Uz[0], Wr, Ur, Ur[0], Wc, Uc, Uc[0])]
    dxs, dh = [], np.zeros_like(steps[0][1])
    for t in reversed(range(len(steps))):
        xt, h, z, r, c = steps[t]
        dh = dh + dout[:, t]
        dz = dh * (c - h) * z * (1 - z)
        dc = dh * z * (1 - c * c)
        drh = dc @ Uc.T
        dr = drh * h * r * (1 - r)
        step = [xt.T @ dz, h.T @ dz, dz.sum(0), xt.T @ dr, h.T @ dr, dr.sum(0), xt.T @ dc, (r * h).T @ dc, dc.sum(0)]
        for k, part in enumerate(step):
            grads[k] += part
        dxs.insert(0, dz @ Wz.T + dr @ Wr.T + dc @ Wc.T)
        dh = dh * (1 - z) + dz @ Uz.T + dr @ Ur.T + drh * r
    return (np.stack(dxs, axis=1), dh, *grads)


def multi_head_forward(x, Wq, Wk, Wv, Wo, heads=3):
    N, T, D = x.shape
    d = D // heads
    q, k, v = (np.transpose((x @ W).reshape(N, T, heads, d), (0, 2, 1, 3)) for W in (Wq, Wk, Wv))
    s = np.einsum("nhtd,nhsd->nhts", q, k) * d ** -0.5
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    merged = (p @ v).transpose(0, 2, 1, 3).reshape(N, T, D)
    return merged @ Wo, (x, Wq, Wk, Wv, Wo, q, k, v, p, merged, heads)


def multi_head_backward(dout, cache):
    x, Wq, Wk, Wv, Wo, q, k, v, p, merged, heads = cache
    N, T, D = x.shape
    d = D // heads
    dWo = np.einsum("nti,ntj->ij", merged, dout)
    dmerged = dout @ Wo.T
    dctx = dmerged.reshape(N, T, heads, d).transpose(0, 2, 1, 3)
    dp = dctx @ v.transpose(0, 1, 3, 2)
    dv = p.transpose(0, 1, 3, 2) @ dctx
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    ds = ds * d ** -0.5
    dq, dk = ds @ k, ds.transpose(0, 1, 3, 2) @ q
    dq, dk, dv = (g.transpose(0, 2, 1, 3).reshape(N * T, D) for g in (dq, dk, dv))
    flat = x.reshape(N * T, D)
    dx = (dq @ Wq.T + dk @ Wk.T + dv @ Wv.T).reshape(x.shape)
    return dx, flat.T @ dq, flat.T @ dk, flat.T @ dv, dWo


def lookup_forward(ids, table):
    return table[ids] * table.shape[1] ** 0.5, (ids, table.shape)


def lookup_backward(dout, cache):
    ids, shape = cache
    dtable = np.zeros(shape, dout.dtype)
    flat, d = ids.reshape(-1), dout.reshape(-1, shape[1])
    for k, i in enumerate(flat):
        dtable[i] += d[k]
    return dtable * np.sqrt(shape[1]).astype(dout.dtype)


def cross_entropy_forward(scores, labels):
    shifted = scores - scores.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = len(labels)
    return -logp[np.arange(n), labels].sum() / n, (np.exp(logp), labels)


def cross_entropy_backward(dloss, cache):
    p, labels = cache
    n = len(labels)
    d = p.copy()
    d[np.arange(n), labels] -= 1
    return d / n * dloss
