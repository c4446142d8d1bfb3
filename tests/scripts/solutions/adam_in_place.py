"""Adam in the reordered form, in place into the config's m and v."""
import numpy as np

TASKS = ["1.4"]
TIMES = 4


def adam(w, dw, config=None):
    config = {} if config is None else config
    for key, value in (("learning_rate", 1e-3), ("beta1", .9), ("beta2", .999), ("epsilon", 1e-8), ("t", 0)):
        if key not in config:
            config[key] = value
    for key in "mv":
        if key not in config:
            config[key] = np.zeros(w.shape)
    config["t"] += 1
    config["m"] *= config["beta1"]
    config["m"] += (1 - config["beta1"]) * dw
    config["v"] *= config["beta2"]
    config["v"] += (1 - config["beta2"]) * np.square(dw)
    step = config["learning_rate"] * np.sqrt(1 - np.power(config["beta2"], config["t"]))
    step /= 1 - np.power(config["beta1"], config["t"])
    update = step * config["m"]
    update /= np.sqrt(config["v"]) + config["epsilon"]
    return w - update, config
