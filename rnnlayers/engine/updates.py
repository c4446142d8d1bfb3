"""The update rules of rnnlayers.optim in place, as loops for Numba: each number is read and written once.

`scale` is a factor of the gradient, from clipping; `shrink` what decay leaves of the weight.
"""
import math

from numba import njit

from rnnlayers.optim import fill

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(**KERNEL)
def _sgd(w, dw, scale, shrink, lr):
    for i in range(w.size):
        w[i] = shrink * w[i] - lr * (scale * dw[i])


@njit(**KERNEL)
def _sgd_momentum(w, dw, velocity, scale, shrink, lr, momentum):
    for i in range(w.size):
        velocity[i] = momentum * velocity[i] - lr * (scale * dw[i])
        w[i] = shrink * w[i] + velocity[i]


@njit(**KERNEL)
def _rmsprop(w, dw, cache, scale, shrink, lr, decay, rest, epsilon):
    for i in range(w.size):
        g = scale * dw[i]
        cache[i] = decay * cache[i] + rest * g * g
        w[i] = shrink * w[i] - lr * g / (math.sqrt(cache[i]) + epsilon)


@njit(**KERNEL)
def _adam(w, dw, m, v, scale, shrink, step, root, beta1, rest1, beta2, rest2, epsilon):
    for i in range(w.size):
        g = scale * dw[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        w[i] = shrink * w[i] - step * m[i] / (math.sqrt(v[i] * root) + epsilon)


def update(rule, w, dw, config, scale, weight_decay):
    """Apply a rule of rnnlayers.optim to w and to its state in config, both in place.

    w and dw of one shape and dtype, float32 or float64, in C order; config as in rnnlayers.optim. scale: factor of dw;
    weight_decay: w <- w - lr weight_decay w beside the rule, as models.solver does it.
    """
    config = fill(rule, w, dw, config)
    number = w.dtype.type
    lr = float(config["learning_rate"])
    arrays = [array.reshape(-1) for array in (w, dw, *(config[name] for name in STATE[rule]))]
    KERNELS[rule](*arrays, number(scale), number(1 - lr * weight_decay), *map(number, SETTINGS[rule](config, lr)))


def _adam_settings(config, lr):
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
