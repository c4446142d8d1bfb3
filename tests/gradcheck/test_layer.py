"""check_layer: layers as classes, with their gradients where people leave them."""
import copy

import numpy as np
import pytest

from gradcheck import check_layer

RNG = np.random.default_rng(5)
X, W, B = RNG.standard_normal((4, 3)), RNG.standard_normal((3, 5)), RNG.standard_normal(5)


class Dense:
    """Gradients as attributes."""

    factor = 1

    def __init__(self):
        self.W, self.b = W.copy(), B.copy()

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.factor * self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class InDicts:
    """Weights and gradients in dicts, the input's gradient in self, other names of the methods."""

    def __init__(self):
        self.params, self.grads = {"W": W, "b": B}, {}

    def call(self, x):
        self.x = x
        return np.tanh(x @ self.params["W"] + self.params["b"])

    def grad(self, dout):
        da = dout * (1 - np.tanh(self.x @ self.params["W"] + self.params["b"]) ** 2)
        self.grads = {"W": self.x.T @ da, "b": da.sum(axis=0)}
        self.dx = da @ self.params["W"].T


class AddingUp(Dense):
    """Gradients that add up until zero_grad."""

    def __init__(self):
        super().__init__()
        self.grad_W, self.grad_b = np.ones((3, 5)), np.ones(5)

    def backward(self, dout):
        self.grad_W += self.x.T @ dout
        self.grad_b += dout.sum(axis=0)
        return dout @ self.W.T


class Cleared(AddingUp):
    def zero_grad(self):
        self.grad_W, self.grad_b = np.zeros((3, 5)), np.zeros(5)


def test_layers_as_people_write_them_pass_and_stay_as_they_are():
    for layer, options in ((Dense(), {}), (InDicts(), {"forward": "call", "backward": "grad"}), (Cleared(), {})):
        before = copy.deepcopy(vars(layer))
        report = check_layer(layer, {"x": X}, params=["W", "b"], axes={"x": ("n", "d")}, **options)
        assert report.ok and [verdict.name for verdict in report.verdicts] == ["dx", "dW", "db"], str(report)
        assert report.name == type(layer).__name__ and repr(vars(layer)) == repr(before)


def test_a_wrong_gradient_is_named():
    layer = Dense()
    layer.factor = 3
    report = check_layer(layer, {"x": X}, params=["W", "b"])
    assert not report.ok and "dW: 3 times the gradient everywhere" in str(report)
    assert [verdict.ok for verdict in report.verdicts] == [True, False, True]


def test_gradients_that_add_up_without_zero_grad_are_a_breach():
    report = check_layer(AddingUp(), {"x": X}, params=["W", "b"])
    assert "dW is not zero for an upstream gradient of zero" in report.problem


def test_gradients_that_add_up_from_zero_are_a_breach_with_right_numbers():
    layer = AddingUp()
    layer.grad_W, layer.grad_b = np.zeros((3, 5)), np.zeros(5)
    report = check_layer(layer, {"x": X}, params=["W", "b"])
    assert "the gradient of W adds up over calls of backward" in report.problem and not report.ok
    assert all(verdict.ok for verdict in report.verdicts) and not layer.grad_W.any()


def test_any_name_of_a_gradient():
    class Odd(Dense):
        def backward(self, dout):
            self.delta = self.x.T @ dout
            return dout @ self.W.T
    assert check_layer(Odd(), {"x": X}, params={"W": "delta"}).ok
    report = check_layer(Odd(), {"x": X}, params=["W"])
    assert "no gradient of W: looked for dW, grad_W" in report.problem


@pytest.mark.parametrize("options, message", [
    ({"forward": "call"}, "Dense has no method call"), ({"params": ["V"]}, "Dense has no attribute V"),
    ({"params": "W"}, "params is 'W', expected a list"),
    ({"params": ["W"], "axes": {"q": ("n",)}}, "axes has an entry"),
])
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        check_layer(Dense(), {"x": X}, **options)
