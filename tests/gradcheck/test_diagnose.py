"""Each likely mistake on a stranger's pair: named where it is the cause, and not where it is not."""
import numpy as np
import pytest

from gradcheck import check_pair

AXES = {"x": ("n", "t", "d"), "w": ("d", "gate:ab")}


def forward(x, w):
    return x @ w, (x, w)


def dw_of(x, dout):
    return np.einsum("ntd,ntm->dm", x, dout)


MISTAKES = {
    "zero": lambda dx, dw, x, w, dout: (0 * dx, dw),
    "sign": lambda dx, dw, x, w, dout: (-dx, dw),
    "factor": lambda dx, dw, x, w, dout: (dx, dw / len(x)),
    "transpose": lambda dx, dw, x, w, dout: (dx, dw.T.copy()),
    "reversed": lambda dx, dw, x, w, dout: (dx[:, ::-1], dw),
    "shifted": lambda dx, dw, x, w, dout: (np.roll(dx, 1, axis=1), dw),
    "missing": lambda dx, dw, x, w, dout: (dx * (np.arange(dx.shape[1]) > 0)[:, None], dw),
    "block": lambda dx, dw, x, w, dout: (dx, dw * np.repeat([0, 1], 2).astype(dw.dtype)),
    "one step": lambda dx, dw, x, w, dout: (dx, dw_of(x[:, -1:], dout[:, -1:])),
}


@pytest.mark.parametrize("kind", MISTAKES)
@pytest.mark.parametrize("method, dtype", [("auto", np.float64), ("central", np.float32)])
def test_a_mistake_is_named(kind, dtype, method, rng):
    def backward(dout, cache):
        x, w = cache
        return MISTAKES[kind](dout @ w.T, dw_of(x, dout), x, w, dout)
    inputs = {"x": rng.standard_normal((3, 5, 4)).astype(dtype), "w": rng.standard_normal((4, 4)).astype(dtype)}
    report = check_pair(forward, backward, inputs, axes=AXES, method=method, rng=rng)
    assert not report.ok and [diagnosis.kind for diagnosis in report.diagnoses] == [kind]
    assert f"likely cause: {report.diagnoses[0].sentence}" in str(report)


@pytest.mark.parametrize("factor, words", [
    (lambda n, t: 1 / n, "0.333333 times the gradient everywhere: 1/3, the length of axis n, a mean where a sum"),
    (lambda n, t: t, "5 times the gradient everywhere: 5, the length of axis t, a sum where a mean belongs"),
    (lambda n, t: 1 / (n * t), "1/15, the length of axis n times axis t, a mean"),
    (lambda n, t: 1.001, "1.001 times the gradient everywhere"),
    (lambda n, t: 1.000002, "1.000002 times the gradient everywhere"),
])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_factor_is_named_after_the_axis_it_comes_from(factor, words, dtype, rng):
    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.dtype.type(factor(*x.shape[:2])) * dw_of(x, dout)
    inputs = {"x": rng.standard_normal((3, 5, 4)).astype(dtype), "w": rng.standard_normal((4, 4)).astype(dtype)}
    report = check_pair(forward, backward, inputs, axes=AXES)
    assert not report.ok                        # in float32 2e-6 shows only where lengths of one are tried, in float64
    assert report.problem if dtype is np.float32 and "1.000002" in words else words in report.diagnoses[0].sentence


def test_a_mean_is_named_with_capital_axes_too(rng):
    inputs = {"x": rng.standard_normal((3, 5, 4)), "w": rng.standard_normal((4, 4))}
    axes = {"x": ("N", "T", "D"), "w": ("D", "M")}
    report = check_pair(forward, lambda d, c: (d @ c[1].T, dw_of(c[0], d) / len(d)), inputs, axes=axes)
    assert "1/3, the length of axis N, a mean where a sum belongs" in str(report)


def test_a_factor_that_only_happens_to_be_a_length_is_not_called_a_mean(rng):
    """d(x^2) = 2 x dout with the 2 forgotten, at a batch of 2: half the gradient, but no mean over the batch."""
    report = check_pair(lambda x: (x**2, x), lambda dout, x: dout * x, {"x": rng.standard_normal((2, 4))},
                        axes={"x": ("n", "d")})
    assert [diagnosis.sentence for diagnosis in report.diagnoses] == ["dx: 0.5 times the gradient everywhere"]


@pytest.mark.parametrize("activation, slope, wrong, kind", [
    (np.tanh, lambda h: 1 - h**2, lambda h: 1, "derivative"),
    (np.tanh, lambda h: 1 - h**2, lambda h: 1 - h, "derivative"),
    (np.tanh, lambda h: 1 - h**2, lambda h: 1 - h**3, ""),
    (np.exp, lambda h: h, lambda h: 1, "derivative"),
])
def test_a_missing_derivative(activation, slope, wrong, kind, rng):
    def forward(x, w, b):
        h = activation(x @ w + b)
        return h, (x, w, h)

    def backward(dout, cache, slope=slope):
        x, w, h = cache
        da = dout * slope(h)
        return da @ w.T, x.T @ da, da.sum(axis=0)
    inputs = {"x": rng.standard_normal((3, 4)), "w": rng.standard_normal((4, 5)), "b": rng.standard_normal(5)}
    check_pair(forward, backward, inputs).raise_if_failed()
    report = check_pair(forward, lambda d, c: backward(d, c, wrong), inputs)
    assert [diagnosis.kind for diagnosis in report.diagnoses] == [kind] * bool(kind)
    assert not kind or report.diagnoses[0].arrays == ["dx", "dw", "db"]


def test_assigned_instead_of_accumulated_without_axes(rng):
    def backward(dout, ids):
        dtable = np.zeros((7, 3), dout.dtype)
        dtable[ids] += dout
        return dtable
    inputs = {"ids": np.array([1, 4, 1, 1, 6]), "table": rng.standard_normal((7, 3))}
    report = check_pair(lambda ids, table: (table[ids], ids), backward, inputs)
    assert [diagnosis.kind for diagnosis in report.diagnoses] == ["assigned"]


def test_no_cause_is_named_for_several_mistakes_at_once(rng):
    inputs = {"x": rng.standard_normal((3, 5, 4)), "w": rng.standard_normal((4, 4))}
    report = check_pair(forward, lambda d, c: (d @ c[1].T, dw_of(c[0][:, ::-1], d).T / 3), inputs, axes=AXES)
    assert not report.ok and report.diagnoses == []


def test_an_lstm_with_gates_in_another_order_is_not_taken_for_ours(rng, stranger):
    """A cell counts as known only if it gives forward's own numbers, so a GRU has no LSTM's mistakes."""
    forward, backward, inputs = stranger("gru")
    wrong = lambda dout, cache: [2 * grad if i == 3 else grad for i, grad in enumerate(backward(dout, cache))]  # noqa: E731
    assert [diagnosis.kind for diagnosis in check_pair(forward, wrong, inputs).diagnoses] == ["factor"]


@pytest.mark.parametrize("sign, words", [(-1, "dx: the upstream gradient is missing in it, the path of a residual sum"),
                                         (1, "dx: the upstream gradient is added twice, the path of a residual sum")])
def test_a_residual_path_forgotten_or_taken_twice_is_named(sign, words, rng):
    def residual_forward(x, w):
        y = np.tanh(x @ w)
        return x + y, (x, w, y)

    def residual_backward(dout, cache):
        x, w, y = cache
        dy = dout * (1 - y * y)
        return dy @ w.T + dout + sign * dout, dw_of(x, dy)
    inputs = {"x": rng.standard_normal((3, 5, 4)), "w": rng.standard_normal((4, 4))}
    report = check_pair(residual_forward, residual_backward, inputs)
    assert [diagnosis.kind for diagnosis in report.diagnoses] == ["residual"] and words in str(report)
