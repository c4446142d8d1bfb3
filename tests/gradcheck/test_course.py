"""The course's names: numeric gradients by central differences, and the relative error."""
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from gradcheck import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    rel_error,
)

INTEGERS = np.array([[1, 2], [3, 4]])


def square(x):
    return x**2


def blob(x):
    return SimpleNamespace(vals=x, diffs=np.ones(np.shape(x)))


def net(*inputs):
    """A net that squares its first input blob."""
    out = blob(np.zeros((2, 2), np.asarray(inputs[0].vals).dtype))
    return SimpleNamespace(forward=lambda: np.copyto(out.vals, inputs[0].vals**2)), inputs, out


def of_net(x, **options):
    return eval_numerical_gradient_net(*net(blob(x)), **options)[0]


def of_blobs(x, **options):
    out = blob(np.zeros((2, 2), np.asarray(x).dtype))
    return eval_numerical_gradient_blobs(lambda a, out: np.copyto(out.vals, a.vals**2), [blob(x)], out, **options)[0]


FAMILY = {
    "gradient": lambda x, **options: eval_numerical_gradient(lambda x: np.sum(x**2), x, verbose=False, **options),
    "array": lambda x, **options: eval_numerical_gradient_array(square, x, np.ones((2, 2)), **options),
    "blobs": of_blobs,
    "net": of_net,
    "sparse": lambda x, **options: grad_check_sparse(lambda x: np.sum(x**2), x, 2 * x, 3, **options),
}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("x, found", [(INTEGERS, "int64"), (INTEGERS > 2, "bool"), (INTEGERS.astype(object), "object"),
                                      (INTEGERS.astype(np.uint8), "uint8"),
                                      ([[1.0, 2.0], [3.0, 4.0]], "list and no array")])
def test_what_cannot_move_by_h_is_refused(name, x, found):
    where = r"inputs\[0\].vals" if name in ("blobs", "net") else "x"
    with pytest.raises(ValueError, match=rf"^{where} is {found}, expected an array of floating point numbers: "
                                         rf"{where} = np.array\({where}, float\)"):
        FAMILY[name](x)
    assert INTEGERS.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("name", [name for name in FAMILY if name != "sparse"])
@pytest.mark.parametrize("dtype", [np.float64, np.longdouble, np.complex128])
def test_the_gradient_of_a_square_without_a_warning(name, dtype):
    numeric = FAMILY[name](INTEGERS.astype(dtype))
    assert numeric.dtype == dtype
    np.testing.assert_allclose(numeric, [[2, 4], [6, 8]], rtol=1e-9)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("dtype, h", [(np.float32, 1e-5), (np.float16, 1e-2), (np.complex64, 1e-5), (float, 1e-13)])
def test_too_few_digits_warn_once_and_go_on(name, dtype, h):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")                    # as in a notebook
        for _ in range(2):
            FAMILY[name](INTEGERS.astype(dtype), h=h)
    assert [str(w.message) for w in caught if w.category is UserWarning] == [
        f"x is {np.dtype(dtype)}, too coarse for a step of h = {h:g}: the numeric gradient may be off by several per "
        "cent; use x.astype(np.float64) and h = 1e-5"]


def test_a_wide_step_in_float32_is_good_enough():
    np.testing.assert_allclose(FAMILY["array"](INTEGERS.astype(np.float32), h=1e-2), [[2, 4], [6, 8]], rtol=1e-3)


def test_rel_error_is_the_courses():
    x, y = np.array([1.0, -2.0, 0.0]), np.array([1.1, -2.0, 1e-9])
    assert rel_error(x, y) == pytest.approx(0.1)                # |0 - 1e-9| / 1e-8
    assert rel_error(x[:2], y[:2]) == pytest.approx(0.1 / 2.1)


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.array(2.0)])
def test_rel_error_takes_a_number_with_anything(number):
    assert rel_error(number, np.array([[2.0, 3.0]])) == rel_error(np.array([[2.0, 3.0]]), number) == 0.2
    assert rel_error(number, 2.0) == 0


@pytest.mark.parametrize("x, y", [((3, 1), (3,)), ((1,), (3,)), ((2, 3), (3,)), ((2, 3), (1, 3)), ((0, 3), (1, 3))])
def test_rel_error_refuses_other_shapes(x, y):
    with pytest.raises(ValueError) as error:
        rel_error(np.ones(x), np.ones(y))
    assert str(error.value) == f"x is {x} and y is {y}, expected equal shapes, or a number with an array"


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.int8, bool])
def test_rel_error_computes_in_float64(dtype):
    zeros, ones = np.zeros(3, dtype), np.ones(3, dtype)
    assert rel_error(zeros, zeros) == 0                         # 1e-8 is zero in float16
    assert rel_error(zeros, ones) == rel_error(ones, zeros) == 1    # 0 - 1 is 255 in uint8
