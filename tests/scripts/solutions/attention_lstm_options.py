"""An LSTM step with the optional arguments attn and Wattn, and the sequence that attends with them."""
import numpy as np

TASKS = ["3.1", "3.2", "4.2"]


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b, attn=None, Wattn=None):
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    if attn is not None:
        a += attn.dot(Wattn)
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, {"in": (x, prev_h, prev_c, Wx, Wh, attn, Wattn), "gates": (i, f, o, g), "next_c": next_c}


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, attn, Wattn = cache["in"]
    i, f, o, g = cache["gates"]
    tanh = np.tanh(cache["next_c"])
    dc = dnext_c + dnext_h * o * (1 - tanh ** 2)
    da = np.concatenate([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * tanh * o * (1 - o),
                         dc * i * (1 - g ** 2)], 1)
    grads = [da.dot(Wx.T), da.dot(Wh.T), dc * f, x.T.dot(da), prev_h.T.dot(da), da.sum(0)]
    if attn is not None:
        grads += [da.dot(Wattn.T), attn.T.dot(da)]
    return tuple(grads)


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    h, c, hs, cache = h0, np.zeros_like(h0) if c0 is None else c0, [], []
    for t in range(x.shape[1]):
        h, c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        hs.append(h)
        cache.append(step)
    return np.stack(hs, axis=1), (cache, c0 is not None)


def lstm_backward(dh, cache):
    steps, with_c0 = cache
    dx, dprev_h, dprev_c, total = [], np.zeros_like(dh[:, 0]), np.zeros_like(dh[:, 0]), None
    for t in reversed(range(dh.shape[1])):
        dx_t, dprev_h, dprev_c, *grads = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, steps[t])
        dx = [dx_t] + dx
        total = grads if total is None else [a + b for a, b in zip(total, grads)]
    return (np.stack(dx, 1), dprev_h, *total, *([dprev_c] if with_c0 else []))


def attention_forward(x, A, Wx, Wh, Wattn, b, regions=None):
    mean = A.mean(axis=tuple(range(2, A.ndim)))
    h, c, hs, cache = mean, mean.copy(), [], []
    for t in range(x.shape[1]):
        attn, _, one = dot_product_attention_forward(h, A)
        h, c, two = lstm_step_forward(x[:, t], h, c, Wx, Wh, b, attn, Wattn)
        hs.append(h)
        cache.append((one, two))
    return np.stack(hs, axis=1), (A.shape, cache)


def attention_backward(dh, cache):
    shape, steps = cache
    dA, dx, total = 0, [], [0, 0, 0, 0]
    dprev_h, dprev_c = np.zeros_like(dh[:, 0]), np.zeros_like(dh[:, 0])
    for t in range(len(steps) - 1, -1, -1):
        dx_t, dprev_h, dprev_c, dWx, dWh, db, dattn, dWattn = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, steps[t][1])
        more, dA_t = dot_product_attention_backward(dattn, steps[t][0])
        dprev_h = dprev_h + more
        dA = dA + dA_t
        dx.append(dx_t)
        total = [a + b for a, b in zip(total, (dWx, dWh, dWattn, db))]
    start = (dprev_h + dprev_c) / np.prod(shape[2:])
    dA = dA + start.reshape(start.shape + (1,) * (len(shape) - 2))
    return (np.stack(dx[::-1], axis=1), dA, *total)
