"""dprev_h = 0 and dprev_c = 0 before the last step, np.split, a dict as cache that the sequence unpacks."""
import numpy as np

TASKS = ["3.1", "3.2"]


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, dict(x=x, h=prev_h, c=prev_c, Wx=Wx, Wh=Wh, gates=[i, f, o, g], next_c=next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    i, f, o, g = cache["gates"]
    t = np.tanh(cache["next_c"])
    dc = dnext_h * o * (1 - t * t) + dnext_c
    da = np.hstack((g * i * (1 - i) * dc, cache["c"] * f * (1 - f) * dc, t * o * (1 - o) * dnext_h,
                    i * (1 - g * g) * dc))
    return (da @ cache["Wx"].T, da @ cache["Wh"].T, f * dc, cache["x"].T @ da, cache["h"].T @ da, da.sum(axis=0))


def lstm_forward(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros(h0.shape)
    out, caches = [], []
    for x_t in x.transpose(1, 0, 2):
        h, c, cache = lstm_step_forward(x_t, h, c, Wx, Wh, b)
        out += [h]
        caches += [cache]
    return np.stack(out, axis=1), caches


def lstm_backward(dh, cache):
    dprev_h = dprev_c = 0
    dWx, dWh = np.zeros(cache[0]["Wx"].shape), np.zeros(cache[0]["Wh"].shape)
    db = np.zeros(dWh.shape[1])
    dx = np.zeros(dh.shape[:2] + cache[0]["x"].shape[1:])
    for t in reversed(range(dh.shape[1])):
        grads = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dx[:, t], dprev_h, dprev_c = grads[:3]
        dWx += grads[3]
        dWh += grads[4]
        db += grads[5]
    return dx, dprev_h, dWx, dWh, db
