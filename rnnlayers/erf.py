"""The complementary error function, which NumPy lacks, by rational approximations.

Source: Cody (1969), "Rational Chebyshev approximations for the error function", Mathematics of Computation 23; the
coefficients are those of his routine CALERF.
"""
import math

import numpy as np

from rnnlayers.precision import floating, widened
from rnnlayers.shapes import Array

# erf(y) = y P(y^2) / Q(y^2) up to 0.46875; erfc(y) = exp(-y^2) P(y) / Q(y) up to 4; beyond 4
# erfc(y) = exp(-y^2) (1 / sqrt(pi) - z P(z) / Q(z)) / y with z = 1 / y^2. The highest power comes first.
SMALL = ((1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
          3.20937758913846947e3),
         (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3))
MIDDLE = ((2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
           2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
           1.23033935479799725e3),
          (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
           3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3))
LARGE = ((1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
          1.60837851487422766e-2, 6.58749161529837803e-4),
         (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
          2.33520497626869185e-3))
END = 27.3                          # from here on erfc is less than the smallest float64


def erfc(x: Array) -> Array:
    """Complementary error function, 2 / sqrt(pi) times the integral of exp(-t^2) from x to infinity.

    x of any shape, real or complex with small imaginary parts (the real part chooses the approximation) -> the same
    shape and dtype (integers give float64). Computed in float32 at least.
    """
    x = floating(x)
    y = widened(np.where(x.real < 0, -x, x))
    out = np.zeros_like(y)                                  # of |x|; beyond END it is 0
    for low, high, piece in ((-1.0, 0.46875, _small), (0.46875, 4.0, _middle), (4.0, END, _large)):
        inside = (y.real > low) & (y.real <= high)
        out[inside] = piece(y[inside])
    out = np.where(np.isnan(y), y, out)
    return np.where(x.real < 0, 2 - out, out).astype(x.dtype, copy=False)       # erfc(-y) = 2 - erfc(y)


def _small(y: Array) -> Array:
    return 1 - y * _ratio(SMALL, y * y)


def _middle(y: Array) -> Array:
    return _exp_minus_square(y) * _ratio(MIDDLE, y)


def _large(y: Array) -> Array:
    z = 1 / (y * y)
    return _exp_minus_square(y) * (1 / math.sqrt(math.pi) - z * _ratio(LARGE, z)) / y


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], y: Array) -> Array:
    """P(y) / Q(y), by Horner's rule."""
    above, below = (np.full_like(y, rest[0]) for rest in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:]):
        above, below = above * y + a, below * y + b
    return above / below


def _exp_minus_square(y: Array) -> Array:
    """exp(-y^2) without the rounding error of y^2: y^2 = r^2 + (y - r)(y + r), where r^2 is exact."""
    r = np.trunc(y.real * 16) / 16
    return np.exp(-r * r) * np.exp(-(y - r) * (y + r))
