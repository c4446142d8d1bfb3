"""The parts of a training step that are not matrix products: each a compiled loop beside its reference in NumPy.

The compiled loops serve float32, the precision of their exp and tanh; other dtypes go to the reference. All kernels are
serial: BLAS has the only threads. They check no bounds, so a caller must have checked shapes and ids: U rows of x take
indices 0..U-1, and a caption that is active at one time step was active at the step before.
"""
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from rnnlayers.activations import sigmoid
from rnnlayers.regions import real_regions
from rnnlayers.softmax import softmax, softmax_backward

# --- constants and decorators ------------------------------------------------------------------------------------

# How every compiled function is compiled, here and in updates.py.
# cache: the machine code is kept in __pycache__, and only the first process has to wait for the compiler.
# nogil: other threads, such as the reader of features, run beside a kernel.
# error_model: a division by zero gives inf or nan, as in NumPy; a check in every loop would keep it from vectorising.
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}

# fastmath names what a function's arithmetic may do, and is each function's own, since it decides the last digits.
# Never fastmath=True: it lets the compiler assume that there is no NaN, and a NaN has to stay one.
FUSED = {"contract", "nsz"}             # a product and a sum in one rounding; the sign of a zero does not matter
SUMS = {"contract", "nsz", "reassoc"}   # and sums in any order, which vectorises them

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)
# tanh x = x p(x^2) / q(x^2) to 4e-7 of itself for |x| < 9, where float32 reaches 1; a minimax fit
P0, P1, P2, P3, P4 = (np.float32(c) for c in (9.99999980e-01, 1.33810343e-01, 3.49559659e-03, 2.06091508e-05,
                                              1.33546343e-08))
Q1, Q2, Q3, Q4 = (np.float32(c) for c in (4.67143500e-01, 2.58770192e-02, 3.28564554e-04, 7.77657240e-07))
EIGHTY_ONE = np.float32(81)
# exp x = 2^k e^r with k whole and |r| <= log(2) / 2, e^r by its Taylor series, 2^k by its bits
LOG2E, LOG2_HIGH, LOG2_LOW = np.float32(1 / math.log(2)), np.float32(0.693359375), np.float32(-2.12194440e-4)
E2, E3, E4, E5, E6 = (np.float32(1 / math.factorial(k)) for k in (2, 3, 4, 5, 6))
LOWEST = np.float32(-87)
LANES = 64
ROUND = np.float32(1.5 * 2**23)         # adding it and subtracting it again rounds to a whole number


class Kernel:
    """A compiled loop and its reference. A call takes the loop for float32, else the reference.

    The first argument is a floating array; all other floating arguments have its dtype.
    """

    def __init__(self, loop: Callable, reference: Callable, fastmath: set[str]) -> None:
        self.compiled, self.reference = njit(**OPTIONS, fastmath=fastmath)(loop), reference
        self.__doc__ = reference.__doc__

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args) if args[0].dtype == np.float32 else self.reference(*args)


def kernel(reference: Callable, fastmath: set[str] = FUSED) -> Callable[[Callable], Kernel]:
    """Decorator of a loop that computes what `reference` computes."""
    return lambda loop: Kernel(loop, reference, fastmath)


def part(fastmath: set[str]) -> Callable[[Callable], Callable]:
    """Decorator of a function that kernels call: always inlined.

    As a function of its own it would be other code in the process that compiles a kernel than in one that takes it from
    the cache, and the first run would differ from later ones in its last digits.
    """
    return njit(**OPTIONS, fastmath=fastmath, forceinline=True)


# --- functions of an entry and of a row, from which the kernels are made -----------------------------------------

@part(FUSED)
def _tanh(x):
    u = min(x * x, EIGHTY_ONE)
    y = x * ((((P4 * u + P3) * u + P2) * u + P1) * u + P0) / ((((Q4 * u + Q3) * u + Q2) * u + Q1) * u + ONE)
    return math.copysign(ONE, x) if x * x >= EIGHTY_ONE or abs(y) > ONE else y      # a NaN stays a NaN


@part(FUSED)
def _add_product(x, W, out):
    """out += x W for x (H,), W (H, G): four rows at a time, so that out is read and written less often."""
    k = 0
    while k + 4 <= x.size:
        a, b, c, d = x[k], x[k + 1], x[k + 2], x[k + 3]
        A, B, C, D = W[k], W[k + 1], W[k + 2], W[k + 3]
        for j in range(out.size):
            out[j] += (a * A[j] + b * B[j]) + (c * C[j] + d * D[j])
        k += 4
    while k < x.size:
        a, A = x[k], W[k]
        for j in range(out.size):
            out[j] += a * A[j]
        k += 1


@part(SUMS)
def _dots(A, x, out):
    """out = A x for as many rows of A (L, H) as out has."""
    for place in range(out.size):
        row, total = A[place], ZERO
        for j in range(row.size):
            total += row[j] * x[j]
        out[place] = total


@part(SUMS)
def _weighted_sum(w, A, out):
    """out = w A for as many rows of A (L, H) as w has."""
    out[:] = ZERO
    for place in range(w.size):
        row, weight = A[place], w[place]
        for j in range(row.size):
            out[j] += weight * row[j]


@part(FUSED)
def _softmax(x):
    top, total = x.max(), ZERO
    for j in range(x.size):
        x[j] = math.exp(x[j] - top)
        total += x[j]
    for j in range(x.size):
        x[j] /= total


@part(FUSED)
def _softmax_backward(d, more, out):
    """softmax_backward of d + more, in place of d."""
    total = ZERO
    for j in range(d.size):
        d[j] += more[j]
        total += d[j] * out[j]
    for j in range(d.size):
        d[j] = out[j] * (d[j] - total)


# --- recurrent cells ---------------------------------------------------------------------------------------------

def rnn_step_reference(a, x, index):
    """h = tanh(a + x), in place of a (n, H); x (U, H) holds the projection of each distinct input, index (n,)
    its row."""
    np.tanh(a + x[index], out=a)


@kernel(rnn_step_reference)
def rnn_step(a, x, index):
    # One pass over each row, without the copy x[index].
    # Safe: entry j of a row depends on entry j alone, and rows do not depend on each other, so the inner loop
    # vectorises.
    for r in range(len(a)):
        h, xr = a[r], x[index[r]]
        for j in range(h.size):
            h[j] = _tanh(h[j] + xr[j])


def lstm_step_reference(a, x, index, prev_c, c, tanh_c, h):
    """Gates i, f, o, g in place of a (n, 4H), and c, tanh_c, h (n, H) of rnnlayers.lstm.lstm_step_forward."""
    H = c.shape[1]
    a += x[index]
    a[:, :3 * H], a[:, 3 * H:] = sigmoid(a[:, :3 * H]), np.tanh(a[:, 3 * H:])
    i, f, o, g = np.split(a, 4, axis=1)
    c[:] = f * prev_c[:len(a)] + i * g
    np.tanh(c, out=tanh_c)
    np.multiply(o, tanh_c, out=h)


@kernel(lstm_step_reference)
def lstm_step(a, x, index, prev_c, c, tanh_c, h):
    # Gates, cell state and output of one row while it is in cache, without temporary arrays (n, 4H).
    # Safe: rows do not depend on each other, and within a row every loop reads what the loops before it have
    # finished.
    for r in range(len(a)):
        _lstm_row(a[r], x[index[r]], prev_c[r], c[r], tanh_c[r], h[r])


@part(FUSED)
def _lstm_row(a, x, prev_c, c, tanh_c, h):
    H = c.size
    i, f, o, g, xg = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:], x[3 * H:]
    for j in range(3 * H):
        a[j] = HALF + HALF * _tanh(HALF * (a[j] + x[j]))            # sigmoid
    for j in range(H):
        g[j] = _tanh(g[j] + xg[j])
    for j in range(H):
        c[j] = f[j] * prev_c[j] + i[j] * g[j]
    for j in range(H):
        tanh_c[j] = _tanh(c[j])
    for j in range(H):
        h[j] = o[j] * tanh_c[j]


def lstm_step_backward_reference(a, prev_c, tanh_c, dh, dc):
    """da in place of the gates a (n, 4H), dprev_c in place of dc (n, H), from dh (n, H).

    It is lstm_step_backward of rnnlayers.lstm, without the products.
    """
    i, f, o, g = np.split(a, 4, axis=1)
    dc += dh * o * (1 - tanh_c**2)
    di, df, do, dg = dc * g, dc * prev_c[:len(a)], dh * tanh_c, dc * i
    dc *= f
    a[:] = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])


@kernel(lstm_step_backward_reference)
def lstm_step_backward(a, prev_c, tanh_c, dh, dc):
    # The gradients of one row while it is in cache, each written over the gate that it belongs to.
    # Safe: all that entry j needs of the four gates and of dc is read before any of them is overwritten, and no other
    # entry needs it.
    for r in range(len(a)):
        _lstm_row_backward(a[r], prev_c[r], tanh_c[r], dh[r], dc[r])


@part(FUSED)
def _lstm_row_backward(a, prev_c, tanh_c, dh, dc):
    H = dc.size
    i, f, o, g = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:]
    for j in range(H):
        d = dc[j] + dh[j] * o[j] * (ONE - tanh_c[j] * tanh_c[j])
        di, df = d * g[j] * i[j] * (ONE - i[j]), d * prev_c[j] * f[j] * (ONE - f[j])
        do, dg = dh[j] * tanh_c[j] * o[j] * (ONE - o[j]), d * i[j] * (ONE - g[j] * g[j])
        dc[j] = d * f[j]
        i[j], f[j], o[j], g[j] = di, df, do, dg


def lstm_loop_reference(h0, c0, x, index, starts, Wh, gates, prev, c, tanh_c, h):
    """The whole time loop of rnnlayers.engine.recurrent.lstm_forward."""
    h_before, c_before = h0, c0
    for s, e in zip(starts, starts[1:]):
        prev[s:e] = h_before[:e - s]
        gates[s:e] = prev[s:e] @ Wh
        lstm_step_reference(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]


@kernel(lstm_loop_reference)
def lstm_loop(h0, c0, x, index, starts, Wh, gates, prev, c, tanh_c, h):
    # All time steps in one call, with a loop for h Wh in place of BLAS: with few rows most of the time goes to calls.
    # Safe: a row reads only the row of the same caption at the step before, which is complete. Captions are sorted by
    # length, so that this is row r - s of that step.
    h_before, c_before = h0, c0
    for t in range(len(starts) - 1):
        s, e = starts[t], starts[t + 1]
        for r in range(s, e):
            prev[r] = h_before[r - s]
            gates[r] = ZERO
            _add_product(prev[r], Wh, gates[r])
            _lstm_row(gates[r], x[index[r]], c_before[r - s], c[r], tanh_c[r], h[r])
        h_before, c_before = h[s:e], c[s:e]


def lstm_loop_backward_reference(dh, c0, starts, Wh, gates, c, tanh_c, dh0, dc):
    """The whole time loop of rnnlayers.engine.recurrent.lstm_backward.

    da in place of gates; adds to dh (M, H), dh0 and dc (active, H).
    """
    for t in range(len(starts) - 2, -1, -1):
        s, e = starts[t], starts[t + 1]
        c_before = c[starts[t - 1]:s] if t else c0
        lstm_step_backward_reference(gates[s:e], c_before, tanh_c[s:e], dh[s:e], dc[:e - s])
        before = dh[starts[t - 1]:] if t else dh0
        before[:e - s] += gates[s:e] @ Wh.T


@kernel(lstm_loop_backward_reference)
def lstm_loop_backward(dh, c0, starts, Wh, gates, c, tanh_c, dh0, dc):
    # All time steps in one call, row by row.
    # Safe: a row adds only to the row of the same caption at the step before, which is read when that step's turn
    # comes.
    dprev_h = np.empty_like(dh0[0])
    for t in range(len(starts) - 2, -1, -1):
        s = starts[t]
        for r in range(s, starts[t + 1]):
            n = r - s
            _lstm_row_backward(gates[r], c[starts[t - 1] + n] if t else c0[n], tanh_c[r], dh[r], dc[n])
            _dots(Wh, gates[r], dprev_h)
            before = dh[starts[t - 1] + n] if t else dh0[n]
            before += dprev_h


def gru_step_reference(a, x, index, bn, prev_h, m, h):
    """Gates r, z, n in place of a = prev_h Wh (n, 3H), and m, h (n, H) of rnnlayers.gru.gru_step_forward."""
    H, projected = h.shape[1], x[index]
    np.add(a[:, 2 * H:], bn, out=m)
    a[:, :2 * H] = sigmoid(a[:, :2 * H] + projected[:, :2 * H])
    r, z, n = np.split(a, 3, axis=1)
    n[:] = np.tanh(projected[:, 2 * H:] + r * m)
    h[:] = (1 - z) * n + z * prev_h


@kernel(gru_step_reference)
def gru_step(a, x, index, bn, prev_h, m, h):
    # As lstm_step: gates and output of one row while it is in cache.
    # Safe: rows do not depend on each other, and within a row every loop reads what the loops before it have
    # finished.
    for row in range(len(a)):
        _gru_row(a[row], x[index[row]], bn, prev_h[row], m[row], h[row])


@part(FUSED)
def _gru_row(a, x, bn, prev_h, m, h):
    H = h.size
    r, z, n, xn = a[:H], a[H:2 * H], a[2 * H:], x[2 * H:]
    for j in range(2 * H):
        a[j] = HALF + HALF * _tanh(HALF * (a[j] + x[j]))            # sigmoid
    for j in range(H):
        m[j] = n[j] + bn[j]
    for j in range(H):
        n[j] = _tanh(xn[j] + r[j] * m[j])
    for j in range(H):
        h[j] = n[j] + z[j] * (prev_h[j] - n[j])


def gru_step_backward_reference(a, m, prev_h, dh, da):
    """Gradients of rnnlayers.gru.gru_step_backward: du in place of the gates a (n, 3H), da (n, 3H), and z dh, the part
    that bypasses the gates, in place of dh (n, H)."""
    r, z, n = np.split(a, 3, axis=1)
    da_n, da_z = dh * (1 - z) * (1 - n**2), dh * (prev_h - n) * z * (1 - z)
    da_r = da_n * m * r * (1 - r)
    dh *= z
    da[:] = np.hstack([da_r, da_z, da_n])
    a[:] = np.hstack([da_r, da_z, da_n * r])


@kernel(gru_step_backward_reference)
def gru_step_backward(a, m, prev_h, dh, da):
    # Both gradients of a row in one pass, without temporary arrays.
    # Safe: entry j of the three gates is read before entry j of a, da and dh is written.
    for row in range(len(a)):
        _gru_row_backward(a[row], m[row], prev_h[row], dh[row], da[row])


@part(FUSED)
def _gru_row_backward(a, m, prev_h, dh, da):
    H = dh.size
    r, z, n = a[:H], a[H:2 * H], a[2 * H:]
    da_r, da_z, da_n = da[:H], da[H:2 * H], da[2 * H:]
    for j in range(H):
        dn = dh[j] * (ONE - z[j]) * (ONE - n[j] * n[j])
        dz = dh[j] * (prev_h[j] - n[j]) * z[j] * (ONE - z[j])
        dr, dm = dn * m[j] * r[j] * (ONE - r[j]), dn * r[j]
        dh[j] *= z[j]
        da_r[j], da_z[j], da_n[j] = dr, dz, dn
        r[j], z[j], n[j] = dr, dz, dm


# --- attention ---------------------------------------------------------------------------------------------------
# counts, integer (>= n,), has the number of regions of each image. Kernels leave out the padding behind them, where
# their results are 0; the references compute with it, so that it has to be finite.

def _padding_out(scores, counts):
    """Scores (n, L), with -inf at padding."""
    return np.where(real_regions("attention", counts[:len(scores)], *scores.shape), scores, -np.inf)


def attend_reference(h, A, counts, weights, attn):
    """weights (n, L) and attn (n, H) of rnnlayers.attention.dot_product_attention, A (>= n, L, H), h (n, H)."""
    A = A[:len(h)]
    weights[:] = softmax(_padding_out((A @ h[:, :, None])[:, :, 0] / math.sqrt(h.shape[1]), counts))
    attn[:] = (weights[:, None] @ A)[:, 0]


@kernel(attend_reference, fastmath=SUMS)
def attend(h, A, counts, weights, attn):
    # Scores, softmax and weighted mean of one image while its regions are in cache: NumPy reads A twice from memory.
    # Safe: row r writes to its own row of the results alone; the sums over H and L may be in any order.
    scale = np.float32(1 / math.sqrt(h.shape[1]))
    for r in range(len(h)):
        w = weights[r, :counts[r]]
        weights[r, counts[r]:] = ZERO
        _dots(A[r], h[r], w)
        for place in range(w.size):
            w[place] *= scale
        _softmax(w)
        _weighted_sum(w, A[r], attn[r])


def attend_backward_reference(dattn, dattention, A, counts, weights, dscores, dh):
    """dscores (n, L) and dh (n, H) of dot_product_attention_backward, dattention (n, L) the upstream
    gradient of the weights."""
    A = A[:len(dattn)]
    dweights = (A @ dattn[:, :, None])[:, :, 0] + dattention        # times a weight of 0 at padding
    dscores[:] = softmax_backward(dweights, weights) / math.sqrt(A.shape[2])
    dh[:] = (dscores[:, None] @ A)[:, 0]


@kernel(attend_backward_reference, fastmath=SUMS)
def attend_backward(dattn, dattention, A, counts, weights, dscores, dh):
    # Both sums over one image's regions while they are in cache; row r of dscores first holds the gradient of the
    # weights.
    # Safe: an entry is replaced only after all entries have entered the sum that the softmax's gradient needs.
    scale = np.float32(1 / math.sqrt(A.shape[2]))
    for r in range(len(dattn)):
        d = dscores[r, :counts[r]]
        dscores[r, counts[r]:] = ZERO
        _dots(A[r], dattn[r], d)
        _softmax_backward(d, dattention[r], weights[r])
        for place in range(d.size):
            d[place] *= scale
        _weighted_sum(d, A[r], dh[r])


def additive_attend_reference(query, gate, keys, A, v, counts, weights, z, context):
    """weights, z of rnnlayers.additive_attention.additive_attention_forward, beta in place of gate, and context."""
    n = len(query)
    weights[:] = softmax(_padding_out(np.tanh(keys[:n] + query[:, None]) @ v, counts))
    z[:] = (weights[:, None] @ A[:n])[:, 0]
    gate[:] = sigmoid(gate)
    np.multiply(gate, z, out=context)


@kernel(additive_attend_reference, fastmath=SUMS)
def additive_attend(query, gate, keys, A, v, counts, weights, z, context):
    # Each tanh(keys + query) is added to its energy at once; the reference stores all of them, (n, L, K).
    # Safe: rows do not depend on each other, and beta[j] overwrites gate[j] where it is read for the last time.
    for r in range(len(query)):
        q, w = query[r], weights[r, :counts[r]]
        weights[r, counts[r]:] = ZERO
        for place in range(w.size):
            key, energy = keys[r, place], ZERO
            for k in range(q.size):
                energy += v[k] * _tanh(key[k] + q[k])
            w[place] = energy
        _softmax(w)
        _weighted_sum(w, A[r], z[r])
        beta, zr, out = gate[r], z[r], context[r]
        for j in range(out.size):
            beta[j] = HALF + HALF * _tanh(HALF * beta[j])
            out[j] = beta[j] * zr[j]


def additive_attend_backward_reference(dcontext, dattention, query, keys, A, v, counts, weights, z, beta, dquery, dgate,
                                       dkeys, dv):
    """dquery (n, K), dgate (n, E) of additive_attention_backward, n >= 1; adds to dkeys (>= n, L, K) and dv (K,).

    tanh(keys + query) is computed again: to keep it from the forward pass costs more time, and L times the memory.
    """
    n = len(dcontext)
    s = np.tanh(keys[:n] + query[:, None])
    dgate[:] = dcontext * z * beta * (1 - beta)
    dz = dcontext * beta
    de = softmax_backward(dattention + (A[:n] @ dz[:, :, None])[:, :, 0], weights)
    through = de[:, :, None] * (1 - s**2)
    dquery[:] = through.sum(axis=1) * v
    dkeys[:n] += through * v
    dv += np.tensordot(de, s, 2)


@kernel(additive_attend_backward_reference, fastmath=SUMS)
def additive_attend_backward(dcontext, dattention, query, keys, A, v, counts, weights, z, beta, dquery, dgate, dkeys,
                             dv):
    # One image at a time while its keys are in cache. Row r of dgate holds dz until the scores' gradient is known.
    # Safe: by then dz is no longer needed. dv and dkeys are summed in the order of the rows, since the loop is
    # serial.
    s, slopes = np.empty_like(v), np.empty_like(weights[0])
    for r in range(len(dcontext)):
        de = slopes[:counts[r]]
        dc, zr, b, out, q, dq = dcontext[r], z[r], beta[r], dgate[r], query[r], dquery[r]
        for j in range(out.size):
            out[j] = dc[j] * b[j]                                   # dz, until the scores' gradient is known
        _dots(A[r], out, de)
        _softmax_backward(de, dattention[r], weights[r])
        for j in range(out.size):
            out[j] = dc[j] * zr[j] * b[j] * (ONE - b[j])
        dq[:] = ZERO
        for place in range(de.size):
            key, dkey, slope = keys[r, place], dkeys[r, place], de[place]
            for k in range(q.size):
                s[k] = _tanh(key[k] + q[k])
            for k in range(q.size):
                dv[k] += slope * s[k]
            for k in range(q.size):
                through = slope * (ONE - s[k] * s[k]) * v[k]
                dq[k] += through
                dkey[k] += through


# --- loss --------------------------------------------------------------------------------------------------------

def softmax_loss_reference(z, b, targets, N, db):
    """temporal_softmax_loss of scores z (M, V) without their bias b (V,): (softmax - one hot) / N in place; -> loss.

    db (V,) becomes the bias's gradient.
    """
    z += b
    z -= z.max(axis=1, keepdims=True)
    rows = np.arange(len(z))
    chosen = z[rows, targets]
    np.exp(z, out=z)
    total = z.sum(axis=1)
    z /= total[:, None]
    z[rows, targets] -= 1
    z /= N
    db[:] = z.sum(axis=0)
    return float((np.log(total) - chosen).sum()) / N


@kernel(softmax_loss_reference)
def softmax_loss(z, b, targets, N, db):
    # Each row is read and written while it is in cache, and its exp is a polynomial e^r times the bits of 2^k.
    # Safe: the largest score is subtracted first, so exp cannot overflow; scores more than 87 below it count as
    # e^-87, which keeps k + 127 positive; the target's score goes into the loss as it is, so that inf and NaN show
    # there.
    loss, V = 0.0, z.shape[1]
    db[:] = ZERO
    bits = np.empty(V, np.int32)
    powers = bits.view(np.float32)
    for r in range(len(z)):
        row, target = z[r], targets[r]
        top = _add_and_top(row, b)
        chosen = row[target] - top
        _exp_parts(row, top, bits)
        total = _product_sum(row, powers)
        loss += math.log(total) - chosen
        scale = ONE / (total * np.float32(N))
        for j in range(V):
            row[j] *= scale
            db[j] += row[j]
        row[target] -= ONE / np.float32(N)
        db[target] -= ONE / np.float32(N)
    return loss / N


@part(FUSED)
def _add_and_top(row, b):
    """row += b; -> its largest entry. A NaN may be missed here: the exponentials show it."""
    tops = np.full(LANES, row[0] + b[0], np.float32)        # side by side: the loop over lanes vectorises
    blocks = row.size // LANES
    for block in range(blocks):
        part, bias = row[block * LANES:(block + 1) * LANES], b[block * LANES:(block + 1) * LANES]
        for lane in range(LANES):
            part[lane] += bias[lane]
            tops[lane] = part[lane] if part[lane] > tops[lane] else tops[lane]
    for j in range(blocks * LANES, row.size):
        row[j] += b[j]
        tops[0] = row[j] if row[j] > tops[0] else tops[0]
    return tops.max()


@part(FUSED)
def _exp_parts(row, top, bits):
    """exp(row - top) as e^r in place of row, and the bits of 2^k."""
    for j in range(row.size):
        x = max(row[j] - top, LOWEST)
        k = (x * LOG2E + ROUND) - ROUND
        r = (x - k * LOG2_HIGH) - k * LOG2_LOW
        row[j] = (((((E6 * r + E5) * r + E4) * r + E3) * r + E2) * r + ONE) * r + ONE
        bits[j] = (np.int32(k) + 127) << 23


@part(SUMS)
def _product_sum(row, factor):
    """row *= factor; -> the sum of row."""
    total = ZERO
    for j in range(row.size):
        row[j] *= factor[j]
        total += row[j]
    return total


# --- rows and decoding -------------------------------------------------------------------------------------------

def scatter_add_reference(rows, index, out):
    """out (U, W): out[u] is the sum of the rows (M, W) whose index is u."""
    out[:] = 0
    np.add.at(out, index, rows)


@kernel(scatter_add_reference)
def scatter_add(rows, index, out):
    # Whole rows are added at a time; np.add.at goes through a general loop for each entry.
    # Safe: the rows of an index are added in their order, since the loop is serial.
    out[:] = ZERO
    for r in range(len(rows)):
        row, total = rows[r], out[index[r]]
        for j in range(row.size):
            total[j] += row[j]


@part(FUSED)
def _project(x, Wx, h, Wh, b, a):
    """a = x Wx + h Wh + b"""
    a[:] = b
    _add_product(x, Wx, a)
    _add_product(h, Wh, a)


@part(FUSED)
def _likeliest(h, W_vocab, b_vocab, scores):
    """The word of the highest score h W_vocab + b_vocab."""
    scores[:] = b_vocab
    _add_product(h, W_vocab, scores)
    return scores.argmax()


def greedy_rnn_reference(W_embed, Wx, b, W_vocab, b_vocab, Wh, h, word, end, words):
    """The most likely words of one caption, into words (T,), until `end` -> how many. Overwrites the RNN's h (H,)."""
    for t in range(len(words)):
        h[:] = np.tanh(W_embed[word] @ Wx + h @ Wh + b)
        word = words[t] = (h @ W_vocab + b_vocab).argmax()
        if word == end:
            return t + 1
    return len(words)


@kernel(greedy_rnn_reference)
def greedy_rnn(W_embed, Wx, b, W_vocab, b_vocab, Wh, h, word, end, words):
    # The whole loop over the words is compiled: NumPy would need several calls for each word.
    # Safe: an argmax over V is a row of W_embed, so that only the first word has to be checked.
    a, scores = np.empty_like(b), np.empty_like(b_vocab)
    for t in range(len(words)):
        _project(W_embed[word], Wx, h, Wh, b, a)
        for j in range(h.size):
            h[j] = _tanh(a[j])
        word = words[t] = _likeliest(h, W_vocab, b_vocab, scores)
        if word == end:
            return t + 1
    return len(words)


def greedy_lstm_reference(W_embed, Wx, b, W_vocab, b_vocab, Wh, h, c, word, end, words):
    """The same for an LSTM. Overwrites h and c (H,)."""
    H = len(h)
    for t in range(len(words)):
        a = W_embed[word] @ Wx + h @ Wh + b
        i, f, o = np.split(sigmoid(a[:3 * H]), 3)
        c[:] = f * c + i * np.tanh(a[3 * H:])
        h[:] = o * np.tanh(c)
        word = words[t] = (h @ W_vocab + b_vocab).argmax()
        if word == end:
            return t + 1
    return len(words)


@kernel(greedy_lstm_reference)
def greedy_lstm(W_embed, Wx, b, W_vocab, b_vocab, Wh, h, c, word, end, words):
    # As greedy_rnn.
    # Safe: all of c is computed before h, and the gates are computed anew for every word.
    a, scores, H = np.empty_like(b), np.empty_like(b_vocab), len(h)
    i, f, o, g = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:]
    for t in range(len(words)):
        _project(W_embed[word], Wx, h, Wh, b, a)
        for j in range(H):
            c[j] = (HALF + HALF * _tanh(HALF * f[j])) * c[j] + (HALF + HALF * _tanh(HALF * i[j])) * _tanh(g[j])
        for j in range(H):
            h[j] = (HALF + HALF * _tanh(HALF * o[j])) * _tanh(c[j])
        word = words[t] = _likeliest(h, W_vocab, b_vocab, scores)
        if word == end:
            return t + 1
    return len(words)


def greedy_gru_reference(W_embed, Wx, b, W_vocab, b_vocab, Wh, bn, h, word, end, words):
    """The same for a GRU. Overwrites h (H,)."""
    H = len(h)
    for t in range(len(words)):
        a, u = W_embed[word] @ Wx + b, h @ Wh
        r, z = np.split(sigmoid(a[:2 * H] + u[:2 * H]), 2)
        n = np.tanh(a[2 * H:] + r * (u[2 * H:] + bn))
        h[:] = (1 - z) * n + z * h
        word = words[t] = (h @ W_vocab + b_vocab).argmax()
        if word == end:
            return t + 1
    return len(words)


@kernel(greedy_gru_reference)
def greedy_gru(W_embed, Wx, b, W_vocab, b_vocab, Wh, bn, h, word, end, words):
    # As greedy_rnn.
    # Safe: _gru_row reads prev_h[j] before it writes h[j], so both may be the same array.
    x, u, m, scores = np.empty_like(b), np.empty_like(b), np.empty_like(h), np.empty_like(b_vocab)
    for t in range(len(words)):
        x[:] = b
        _add_product(W_embed[word], Wx, x)
        u[:] = ZERO
        _add_product(h, Wh, u)
        _gru_row(u, x, bn, h, m, h)
        word = words[t] = _likeliest(h, W_vocab, b_vocab, scores)
        if word == end:
            return t + 1
    return len(words)
