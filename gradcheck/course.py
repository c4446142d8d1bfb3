"""Numeric gradients by central differences, under the names of the cs231n course.

All of them perturb the array in place and restore every entry, so a function that reads the array from elsewhere (from
a model's parameters, say) sees the change. They raise ValueError unless x is an array of floating point or complex
numbers, because a small step in whole numbers is cut off, and warn where x has too few digits for the step.
"""
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ROUNDING = 1e-4             # of a difference, from which on it is worth a warning; float64 at h = 1e-5 has 1e-11


def rel_error(x: np.ndarray, y: np.ndarray) -> float:
    """Largest relative error of two arrays, max |x - y| / max(1e-8, |x| + |y|).

    x, y arrays of one shape, or a number and any array -> float. Raises ValueError on other shapes: (3, 1) and (3,)
    would be compared as (3, 3). Small numbers are computed with in float64, where whole numbers do not wrap around and
    1e-8 is not zero.
    """
    if np.ndim(x) and np.ndim(y) and np.shape(x) != np.shape(y):
        raise ValueError(f"x is {np.shape(x)} and y is {np.shape(y)}, expected equal shapes, or a number with an array")
    x, y = (np.asarray(a, np.result_type(a, np.float64)) for a in (x, y))
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def eval_numerical_gradient(f: Callable, x: np.ndarray, verbose: bool = True, h: float = 0.00001) -> np.ndarray:
    """Gradient of a scalar function, df/dx[i] = (f(x + h e_i) - f(x - h e_i)) / 2h.

    f: array -> number, x floating array -> array of x's shape and dtype. verbose: print every entry.
    """
    _check_digits(x, "x", h)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        plus, minus = _both_sides(f, x, index, h)
        grad[index] = (plus - minus) / (2 * h)
        if verbose:
            print(index, grad[index])
    return grad


def eval_numerical_gradient_array(f: Callable, x: np.ndarray, df: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Gradient of sum(f(x) * df), for a function that returns an array.

    f: array -> array, x floating array, df upstream gradient of f's shape -> array of x's shape and dtype.
    """
    _check_digits(x, "x", h)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        plus, minus = _both_sides(f, x, index, h)
        grad[index] = np.sum((plus - minus) * df) / (2 * h)
    return grad


def eval_numerical_gradient_blobs(f: Callable, inputs: Sequence[Any], output: Any,
                                  h: float = 1e-5) -> list[np.ndarray]:
    """Gradients of a function that writes its result into a blob (an object with arrays .vals and .diffs).

    f(*inputs, output) fills output.vals; output.diffs is the upstream gradient -> a list, one array for each input.
    """
    def run(_: np.ndarray) -> np.ndarray:
        f(*inputs, output)
        return output.vals

    for i, blob in enumerate(inputs):
        _check_digits(blob.vals, f"inputs[{i}].vals", h)
    return [eval_numerical_gradient_array(run, blob.vals, output.diffs, h) for blob in inputs]


def eval_numerical_gradient_net(net: Any, inputs: Sequence[Any], output: Any, h: float = 1e-5) -> list[np.ndarray]:
    """The same for an object whose forward() reads the input blobs and fills the output blob."""
    return eval_numerical_gradient_blobs(lambda *_: net.forward(), inputs, output, h)


def grad_check_sparse(f: Callable, x: np.ndarray, analytic_grad: np.ndarray, num_checks: int = 10,
                      h: float = 1e-5) -> None:
    """Print the numeric and the analytic gradient and their relative error at `num_checks` random entries of x."""
    _check_digits(x, "x", h)
    for _ in range(num_checks):
        index = tuple(random.randrange(size) for size in x.shape)
        plus, minus = _both_sides(f, x, index, h)
        numeric, analytic = (plus - minus) / (2 * h), analytic_grad[index]
        error = abs(numeric - analytic) / (abs(numeric) + abs(analytic))
        print(f"numerical: {numeric:f} analytic: {analytic:f}, relative error: {error:e}")


def _check_digits(x: Any, name: str, h: float) -> None:
    """Raises ValueError unless x is a floating or complex array; warns where its digits do not suffice for a step h."""
    found = x.dtype if isinstance(x, np.ndarray) else f"{type(x).__name__} and no array"
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fc":
        raise ValueError(f"{name} is {found}, expected an array of floating point numbers: "
                         f"{name} = np.array({name}, float)")
    if np.finfo(x.dtype).eps > 2 * abs(h) * ROUNDING:
        # always at this line and in the same words, so that Python shows it once
        warnings.warn(f"x is {found}, too coarse for a step of h = {h:g}: the numeric gradient may be off by several "
                      "per cent; use x.astype(np.float64) and h = 1e-5", stacklevel=1)


def _both_sides(f: Callable, x: np.ndarray, index: tuple[int, ...], h: float) -> tuple[Any, Any]:
    """f at x[index] + h and at x[index] - h; x is restored afterwards, also if f raises."""
    old = x[index]
    try:
        x[index] = old + h
        plus = np.copy(f(x))                # f may return the same buffer twice
        x[index] = old - h
        return plus, np.copy(f(x))
    finally:
        x[index] = old
