"""Checks of the update rule Adam."""
import numpy as np

from scripts.course.outcomes import compared, first, judged, judged_dtypes

BETA2 = 0.999                       # the default
SETTINGS = {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}    # so large that its place shows
STEPS, STATE = 5, ("m", "v", "t")
TINY = 1e-6                         # factor of a gradient beside which the default epsilon shows
FORMS = ("", ", reordered")         # Kingma and Ba (2015): algorithm 1, and the end of section 2


def answers(task, subject, draw):
    """The weights after each of two steps with the defaults, and of several other steps, with the final state.

    Both published forms are right. They differ by what is added to the root at step t: epsilon, or in the reordered
    form epsilon / sqrt(1 - beta2^t). -> key -> tuple of arrays
    """
    found = {"config": tuple(np.asarray(_steps(subject, draw)[1][key]) for key in STATE)}
    for form in FORMS:
        found[f"first{form}"] = tuple(_first_steps(subject, draw, bool(form)))
        found[f"steps{form}"] = tuple(_steps(subject, draw, bool(form))[0])
    return found


def warm_up(task, subject, draw):
    """Take a step."""
    answers(task, subject, draw)


def check(task, subject, goldens, draw):
    """Outcomes: two steps with the defaults, others, the content of the config, dtype, purity, gradients of zero."""
    w, gradients = _numbers(draw)
    yield judged("the first steps", 3, lambda: _neither(_first_steps(subject, draw), goldens, "first"), True)
    yield judged(f"{STEPS} steps", 5, lambda: _neither(_steps(subject, draw)[0], goldens, "steps"), True)
    yield judged("config", 1, lambda: _wrong_config(_steps(subject, draw)[1], goldens["config"]))
    yield judged_dtypes("dtype", 1, lambda: _next_w(subject, draw))
    yield judged("purity", 1, lambda: subject.writes("adam", None, (w, gradients[0])))
    yield judged("stability", 1, lambda: "" if np.isfinite(subject.adam(w, 0 * w, None)[0]).all() else
                 "a gradient of zero makes next_w infinite or NaN")


def _numbers(draw, dtype="float64"):
    rng, shape = draw.rng("adam"), (draw.sizes["D"], draw.sizes["H"])
    return rng.standard_normal(shape).astype(dtype), [rng.standard_normal(shape).astype(dtype) for _ in range(STEPS)]


def _steps(subject, draw, reordered=False):
    """Weights after each step, and the last config. reordered: with what this form adds to the root, for answers()."""
    return _run(subject, *_numbers(draw), dict(SETTINGS), SETTINGS if reordered else None)


def _first_steps(subject, draw, reordered=False):
    """Weights after each of two steps with the defaults; the gradients are so small that epsilon shows."""
    w, gradients = _numbers(draw)
    small = [TINY * dw for dw in gradients[:2]]
    defaults = {"beta2": BETA2, "epsilon": draw.constants.epsilon}
    return _run(subject, w, small, {} if reordered else None, defaults if reordered else None)[0]


def _run(subject, w, gradients, config, reordered):
    found = []
    for k, dw in enumerate(gradients):
        if reordered:
            config["epsilon"] = reordered["epsilon"] / (1 - reordered["beta2"] ** (k + 1)) ** 0.5
        w, config = subject.adam(w, dw, config)
        found.append(w)
    return found, config


def _neither(found, goldens, key):
    """How weights differ from one published form at all steps, or "" where they agree with one at all of them."""
    wrong = [first([compared(w, expected, f"next_w of step {k + 1}")
                    for k, (w, expected) in enumerate(zip(found, goldens[key + form]))]) for form in FORMS]
    return "" if "" in wrong else wrong[0]


def _wrong_config(config, expected):
    missing = [key for key in STATE if key not in config]
    if missing:
        return f"config has no {missing[0]!r}, expected the state of the next step in it"
    return first([compared(config[key], value, f"config[{key!r}]") for key, value in zip(STATE, expected)])


def _next_w(subject, draw):
    """What a step makes of weights of float32, (what, value)."""
    w, gradients = _numbers(draw, "float32")
    return [("next_w", subject.adam(w, gradients[0], None)[0])]
