import numpy as np
import pytest

from rnnlayers import optim

RULES = ["sgd", "sgd_momentum", "rmsprop", "adam"]


@pytest.mark.parametrize("rule", RULES)
def test_reaches_the_minimum_of_a_bowl(rule, rng):
    scale = np.array([1.0, 3.0, 0.5])
    w, config = rng.standard_normal(3), {"learning_rate": 0.05}
    for _ in range(600):
        w, config = getattr(optim, rule)(w, scale * w, config)
    assert np.abs(w).max() < 0.05


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lr", [1e-2, np.float64(1e-2)])
def test_float32_stays_float32_and_arrays_are_not_written_to(rule, lr, rng):
    w, dw = rng.standard_normal((2, 3, 4)).astype(np.float32)
    config = {"learning_rate": lr}
    _, config = getattr(optim, rule)(w, dw, config)
    before = {key: np.copy(value) for key, value in config.items()}
    state = dict(config)
    w.flags.writeable = dw.flags.writeable = False
    next_w, config = getattr(optim, rule)(w, dw, config)
    assert next_w.dtype == np.float32
    assert all(value.dtype == np.float32 for value in config.values() if isinstance(value, np.ndarray))
    for key, value in state.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("rule", RULES)
def test_no_config_means_the_defaults(rule, rng):
    w, dw = rng.standard_normal((2, 5))
    a, config = getattr(optim, rule)(w, dw)
    b, _ = getattr(optim, rule)(w, dw, {"learning_rate": 1e-3 if rule == "adam" else 1e-2})
    np.testing.assert_array_equal(a, b)
    assert config["learning_rate"] == (1e-3 if rule == "adam" else 1e-2)


def test_adam_first_step_is_the_learning_rate(rng):
    dw = rng.standard_normal(7)
    next_w, _ = optim.adam(np.zeros(7), dw, {"learning_rate": 0.1})
    np.testing.assert_allclose(next_w, -0.1 * np.sign(dw), rtol=1e-5)
