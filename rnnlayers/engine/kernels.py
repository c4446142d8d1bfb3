"""The parts of a step that are no matrix products: each a loop for Numba, beside its twin in NumPy.

The compiled ones serve float32, whose digits their exp and tanh have; other dtypes go to the twin. They are serial:
BLAS has the only threads. fastmath names what each may do: sums in any order ("reassoc"), fused products and sums
("contract"); never blanket, for a NaN has to stay one.
"""
import math

import numpy as np
from numba import njit

from rnnlayers.activations import sigmoid
from rnnlayers.softmax import softmax, softmax_backward

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)
FUSED = {"contract", "nsz"}
SUMS = {"contract", "nsz", "reassoc"}
# tanh x = x p(x^2) / q(x^2) to 4e-7 of itself for |x| < 9, where float32 reaches 1: fitted, largest error made smallest
P0, P1, P2, P3, P4 = (np.float32(c) for c in (9.99999980e-01, 1.33810343e-01, 3.49559659e-03, 2.06091508e-05,
                                              1.33546343e-08))
Q1, Q2, Q3, Q4 = (np.float32(c) for c in (4.67143500e-01, 2.58770192e-02, 3.28564554e-04, 7.77657240e-07))
EIGHTY_ONE = np.float32(81)
# exp x = 2^k e^r with k whole and |r| <= log(2) / 2, e^r by its Taylor series, 2^k by its bits
LOG2E, LOG2_HIGH, LOG2_LOW = np.float32(1 / math.log(2)), np.float32(0.693359375), np.float32(-2.12194440e-4)
E2, E3, E4, E5, E6 = (np.float32(1 / math.factorial(k)) for k in (2, 3, 4, 5, 6))
LOWEST = np.float32(-87)
LANES = 64
ROUND = np.float32(1.5 * 2**23)     # added and taken away, it leaves a whole number


def compiled(twin, fastmath=FUSED):
    """Decorator of a loop: compiled for float32, else `twin`. All floating arguments are of the first one's dtype."""
    def decorate(loop):
        fast = njit(loop, cache=True, nogil=True, error_model="numpy", fastmath=fastmath)

        def kernel(*args):
            return fast(*args) if args[0].dtype == np.float32 else twin(*args)
        kernel.__doc__, kernel.fast, kernel.twin = twin.__doc__, fast, twin
        return kernel
    return decorate


def part(fastmath):
    """Decorator of what kernels are made of: always inlined.

    As functions of their own they are other code in the process that compiles a kernel than in one that takes it from
    the cache, and the first run would differ from later ones in its last digits.
    """
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath, forceinline=True)


@part(FUSED)
def _tanh(x):
    u = min(x * x, EIGHTY_ONE)
    y = x * ((((P4 * u + P3) * u + P2) * u + P1) * u + P0) / ((((Q4 * u + Q3) * u + Q2) * u + Q1) * u + ONE)
    return math.copysign(ONE, x) if x * x >= EIGHTY_ONE or abs(y) > ONE else y      # a NaN stays a NaN


def rnn_twin(a, x, index):
    """h = tanh(a + x), in place of a (n, H); x (U, H) holds the projection of each distinct input, index (n,) which."""
    np.tanh(a + x[index], out=a)


@compiled(rnn_twin)
def rnn_step(a, x, index):
    for r in range(len(a)):
        h, xr = a[r], x[index[r]]
        for j in range(h.size):
            h[j] = _tanh(h[j] + xr[j])


def lstm_twin(a, x, index, prev_c, c, tanh_c, h):
    """Gates i, f, o, g in place of a (n, 4H), and c, tanh_c, h (n, H) of rnnlayers.lstm.lstm_step_forward."""
    H = c.shape[1]
    a += x[index]
    a[:, :3 * H], a[:, 3 * H:] = sigmoid(a[:, :3 * H]), np.tanh(a[:, 3 * H:])
    i, f, o, g = np.split(a, 4, axis=1)
    c[:] = f * prev_c[:len(a)] + i * g
    np.tanh(c, out=tanh_c)
    np.multiply(o, tanh_c, out=h)


@compiled(lstm_twin)
def lstm_step(a, x, index, prev_c, c, tanh_c, h):
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


def lstm_back_twin(a, prev_c, tanh_c, dh, dc):
    """da in place of the gates a (n, 4H), dprev_c in place of dc (n, H), from dh (n, H): lstm_step_backward."""
    i, f, o, g = np.split(a, 4, axis=1)
    dc += dh * o * (1 - tanh_c**2)
    di, df, do, dg = dc * g, dc * prev_c[:len(a)], dh * tanh_c, dc * i
    dc *= f
    a[:] = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])


@compiled(lstm_back_twin)
def lstm_step_back(a, prev_c, tanh_c, dh, dc):
    for r in range(len(a)):
        _lstm_row_back(a[r], prev_c[r], tanh_c[r], dh[r], dc[r])


@part(FUSED)
def _lstm_row_back(a, prev_c, tanh_c, dh, dc):
    H = dc.size
    i, f, o, g = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:]
    for j in range(H):
        d = dc[j] + dh[j] * o[j] * (ONE - tanh_c[j] * tanh_c[j])
        di, df = d * g[j] * i[j] * (ONE - i[j]), d * prev_c[j] * f[j] * (ONE - f[j])
        do, dg = dh[j] * tanh_c[j] * o[j] * (ONE - o[j]), d * i[j] * (ONE - g[j] * g[j])
        dc[j] = d * f[j]
        i[j], f[j], o[j], g[j] = di, df, do, dg


def lstm_loop_twin(h0, c0, x, index, starts, Wh, gates, prev, c, tanh_c, h):
    """The whole time loop of rnnlayers.engine.recurrent.lstm_forward."""
    h_before, c_before = h0, c0
    for s, e in zip(starts, starts[1:]):
        prev[s:e] = h_before[:e - s]
        gates[s:e] = prev[s:e] @ Wh
        lstm_twin(gates[s:e], x, index[s:e], c_before, c[s:e], tanh_c[s:e], h[s:e])
        h_before, c_before = h[s:e], c[s:e]


@compiled(lstm_loop_twin)
def lstm_loop(h0, c0, x, index, starts, Wh, gates, prev, c, tanh_c, h):
    h_before, c_before = h0, c0
    for t in range(len(starts) - 1):
        s, e = starts[t], starts[t + 1]
        for r in range(s, e):
            prev[r] = h_before[r - s]
            gates[r] = ZERO
            _add_product(prev[r], Wh, gates[r])
            _lstm_row(gates[r], x[index[r]], c_before[r - s], c[r], tanh_c[r], h[r])
        h_before, c_before = h[s:e], c[s:e]


def lstm_loop_back_twin(dh, c0, starts, Wh, gates, c, tanh_c, dh0, dc):
    """The whole loop of lstm_backward: da in place of gates; adds to dh (M, H), dh0 and dc (active, H)."""
    for t in range(len(starts) - 2, -1, -1):
        s, e = starts[t], starts[t + 1]
        c_before = c[starts[t - 1]:s] if t else c0
        lstm_back_twin(gates[s:e], c_before, tanh_c[s:e], dh[s:e], dc[:e - s])
        before = dh[starts[t - 1]:] if t else dh0
        before[:e - s] += gates[s:e] @ Wh.T


@compiled(lstm_loop_back_twin)
def lstm_loop_back(dh, c0, starts, Wh, gates, c, tanh_c, dh0, dc):
    dprev_h = np.empty_like(dh0[0])
    for t in range(len(starts) - 2, -1, -1):
        s = starts[t]
        for r in range(s, starts[t + 1]):
            n = r - s
            _lstm_row_back(gates[r], c[starts[t - 1] + n] if t else c0[n], tanh_c[r], dh[r], dc[n])
            _dots(Wh, gates[r], dprev_h)
            before = dh[starts[t - 1] + n] if t else dh0[n]
            before += dprev_h


def look_twin(h, A, weights, attn):
    """weights (n, L) and attn (n, H) of rnnlayers.attention.dot_product_attention, A (>= n, L, H), h (n, H)."""
    A = A[:len(h)]
    weights[:] = softmax((A @ h[:, :, None])[:, :, 0] / math.sqrt(h.shape[1]))
    attn[:] = (weights[:, None] @ A)[:, 0]


@compiled(look_twin, fastmath=SUMS)
def look(h, A, weights, attn):
    scale = np.float32(1 / math.sqrt(h.shape[1]))
    for r in range(len(h)):
        _dots(A[r], h[r], weights[r])
        w = weights[r]
        for place in range(w.size):
            w[place] *= scale
        _softmax(w)
        _weighted_sum(w, A[r], attn[r])


def look_back_twin(dattn, dmaps, A, weights, dscores, dh):
    """dscores (n, L) and dh (n, H) of dot_product_attention_backward, dmaps (n, L) what arrives at the weights."""
    A = A[:len(dattn)]
    dweights = (A @ dattn[:, :, None])[:, :, 0] + dmaps
    dscores[:] = softmax_backward(dweights, weights) / math.sqrt(A.shape[2])
    dh[:] = (dscores[:, None] @ A)[:, 0]


@compiled(look_back_twin, fastmath=SUMS)
def look_back(dattn, dmaps, A, weights, dscores, dh):
    scale = np.float32(1 / math.sqrt(A.shape[2]))
    for r in range(len(dattn)):
        d = dscores[r]
        _dots(A[r], dattn[r], d)
        _softmax_back(d, dmaps[r], weights[r])
        for place in range(d.size):
            d[place] *= scale
        _weighted_sum(d, A[r], dh[r])


def additive_look_twin(query, gate, keys, A, v, weights, z, context):
    """weights, z of rnnlayers.additive_attention.additive_attention_forward, beta in place of gate, and context."""
    n = len(query)
    weights[:] = softmax(np.tanh(keys[:n] + query[:, None]) @ v)
    z[:] = (weights[:, None] @ A[:n])[:, 0]
    gate[:] = sigmoid(gate)
    np.multiply(gate, z, out=context)


@compiled(additive_look_twin, fastmath=SUMS)
def additive_look(query, gate, keys, A, v, weights, z, context):
    for r in range(len(query)):
        q, w = query[r], weights[r]
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


def additive_look_back_twin(dcontext, dmaps, query, keys, A, v, weights, z, beta, dquery, dgate, dkeys, dv):
    """dquery (n, K), dgate (n, E) of additive_attention_backward, n >= 1; adds to dkeys (>= n, L, K) and dv (K,).

    tanh(keys + query) is computed again: to keep it from the forward pass costs more time, and L times the memory.
    """
    n = len(dcontext)
    s = np.tanh(keys[:n] + query[:, None])
    dgate[:] = dcontext * z * beta * (1 - beta)
    dz = dcontext * beta
    de = softmax_backward(dmaps + (A[:n] @ dz[:, :, None])[:, :, 0], weights)
    through = de[:, :, None] * (1 - s**2)
    dquery[:] = through.sum(axis=1) * v
    dkeys[:n] += through * v
    dv += np.tensordot(de, s, 2)


@compiled(additive_look_back_twin, fastmath=SUMS)
def additive_look_back(dcontext, dmaps, query, keys, A, v, weights, z, beta, dquery, dgate, dkeys, dv):
    s, de = np.empty_like(v), np.empty_like(weights[0])
    for r in range(len(dcontext)):
        dc, zr, b, out, q, dq = dcontext[r], z[r], beta[r], dgate[r], query[r], dquery[r]
        for j in range(out.size):
            out[j] = dc[j] * b[j]                                   # dz, for a moment
        _dots(A[r], out, de)
        _softmax_back(de, dmaps[r], weights[r])
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


def softmax_loss_twin(z, b, targets, N, db):
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


@compiled(softmax_loss_twin)
def softmax_loss(z, b, targets, N, db):
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
    """row += b; -> its largest entry. A NaN need not show here: the exponentials show it."""
    tops = np.full(LANES, row[0] + b[0], np.float32)        # side by side: the loop over lanes is one instruction
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


@part(SUMS)
def _dots(A, x, out):
    """out = A x for A (L, H)."""
    for place in range(len(A)):
        row, total = A[place], ZERO
        for j in range(row.size):
            total += row[j] * x[j]
        out[place] = total


@part(SUMS)
def _weighted_sum(w, A, out):
    """out = w A for A (L, H)."""
    out[:] = ZERO
    for place in range(len(A)):
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
def _softmax_back(d, more, out):
    """softmax_backward of d + more, in place of d."""
    total = ZERO
    for j in range(d.size):
        d[j] += more[j]
        total += d[j] * out[j]
    for j in range(d.size):
        d[j] = out[j] * (d[j] - total)


def scatter_twin(rows, index, out):
    """out (U, W): the sum of the rows (M, W) that each index names."""
    out[:] = 0
    np.add.at(out, index, rows)


@compiled(scatter_twin)
def scatter_add(rows, index, out):
    out[:] = ZERO
    for r in range(len(rows)):
        row, total = rows[r], out[index[r]]
        for j in range(row.size):
            total[j] += row[j]


def greedy_twin(W_embed, Wx, Wh, b, W_vocab, b_vocab, h, c, word, end, words):
    """The likeliest words of one caption, into words (T,), until `end` -> how many. RNN or LSTM; overwrites h, c."""
    H = len(h)
    for t in range(len(words)):
        a = W_embed[word] @ Wx + h @ Wh + b
        if len(a) == H:
            h[:] = np.tanh(a)
        else:
            i, f, o, g = *np.split(sigmoid(a[:3 * H]), 3), np.tanh(a[3 * H:])
            c[:] = f * c + i * g
            h[:] = o * np.tanh(c)
        word = words[t] = (h @ W_vocab + b_vocab).argmax()
        if word == end:
            return t + 1
    return len(words)


@compiled(greedy_twin)
def greedy(W_embed, Wx, Wh, b, W_vocab, b_vocab, h, c, word, end, words):
    a, scores, H = np.empty_like(b), np.empty_like(b_vocab), len(h)
    i, f, o, g = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:]
    for t in range(len(words)):
        a[:] = b
        _add_product(W_embed[word], Wx, a)
        _add_product(h, Wh, a)
        if len(a) == H:
            for j in range(H):
                h[j] = _tanh(a[j])
        else:
            for j in range(H):
                c[j] = (HALF + HALF * _tanh(HALF * f[j])) * c[j] + (HALF + HALF * _tanh(HALF * i[j])) * _tanh(g[j])
            for j in range(H):
                h[j] = (HALF + HALF * _tanh(HALF * o[j])) * _tanh(c[j])
        scores[:] = b_vocab
        _add_product(h, W_vocab, scores)
        word = words[t] = scores.argmax()
        if word == end:
            return t + 1
    return len(words)


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
