"""Every compiled kernel against its reference in NumPy, and the update rules in place against rnnlayers.optim."""
import numpy as np
import pytest

from rnnlayers import optim, sigmoid
from rnnlayers.engine import feed_forward_kernels, kernels, transformer_kernels
from rnnlayers.engine.updates import update
from tests.rnnlayers.kernel_args import found

SIZES = [(1, 5), (3, 64), (5, 67), (2, 1), (4, 130)]
RULES = {"sgd": {}, "sgd_momentum": {"momentum": 0.8}, "rmsprop": {"decay_rate": 0.9}, "adam": {"beta2": 0.99}}


KERNELS = found()
OURS = {name: value for module in (kernels, transformer_kernels, feed_forward_kernels)
        for name, value in vars(module).items() if hasattr(value, "reference")}
INPUTS = {name: places for cls in dict.fromkeys(KERNELS.values()) for name, places in cls.inputs.items()}


def args_of(name, n, width, scale=1):
    return getattr(KERNELS[name](n, width, scale), name)()


def arrays(args, dtype):
    """Copies of args, what is float in a dtype."""
    return [a.astype(dtype if a.dtype.kind == "f" else a.dtype) if isinstance(a, np.ndarray) else a for a in args]


def test_every_kernel_is_tested():
    assert set(OURS) == set(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("n, width", SIZES)
@pytest.mark.parametrize("scale", [1, 50])
def test_compiled_and_reference(name, n, width, scale):
    args = args_of(name, n, width, scale)
    single = arrays(args, np.float32)
    double = arrays(single, np.float64)
    results = OURS[name].compiled(*single), OURS[name].reference(*double)
    if results[0] is not None:
        assert results[0] == pytest.approx(results[1], rel=1e-5, abs=1e-6)
    for a, b in zip(single, double):
        if isinstance(a, np.ndarray):
            largest = max(np.abs(b).max(), 1)
            np.testing.assert_allclose(a, b, rtol=0, atol=(2e-6 if scale == 1 else 2e-5) * largest)


@pytest.mark.parametrize("name", KERNELS)
def test_float64_goes_to_the_reference(name):
    args = args_of(name, 5, 7)
    one, two = arrays(args, np.float64), arrays(args, np.float64)
    assert OURS[name](*one) == OURS[name].reference(*two)
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name, place", [(name, place) for name, places in INPUTS.items() for place in places])
@pytest.mark.parametrize("width", [5, 67])
def test_a_nan_stays_one(name, place, width):
    args = arrays(args_of(name, 3, width), np.float32)
    args[place][(args[2][1] if name.endswith("_step") and place == 1 else min(1, args[place].ndim - 1), ...)] = np.nan
    with np.errstate(all="ignore"):
        OURS[name].compiled(*args)
    outs = [a for i, a in enumerate(args) if i not in INPUTS[name] and getattr(a, "dtype", None) == np.float32]
    assert any(np.isnan(a).any() for a in outs or args[:1])             # a kernel without others writes to its first


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("V", [1, 5, 64, 200])
def test_a_loss_of_scores_that_are_no_numbers(place, bad, V):
    scores, bias, targets, N, db = arrays(args_of("softmax_loss", 3, V), np.float32)
    scores[place, V // 2] = bad
    with np.errstate(all="ignore"):
        assert not np.isfinite(kernels.softmax_loss.compiled(scores, bias, targets, N, db))


@pytest.mark.parametrize("V", [5, 64, 200])
def test_a_score_of_minus_infinity(V):
    """A word that cannot be costs nothing, unless it is the target."""
    scores, bias, targets, N, db = arrays(args_of("softmax_loss", 3, V), np.float32)
    for place, infinite in ((targets[1] - 1, False), (targets[1], True)):
        z = scores.copy()
        z[1, place] = -np.inf
        with np.errstate(all="ignore"):
            loss = kernels.softmax_loss.compiled(z, bias, targets, N, db)
        assert np.isinf(loss) == infinite and not np.isnan(loss)


@pytest.mark.parametrize("V", [1, 5, 64, 200])
@pytest.mark.parametrize("n", [1, 3])
def test_a_loss_of_huge_scores(V, n, rng):
    scores, bias = rng.integers(-10**4, 10**4, (n, V)).astype(np.float32), rng.integers(-9, 9, V).astype(np.float32)
    targets, double = rng.integers(0, V, n), scores.astype(np.float64)
    loss = kernels.softmax_loss.compiled(scores, bias, targets, n, np.ones_like(bias))
    assert loss == pytest.approx(kernels.softmax_loss.reference(double, bias, targets, n, np.ones(len(bias))), rel=1e-6)
    np.testing.assert_allclose(scores, double, rtol=0, atol=1e-6)


def test_tanh_and_sigmoid_over_their_range():
    """Near to NumPy's, never beyond their bounds, and at them where float32 is."""
    x = np.linspace(-30, 30, 4001, dtype=np.float32)
    h, zeros = x[None].copy(), np.zeros((1, 4001), np.float32)
    kernels.rnn_step.compiled(h, zeros, np.array([0]))
    np.testing.assert_allclose(h[0], np.tanh(x.astype(np.float64)), rtol=1e-6)
    gates = np.tile(x, 4)[None]
    c = zeros.copy()
    kernels.lstm_step.compiled(gates, np.zeros_like(gates), np.array([0]), zeros, c, zeros.copy(), zeros.copy())
    np.testing.assert_allclose(gates[0, :4001], sigmoid(x.astype(np.float64)), rtol=0, atol=1e-6)
    assert np.abs(h).max() <= 1 and gates[0, :4001].min() >= 0 and gates[0, :4001].max() <= 1


def test_saturated_units_pass_no_gradient_on():
    """tanh is 1 in float32 from 10 on: 1 - h^2 is 0 there, as it is in NumPy."""
    h = np.array([[-50, -20, -12, 12, 20, 50]], np.float32)
    kernels.rnn_step.compiled(h, np.zeros_like(h), np.array([0]))
    np.testing.assert_array_equal(1 - h**2, 0)


# update rules

@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(1,), (3, 67)])
@pytest.mark.parametrize("scale, decay", [(1, 0), (0.3, 0), (0.3, 0.1)])
def test_updates_in_place(rule, dtype, shape, scale, decay, rng):
    w = rng.standard_normal(shape).astype(dtype)
    config, config2 = ({"learning_rate": 0.02, **RULES[rule]} for _ in range(2))
    w2, updated = w.copy(), w.copy()
    for t in range(4):
        dw = (rng.standard_normal(shape) * 10.0**-t).astype(dtype)
        dw.reshape(-1)[0] = 0
        kept = dw.copy()
        states = {name: a for name, a in config.items() if isinstance(a, np.ndarray)}
        assert update(rule, updated, dw, config, scale, decay) is None
        next_w, config2 = getattr(optim, rule)(w2, dw * dtype(scale), config2)
        w2 = next_w - dtype(0.02 * decay) * w2
        np.testing.assert_array_equal(dw, kept)
        np.testing.assert_allclose(updated, w2, rtol=0, atol=(1e-14 if dtype == np.float64 else 1e-6) * np.abs(w).max())
        assert all(config[name] is a for name, a in states.items())
        assert list(config) == list(config2)
        for name, value in config2.items():
            np.testing.assert_allclose(config[name], value, rtol=1e-5, atol=1e-30)
    assert updated.dtype == dtype


@pytest.mark.parametrize("rule", RULES)
def test_an_update_keeps_a_nan(rule):
    w = np.ones(3, np.float32)
    update(rule, w, np.array([0, np.nan, 1], np.float32), {}, 1, 0)
    np.testing.assert_array_equal(np.isnan(w), [False, True, False])


@pytest.mark.parametrize("rule", RULES)
def test_a_gradient_of_another_shape(rule):
    with pytest.raises(ValueError, match="expected \\(3,\\), the shape of w"):
        update(rule, np.ones(3), np.ones(2), {}, 1, 0)
