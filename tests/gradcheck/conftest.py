"""Pairs that a stranger might bring, right ones, written without this project."""
import numpy as np
import pytest


def layer_norm_forward(x, gain, bias, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    normal = centred * scale
    return gain * normal + bias, (normal, scale, gain)


def layer_norm_backward(dout, cache):
    normal, scale, gain = cache
    d = dout * gain
    dx = scale * (d - d.mean(axis=-1, keepdims=True) - normal * (d * normal).mean(axis=-1, keepdims=True))
    return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def gru_forward(x, h0, Wx, Wh, b):
    H, h, cache = h0.shape[1], h0, []
    out = np.zeros((*x.shape[:2], H), x.dtype)              # a real buffer: complex numbers do not pass
    for t in range(x.shape[1]):
        ax, ah = x[:, t] @ Wx + b, h @ Wh
        r, z = _logistic(ax[:, :H] + ah[:, :H]), _logistic(ax[:, H:2 * H] + ah[:, H:2 * H])
        n = np.tanh(ax[:, 2 * H:] + r * ah[:, 2 * H:])
        cache.append({"x": x[:, t], "h": h, "r": r, "z": z, "n": n, "ah": ah[:, 2 * H:], "Wx": Wx, "Wh": Wh})
        h = out[:, t] = (1 - z) * n + z * h
    return out, cache


def gru_backward(dout, cache):
    dh, dx, total = 0, [], [0, 0, 0]
    for t in reversed(range(len(cache))):
        s = cache[t]
        dh = dh + dout[:, t]
        dn = dh * (1 - s["z"]) * (1 - s["n"]**2)
        dz = dh * (s["h"] - s["n"]) * s["z"] * (1 - s["z"])
        dr = dn * s["ah"] * s["r"] * (1 - s["r"])
        dax, dah = np.hstack([dr, dz, dn]), np.hstack([dr, dz, dn * s["r"]])
        total = [a + b for a, b in zip(total, (s["x"].T @ dax, s["h"].T @ dah, dax.sum(axis=0)))]
        dx.append(dax @ s["Wx"].T)
        dh = dh * s["z"] + dah @ s["Wh"].T
    return [np.stack(dx[::-1], axis=1), dh, *total]


def batch_norm_forward(x, gain):
    scale = 1 / np.sqrt(x.var(axis=0) + 1e-5)
    normal = (x - x.mean(axis=0)) * scale
    return gain * normal, (normal, scale, gain)


def batch_norm_backward(dout, cache):
    normal, scale, gain = cache
    d = dout * gain
    return scale * (d - d.mean(axis=0) - normal * (d * normal).mean(axis=0)), (dout * normal).sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, x):
    return dout * (x > 0)


def max_pool_forward(x):
    rows = x.reshape(len(x), -1, 2)
    winner = rows.argmax(axis=2)
    return rows.max(axis=2), winner, (x.shape, winner)      # the second output is whole numbers: no upstream gradient


def max_pool_backward(dout, cache):
    shape, winner = cache
    dx = np.zeros((*dout.shape, 2), dout.dtype)
    np.put_along_axis(dx, winner[..., None], dout[..., None], axis=2)
    return dx.reshape(shape)


def polar_forward(radius, angle):
    return (radius * np.cos(angle), radius * np.sin(angle)), (radius, angle)


def polar_backward(douts, cache):
    (dx, dy), (radius, angle) = douts, cache
    return (dx * np.cos(angle) + dy * np.sin(angle), radius * (dy * np.cos(angle) - dx * np.sin(angle)))


def pick_forward(x, index, mask, scale, unused):
    return (x[index] * mask).sum() * scale, (x.shape, index, mask, scale)


def pick_backward(dout, cache):
    shape, index, mask, scale = cache
    dx = np.zeros(shape, np.asarray(dout).dtype)
    np.add.at(dx, index, dout * mask * scale)
    return dx


SHAPES = {
    "layer_norm": {"x": (4, 7), "gain": (7,), "bias": (7,)},
    "gru": {"x": (2, 5, 3), "h0": (2, 6), "Wx": (3, 18), "Wh": (6, 18), "b": (18,)},
    "batch_norm": {"x": (3, 5), "gain": (5,)},
    "relu": {"x": (3, 5)},
    "max_pool": {"x": (3, 8)},
    "polar": {"radius": (4,), "angle": (4,)},
    "pick": {"x": (6,)},
}


@pytest.fixture
def stranger(rng):
    """Function: name, dtype -> forward, backward, inputs."""
    def make(name, dtype=np.float64):
        inputs = {key: rng.standard_normal(shape).astype(dtype) for key, shape in SHAPES[name].items()}
        if name == "pick":
            inputs.update(index=rng.integers(0, 6, (2, 3)), mask=rng.random((2, 3)) < 0.8, scale=2, unused=None)
        return globals()[f"{name}_forward"], globals()[f"{name}_backward"], inputs
    return make


@pytest.fixture(params=SHAPES)
def stranger_name(request):
    return request.param
