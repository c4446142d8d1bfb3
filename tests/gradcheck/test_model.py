import numpy as np
import pytest

from gradcheck import check_model


class Regression:
    """Two layers with a tanh and a squared error; .params is read afresh, or .held are the arrays themselves."""

    def __init__(self, rng, dtype=np.float64, first=1.0):
        self.x, self.y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
        self.params = {"W1": first * rng.standard_normal((3, 4)), "b1": np.zeros(4), "W2": rng.standard_normal((4, 2))}
        self.params = {name: w.astype(dtype) for name, w in self.params.items()}
        self.spoil = lambda grads: grads

    def loss(self):
        p = self.params
        x, y = self.x.astype(p["W2"].dtype.type(0).real.dtype), self.y.astype(p["W2"].dtype.type(0).real.dtype)
        h = np.tanh(x @ p["W1"] + p["b1"])
        out = h @ p["W2"]
        dout = 2 * (out - y)
        da = dout @ p["W2"].T * (1 - h**2)
        grads = {"W1": x.T @ da, "b1": da.sum(axis=0), "W2": h.T @ dout}
        return ((out - y)**2).sum(), self.spoil(grads)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["auto", "central"])
@pytest.mark.parametrize("burn_in", [0, 4])
def test_a_right_model_passes_and_is_left_as_it_was(dtype, method, burn_in, rng):
    model = Regression(rng, dtype)
    arrays, values = dict(model.params), {name: w.copy() for name, w in model.params.items()}
    report = check_model(model.loss, model.params, method=method, burn_in=burn_in, learning_rate=0.01, rng=rng)
    report.raise_if_failed()
    assert list(model.params) == list(arrays)
    for name, w in model.params.items():
        assert w is arrays[name] and w.dtype == dtype
        np.testing.assert_array_equal(w, values[name])


def test_arrays_that_the_loss_holds_itself_are_seen_too(rng):
    w = rng.standard_normal(4)
    check_model(lambda: (float((w**2).sum()), {"w": 2 * w}), {"w": w}).raise_if_failed()
    assert not check_model(lambda: (float((w**2).sum()), {"w": 2.001 * w}), {"w": w}).ok


def test_read_only_parameters_are_exchanged_in_the_dict(rng):
    model = Regression(rng)
    for w in model.params.values():
        w.flags.writeable = False
    check_model(model.loss, model.params, method="central").raise_if_failed()


def test_a_wrong_gradient_is_named_and_explained(rng):
    model = Regression(rng)
    model.spoil = lambda grads: {**grads, "W1": grads["W1"] / 5}
    axes = {"W1": ("d", "h"), "b1": ("h",), "W2": ("h", "m")}
    report = check_model(model.loss, model.params, axes=axes)
    assert not report.ok and "dW1[d=" in str(report) and "ratio 0.2" in str(report)
    assert [(d.arrays, d.kind) for d in report.diagnoses] == [(["dW1"], "factor")]


def test_burn_in_uncovers_what_zero_weights_hide(rng):
    """With W2 = 0 the gradients of the first layer are zero on both sides; after some steps they are not."""
    model = Regression(rng)
    model.params["W2"][:] = 0
    model.spoil = lambda grads: {**grads, "W1": 2 * grads["W1"]}
    report = check_model(model.loss, model.params)
    assert report.ok and "dW1" in str(report) and "not exercised" in str(report)
    assert not check_model(model.loss, model.params, burn_in=2, learning_rate=0.01).ok
    assert not model.params["W2"].any()


@pytest.mark.parametrize("spoil, message", [
    (lambda g: {name: g[name] for name in ("W1", "b1")}, "grads has no W2"),
    (lambda g: {**g, "W2": g["W2"].T}, "dW2 is (2, 4), expected (4, 2)"),
    (lambda g: {**g, "b1": g["b1"].astype("f4")}, "db1 is float32, expected float64"),
    (lambda g: {**g, "b1": g["b1"] + np.random.default_rng().random()}, "db1 differs when loss() is called again"),
    (lambda g: list(g), "loss() must return (value, grads)"),
    (lambda g: [][0], "loss() raised IndexError"),
])
def test_breaches_are_named(spoil, message, rng):
    model = Regression(rng)
    model.spoil = spoil
    report = check_model(model.loss, model.params)
    assert not report.ok and message in report.problem


def test_float32_arrays_that_are_not_read_from_the_dict_cannot_be_judged(rng):
    w = rng.standard_normal(4).astype(np.float32)
    report = check_model(lambda: ((w**2).sum(), {"w": 2 * w}), {"w": w})
    assert not report.ok and "must read the dict at every call" in report.problem


@pytest.mark.parametrize("arguments, message", [
    ({"params": {"w": np.ones(2, int)}}, r"params\['w'\] is ndarray int64, expected an array of float32"),
    ({"params": {}}, "a dict of parameters"), ({"loss": 3}, "a function loss"), ({"wrt": "v"}, "expected some of w"),
    ({"axes": {"v": ("n",)}}, "axes has an entry 'v'"),
])
def test_wrong_use_raises(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_model(**{"loss": lambda: (0.0, {}), "params": {"w": np.ones(2)}, **arguments})
