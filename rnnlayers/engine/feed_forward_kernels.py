"""What is not a matrix product in a transformer's feed-forward layers, residuals and norms: loops beside references.

The rules are those of rnnlayers.engine.kernels, dropout masks as in rnnlayers.engine.transformer_kernels.
"""
import math

import numpy as np

from rnnlayers import activations
from rnnlayers.engine.kernels import FUSED, SUMS, kernel, part
from rnnlayers.layernorm import layernorm_backward, layernorm_forward

ONE, ZERO = np.float32(1), np.float32(0)
EPS = np.float32(1e-5)                  # of the layer norm
E2, E3, E4, E5, E6 = (np.float32(1 / math.factorial(k)) for k in (2, 3, 4, 5, 6))       # the Taylor series of exp
# erfc z = t p(t) exp(-z^2) to 1.5e-7 for z >= 0, with t = 1 / (1 + T0 z): Abramowitz and Stegun (1964), 7.1.26
T0 = np.float32(0.3275911 / math.sqrt(2))       # of x = sqrt(2) z
A1, A2, A3, A4, A5 = (np.float32(a / 2) for a in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))
DENSITY = np.float32(1 / math.sqrt(2 * math.pi))
SIXTEENTH = np.float32(-1 / 32)         # -x^2 / 2 in 16 equal parts
FAR = np.float32(40)                    # x^2 from which exp(-x^2 / 2) counts as that of x^2 = 40, 2e-9


@part(FUSED)
def _bell(x):
    """exp(-x^2 / 2) to 1e-7, as the 16th power of a Taylor series: no bits of 2^k, so that whole loops vectorise."""
    u = x * x
    u = (FAR if u > FAR else u) * SIXTEENTH
    e = (((((E6 * u + E5) * u + E4) * u + E3) * u + E2) * u + ONE) * u + ONE
    e *= e
    e *= e
    e *= e
    return e * e


@part(FUSED)
def _normal(x, bell):
    """The standard normal's distribution function, from bell = _bell(x)."""
    t = ONE / (ONE + T0 * abs(x))
    tail = ((((A5 * t + A4) * t + A3) * t + A2) * t + A1) * t * bell
    return ONE - tail if x > ZERO else tail


# --- feed-forward ------------------------------------------------------------------------------------------------

def gelu_reference(x, b, out):
    """x (M, F) += b (F,), and out = gelu(x)."""
    x += b
    out[:] = activations.gelu_forward(x)[0]


@kernel(gelu_reference)
def gelu(x, b, out):
    # Bias and activation in one pass; the distribution function to 1.5e-7 by a polynomial, since there is no fast erf.
    # Safe: entry j depends on entry j alone.
    for r in range(len(x)):
        row, to = x[r], out[r]
        for j in range(row.size):
            y = row[j] + b[j]
            row[j] = y
            to[j] = y * _normal(y, _bell(y))


def gelu_backward_reference(d, x, out):
    """d (M, F) times the slope of gelu at x (M, F), in place, and out = gelu(x) once more, which is not kept."""
    out[:], cache = activations.gelu_forward(x)
    d[:] = activations.gelu_backward(d, cache)


@kernel(gelu_backward_reference)
def gelu_backward(d, x, out):
    # Value and slope share their exponential, so that to compute the value again costs less than to keep it.
    # Safe: entry j depends on entry j alone.
    for r in range(len(d)):
        row, down, to = x[r], d[r], out[r]
        for j in range(row.size):
            y = row[j]
            bell = _bell(y)
            phi = _normal(y, bell)
            to[j] = y * phi
            down[j] *= phi + y * bell * DENSITY


# --- residual and layer norm -------------------------------------------------------------------------------------

def add_norm_reference(x, more, b, keep, scale, gamma, beta, normal, std, out):
    """x = more + dropped(x + b) in place, and its layer norm out (M, W) with what backward needs: normal (M, W), std.

    x (M, W), more (M or 0, W): nothing is added where it has no rows; b, gamma, beta (W,), keep (M or 0, W).
    """
    x += b
    x *= keep * scale if len(keep) else 1
    x += more if len(more) else 0
    out[:], (normal[:], deviation, _) = layernorm_forward(x, gamma, beta)
    std[:] = deviation[:, 0]


@kernel(add_norm_reference, fastmath=SUMS)
def add_norm(x, more, b, keep, scale, gamma, beta, normal, std, out):
    # Bias, dropout, residual and norm of a row while it is in cache.
    # Safe: rows do not depend on each other, and every loop reads what the loops before it have finished.
    factor, W = np.float32(scale), np.float32(x.shape[1])
    for r in range(len(x)):
        row, xn, to = x[r], normal[r], out[r]
        for j in range(row.size):
            row[j] += b[j]
        if len(keep):
            mask = keep[r]
            for j in range(row.size):
                row[j] = row[j] * factor if mask[j] else ZERO
        if len(more):
            other = more[r]
            for j in range(row.size):
                row[j] += other[j]
        total, squares = ZERO, ZERO
        for j in range(row.size):
            total += row[j]
        mean = total / W
        for j in range(row.size):
            xn[j] = row[j] - mean
            squares += xn[j] * xn[j]
        std[r] = math.sqrt(squares / W + EPS)
        inverse = ONE / std[r]
        for j in range(row.size):
            xn[j] *= inverse
            to[j] = gamma[j] * xn[j] + beta[j]


def norm_backward_reference(d, more, after, normal, std, gamma, dgamma, dbeta):
    """Gradient of the layer norm, in place of d (M, W), and dgamma, dbeta (W,).

    more (M or 0, W): what reaches the norm's output beside d, or with `after` its input.
    """
    if len(more) and not after:
        d += more
    d[:], dgamma[:], dbeta[:] = layernorm_backward(d, (normal, std[:, None], gamma))
    if len(more) and after:
        d += more


@kernel(norm_backward_reference, fastmath=SUMS)
def norm_backward(d, more, after, normal, std, gamma, dgamma, dbeta):
    # As add_norm.
    # Safe: dgamma and dbeta are summed in the order of the rows, since the loop is serial.
    W = np.float32(d.shape[1])
    dgamma[:], dbeta[:] = ZERO, ZERO
    for r in range(len(d)):
        row, xn, inverse = d[r], normal[r], ONE / std[r]
        if len(more) and not after:
            other = more[r]
            for j in range(row.size):
                row[j] += other[j]
        total, along = ZERO, ZERO
        for j in range(row.size):
            dgamma[j] += row[j] * xn[j]
            dbeta[j] += row[j]
            row[j] *= gamma[j]
            total += row[j]
            along += row[j] * xn[j]
        total, along = total / W, along / W
        for j in range(row.size):
            row[j] = (row[j] - total - xn[j] * along) * inverse
        if len(more) and after:
            other = more[r]
            for j in range(row.size):
                row[j] += other[j]


def drop_reference(x, keep, scale):
    """x (M, W) times the dropout mask, in place; keep (M, W)."""
    x *= keep
    x *= scale


@kernel(drop_reference)
def drop(x, keep, scale):
    # A mask of bytes, which NumPy would first convert to numbers.
    # Safe: entry j depends on entry j alone.
    factor = np.float32(scale)
    for r in range(len(x)):
        row, mask = x[r], keep[r]
        for j in range(row.size):
            row[j] = row[j] * factor if mask[j] else ZERO
