"""After a breach of the contract the numbers are checked on copies: right ones are right, wrong ones wrong."""
import numpy as np
import pytest

from gradcheck import check_pair

RNG = np.random.default_rng(3)
INPUTS = {"x": RNG.standard_normal((2, 3)), "w": RNG.standard_normal((3, 5))}
SEEN = []


def forward(x, w):
    out = np.tanh(x @ w)
    return out, [x, w, out]


def grads_of(dout, x, w, out, wrong):
    da = dout * (1 - out**2)
    return da @ w.T, x.T @ da * (2 if wrong else 1)


def writes_to_dout(wrong):
    def backward(dout, cache):
        x, w, out = cache
        dout *= 1 - out**2
        return dout @ w.T, x.T @ dout * (2 if wrong else 1)
    return forward, backward


def writes_to_the_cache(wrong):
    def backward(dout, cache):
        grads = grads_of(dout, *cache, wrong)
        cache[2] *= 0
        return grads
    return forward, backward


def writes_to_an_input(wrong):
    def writing(x, w):
        result = forward(x.copy(), w)
        x[0] = 7
        return result
    return writing, lambda dout, cache: grads_of(dout, *cache, wrong)


def consumes_its_cache(wrong):
    def backward(dout, cache):
        out, w, x = cache.pop(), cache.pop(), cache.pop()
        return grads_of(dout, x, w, out, wrong)
    return forward, backward


def two_dtypes(wrong):
    def backward(dout, cache):
        dx, dw = grads_of(dout, *cache, wrong)
        return dx.astype(np.float32), dw
    return forward, backward


def one_buffer(wrong):
    buffer = np.zeros((2, 5))

    def sharing(x, w):
        np.tanh(x @ w, out=buffer) if not np.iscomplexobj(x @ w) else None
        return np.tanh(x @ w), [x, w, buffer]
    return sharing, lambda dout, cache: grads_of(dout, *cache, wrong)


BREACHES = {writes_to_dout: "backward writes to dout", writes_to_the_cache: "backward writes to cache",
            writes_to_an_input: "forward writes to its input x", consumes_its_cache: "backward writes to cache",
            two_dtypes: "dx is float32, expected float64", one_buffer: "forward is called with other inputs"}


@pytest.mark.parametrize("make", BREACHES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("wrong", [False, True])
def test_the_breach_and_the_numbers_are_reported(make, wrong):
    inputs = {name: x.copy() for name, x in INPUTS.items()}
    report = check_pair(*make(wrong), inputs)
    assert not report.ok and BREACHES[make] in report.problem
    assert {verdict.name: verdict.ok for verdict in report.verdicts} == {"dx": True, "dw": not wrong}
    text = str(report).split("\n")
    assert BREACHES[make] in text[1] and len(text) >= 4
    assert any("2 times the gradient" in line for line in text) == wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_gradients_of_float64_for_inputs_of_float32(wrong):
    inputs = {name: x.astype(np.float32) for name, x in INPUTS.items()}
    report = check_pair(forward, lambda dout, cache: tuple(
        grad.astype(float) for grad in grads_of(dout, *cache, wrong)), inputs)
    assert "dx is float64, expected float32" in report.problem
    assert [verdict.ok for verdict in report.verdicts] == [True, not wrong] and bool(report.diagnoses) == wrong


def test_where_one_gradient_has_a_wrong_shape_the_others_are_checked():
    report = check_pair(forward, lambda dout, cache: (grads_of(dout, *cache, False)[0], np.zeros(3)), dict(INPUTS))
    assert "dw is (3,), expected (3, 5)" in report.problem
    assert [(verdict.name, verdict.ok) for verdict in report.verdicts] == [("dx", True)]


def test_a_random_forward_has_no_numbers():
    rng = np.random.default_rng(0)

    def random(x, w):
        return forward(x * rng.random(x.shape), w)
    report = check_pair(random, lambda dout, cache: grads_of(dout, *cache, False), dict(INPUTS))
    assert "forward returns different values when it is called again" in report.problem and not report.verdicts
