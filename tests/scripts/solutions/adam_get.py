"""Adam as in algorithm 1, with config.get and a new dict at every step."""
import numpy as np

TASKS = ["1.4"]
TIMES = 4


def adam(w, dw, config=None):
    config = dict(config or {})
    lr, eps = config.get("learning_rate", 1e-3), config.get("epsilon", 1e-8)
    b1, b2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    t = config.get("t", 0) + 1
    m = b1 * config.get("m", 0) + (1 - b1) * dw
    v = b2 * config.get("v", 0) + (1 - b2) * dw * dw

    def unbiased(mean, beta):
        return mean / (1.0 - beta ** t)
    config.update(learning_rate=lr, epsilon=eps, beta1=b1, beta2=b2, t=t, m=m, v=v)
    return w - lr * unbiased(m, b1) / (unbiased(v, b2) ** 0.5 + eps), config
