"""The update rules of rnnlayers.optim in place, as loops for Numba: each number is read and written once.

`scale` is the factor of the gradient that clipping asks for; `shrink` is the share of the weight that decay leaves.
"""
import math

import numpy as np

from rnnlayers.engine.compiling import compiled
from rnnlayers.optim import fill
from rnnlayers.shapes import Array
from rnnlayers.workspace import aligned

rule_loop = compiled(fastmath={"contract"})     # float32 and float64; the reference is rnnlayers.optim


@rule_loop
def _sgd(w, dw, scale, shrink, lr):
    for i in range(w.size):
        w[i] = shrink * w[i] - lr * (scale * dw[i])


@rule_loop
def _sgd_momentum(w, dw, velocity, scale, shrink, lr, momentum):
    for i in range(w.size):
        velocity[i] = momentum * velocity[i] - lr * (scale * dw[i])
        w[i] = shrink * w[i] + velocity[i]


@rule_loop
def _rmsprop(w, dw, cache, scale, shrink, lr, decay, rest, epsilon):
    for i in range(w.size):
        g = scale * dw[i]
        cache[i] = decay * cache[i] + rest * g * g
        w[i] = shrink * w[i] - lr * g / (math.sqrt(cache[i]) + epsilon)


@rule_loop
def _adam(w, dw, m, v, scale, shrink, step, root, beta1, rest1, beta2, rest2, epsilon):
    for i in range(w.size):
        g = scale * dw[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        w[i] = shrink * w[i] - step * m[i] / (math.sqrt(v[i] * root) + epsilon)


def update(rule: str, w: Array, dw: Array, config: dict, scale: float, weight_decay: float) -> None:
    """Apply a rule of rnnlayers.optim to w and to its state in config, both in place.

    w and dw of one shape and dtype, float32 or float64, in C order; config as in rnnlayers.optim. scale: factor of dw;
    weight_decay: w <- w - lr weight_decay w in addition to the rule, as in models.solver.
    """
    config = fill(rule, w, dw, config)
    number = w.dtype.type
    lr = float(config["learning_rate"])
    arrays = [array.reshape(-1) for array in (w, dw, *(config[name] for name in STATE[rule]))]
    KERNELS[rule](*arrays, number(scale), number(1 - lr * weight_decay), *map(number, SETTINGS[rule](config, lr)))


def update_in_place(rule: str, w: Array, dw: Array, config: dict, scale: float, weight_decay: float) -> bool:
    """`update`, where the arrays allow it -> whether they did. Other arrays are for rnnlayers.optim.

    The arrays in config move to whole cache lines.
    """
    config.update({name: aligned(value) for name, value in config.items() if isinstance(value, np.ndarray)})
    arrays = [w, dw, *(value for value in config.values() if isinstance(value, np.ndarray))]
    if w.dtype not in (np.float32, np.float64) or not all(
            a.dtype == w.dtype and a.shape == w.shape and a.flags.c_contiguous and a.flags.writeable for a in arrays):
        return False
    update(rule, w, dw, config, scale, weight_decay)
    return True


def _adam_settings(config: dict, lr: float) -> tuple[float, ...]:
    config["t"] += 1
    beta1, beta2, t = float(config["beta1"]), float(config["beta2"]), config["t"]
    return lr / (1 - beta1**t), 1 / (1 - beta2**t), beta1, 1 - beta1, beta2, 1 - beta2, float(config["epsilon"])


KERNELS = {"sgd": _sgd, "sgd_momentum": _sgd_momentum, "rmsprop": _rmsprop, "adam": _adam}
STATE = {"sgd": (), "sgd_momentum": ("velocity",), "rmsprop": ("cache",), "adam": ("m", "v")}
SETTINGS = {
    "sgd": lambda config, lr: (lr,),
    "sgd_momentum": lambda config, lr: (lr, float(config["momentum"])),
    "rmsprop": lambda config, lr: (lr, float(config["decay_rate"]), 1 - float(config["decay_rate"]),
                                   float(config["epsilon"])),
    "adam": _adam_settings,
}
