"""Pairs that break the contract: one sentence that names the array, never an exception, never a hang."""
import sys
import time

import numpy as np
import pytest

from gradcheck import check_pair


def forward(x, w):
    return x @ w, (x, w)


def backward(dout, cache):
    return dout @ cache[1].T, cache[0].T @ dout


def edit_dout(dout, cache):
    dout *= 2
    return backward(dout / 2, cache)


def edit_input(dout, cache):
    grads = backward(dout, cache)
    cache[1][0, 0] += 1
    return grads


def edit_cache(dout, cache):
    grads = backward(dout, cache)
    cache[2]["w"][0] = 0
    return grads


def random_backward(dout, cache):
    dx, dw = backward(dout, cache)
    return dx, dw * (1 + 1e-9 * np.random.default_rng().random())


def clipped(dout, cache):
    dx, dw = backward(dout, cache)
    return np.clip(dx, -0.5, 0.5), dw


LAST = {}


def remember(x, w):
    LAST["x"] = x
    return x @ w, (x, w)


def from_memory(dout, cache):
    return dout @ cache[1].T, LAST["x"].T @ dout


BUFFER = np.empty((3, 2))


def into_buffer(dout, cache):
    return dout @ cache[1].T, np.matmul(cache[0].T, dout, out=BUFFER)


@pytest.mark.parametrize("forward, backward, message", [
    (forward, lambda d, c: backward(d, c)[0], "backward returned 1 gradients, expected 2: dx, dw"),
    (forward, lambda d, c: (*backward(d, c), 0), "backward returned 3 gradients, expected 2"),
    (forward, lambda d, c: (None, backward(d, c)[1]), "backward returned None for dx"),
    (forward, lambda d, c: backward(d, c)[::-1], "dx is (3, 2), expected (4, 3), the shape of x"),
    (forward, lambda d, c: (backward(d, c)[0].astype("f4"), backward(d, c)[1]), "dx is float32, expected float64"),
    (forward, lambda d, c: (backward(d, c)[0], backward(d, c)[1] * np.nan), "dw[0, 0] is nan"),
    (forward, random_backward, "backward returns a different dw when it is called again"),
    (forward, edit_dout, "backward writes to dout"),
    (forward, edit_input, "backward writes to its input w"),
    (lambda x, w: (x @ w, (x, w, {"w": w.copy()})), edit_cache, "backward writes to cache[2]['w']"),
    (lambda x, w: (x @ w, [w, x]), lambda d, c: (d @ c[0].T, c.pop().T @ d), "backward writes to cache"),
    (lambda x, w: (x.__iadd__(1) @ w, (x, w)), backward, "forward writes to its input x"),
    (lambda x, w: (x @ w + np.random.default_rng().random(), (x, w)), backward, "forward returns different values"),
    (remember, from_memory, "dw changes when forward is called with other inputs before backward"),
    (forward, into_buffer, "backward overwrites the dw that it returned before"),
    (forward, lambda d, c: (backward(d, c)[0], backward(d, c)[1] + 1e-3 * c[1]), "dw is not zero for an upstream"),
    (forward, clipped, "dx is not linear in the upstream gradient"),
    (forward, lambda d, c: 1 / 0, "backward raised ZeroDivisionError: division by zero"),
    (forward, lambda d, c: sys.exit(3), "backward raised SystemExit: 3"),
    (lambda x, w: [][0], backward, "forward raised IndexError: list index out of range"),
    (lambda x, w: x @ w, backward, "forward returned an array (4, 2) of float64, expected (out, cache)"),
    (lambda x, w: ((x > 0), (x, w)), backward, "expected floating arrays"),
    (lambda x, w: ((x @ w).astype("f4"), (x, w)), backward, "forward returns float32 for float64 inputs"),
    (lambda x, w: (np.log(x @ w), (x, w)), lambda d, c: backward(d / (c[0] @ c[1]), c), "forward returns NaN"),
])
def test_breaches_are_named(forward, backward, message, rng):
    inputs = {"x": rng.standard_normal((4, 3)), "w": rng.standard_normal((3, 2))}
    kept = {name: x.copy() for name, x in inputs.items()}
    report = check_pair(forward, backward, inputs, rng=rng)
    assert not report.ok and message in report.problem and "\n" not in report.problem
    assert report.problem in str(report) and report.to_dict()["problem"] == report.problem
    if "input" not in message:
        assert all((inputs[name] == kept[name]).all() for name in inputs)


@pytest.mark.parametrize("layout, spoil", [
    ("Fortran-ordered", lambda x: x.flags.f_contiguous and not x.flags.c_contiguous),
    ("strided", lambda x: not x.flags.f_contiguous and not x.flags.c_contiguous),
])
def test_layouts(layout, spoil, rng):
    wrong = lambda d, c: (d @ c[1].T, c[0].T @ d * (2 if spoil(c[0]) else 1))           # noqa: E731
    inputs = {"x": rng.standard_normal((4, 3)), "w": rng.standard_normal((3, 2))}
    report = check_pair(forward, wrong, inputs)
    assert not report.ok and f"dw differs between {layout} and ordinary arrays" in report.problem


def test_writing_and_putting_back_shows_with_read_only_arrays(rng):
    def undone(dout, cache):
        dout += 1
        dout -= 1
        return backward(dout, cache)
    report = check_pair(forward, undone, {"x": rng.integers(-4, 4, (4, 3)) + 0.5, "w": np.eye(3)[:, :2]})
    assert not report.ok and ("read-only" in report.problem or "writes to dout" in report.problem)


@pytest.mark.parametrize("spoil, message", [
    (lambda x: [][0], "forward at x[1] moved by 3e-05 raised IndexError: list index out of range"),
    (lambda x: x * np.nan, "forward returns NaN at x[1] moved by 3e-05"),
    (lambda x: x[:2], "forward changes its output from (3,) float64 to (2,) float64 at x[1] moved by"),
    (lambda x: x.astype("f4"), "forward changes its output from (3,) float64 to (3,) float32 at x[1] moved by"),
])
def test_a_forward_that_misbehaves_under_perturbation(spoil, message):
    def forward(x):
        return (spoil(x) if 0 < abs(x[1] - 2.5) < 1e-3 else x * 1), x
    report = check_pair(forward, lambda d, x: d, {"x": np.array([0.0, 2.5, 0.0])}, method="central")
    assert not report.ok and message in report.problem


def test_an_endless_forward_is_left_behind():
    ended = []

    def forward(x):
        while x[1] != 2.5 and not ended:
            time.sleep(0.01)
        return x * 1, x
    report = check_pair(forward, lambda d, x: d, {"x": np.array([0.5, 2.5])}, budget=(1000, 0.2))
    ended.append(True)
    assert not report.ok and "does not end" in report.problem and "budget of 0.2 s" in report.problem


def test_a_slow_forward_gets_a_sample(rng, capsys, monkeypatch):
    def forward(x):
        time.sleep(0.002)
        return x**2, x
    report = check_pair(forward, lambda d, x: 2 * d * x, {"x": rng.standard_normal((40, 50))}, budget=(10**6, 1.0))
    assert report.ok and "of 2000 entries and random projections" in str(report)
    monkeypatch.setattr("gradcheck.budget.LONG", 0.1)
    check_pair(forward, lambda d, x: 2 * d * x, {"x": rng.standard_normal((10, 5))})
    assert "evaluations of" in capsys.readouterr().err                  # the cost of a long check is said beforehand
