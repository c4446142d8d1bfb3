"""Update rules: rule(w, dw, config) -> next_w, config.

`config` holds hyperparameters and the state of one parameter. Missing entries are filled in with the defaults. New
state is put into the same dict, which is also returned. w, dw and the arrays found in config are not written to.
"""
from typing import Any

import numpy as np

from rnnlayers.shapes import Array

DEFAULTS: dict[str, dict[str, Any]] = {      # None means zeros like w
    "sgd": {"learning_rate": 1e-2},
    "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9, "velocity": None},
    "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8, "cache": None},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "m": None, "v": None, "t": 0},
}


def sgd(w: Array, dw: Array, config: dict | None = None) -> tuple[Array, dict]:
    """Stochastic gradient descent, w <- w - lr dw.

    w, dw of one shape; config: learning_rate 1e-2 -> next_w, config.
    """
    config = fill("sgd", w, dw, config)
    return w - float(config["learning_rate"]) * dw, config


def sgd_momentum(w: Array, dw: Array, config: dict | None = None) -> tuple[Array, dict]:
    """Gradient descent with momentum, v <- mu v - lr dw, w <- w + v.

    w, dw of one shape; config: learning_rate 1e-2, momentum 0.9, velocity (zeros) -> next_w, config.
    Source: Polyak (1964).
    """
    config = fill("sgd_momentum", w, dw, config)
    v = float(config["momentum"]) * config["velocity"] - float(config["learning_rate"]) * dw
    config["velocity"] = v
    return w + v, config


def rmsprop(w: Array, dw: Array, config: dict | None = None) -> tuple[Array, dict]:
    """Gradient descent scaled by a running root mean square, s <- r s + (1-r) dw^2, w <- w - lr dw / (sqrt(s) + eps).

    w, dw of one shape; config: learning_rate 1e-2, decay_rate 0.99, epsilon 1e-8, cache (zeros) -> next_w, config.
    Source: Tieleman and Hinton (2012), lecture 6.5.
    """
    config = fill("rmsprop", w, dw, config)
    decay = float(config["decay_rate"])
    config["cache"] = decay * config["cache"] + (1 - decay) * dw**2
    return w - float(config["learning_rate"]) * dw / (np.sqrt(config["cache"]) + float(config["epsilon"])), config


def adam(w: Array, dw: Array, config: dict | None = None) -> tuple[Array, dict]:
    """Adam: running mean m and mean square v of the gradient, both corrected for starting at zero.

    t <- t + 1, m <- b1 m + (1-b1) dw, v <- b2 v + (1-b2) dw^2, w <- w - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
    w, dw of one shape; config: learning_rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8, m and v (zeros), t 0
    -> next_w, config. Source: Kingma and Ba (2015), algorithm 1.
    """
    config = fill("adam", w, dw, config)
    # BEGIN SOLUTION 1.4
    beta1, beta2 = float(config["beta1"]), float(config["beta2"])
    config["t"] += 1
    config["m"] = beta1 * config["m"] + (1 - beta1) * dw
    config["v"] = beta2 * config["v"] + (1 - beta2) * dw**2
    step = float(config["learning_rate"]) / (1 - beta1 ** config["t"])
    root = np.sqrt(config["v"] / (1 - beta2 ** config["t"]))
    return w - step * config["m"] / (root + float(config["epsilon"])), config
    # END SOLUTION 1.4


def fill(rule: str, w: Array, dw: Array, config: dict | None) -> dict:
    """config with missing entries filled in. Raises ValueError if the shape of dw is not that of w.

    The rules read hyperparameters through float(), since a NumPy float64 scalar would turn float32 weights to float64.
    """
    if np.shape(w) != np.shape(dw):
        raise ValueError(f"update rule: dw is {np.shape(dw)}, expected {np.shape(w)}, the shape of w")
    config = {} if config is None else config
    for key, value in DEFAULTS[rule].items():
        if key not in config:
            config[key] = np.zeros_like(w) if value is None else value
    return config
