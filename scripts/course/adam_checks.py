"""Checks of the update rule Adam."""
import numpy as np

from scripts.course.outcomes import compared, first, judged

SETTINGS = {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95}
STEPS, STATE = 5, ("m", "v", "t")


def answers(task, subject, draw):
    """The weights after a first step with the defaults, and after each of several steps, with the final state.

    -> key -> tuple of arrays
    """
    w, gradients = _numbers(draw)
    weights, config = _steps(subject, draw)
    return {"first": (np.asarray(subject.adam(w, gradients[0], None)[0]),), "steps": tuple(weights),
            "config": tuple(np.asarray(config[key]) for key in STATE)}


def warm_up(task, subject, draw):
    """Take a step."""
    answers(task, subject, draw)


def check(task, subject, goldens, draw):
    """Outcomes: the first step, later steps, the content of the config, dtype, purity, gradients of zero."""
    w, gradients = _numbers(draw)
    yield judged("the first step", 3, lambda: compared(subject.adam(w, gradients[0], None)[0], goldens["first"][0],
                                                       "next_w"), True)
    yield judged(f"{STEPS} steps", 5, lambda: first(
        [compared(found, expected, f"next_w of step {k + 1}")
         for k, (found, expected) in enumerate(zip(_steps(subject, draw)[0], goldens["steps"]))]), True)
    yield judged("config", 1, lambda: _wrong_config(_steps(subject, draw)[1], goldens["config"]))
    yield judged("dtype", 1, lambda: _wrong_dtype(subject, draw))
    yield judged("purity", 1, lambda: subject.writes("adam", None, (w, gradients[0])))
    yield judged("stability", 1, lambda: "" if np.isfinite(subject.adam(w, 0 * w, None)[0]).all() else
                 "a gradient of zero makes next_w infinite or NaN")


def _numbers(draw, dtype="float64"):
    rng, shape = draw.rng("adam"), (draw.sizes["D"], draw.sizes["H"])
    return rng.standard_normal(shape).astype(dtype), [rng.standard_normal(shape).astype(dtype) for _ in range(STEPS)]


def _steps(subject, draw):
    """Weights after each step, and the last config."""
    w, gradients = _numbers(draw)
    config, found = dict(SETTINGS), []
    for dw in gradients:
        w, config = subject.adam(w, dw, config)
        found.append(w)
    return found, config


def _wrong_config(config, expected):
    missing = [key for key in STATE if key not in config]
    if missing:
        return f"config has no {missing[0]!r}, expected the state of the next step in it"
    return first([compared(config[key], value, f"config[{key!r}]") for key, value in zip(STATE, expected)])


def _wrong_dtype(subject, draw):
    w, gradients = _numbers(draw, "float32")
    next_w, _ = subject.adam(w, gradients[0], None)
    return "" if np.asarray(next_w).dtype == np.float32 else (
        f"next_w is {np.asarray(next_w).dtype} for weights of float32")
