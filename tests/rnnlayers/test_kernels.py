"""Every compiled kernel against its reference in NumPy, and the update rules in place against rnnlayers.optim."""
import numpy as np
import pytest

from rnnlayers import optim, sigmoid
from rnnlayers.engine import kernels
from rnnlayers.engine.updates import update
from rnnlayers.softmax import softmax

L, E = 5, 3
SIZES = [(1, 5), (3, 64), (5, 67), (2, 1), (4, 130)]
RULES = {"sgd": {}, "sgd_momentum": {"momentum": 0.8}, "rmsprop": {"decay_rate": 0.9}, "adam": {"beta2": 0.99}}


class Args:
    """Arguments of a kernel for n rows of a width: what goes in is normal times scale; what comes out is ones."""

    def __init__(self, n, width, scale):
        self.rng, self.n, self.width, self.scale = np.random.default_rng(n + width), n, width, scale

    def normal(self, *shape, scale=1):
        return scale * self.rng.standard_normal(shape)

    def large(self, *shape):
        return self.normal(*shape, scale=self.scale)

    def index(self, n, of):
        return self.rng.integers(0, of, n)

    def rnn_step(self):
        n, H = self.n, self.width
        return self.large(n, H), self.large(3, H), self.index(n, 3)

    def lstm_step(self):
        n, H = self.n, self.width
        outs = [np.ones((n, H)) for _ in range(3)]
        return self.large(n, 4 * H), self.large(3, 4 * H), self.index(n, 3), self.normal(n + 2, H), *outs

    def lstm_step_backward(self):
        n, H = self.n, self.width
        a = np.hstack([sigmoid(self.large(n, 3 * H)), np.tanh(self.large(n, H))])
        return a, self.normal(n + 2, H), np.tanh(self.large(n, H)), self.normal(n, H), self.normal(n, H)

    def rows(self):
        """starts of the rows of a ragged batch of n captions, and how many rows there are."""
        lengths = self.rng.integers(1, 5, self.n)
        starts = np.cumsum([0, *((lengths > t).sum() for t in range(lengths.max()))])
        return starts, starts[-1]

    def lstm_loop(self):
        n, H, (starts, M) = self.n, self.width, self.rows()
        outs = [np.ones((M, width)) for width in (4 * H, H, H, H, H)]
        return (self.normal(n, H), self.normal(n, H), self.large(3, 4 * H), self.index(M, 3), starts,
                self.normal(H, 4 * H, scale=H**-0.5), *outs)

    def lstm_loop_backward(self):
        n, H, (starts, M) = self.n, self.width, self.rows()
        gates = np.hstack([sigmoid(self.large(M, 3 * H)), np.tanh(self.large(M, H))])
        return (self.normal(M, H), self.normal(n, H), starts, self.normal(H, 4 * H, scale=H**-0.5), gates,
                self.normal(M, H), np.tanh(self.large(M, H)), self.normal(n, H), np.zeros((n, H)))

    def attend(self):
        n, H = self.n, self.width
        return self.large(n, H), self.normal(n + 1, L, H), np.ones((n, L)), np.ones((n, H))

    def attend_backward(self):
        n, H = self.n, self.width
        weights = softmax(self.large(n, L))
        return (self.normal(n, H), self.normal(n, L), self.normal(n + 1, L, H), weights, np.ones((n, L)),
                np.ones((n, H)))

    def additive_attend(self):
        n, K = self.n, self.width
        return (self.large(n, K), self.large(n, E), self.large(n + 1, L, K), self.normal(n + 1, L, E), self.normal(K),
                np.ones((n, L)), np.ones((n, E)), np.ones((n, E)))

    def additive_attend_backward(self):
        n, K = self.n, self.width
        outs = np.ones((n, K)), np.ones((n, E)), self.normal(n + 1, L, K), self.normal(K)
        return (self.normal(n, E), self.normal(n, L), self.large(n, K), self.large(n + 1, L, K),
                self.normal(n + 1, L, E), self.normal(K), softmax(self.normal(n, L)), self.normal(n, E),
                sigmoid(self.large(n, E)), *outs)

    def softmax_loss(self):
        n, V = self.n, self.width
        return self.large(n, V), self.normal(V), self.index(n, V), 3, np.ones(V)

    def scatter_add(self):
        return self.large(self.n, self.width), self.index(self.n, 4), np.ones((4, self.width))

    def greedy(self, gates, states):
        V, W, H = 9, 5, self.width                          # small weights: rounding must not choose another word
        shapes = (V, W), (W, gates * H), (gates * H,), (H, V), (V,), (H, gates * H), *states * [(H,)]
        return *(self.normal(*shape, scale=0.5 / shape[0]**0.5) for shape in shapes), 1, 2, np.zeros(6, np.int64)

    def greedy_rnn(self):
        return self.greedy(1, 1)

    def greedy_lstm(self):
        return self.greedy(4, 2)


HELPERS = ("normal", "large", "index", "rows", "greedy")
KERNELS = [name for name in vars(Args) if not name.startswith("_") and name not in HELPERS]
INPUTS = {"rnn_step": (0, 1), "lstm_step": (0, 1, 3), "attend": (0, 1), "additive_attend": (0, 1, 2, 3, 4)}


def arrays(args, dtype):
    """Copies of args, what is float in a dtype."""
    return [a.astype(dtype if a.dtype.kind == "f" else a.dtype) if isinstance(a, np.ndarray) else a for a in args]


def test_every_kernel_is_tested():
    ours = {name for name, value in vars(kernels).items() if hasattr(value, "reference")}
    assert ours == set(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("n, width", SIZES)
@pytest.mark.parametrize("scale", [1, 50])
def test_compiled_and_reference(name, n, width, scale):
    args = getattr(Args(n, width, scale), name)()
    single = arrays(args, np.float32)
    double = arrays(single, np.float64)
    results = getattr(kernels, name).compiled(*single), getattr(kernels, name).reference(*double)
    if results[0] is not None:
        assert results[0] == pytest.approx(results[1], rel=1e-5, abs=1e-6)
    for a, b in zip(single, double):
        if isinstance(a, np.ndarray):
            largest = max(np.abs(b).max(), 1)
            np.testing.assert_allclose(a, b, rtol=0, atol=(2e-6 if scale == 1 else 2e-5) * largest)


@pytest.mark.parametrize("name", KERNELS)
def test_float64_goes_to_the_reference(name):
    args = getattr(Args(5, 7, 1), name)()
    one, two = arrays(args, np.float64), arrays(args, np.float64)
    assert getattr(kernels, name)(*one) == getattr(kernels, name).reference(*two)
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name, place", [(name, place) for name, places in INPUTS.items() for place in places])
@pytest.mark.parametrize("width", [5, 67])
def test_a_nan_stays_one(name, place, width):
    args = arrays(getattr(Args(3, width, 1), name)(), np.float32)
    args[place][(args[2][1] if name.endswith("_step") and place == 1 else min(1, args[place].ndim - 1), ...)] = np.nan
    with np.errstate(all="ignore"):
        getattr(kernels, name).compiled(*args)
    assert any(np.isnan(a).any() for i, a in enumerate(args) if isinstance(a, np.ndarray) and (
        i not in INPUTS[name] or name == "rnn_step" and i == 0))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("V", [1, 5, 64, 200])
def test_a_loss_of_scores_that_are_no_numbers(place, bad, V):
    scores, bias, targets, N, db = arrays(Args(3, V, 1).softmax_loss(), np.float32)
    scores[place, V // 2] = bad
    with np.errstate(all="ignore"):
        assert not np.isfinite(kernels.softmax_loss.compiled(scores, bias, targets, N, db))


@pytest.mark.parametrize("V", [5, 64, 200])
def test_a_score_of_minus_infinity(V):
    """A word that cannot be costs nothing, unless it is the target."""
    scores, bias, targets, N, db = arrays(Args(3, V, 1).softmax_loss(), np.float32)
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
