"""Pairs made to fool the checker, each of which once did."""
import threading
import time
from collections import deque

import numpy as np
import pytest

from gradcheck import check_model, check_pair, judge, numeric_grad
from gradcheck.suite import axes_of, inputs_of, pair_of


def square(x):
    return x * x, x


def with_real_entry(x):
    y = x * x
    y[3] += 1e-2 * x[3].real
    return y, x


@pytest.mark.parametrize("forward", [with_real_entry, lambda x: (x * x + 1e-6 * x.real, x)])
@pytest.mark.parametrize("n", [20, 3000])
def test_a_small_part_of_forward_that_drops_the_imaginary_part(forward, n, rng):
    assert not check_pair(forward, lambda d, x: 2 * d * x, {"x": rng.uniform(0.5, 1, n)}, budget=10**5).ok


def test_a_lost_imaginary_part_under_a_small_upstream_gradient(rng):
    x, dout = np.ones(300), np.where(np.arange(300) == 3, 1e-3, 1.0)
    numeric = numeric_grad(lambda x: np.where(np.arange(300) == 3, x.real, x), x, dout)
    np.testing.assert_allclose(numeric, dout, rtol=1e-6)


@pytest.mark.parametrize("offset, slope, accuracy", [(100, 1e-7, 1e-2), (1e6, 1e-3, 1e-2), (1e8, 1e-3, 0.1)])
def test_differences_that_drown_in_a_large_offset_are_not_zero(offset, slope, accuracy, rng):
    x = rng.standard_normal(4)
    forward = lambda x: offset + slope * np.abs(x)                  # noqa: E731
    np.testing.assert_allclose(numeric_grad(forward, x, np.ones(4)), slope * np.sign(x), rtol=accuracy)
    assert not check_pair(lambda x: (forward(x), x), lambda d, x: 0 * d, {"x": x}).ok
    assert not check_pair(lambda x: (forward(x), x), lambda d, x: 3 * slope * d * np.sign(x), {"x": x}).ok


def test_right_gradients_beside_an_offset_pass(rng):
    for offset, slope in ((100, 1e-5), (1e4, 1e-2)):
        forward = lambda x: (offset + slope * np.abs(x), x)         # noqa: B023, E731
        check_pair(forward, lambda d, x: slope * d * np.sign(x), {"x": rng.standard_normal(4)}).raise_if_failed()   # noqa: B023


@pytest.mark.parametrize("forward, backward", [
    (lambda x, b: (1e6 * np.abs(x) + 1e-5 * b * b, (x, b)), lambda d, c: (1e6 * d * np.sign(c[0]), 2e-3 * d * c[1])),
    (lambda x, b: (1e6 * x + 1e-8 * b * b, (x, b)), lambda d, c: (1e6 * d, 2e-6 * d * c[1])),
    (lambda x, b: (1e5 * np.abs(x), 1e-5 * np.abs(b), (x, b)),
     lambda d, e, c: (1e5 * d * np.sign(c[0]), 7e-5 * e * np.sign(c[1]))),
])
def test_a_small_gradient_beside_a_large_one_is_not_let_off(forward, backward, rng):
    assert not check_pair(forward, backward, {"x": rng.standard_normal(4), "b": rng.standard_normal(4)}).ok


@pytest.mark.parametrize("seed", range(20))
def test_a_gradient_that_drowns_is_not_taken_for_zero(seed):
    rng = np.random.default_rng(seed)           # b moves the output by less than differences of it can show
    report = check_pair(lambda x, b: (1e6 * x + 1e-8 * b * b, (x, b)), lambda d, c: (1e6 * d, 2e-6 * d * c[1]),
                        {"x": rng.standard_normal(4), "b": rng.standard_normal(4)}, rng=rng)
    assert not report.ok


def test_a_report_can_be_repeated(rng):
    inputs = {"x": rng.standard_normal((3, 4))}
    texts = {str(check_pair(lambda x: (np.sin(x), x), lambda d, x: d * np.cos(x) * 1.001, inputs)) for _ in range(3)}
    assert len(texts) == 1


@pytest.mark.parametrize("backward, dtype", [
    (lambda d, x: (2 * d * x).astype("f2").astype(x.dtype), "f4"),
    (lambda d, x: 2 * d * x * (1 + x.dtype.type(0.02) * np.sin(x.dtype.type(1e6) * x)), "f4"),
    (lambda d, x: 2 * d * x * (1 + 5e-6 * np.sin(1e16 * x)), "f8"),
])
def test_a_rough_backward_does_not_excuse_itself(backward, dtype, rng):
    assert not check_pair(square, backward, {"x": rng.standard_normal(300).astype(dtype)}).ok


@pytest.mark.parametrize("bend, ok", [(0, True), (0.5, True), (1, True), (-1, False), (1.5, False), (2, False)])
def test_a_kink_that_reaches_many_outputs(bend, ok, rng):
    x = rng.standard_normal((3, 4))
    x[1, 2] = 0

    def backward(dout, cache):
        x, w = cache
        dx = (dout @ w.T) * np.where(x == 0, bend, x > 0)
        return dx, np.maximum(x, 0).T @ dout
    inputs = {"x": x, "w": rng.standard_normal((4, 30))}
    report = check_pair(lambda x, w: (np.maximum(x, 0) @ w, (x, w)), backward, inputs)
    assert report.ok is ok


def test_a_row_of_zeros_into_a_relu_layer_without_bias(rng):
    """Every output has a kink of its own there; backpropagation's zero is between the slopes of each."""
    x = rng.standard_normal((3, 4))
    x[1] = 0
    forward = lambda x, w: (np.maximum(x @ w, 0), (x, w))                       # noqa: E731
    backward = lambda d, c: ((d * (c[0] @ c[1] > 0)) @ c[1].T, c[0].T @ (d * (c[0] @ c[1] > 0)))    # noqa: E731
    check_pair(forward, backward, {"x": x, "w": rng.standard_normal((4, 6))}).raise_if_failed()


def test_kinks_in_a_sample_are_admitted(rng):
    x = rng.standard_normal((60, 60))
    x[rng.random((60, 60)) < 0.1] = 0
    report = check_pair(lambda x: (np.maximum(x, 0), x), lambda d, x: d * (x > 0), {"x": x}, budget=(600, 20))
    assert report.ok and "kinks hide the rest" in str(report)


def test_a_shared_output_buffer(rng):
    buffer = np.empty((3, 4))

    def forward(x):
        if x.dtype == float:
            buffer[...] = x * x
            return buffer, x.copy()
        return x * x, x
    report = check_pair(forward, lambda d, x: 2 * d * x, {"x": rng.standard_normal((3, 4))})
    assert not report.ok and "forward overwrites the output" in report.problem


class Slots:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


@pytest.mark.parametrize("wrap, get", [(Slots, lambda c: c.x), (lambda x: deque([x]), lambda c: c[0])])
def test_writes_into_unusual_caches(wrap, get, rng):
    def backward(dout, cache):
        x = get(cache)
        x[x < 0] = 0
        return 2 * dout * x
    report = check_pair(lambda x: (np.maximum(x, 0)**2, wrap(x.copy())), backward, {"x": rng.standard_normal(5)})
    assert not report.ok and "backward writes to cache" in report.problem


def test_caches_that_are_deep_shared_or_hold_anything(rng):
    def forward(x):
        shared, chain = [x], x
        for _ in range(30):
            shared = [shared, shared]
        for _ in range(3000):
            chain = (chain,)
        return x * x, {"x": x, "shared": shared, "chain": chain, "np": np, "type": Slots, "call": forward}
    report = check_pair(forward, lambda d, c: 2 * d * c["x"], {"x": rng.standard_normal(3)}, budget=(1000, 20))
    report.raise_if_failed()


def test_parameters_come_back_even_from_a_loss_that_hangs(rng):
    params, calls, ended = {"W": rng.standard_normal(3)}, [], threading.Event()
    before = params["W"].copy()

    def loss():
        calls.append(1)
        if len(calls) == 9:
            ended.wait(20)
        return float((params["W"]**2).sum()), {"W": 2 * params["W"]}
    report = check_model(loss, params, budget=(1000, 0.2), method="central")
    assert not report.ok and "does not end" in report.problem
    np.testing.assert_array_equal(params["W"], before)
    params["W"][...] = 7
    ended.set()
    time.sleep(0.3)                                     # the call that was left behind may end: it must not write
    assert (params["W"] == 7).all()


@pytest.mark.parametrize("inputs", [
    {"x": np.array(3.0)}, {"x": np.array(3.0, np.float32)}, {"x": np.zeros((0, 3))},
    {"x": np.ones(3), "c": [np.ones(2), 1]},
    {"x": np.ones(3), "c": np.array(1j)}, {"x": np.ones(3), "c": np.ones(2, np.float16)},
])
def test_unusual_inputs(inputs):
    report = check_pair(lambda x, *c: (x * x, x), lambda d, x: 2 * d * x, inputs, wrt="x",
                        axes={"x": ("n", "d")} if inputs["x"].ndim == 2 else None)
    report.raise_if_failed()


def test_a_name_within_another_name_is_not_meant(rng):
    inputs = {"x": rng.standard_normal(3), "alpha": 0.5, "a": 0.1}
    forward = lambda x, alpha, a: (alpha * x + a, (x, alpha))                   # noqa: E731
    backward = lambda d, c: (c[1] * d, float((d * c[0]).sum()))                 # noqa: E731
    check_pair(forward, backward, inputs, wrt=["x", "alpha"]).raise_if_failed()


def test_none_for_an_input_without_gradient(rng):
    inputs = {"ids": np.array([1, 0, 1]), "table": rng.standard_normal((3, 2))}

    def backward(dout, ids):
        dtable = np.zeros((3, 2))
        np.add.at(dtable, ids, dout)
        return None, dtable
    check_pair(lambda ids, table: (table[ids], ids), backward, inputs).raise_if_failed()


@pytest.mark.parametrize("backward", [
    lambda d, x: (d, [[1], [1, 2]]), lambda d, x: "dx", lambda d, x: pytest.fail("no")])
def test_strange_gradients_are_reports(backward):
    assert not check_pair(square, backward, {"x": np.ones(3)}).ok


def test_traps_need_all_arrays_named_and_finite_outputs(rng):
    x, mask = rng.standard_normal((4, 3)), rng.random((4, 3)) < 0.5
    masked = lambda x, m: (x * m, m)                                            # noqa: E731
    check_pair(masked, lambda d, m: d * m, {"x": x, "m": mask}, axes={"x": ("n", "d")}).raise_if_failed()
    relu = lambda x: (np.maximum(x, 0), x)                                      # noqa: E731
    x[0, 1] = 0
    check_pair(relu, lambda d, x: d * (x >= 0), {"x": x}, axes={"x": ("n", "d")}).raise_if_failed()


@pytest.mark.parametrize("scale", [1e-8, 1e-5, 1e-3, 1e6])
@pytest.mark.parametrize("single", [False, True])
def test_inputs_of_any_scale(scale, single, rng):
    def forward(x):
        norm = np.sqrt((x.real**2).sum(axis=1, keepdims=True))
        return x / norm, (x / norm, norm)

    def backward(dout, cache):
        y, norm = cache
        return (dout - y * (dout * y).sum(axis=1, keepdims=True)) / norm
    x = (scale * rng.standard_normal((3, 5))).astype(np.float32 if single else float)
    check_pair(forward, backward, {"x": x}).raise_if_failed()
    assert not check_pair(forward, lambda d, c: 1.001 * backward(d, c), {"x": x}).ok


def test_forwards_that_check_their_domain(rng):
    def forward(p):
        if not ((p.real > 0) & (p.real < 1)).all():
            raise ValueError("not a probability")
        return np.log(p), p
    check_pair(forward, lambda d, p: d / p, {"p": np.array([0.2, 0.9999])}).raise_if_failed()


@pytest.mark.parametrize("eps", [1e-5, 1e-8])
def test_batch_norm_of_two_rows(eps, rng):
    """Nearly all of the gradient cancels: what is left is rounding in the last digits, not a mistake."""
    def forward(x):
        centred = x - x.mean(axis=0)
        scale = 1 / np.sqrt((centred**2).mean(axis=0) + eps)
        return centred * scale, (centred * scale, scale)

    def backward(dout, cache):
        y, scale = cache
        return scale * (dout - dout.mean(axis=0) - y * (dout * y).mean(axis=0))
    for _ in range(10):
        x = rng.standard_normal((2, 7))
        check_pair(forward, backward, {"x": x}, rng=rng).raise_if_failed()
        assert not check_pair(forward, lambda d, c: backward(d, c) * 1.01, {"x": x}, rng=rng).ok


@pytest.mark.parametrize("low", [0, 9, 17])
def test_saturated_sigmoids(low, rng):
    forward = lambda x: (1 / (1 + np.exp(-x)),) * 2             # noqa: E731
    x = rng.uniform(low, low + 4, (3, 4))
    check_pair(forward, lambda d, s: d * s * (1 - s), {"x": x}).raise_if_failed()
    assert not check_pair(forward, lambda d, s: d * s * (1 - s) * 1.01, {"x": x}).ok


def test_recurrence_and_masks_are_not_seen_where_there_are_none(rng):
    softmax = lambda x: (lambda e: (e / e.sum(axis=1, keepdims=True),) * 2)(np.exp(x))      # noqa: E731
    report = check_pair(softmax, lambda d, y: d * y * (1 - y), {"x": rng.standard_normal((3, 5))})
    assert not report.ok and [diagnosis.kind for diagnosis in report.diagnoses] == ["softmax"]
    last = lambda x: (x[:, -1], x.shape)                                                    # noqa: E731
    report = check_pair(last, lambda d, s: np.repeat(d[:, None], s[1], 1), {"x": rng.standard_normal((3, 5, 2))})
    assert not report.ok and "mask" not in str(report)


def test_rounding_in_float32_is_none_in_float64_and_a_mistake_of_its_size_is(monkeypatch):
    """One entry of 1,920 checks of right code was 1.1e-5 off by rounding alone, where 1e-5 is allowed: one of dWq."""
    forward, backward = pair_of("bahdanau")
    inputs = inputs_of("bahdanau", np.random.default_rng(17), "float32", 0.01)
    check_pair(forward, backward, inputs, axes=axes_of("bahdanau"), rng=17, wrt=["Wq"]).raise_if_failed()
    monkeypatch.setattr(judge, "ROUNDED", 0)
    assert not check_pair(forward, backward, inputs, axes=axes_of("bahdanau"), rng=17, wrt=["Wq"]).ok
    monkeypatch.undo()
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    factor = np.where(np.arange(12).reshape(3, 4) == np.abs(x).argmax(), np.float32(1 + 3e-5), np.float32(1))
    assert not check_pair(lambda x: (x * x, x), lambda dout, x: 2 * dout * x * factor, {"x": x}).ok
