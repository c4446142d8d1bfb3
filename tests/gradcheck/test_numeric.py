import numpy as np
import pytest

from gradcheck import numeric_grad

ERRORS = {"auto": 1e-14, "complex": 1e-14, "richardson": 1e-10, "central": 1e-8}


@pytest.mark.parametrize("method", ERRORS)
@pytest.mark.parametrize("scale", [1, 50])
def test_against_a_formula(method, scale, rng):
    x, dout = scale * rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    numeric = numeric_grad(lambda x: x**2 * np.cos(x / scale), x, dout, method)
    exact = dout * (2 * x * np.cos(x / scale) - x**2 / scale * np.sin(x / scale))
    assert np.abs(numeric - exact).max() <= ERRORS[method] * max(1, scale)


def test_several_outputs_and_scalars(rng):
    x, a, b = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal()
    np.testing.assert_allclose(numeric_grad(lambda x: (np.exp(x), x.sum()), x, (a, b)), a * np.exp(x) + b, rtol=1e-13)
    assert numeric_grad(np.tanh, np.array(0.3), 2.0) == pytest.approx(2 * (1 - np.tanh(0.3)**2), rel=1e-14)


@pytest.mark.parametrize("f, slope", [
    (lambda x: x.real**2, lambda x: 2 * x),
    (lambda x: np.abs(x), np.sign),
    (lambda x: _buffered(x), lambda x: 3 * x**2),
    (lambda x: x**2 + 1e-4 * x.real**3, lambda x: 2 * x + 3e-4 * x**2),         # lost on one path only
    (lambda x: np.array([float(v) ** 2 for v in x.ravel()]).reshape(x.shape), lambda x: 2 * x),
])
def test_an_imaginary_part_that_gets_lost_is_noticed(f, slope, rng):
    x, dout = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    np.testing.assert_allclose(numeric_grad(f, x, dout), dout * slope(x), rtol=1e-7, atol=1e-8)
    with pytest.raises(ValueError, match="does not carry complex numbers"):
        numeric_grad(f, x, dout, method="complex")


def _buffered(x):
    out = np.empty(x.shape)
    out[:] = x**3
    return out


@pytest.mark.parametrize("off", [1e-7, 1e-4])
def test_a_complex_step_that_is_a_little_wrong_is_not_taken(off, rng):
    def f(x):
        return np.sin(x.real) + 1j * (1 + off) * np.cos(x.real) * x.imag if np.iscomplexobj(x) else np.sin(x)
    x, dout = rng.standard_normal((2, 3, 5))
    np.testing.assert_allclose(numeric_grad(f, x, dout), dout * np.cos(x), rtol=1e-8)


def test_a_smooth_function_is_called_few_times(rng):
    calls = []
    numeric_grad(lambda x: calls.append(x) or np.tanh(x), rng.standard_normal(5), np.ones(5))
    assert len(calls) == 1 + (1 + 8) + 5        # the point itself, a test of the complex step, one for each entry


def test_float32_is_never_differenced(rng):
    x, dout = rng.standard_normal(6).astype(np.float32), rng.standard_normal(6).astype(np.float32)
    seen = set()

    def f(x):
        seen.add(x.dtype)
        return np.tanh(x)
    numeric = numeric_grad(f, x, dout, method="central")
    assert seen == {np.dtype(float)} == {numeric.dtype}
    assert np.abs(numeric - dout.astype(float) * (1 - np.tanh(x.astype(float))**2)).max() < 1e-9


def test_x_and_f_are_left_alone(rng):
    x = rng.standard_normal(5)
    before = x.copy()
    x.flags.writeable = False
    numeric_grad(lambda x: x, x, np.ones(5))                # returns its argument itself
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("f, x, dout, method, message", [
    (np.tanh, [1.0], [1.0], "simple", "method is 'simple', expected one of auto, central"),
    (np.tanh, [1, 2], [1.0, 1.0], "auto", "x is int64, expected floating"),
    (np.tanh, [1.0], [1.0, 2.0], "auto", r"dout is \[\(2,\)\], expected \[\(1,\)\]"),
    (lambda x: x.astype(np.float32), [1.0], [1.0], "auto", "returns float32 for float64 inputs"),
    (lambda x: x[:1] if x[0] > 2 else x, [2.0, 1.0], [1.0, 1.0], "central", r"changes its output .* at x\[0\]"),
    (lambda x: np.sqrt(x - 2), [3.0, 2.0], [1.0, 1.0], "central", r"NaN at x\[1\]"),
    (lambda x: 1 / 0, [1.0], [1.0], "auto", "at the unperturbed point raised ZeroDivisionError: division by zero"),
])
def test_errors(f, x, dout, method, message):
    with pytest.raises(ValueError, match=message):
        numeric_grad(f, np.array(x), np.array(dout), method)
