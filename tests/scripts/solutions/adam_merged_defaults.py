"""Adam with step size and root corrected apart, as PyTorch has it: algorithm 1 in another order."""
import numpy as np

TASKS = ["1.4"]
TIMES = 4


def adam(w, dw, config=None):
    if config is None:
        config = {}
    defaults = dict(learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, m=np.zeros_like(w), v=np.zeros_like(w),
                    t=0)
    for name in defaults:
        config[name] = config.get(name, defaults[name])
    config["t"] += 1
    config["m"] = config["m"] + (1 - config["beta1"]) * (dw - config["m"])
    config["v"] = config["v"] + (1 - config["beta2"]) * (dw**2 - config["v"])
    correction1 = 1 - config["beta1"]**config["t"]
    correction2 = 1 - config["beta2"]**config["t"]
    denominator = np.sqrt(config["v"]) / np.sqrt(correction2) + config["epsilon"]
    next_w = w - (config["learning_rate"] / correction1) * config["m"] / denominator
    return next_w, config
