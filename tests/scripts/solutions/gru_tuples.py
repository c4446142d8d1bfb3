"""A GRU with slices, tuples and np.zeros without a dtype."""
import numpy as np

TASKS = ["3.3", "3.4"]


def gru_step_forward(x, prev_h, Wx, Wh, b, bn):
    H = prev_h.shape[1]
    a = x.dot(Wx) + b
    u = prev_h.dot(Wh)
    r = sigmoid(a[:, :H] + u[:, :H])
    z = sigmoid(a[:, H:2 * H] + u[:, H:2 * H])
    inner = u[:, 2 * H:] + bn
    n = np.tanh(a[:, 2 * H:] + r * inner)
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, Wx, Wh, b, bn, r, z, n, inner)


def gru_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, b, bn, r, z, n, inner = cache
    H = prev_h.shape[1]
    dz = dnext_h * (prev_h - n)
    dn = dnext_h * (1 - z)
    dprev_h = dnext_h * z
    dn_raw = dn * (1 - n ** 2)
    dr_raw = dn_raw * inner * r * (1 - r)
    dz_raw = dz * z * (1 - z)
    dinner = dn_raw * r
    Wr, Wz, Wn = Wh[:, :H], Wh[:, H:2 * H], Wh[:, 2 * H:]
    dprev_h = dprev_h + dr_raw.dot(Wr.T) + dz_raw.dot(Wz.T) + dinner.dot(Wn.T)
    da = np.concatenate([dr_raw, dz_raw, dn_raw], axis=1)
    dWh = np.concatenate([prev_h.T.dot(dr_raw), prev_h.T.dot(dz_raw), prev_h.T.dot(dinner)], axis=1)
    return da.dot(Wx.T), dprev_h, x.T.dot(da), dWh, np.sum(da, axis=0), np.sum(dinner, axis=0)


def gru_forward(x, h0, Wx, Wh, b, bn):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]), dtype=np.result_type(x, h0, Wx, Wh, b, bn))
    caches, prev = [], h0
    for t in range(T):
        prev, cache = gru_step_forward(x[:, t, :], prev, Wx, Wh, b, bn)
        h[:, t, :] = prev
        caches.append(cache)
    return h, caches


def gru_backward(dh, cache):
    N, T, H = dh.shape
    x, _, Wx, Wh, b, bn = cache[0][:6]
    dx = np.zeros((N, T, x.shape[1]))
    dWx, dWh, db, dbn = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(b.shape), np.zeros(bn.shape)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t, :], dprev, dWx_t, dWh_t, db_t, dbn_t = gru_step_backward(dh[:, t, :] + dprev, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
        dbn += dbn_t
    return dx, dprev, dWx, dWh, db, dbn
