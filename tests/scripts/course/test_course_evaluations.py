"""The course kit: derivatives of the own forward by differences are seen, and the chain rule is not taken for them."""
import numpy as np
import pytest

from scripts.course.child import Server
from scripts.course.draws import draw_for
from scripts.course.evaluations import by_differences
from scripts.course.pair_checks import _counts

STEP = """
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, b)
def rnn_step_backward(dnext_h, cache):
    return differences(rnn_step_forward, cache, dnext_h)
"""
RNN = """
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)
def rnn_forward(x, h0, Wx, Wh, b):
    h, hs = h0, []
    for t in range(x.shape[1]):
        h, _ = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        hs.append(h)
    return np.stack(hs, 1), (x, h0, Wx, Wh, b)
def rnn_backward(dh, cache):
    return differences(rnn_forward, cache, dh)
"""
AFFINE = """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)
def affine_backward(dout, cache):
    return differences(affine_forward, cache, dout)
"""
SOFTMAX = """
def temporal_softmax_loss(x, y, mask):
    N, T, V = x.shape
    def value(x):
        z = x - x.max(axis=2, keepdims=True)
        logs = z - np.log(np.exp(z).sum(axis=2, keepdims=True))
        return -(logs[np.arange(N)[:, None], np.arange(T), y] * mask).sum() / N
    return value(x), BODY
"""
CENTRAL = """
def differences(f, args, dout, eps=1e-5):
    grads = []
    for k, a in enumerate(args):
        g = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            up, down = [v.copy() for v in args], [v.copy() for v in args]
            up[k][i] += eps
            down[k][i] -= eps
            g[i] = ((f(*up)[0] - f(*down)[0]) * dout).sum() / (2 * eps)
        grads.append(g)
    return tuple(grads)
"""
IN_PLACE = """
def differences(f, args, dout, eps=1e-5):
    grads = []
    for a in args:
        g = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            a[i] += eps
            up = (f(*args)[0] * dout).sum()
            a[i] -= 2 * eps
            g[i] = (up - (f(*args)[0] * dout).sum()) / (2 * eps)
            a[i] += eps
        grads.append(g)
    return tuple(grads)
"""
RICHARDSON = """
def slope(f, args, k, i, dout, eps):
    up, down = [v.copy() for v in args], [v.copy() for v in args]
    up[k][i] += eps
    down[k][i] -= eps
    return ((f(*up)[0] - f(*down)[0]) * dout).sum() / (2 * eps)
def differences(f, args, dout):
    grads = []
    for k, a in enumerate(args):
        g = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            g[i] = (4 * slope(f, args, k, i, dout, 5e-4) - slope(f, args, k, i, dout, 1e-3)) / 3
        grads.append(g)
    return tuple(grads)
"""
COMPLEX = """
def differences(f, args, dout):
    grads = []
    for k, a in enumerate(args):
        g = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            moved = [v + 0j for v in args]
            moved[k][i] += 1e-30j
            g[i] = (f(*moved)[0].imag * dout).sum() / 1e-30
        grads.append(g)
    return tuple(grads)
"""
EXACT = """
def differences(f, args, dout):
    grads, out = [], f(*args)[0]
    for k, a in enumerate(args):
        g = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            moved = [v.copy() for v in args]
            moved[k][i] += 1.0
            g[i] = ((f(*moved)[0] - out) * dout).sum()
        grads.append(g)
    return tuple(grads)
"""
BY_COLUMNS = """
def differences(f, args, dout, eps=1e-6):
    x, prev_h, Wx, Wh, b = args
    dx, dprev_h = np.zeros_like(x), np.zeros_like(prev_h)
    for grad, k in ((dx, 0), (dprev_h, 1)):
        for d in range(grad.shape[1]):
            up, down = [v.copy() for v in args], [v.copy() for v in args]
            up[k][:, d] += eps
            down[k][:, d] -= eps
            grad[:, d] = ((f(*up)[0] - f(*down)[0]) * dout).sum(1) / (2 * eps)
    da = dout * (1 - f(*args)[0]**2)
    return dx, dprev_h, x.T @ da, prev_h.T @ da, da.sum(0)
"""
LAMBDA = STEP.replace("differences(rnn_step_forward,", "differences(lambda *args: rnn_step_forward(*args),")
COPY = STEP.replace("def rnn_step_backward", """
def energy(a, b, c, d, e):
    return [np.tanh(a @ c + b @ d + e)]
def rnn_step_backward""").replace("differences(rnn_step_forward", "differences(energy")
INLINED = STEP.split("def rnn_step_backward")[0] + """
def rnn_step_backward(dnext_h, cache):
    grads = []
    for k in range(5):
        g = np.zeros_like(cache[k])
        for i in np.ndindex(*g.shape):
            value = []
            for eps in (1e-5, -1e-5):
                x, p, Wx, Wh, b = [v.copy() for v in cache]
                (x, p, Wx, Wh, b)[k][i] += eps
                value.append((np.tanh(x @ Wx + p @ Wh + b) * dnext_h).sum())
            g[i] = (value[0] - value[1]) / 2e-5
        grads.append(g)
    return tuple(grads)
"""
CLOSURE = STEP.replace("return next_h, (x, prev_h, Wx, Wh, b)", """
    args = [x, prev_h, Wx, Wh, b]
    def again(k, i, eps):
        moved = [v.copy() for v in args]
        moved[k][i] += eps
        return np.tanh(moved[0] @ moved[2] + moved[1] @ moved[3] + moved[4])
    return next_h, (args, again)""").replace("return differences(rnn_step_forward, cache, dnext_h)", """
    args, again = cache
    grads = [np.zeros_like(v) for v in args]
    for k, g in enumerate(grads):
        for i in np.ndindex(*g.shape):
            g[i] = ((again(k, i, 1e-5) - again(k, i, -1e-5)) * dnext_h).sum() / 2e-5
    return tuple(grads)""")
LOSS = SOFTMAX.replace("BODY", "gradient(value, x.copy())") + """
def gradient(value, x, eps=1e-5):
    g = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        old = x[i]
        x[i] = old + eps
        up = value(x)
        x[i] = old - eps
        g[i] = (up - value(x)) / (2 * eps)
        x[i] = old
    return g
"""
STACKED = STEP.split("def rnn_step_backward")[0] + """
def many(x, p, Wx, Wh, b):
    return np.tanh(x @ Wx + p @ Wh + b[:, None])
def rnn_step_backward(dnext_h, cache):
    grads = []
    for k, v in enumerate(cache):
        moves = 1e-5 * np.eye(v.size).reshape(v.size, *v.shape)
        up, down = [many(*[w[None] + sign * moves if j == k else w[None] for j, w in enumerate(cache)])
                    for sign in (1, -1)]
        grads.append((((up - down) * dnext_h).sum((1, 2)) / 2e-5).reshape(v.shape))
    return tuple(grads)
"""
ONE_EXPRESSION = STEP.split("def rnn_step_backward")[0] + """
def rnn_step_backward(dnext_h, cache):
    x, p, Wx, Wh, b = cache
    return tuple(np.array([(dnext_h * np.tanh(
        (x + 1e-30j * e if k == 0 else x) @ (Wx + 1e-30j * e if k == 2 else Wx)
        + (p + 1e-30j * e if k == 1 else p) @ (Wh + 1e-30j * e if k == 3 else Wh)
        + (b + 1e-30j * e if k == 4 else b)).imag).sum() / 1e-30
        for e in np.eye(v.size).reshape(v.size, *v.shape)]).reshape(v.shape) for k, v in enumerate(cache))
"""
IN_FORWARD = """
def step(x, p, Wx, Wh, b):
    return np.tanh(x @ Wx + p @ Wh + b)
def rnn_step_forward(*args):
    jacobians = []
    for k, v in enumerate(args):
        rows = []
        for i in range(v.size):
            up, down = [w.copy() for w in args], [w.copy() for w in args]
            up[k].flat[i] += 1e-5
            down[k].flat[i] -= 1e-5
            rows.append((step(*up) - step(*down)) / 2e-5)
        jacobians.append((np.array(rows), v.shape))
    return step(*args), jacobians
def rnn_step_backward(dnext_h, cache):
    return tuple((rows * dnext_h).sum((1, 2)).reshape(shape) for rows, shape in cache)
"""
NUMERIC = {                         # -> line of the table of pairs, code
    "central differences": ("rnn_step", CENTRAL + STEP),
    "in place, restored to rounding": ("rnn_step", IN_PLACE + STEP),
    "Richardson": ("rnn_step", RICHARDSON + STEP),
    "complex step": ("rnn_step", COMPLEX + STEP),
    "through a lambda": ("rnn_step", CENTRAL + LAMBDA),
    "through a copy of another name": ("rnn_step", CENTRAL + COPY),
    "inlined": ("rnn_step", INLINED),
    "a closure in the cache": ("rnn_step", CLOSURE),
    "a stack of moved inputs": ("rnn_step", STACKED),
    "the complex step in one expression": ("rnn_step", ONE_EXPRESSION),
    "in the forward": ("rnn_step", IN_FORWARD),
    "two gradients by columns": ("rnn_step", BY_COLUMNS + STEP),
    "exact differences of a linear forward": ("affine", EXACT + AFFINE),
    "a sequence": ("rnn", CENTRAL + RNN),
    "a sequence by the complex step": ("rnn", COMPLEX + RNN),
    "a loss": ("temporal_softmax_loss", LOSS),
}

CHAIN = STEP.split("def rnn_step_backward")[0]
RECOMPUTED = CHAIN + """
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, b = cache
    next_h, _ = rnn_step_forward(*cache)
    da = dnext_h * (1 - next_h * next_h)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)
"""
TAKES_COMPLEX = RECOMPUTED.replace("    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)", """
    next_h = np.zeros(prev_h.shape, complex if np.iscomplexobj(x) else x.dtype)
    next_h += np.tanh(x @ Wx + prev_h @ Wh + b)""")
SCALARS = CHAIN + """
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, b = cache
    N, H = dnext_h.shape
    da = np.tanh(x @ Wx + prev_h @ Wh + b).copy()
    for n in range(N):
        for h in range(H):
            da[n, h] = dnext_h[n, h] * (1 - da[n, h]**2)        # a copy of next_h, overwritten entry by entry
    dx, dprev_h, dWx, dWh, db = x.copy(), prev_h.copy(), Wx.copy(), Wh.copy(), b.copy()
    for n in range(N):
        for d in range(x.shape[1]):
            dx[n, d] = sum(da[n, h] * Wx[d, h] for h in range(H))
        for k in range(H):
            dprev_h[n, k] = sum(da[n, h] * Wh[k, h] for h in range(H))
    for h in range(H):
        for d in range(x.shape[1]):
            dWx[d, h] = sum(x[n, d] * da[n, h] for n in range(N))
        for k in range(H):
            dWh[k, h] = sum(prev_h[n, k] * da[n, h] for n in range(N))
        db[h] = sum(da[n, h] for n in range(N))
    return dx, dprev_h, dWx, dWh, db
"""
REFILLED = CHAIN + """
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, b = cache
    next_h = np.full(dnext_h.shape, 0.5)
    for n in range(len(x)):
        for h in range(len(b)):
            next_h[n, h] = np.tanh(x[n] @ Wx[:, h] + prev_h[n] @ Wh[:, h] + b[h])
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)
"""
SAMPLES = CHAIN + """
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, b = cache
    dx, dprev_h = np.zeros(x.shape), np.zeros(prev_h.shape)
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(b.shape)
    for n in range(len(x)):
        da = dnext_h[n] * (1 - np.tanh(x[n] @ Wx + prev_h[n] @ Wh + b)**2)
        dx[n], dprev_h[n] = Wx @ da, Wh @ da
        dWx += np.outer(x[n], da)
        dWh += np.outer(prev_h[n], da)
        db += da
    return dx, dprev_h, dWx, dWh, db
"""
THROUGH_TIME = RNN.replace("return differences(rnn_forward, cache, dh)", """
    x, h0, Wx, Wh, b = cache
    caches, h = [], h0
    for t in range(x.shape[1]):
        h, step = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        caches.append(step)
    dx, dprev_h = np.zeros_like(x), 0
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    for t in reversed(range(x.shape[1])):
        dx[:, t], dprev_h, a, c, d = rnn_step_backward(dh[:, t] + dprev_h, caches[t])
        dWx += a
        dWh += c
        db += d
    return dx, dprev_h, dWx, dWh, db""")
LSTM = """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    next_c = sigmoid(f) * prev_c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(next_c), next_c, (x, prev_h, prev_c, Wx, Wh, b)
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, b = cache
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    _, next_c, _ = lstm_step_forward(*cache)
    dc = dnext_c + dnext_h * sigmoid(o) * (1 - np.tanh(next_c)**2)
    di, df = dc * np.tanh(g), dc * prev_c
    do, dg = dnext_h * np.tanh(next_c), dc * sigmoid(i)
    gates = [d * sigmoid(a) * (1 - sigmoid(a)) for d, a in ((di, i), (df, f), (do, o))]
    da = np.hstack([*gates, dg * (1 - np.tanh(g)**2)])
    return da @ Wx.T, da @ Wh.T, dc * sigmoid(f), x.T @ da, prev_h.T @ da, da.sum(0)
"""
RIGHT_LOSS = SOFTMAX.replace("BODY", "gradient(x, y, mask)") + """
def gradient(x, y, mask):
    N, T, V = x.shape
    dx = x.copy()
    for n in range(N):
        for t in range(T):
            p = np.exp(x[n, t] - x[n, t].max())
            p /= p.sum()
            p[y[n, t]] -= 1
            dx[n, t] = p * mask[n, t] / N
    return dx
"""
CHAIN_RULE = {
    "recomputes forward once": ("rnn_step", RECOMPUTED),
    "a forward for complex inputs too": ("rnn_step", TAKES_COMPLEX),
    "scalar arithmetic, copies overwritten": ("rnn_step", SCALARS),
    "a forward filled in again": ("rnn_step", REFILLED),
    "sample by sample": ("rnn_step", SAMPLES),
    "recomputes every step": ("rnn", THROUGH_TIME),
    "helpers": ("lstm_step", LSTM),
    "a loss": ("temporal_softmax_loss", RIGHT_LOSS),
}


class Subject:
    """Functions in a text, called as a submission's."""

    def __init__(self, text):
        self._server = Server()
        names = {"np": np}
        exec(text, names)
        self._server.layers = names

    def __getattr__(self, name):
        if name not in self._server.layers:
            raise AttributeError(name)
        return self._server.layers[name]

    def evaluations(self, forward, backward, args, before=(), after=()):
        args = [np.array(arg) for arg in args]
        return self._server.evaluations(forward, backward, args, before, after)


def differences(name, text, draw):
    subject = Subject(text)
    return by_differences(lambda draw: _counts(subject, name, draw), draw)


@pytest.mark.parametrize("name", NUMERIC)
def test_derivatives_by_differences_are_seen(name):
    title, text = NUMERIC[name]
    assert "earns nothing" in differences(title, text, draw_for("bob", "1"))


@pytest.mark.parametrize("name", CHAIN_RULE)
def test_the_chain_rule_is_not_taken_for_differences(name):
    title, text = CHAIN_RULE[name]
    assert differences(title, text, draw_for("bob", "1")) == ""
