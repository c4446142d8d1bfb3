"""Causes that were named and were not it, and reports that broke off: each once came out of the checker."""
import numpy as np
import pytest

from gradcheck import check_layer, check_model, check_pair
from gradcheck.known import match
from gradcheck.known.match import find


def causes(report):
    assert not report.ok
    return " ".join(diagnosis.sentence for diagnosis in report.diagnoses)


def test_an_empty_batch_does_not_hide_a_wrong_gradient(rng):
    inputs = {"x": np.zeros((0, 3)), "w": rng.standard_normal((3, 2)), "b": np.zeros(2)}
    report = check_pair(lambda x, w, b: (x @ w + b, (x, w)),
                        lambda d, c: (d @ c[1].T, c[0].T @ d, d.sum(axis=0) + 1), inputs)
    assert not report.ok
    w = {"w": rng.standard_normal(4), "empty": np.zeros((0, 3))}
    assert not check_model(lambda: ((w["w"]**2).sum(), {"w": w["w"], "empty": w["empty"]}), w).ok


@pytest.mark.parametrize("wrong", [lambda x: np.zeros(x.shape, int), lambda x: x > 0, lambda x: (x > 0).astype(int)])
def test_gradients_of_whole_numbers_are_a_breach_and_are_judged(wrong, rng):
    report = check_pair(lambda x: (2 * x, x), lambda d, x: wrong(x), {"x": rng.standard_normal(4)})
    assert "expected float64" in report.problem and report.verdicts and not report.verdicts[0].ok


def test_a_mistake_in_float32_alone_gets_no_cause(rng):
    def backward(dout, x):
        d = 2 * dout * x
        return d if d.dtype == np.float64 else (d.astype(np.float16)).astype(np.float32)
    report = check_pair(lambda x: (x * x, x), backward, {"x": rng.standard_normal((3, 4)).astype(np.float32)})
    assert causes(report) == ""


@pytest.mark.parametrize("error", ["one entry", "a tiny block"])
def test_a_small_error_of_few_entries_is_not_rounding(error, rng):
    scale = np.repeat([1.0, 1e-8], 4)

    def backward(dout, x):
        d = dout * scale
        if error == "one entry":
            d[0, 1] += 1e-8
        else:
            d[:, 4:] *= rng.uniform(2, 3)               # the same in every call: 3 calls differ by K alone
        return d
    x = {"x": rng.standard_normal((3, 8))}
    factor = rng.uniform(2, 3, (3, 4))

    def fixed(dout, x):
        d = dout * scale
        if error == "one entry":
            d[0, 1] *= 1 + 1e-8
        else:
            d[:, 4:] *= factor
        return d
    assert "rounded" not in causes(check_pair(lambda x: (x * scale, x), fixed, x, axes="x=n,gate:ab"))


def test_a_forgotten_factor_is_not_called_a_derivative_alone(rng):
    s = rng.uniform(1, 2, 5)
    report = check_pair(lambda x, w: ((x @ w) * s, (x, w)), lambda d, c: ((d * s) @ c[1].T, c[0].T @ d),
                        {"x": rng.standard_normal((3, 4)), "w": rng.standard_normal((4, 5))})
    assert "or another factor behind the product" in causes(report)


def test_zeros_that_no_mask_covers_are_not_padding(rng):
    ids = np.array([0, 1, 1, 0])

    def backward(dout, cache):
        d = np.zeros((4, 3))
        np.add.at(d, ids, dout)
        return d + (~np.isin(np.arange(4), ids))[:, None] * dout.sum()
    table = rng.standard_normal((4, 3))
    report = check_pair(lambda ids, table: (table[ids], None), backward, {"ids": ids, "table": table})
    assert "mask" not in causes(report)


def test_axes_of_one_length_in_one_array_are_not_mixed_up(rng):
    report = check_pair(lambda x, b: (x + b, None), lambda d, c: (d, d.sum(axis=(0, 1)) / d.shape[1]),
                        {"x": rng.standard_normal((4, 4, 3)), "b": rng.standard_normal(3)})
    assert "axis 0" not in causes(report) and "1/4, the length of an axis with 4 entries" in causes(report)


def test_no_axis_is_guessed_for_a_factor_of_a_model(rng):
    w = {"w": rng.standard_normal((2, 3))}
    report = check_model(lambda: ((w["w"]**2).sum(), {"w": w["w"].copy()}), w)
    assert causes(report) == "dw: 0.5 times the gradient everywhere"


@pytest.mark.parametrize("size, factor, words", [(2, 2, "is twice"), (2, 0.5, "is half"), (3, 1.5, "n - 1")])
def test_the_plainest_of_equal_factors_is_said(size, factor, words, rng):
    def norm(x):
        s = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-2)
        hat = (x - x.mean(axis=1, keepdims=True)) * s
        return hat, (hat, s)

    def backward(d, cache):
        hat, s = cache
        return s * (d - d.mean(axis=1, keepdims=True) - factor * hat * (d * hat).mean(axis=1, keepdims=True))
    assert words in causes(check_pair(norm, backward, {"x": rng.standard_normal((5, size))}))


def test_groups_with_gamma_and_beta_are_known(rng):
    inputs = {"x": rng.standard_normal((2, 6, 3, 2)), "gamma": rng.standard_normal(6), "beta": rng.standard_normal(6)}
    y = inputs["x"].reshape(2, 3, -1)
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + 1e-5)
    out = y.reshape(2, 6, 3, 2) * inputs["gamma"][:, None, None] + inputs["beta"][:, None, None]
    assert find(inputs, [out]) is not None


class TwoOutputs:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return [x @ self.W, x]

    def backward(self, douts):
        self.dW = self.x.T @ douts[0]
        return douts[0] @ self.W.T + douts[1]


class Index(TwoOutputs):
    def forward(self, x):
        self.x = x
        return x @ self.W, np.arange(3)

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@pytest.mark.parametrize("cls", [TwoOutputs, Index])
def test_a_layer_is_asked_twice_in_the_form_in_which_it_is_checked(cls, rng):
    layer = cls(rng.standard_normal((4, 2)))
    check_layer(layer, {"x": rng.standard_normal((3, 4))}, params=["W"]).raise_if_failed()


def test_a_layer_that_cannot_be_copied_is_said_to_be_one(rng):
    layer = TwoOutputs(rng.standard_normal((4, 2)))
    layer.rows = (i for i in range(3))
    with pytest.raises(ValueError, match="cannot be copied"):
        check_layer(layer, {"x": rng.standard_normal((3, 4))}, params=["W"])


def test_right_batch_norms_of_two_rows_pass_in_float32():
    def forward(x, g, b):
        s = 1 / np.sqrt(x.var(axis=0) + np.float32(1e-5))
        hat = (x - x.mean(axis=0)) * s
        return g * hat + b, (hat, s, g)

    def backward(d, cache):
        hat, s, g = cache
        dh = d * g
        return s * (dh - dh.mean(axis=0) - hat * (dh * hat).mean(axis=0)), (d * hat).sum(axis=0), d.sum(axis=0)
    rejected = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        inputs = {"x": rng.standard_normal((2, 5)), "g": rng.standard_normal(5), "b": rng.standard_normal(5)}
        report = check_pair(forward, backward, {k: x.astype(np.float32) for k, x in inputs.items()}, rng=seed)
        rejected += [] if report.ok else [str(report)]
    assert not rejected, "\n".join(rejected)


def test_unknown_layers_with_many_weights_cost_a_bounded_search(rng, monkeypatch):
    names = [f"{letter}{gate}" for gate in "ifog" for letter in "WUb"]
    inputs = {"x": rng.standard_normal((2, 30, 8)), "h": rng.standard_normal((2, 8))}
    inputs.update({name: rng.standard_normal((8, 8) if name[0] != "b" else 8) for name in names})
    monkeypatch.setattr(match, "WORK", 5000)
    seen = []
    whole = match.recurrent.recurrences

    def counted(*arguments):
        for graph, nodes in whole(*arguments):
            seen.append(len(graph.nodes))
            yield graph, nodes
    monkeypatch.setattr(match.recurrent, "recurrences", counted)
    assert find(inputs, [rng.standard_normal((2, 30, 8))]) is None
    assert 0 < sum(seen) <= match.WORK + max(seen)
