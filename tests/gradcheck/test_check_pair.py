"""Verdicts on strangers' pairs: right ones pass, the slightest wrong does not. And what a report says."""
import json
import subprocess
import sys

import numpy as np
import pytest

from gradcheck import check_pair

GATES = {"x": ("N", "T", "D"), "h0": ("N", "H"), "Wx": ("D", "gate:rzn"), "Wh": ("H", "gate:rzn"), "b": ("gate:rzn",)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["auto", "central", "richardson"])
def test_right_pairs_pass(stranger_name, dtype, method, stranger, rng):
    check_pair(*stranger(stranger_name, dtype), method=method, rng=rng).raise_if_failed()


@pytest.mark.parametrize("wrong_by", [1.0, 1e-3, 1e-5])
def test_one_wrong_entry_is_found_and_named(stranger_name, wrong_by, stranger, rng):
    forward, backward, inputs = stranger(stranger_name)
    name = [key for key, x in inputs.items() if isinstance(x, np.ndarray) and x.dtype == float][-1]

    def wrong(dout, cache):
        grads = backward(dout, cache)
        grads = list(grads) if isinstance(grads, (tuple, list)) else [grads]
        grads[-1] = grads[-1].copy()
        place = np.unravel_index(grads[-1].size // 2, grads[-1].shape)
        grads[-1][place] += wrong_by * np.sum(dout[0] if isinstance(dout, tuple) else dout)     # linear in dout
        return tuple(grads)
    report = check_pair(forward, wrong, inputs, rng=rng)
    place = ", ".join(str(i) for i in np.unravel_index(inputs[name].size // 2, inputs[name].shape))
    assert not report.ok and report.problem is None
    assert f"d{name}[{place}]  yours" in str(report) and report.diagnoses == []
    assert [verdict.ok for verdict in report.verdicts].count(False) == 1


def test_labels_name_axes_and_blocks(stranger, rng):
    forward, backward, inputs = stranger("gru")

    def wrong(dout, cache):
        dx, dh0, dWx, dWh, db = backward(dout, cache)
        dWh[3, 7] *= 2
        return dx, dh0, dWx, dWh, db
    report = check_pair(forward, wrong, inputs, axes=GATES, rng=rng)
    assert "dWh[H=3, gate z, unit 1]  yours" in str(report) and "ratio 2\n" in str(report) + "\n"
    verdict = next(verdict for verdict in report.verdicts if not verdict.ok)
    assert verdict.name == "dWh" and len(verdict.wrong) == 1


def test_a_small_block_is_held_to_its_own_scale(rng):
    """An error of 1e-9 of the largest entry hides in the array, not in the block it is half of."""
    w = np.concatenate([np.full(4, 1e3), np.full(4, 1e-6)])
    forward, wrong = lambda x, w: (x * w, w), lambda dout, w: dout * w * np.where(w < 1, 1.5, 1)       # noqa: E731
    inputs = {"x": rng.standard_normal(8), "w": w}
    assert check_pair(forward, wrong, inputs, wrt="x", method="central").ok
    assert not check_pair(forward, wrong, inputs, wrt="x", method="central", axes={"x": ("part:ab",)}).ok


@pytest.mark.parametrize("bend, ok", [(0.0, True), (0.5, True), (1.0, True), (-0.01, False), (1.01, False)])
def test_a_kink_may_have_any_slope_in_between(bend, ok):
    x = np.array([0.0, 1e-7, -1e-7, 3e-6, -8e-6, 0.5, -2.0])
    report = check_pair(lambda x: (np.maximum(x, 0), x), lambda dout, x: dout * np.where(x == 0, bend, x > 0), {"x": x})
    assert report.ok is ok and report.kinks == 1
    assert ("kink, expected" in str(report)) is not ok


@pytest.mark.parametrize("factor", [1.001, 0.5])
def test_being_near_a_kink_is_no_excuse(factor, rng):
    x = np.array([1e-7, -1e-7, 3e-6, -8e-6, 0.5, -2.0])
    report = check_pair(lambda x: (np.maximum(x, 0), x), lambda d, x: d * (x > 0) * factor, {"x": x}, rng=rng)
    assert not report.ok


def test_zero_on_both_sides_is_not_exercised(rng):
    softmax = lambda x: (np.exp(x) / np.exp(x).sum(), x)                # noqa: E731
    forward = lambda x, shift: (softmax(x + shift)[0], x + shift)       # noqa: E731

    def backward(dout, x):
        y = softmax(x)[0]
        dx = y * (dout - (dout * y).sum())
        return dx, dx.sum().reshape(1)
    inputs = {"x": rng.standard_normal(5), "shift": rng.standard_normal(1)}
    for method in ("auto", "central", "richardson"):
        report = check_pair(forward, backward, inputs, method=method, rng=rng)
        assert report.ok and "dshift" in str(report) and "not exercised" in str(report)
        assert [array["exercised"] for array in report.to_dict()["arrays"]] == [True, False]
    wrong = lambda dout, x: (backward(dout, x)[0], dout.sum().reshape(1))           # noqa: E731
    assert not check_pair(forward, wrong, inputs, rng=rng).ok


@pytest.mark.parametrize("cut, message", [("n", "a batch of one"), ("t", "a single time step")])
def test_lengths_of_one_are_tried_where_axes_name_them(cut, message, rng):
    def backward(dout, x):
        return dout * 2 * x * (2 if x.shape["nt".index(cut)] == 1 else 1)
    x = rng.standard_normal((3, 4))
    assert check_pair(lambda x: (x**2, x), backward, {"x": x}).ok                   # never guessed from shapes
    report = check_pair(lambda x: (x**2, x), backward, {"x": x}, axes={"x": ("N", "T")})
    assert not report.ok and message in report.problem and "dx is wrong" in report.problem


def test_a_sample_with_projections_finds_one_wrong_entry(rng):
    inputs = {"x": rng.standard_normal((20, 60)), "w": rng.standard_normal((60, 50))}

    def forward(x, w):
        return x @ w, (x, w)

    def backward(dout, cache, spoil=1.0):
        x, w = cache
        dw = x.T @ dout
        dw[41, 7] *= spoil
        return dout @ w.T, dw
    report = check_pair(forward, backward, inputs, budget=600, rng=rng)
    assert report.ok and "of 3000 entries and random projections" in str(report) and report.evaluations < 600
    report = check_pair(forward, lambda d, c: backward(d, c, 1.01), inputs, budget=600, rng=rng)
    assert not report.ok and "dw[41, 7]  yours" in str(report)


def test_the_same_seed_gives_the_same_report(stranger):
    case = stranger("gru")
    assert check_pair(*case, rng=3).to_dict() == check_pair(*case, rng=np.random.default_rng(3)).to_dict()


def test_report_as_numbers_and_pictures(stranger, rng, tmp_path):
    forward, backward, inputs = stranger("gru")
    wrong = lambda dout, cache: [2 * grad for grad in backward(dout, cache)]        # noqa: E731
    report = check_pair(forward, wrong, inputs, axes=GATES, rng=rng)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["ok"] is False and found["name"] == "gru" and found["dtype"] == "float64"
    assert [array["name"] for array in found["arrays"]] == ["dx", "dh0", "dWx", "dWh", "db"]
    assert found["arrays"][3]["worst"][0]["ratio"] == pytest.approx(2)
    assert found["diagnoses"][0]["kind"] == "factor" and "2 times the gradient" in found["diagnoses"][0]["sentence"]
    with pytest.raises(AssertionError, match="gru: WRONG"):
        report.raise_if_failed()
    report.plot(tmp_path / "error.png")
    assert (tmp_path / "error.png").read_bytes()[:4] == b"\x89PNG"
    broken = check_pair(forward, lambda dout, cache: None, inputs)
    with pytest.raises(ValueError, match="nothing to draw"):
        broken.plot(tmp_path / "none.png")


def test_matplotlib_is_loaded_by_plot_alone():
    code = "import sys, gradcheck; print([m for m in ('matplotlib', 'numba', 'h5py', 'rnnlayers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("arguments, message", [
    ({"inputs": {"x": np.ones(2, np.float16)}}, "x is a ndarray of float16, expected an array of float32 or float64"),
    ({"inputs": {"x": np.ones(2, complex)}}, "x is a ndarray of complex128, expected an array"),
    ({"inputs": {"x": np.ones(2, int)}}, "no floating arrays among the inputs x"),
    ({"inputs": [np.ones(2)]}, "inputs must be a dict"),
    ({"wrt": ["y"]}, r"wrt is \['y'\], expected some of"),
    ({"wrt": 5}, "wrt is 5, expected names of inputs"),
    ({"axes": {"x": 5}}, "or a dict: name of an input"),
    ({"rng": "a"}, "rng is 'a', expected a Generator"),
    ({"budget": (10, "a")}, "expected evaluations or"),
    ({"inputs": {"x": np.ma.masked_array([1.0, 2.0])}}, "x is a MaskedArray"),
    ({"axes": {"y": ("N",)}}, "axes has an entry 'y', expected names of inputs: x"),
    ({"axes": {"x": ("N", "T")}}, r"axes of x are \('N', 'T'\), expected 1 names"),
    ({"axes": {"x": ("gate:ifo",)}}, "has 2 entries, which do not divide into the 3 blocks 'ifo'"),
    ({"method": "fast"}, "method is 'fast'"),
    ({"budget": 0}, "budget is 0, expected evaluations or"),
    ({"backward": None}, "must be functions"),
])
def test_wrong_use_raises(arguments, message):
    arguments = {"forward": lambda x: (x, x), "backward": lambda d, c: d, "inputs": {"x": np.ones(2)}, **arguments}
    with pytest.raises(ValueError, match=message):
        check_pair(**arguments)
