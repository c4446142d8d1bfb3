"""What attends in a transformer's step: compiled loops beside references in NumPy.

The rules are those of rnnlayers.engine.kernels. Rows here are in the order of the captions: all words of the first
caption, then all words of the second. An array `keep` of bool is a dropout mask, and `scale` what it multiplies the
entries by that it keeps; with no rows it keeps all.
"""
import math

import numpy as np

from rnnlayers.engine.kernels import FUSED, SUMS, kernel, part
from rnnlayers.softmax import softmax, softmax_backward

ONE, ZERO = np.float32(1), np.float32(0)
# exp x = 2^k e^r with k whole and |r| <= log(2) / 2, e^r by its Taylor series, 2^k by its bits
LOG2E, LOG2_HIGH, LOG2_LOW = np.float32(1 / math.log(2)), np.float32(0.693359375), np.float32(-2.12194440e-4)
E2, E3, E4, E5, E6 = (np.float32(1 / math.factorial(k)) for k in (2, 3, 4, 5, 6))
LOWEST = np.float32(-87)
ROUND = np.float32(1.5 * 2**23)         # adding it and subtracting it again rounds to a whole number


# --- functions of an entry and of a row --------------------------------------------------------------------------

@part(SUMS)
def _dot(a, b):
    total = ZERO
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@part(FUSED)
def _add(weight, a, out):
    """out += weight a"""
    for j in range(out.size):
        out[j] += weight * a[j]


@part(FUSED)
def _softmax(x, scale, bits, powers):
    """x = softmax(scale x). bits, powers: scratch, the same memory as int32 and as float32."""
    top, total = x[0], ZERO
    for j in range(x.size):
        top = x[j] if x[j] > top else top
    for j in range(x.size):
        y = max((x[j] - top) * scale, LOWEST)
        k = (y * LOG2E + ROUND) - ROUND
        r = (y - k * LOG2_HIGH) - k * LOG2_LOW
        x[j] = (((((E6 * r + E5) * r + E4) * r + E3) * r + E2) * r + ONE) * r + ONE
        bits[j] = (np.int32(k) + 127) << 23
    for j in range(x.size):
        x[j] *= powers[j]
        total += x[j]
    for j in range(x.size):
        x[j] /= total


@part(FUSED)
def _softmax_backward(d, out, scale):
    """scale times softmax_backward of d, in place."""
    total = ZERO
    for j in range(d.size):
        total += d[j] * out[j]
    for j in range(d.size):
        d[j] = out[j] * (d[j] - total) * scale


# --- attention ---------------------------------------------------------------------------------------------------

def _heads(x, heads):
    """(n, W) as (heads, n, W / heads)."""
    return x.reshape(len(x), heads, -1).swapaxes(0, 1)


def _kept(x, keep, scale):
    """x times the dropout mask; x itself where nothing is dropped."""
    return x * keep * scale if len(keep) else x


def self_attend_reference(qkv, b, starts, keep, scale, weights, mixed):
    """Causal attention within each caption, as rnnlayers.multihead_attention between its projections.

    qkv (M, 3W): queries, keys and values side by side, to which b (3W,) is added in place; starts (n + 1,): the first
    row of each caption, and M; keep (M or 0, heads, T) -> weights (M, heads, T), without dropout and 0 behind a row's
    own word, and mixed (M, W).
    """
    qkv += b
    weights[:] = 0
    heads = weights.shape[1]
    for s, e in zip(starts, starts[1:]):
        q, k, v = (_heads(part, heads) for part in np.split(qkv[s:e], 3, axis=1))
        scores = np.where(np.tri(e - s, dtype=bool), q @ k.swapaxes(1, 2) / math.sqrt(q.shape[2]), -np.inf)
        weights[s:e, :, :e - s] = softmax(scores).swapaxes(0, 1)
        kept = _kept(weights[s:e], keep[s:e], scale)[:, :, :e - s]
        mixed[s:e] = (kept.swapaxes(0, 1) @ v).swapaxes(0, 1).reshape(e - s, -1)


@kernel(self_attend_reference)
def self_attend(qkv, b, starts, keep, scale, weights, mixed):
    # A caption's queries, keys and values are in cache, and only what a word may see is computed.
    # Safe: the rows of a caption get their biases before any of them is read.
    factor, (M, heads, T) = np.float32(scale), weights.shape
    d = mixed.shape[1] // heads
    parts, outs, sharpness = qkv.reshape(M, 3, heads, d), mixed.reshape(M, heads, d), np.float32(1 / math.sqrt(d))
    bits = np.empty(T, np.int32)
    powers = bits.view(np.float32)
    for n in range(len(starts) - 1):
        s, e = starts[n], starts[n + 1]
        for r in range(s, e):
            _add(ONE, b, qkv[r])
        for i in range(heads):
            for r in range(s, e):
                q, w, out = parts[r, 0, i], weights[r, i, :r - s + 1], outs[r, i]
                weights[r, i, r - s + 1:] = ZERO
                for j in range(w.size):
                    w[j] = _dot(q, parts[s + j, 1, i])
                _softmax(w, sharpness, bits, powers)
                out[:] = ZERO
                for j in range(w.size):
                    if len(keep) == 0:
                        _add(w[j], parts[s + j, 2, i], out)
                    elif keep[r, i, j]:
                        _add(w[j] * factor, parts[s + j, 2, i], out)


def self_attend_backward_reference(dmixed, qkv, starts, keep, scale, weights, dqkv):
    """Gradient of self_attend: dmixed (M, W) -> dqkv (M, 3W), of the queries, keys and values with their biases."""
    heads = weights.shape[1]
    for s, e in zip(starts, starts[1:]):
        q, k, v = (_heads(part, heads) for part in np.split(qkv[s:e], 3, axis=1))
        w, dm = weights[s:e, :, :e - s].swapaxes(0, 1), _heads(dmixed[s:e], heads)
        mask = keep[s:e, :, :e - s].swapaxes(0, 1) if len(keep) else keep
        dw = _kept(dm @ v.swapaxes(1, 2), mask, scale)
        dscores = softmax_backward(dw, w) / math.sqrt(q.shape[2])
        parts = dscores @ k, dscores.swapaxes(1, 2) @ q, _kept(w, mask, scale).swapaxes(1, 2) @ dm
        dqkv[s:e] = np.concatenate([part.swapaxes(0, 1).reshape(e - s, -1) for part in parts], axis=1)


@kernel(self_attend_backward_reference)
def self_attend_backward(dmixed, qkv, starts, keep, scale, weights, dqkv):
    # Word by word, adding to the gradients of the keys and values that the word has seen.
    # Safe: a row's gradients are set to zero before any word of the caption adds to them, and captions share no rows.
    factor, (M, heads, T) = np.float32(scale), weights.shape
    d = dmixed.shape[1] // heads
    parts, dparts, douts = qkv.reshape(M, 3, heads, d), dqkv.reshape(M, 3, heads, d), dmixed.reshape(M, heads, d)
    sharpness, scratch = np.float32(1 / math.sqrt(d)), np.empty(T, np.float32)
    for n in range(len(starts) - 1):
        s, e = starts[n], starts[n + 1]
        dqkv[s:e] = ZERO
        for i in range(heads):
            for r in range(s, e):
                dm, w, dw = douts[r, i], weights[r, i, :r - s + 1], scratch[:r - s + 1]
                for j in range(w.size):
                    share = ONE if len(keep) == 0 else factor if keep[r, i, j] else ZERO
                    dw[j] = share * _dot(dm, parts[s + j, 2, i])
                    _add(share * w[j], dm, dparts[s + j, 2, i])
                _softmax_backward(dw, w, sharpness)
                q, dq = parts[r, 0, i], dparts[r, 0, i]
                for j in range(w.size):
                    _add(dw[j], parts[s + j, 1, i], dq)
                    _add(dw[j], q, dparts[s + j, 1, i])


def look_reference(q, keys, values, index, counts, weights, mixed):
    """Attention of one word of each of n captions to what is already projected, for decoding.

    q (n, W), keys and values (N, R, W), index (n,): which of the N each caption attends to, counts (n,): how many rows
    of it it sees, the first ones, at least 1 -> weights (n, heads, R), 0 behind them, and mixed (n, W).
    """
    n, heads, R = weights.shape
    d = q.shape[1] // heads
    k, v = (a[index].reshape(n, R, heads, d) for a in (keys, values))
    scores = np.einsum("nhd,nrhd->nhr", q.reshape(n, heads, d), k) / math.sqrt(k.shape[3])
    weights[:] = softmax(np.where(np.arange(R) < counts[:, None, None], scores, -np.inf))
    mixed[:] = np.einsum("nhr,nrhd->nhd", weights, v).reshape(n, heads * d)


@kernel(look_reference)
def look(q, keys, values, index, counts, weights, mixed):
    # Captions of one picture follow each other, so that its keys and values are in cache for all but the first.
    # Safe: each caption writes to its own row of the results alone.
    n, heads, R = weights.shape
    d = q.shape[1] // heads
    sharpness = np.float32(1 / math.sqrt(d))
    bits = np.empty(R, np.int32)
    powers = bits.view(np.float32)
    for r in range(n):
        mixed[r] = ZERO
        for i in range(heads):
            lo, hi = i * d, i * d + d
            w, out, picture = weights[r, i, :counts[r]], mixed[r, lo:hi], index[r]
            weights[r, i, counts[r]:] = ZERO
            for j in range(w.size):
                w[j] = _dot(q[r, lo:hi], keys[picture, j, lo:hi])
            _softmax(w, sharpness, bits, powers)
            for j in range(w.size):
                _add(w[j], values[picture, j, lo:hi], out)


def softmax_rows_reference(x, counts, scale):
    """Softmax of scale x (M, heads, R) over the first counts[m] entries of each row, in place; 0 behind them."""
    seen = np.arange(x.shape[2]) < counts[:, None, None]
    x[:] = softmax(np.where(seen, x * scale, -np.inf))


@kernel(softmax_rows_reference)
def softmax_rows(x, counts, scale):
    # A row at a time, while it is in cache.
    # Safe: rows do not depend on each other.
    factor, bits = np.float32(scale), np.empty(x.shape[2], np.int32)
    powers = bits.view(np.float32)
    for r in range(len(x)):
        for i in range(x.shape[1]):
            x[r, i, counts[r]:] = ZERO
            _softmax(x[r, i, :counts[r]], factor, bits, powers)


def softmax_rows_backward_reference(d, weights, scale):
    """Gradient of softmax_rows, d (M, heads, R), in place."""
    d[:] = softmax_backward(d, weights) * scale


@kernel(softmax_rows_backward_reference, fastmath=SUMS)
def softmax_rows_backward(d, weights, scale):
    # As softmax_rows.
    # Safe: an entry is replaced only after all of its row have entered the sum.
    factor = np.float32(scale)
    for r in range(len(d)):
        for i in range(d.shape[1]):
            _softmax_backward(d[r, i], weights[r, i], factor)
