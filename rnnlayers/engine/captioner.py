"""Loss, gradients and single steps of a captioner: models.captioning_rnn.CaptioningRNN on packed rows."""
from typing import NamedTuple

import numpy as np

from rnnlayers.engine.cells import CELLS, column_sums
from rnnlayers.engine.kernels import scatter_add, softmax_loss
from rnnlayers.engine.products import times_transposed
from rnnlayers.engine.recurrent import LOOPS

CHUNK = 256                         # rows whose scores exist at a time where no gradient is wanted
ALONE_BYTES = 8 * 2**20             # of weights, up to which one compiled loop captions one image fastest


class Words(NamedTuple):
    """What goes into the recurrent network: a row for each distinct word, or for each word where dropout differs."""
    distinct: np.ndarray            # (D,) ids
    index: np.ndarray               # (M,) which of them
    vectors: np.ndarray             # (U, W)
    rows: np.ndarray                # (M,) which vector


def loss_and_gradients(cell_type, p, image, packed, N, keep_x, keep_h, penalty, smoothing, memory):
    """The course's loss of a batch of N captions and its gradients, keys and shapes as in p; the penalties' part.

    image (vector, grid) in the packed order; keep_x (M, W), keep_h (M, H): masks of dropout, or None
    -> loss, of which so much is penalty times the doubly stochastic penalty and smoothing times that of label
    smoothing, grads in memory's arrays.
    """
    cell, words = CELLS[cell_type], _words(p["W_embed"], packed, keep_x, memory)
    h, maps, cache = cell.forward(p, image, _project(p, words, memory), words.rows, packed, memory)
    extra, dmaps = _penalty(maps, packed, N, penalty, memory)
    loss, smooth, dh, grads = _vocabulary(p, h, packed, N, keep_h, smoothing, memory)
    extra += smooth
    da, cell_grads = cell.backward(p, dh, dmaps, cache, packed, memory)
    grads.update(cell_grads)
    grads.update(_input_gradients(p, da, words, keep_x, memory))
    return h.dtype.type(loss + extra), extra, {name: grads[name] for name in p}


def negative_log_likelihood(cell_type, p, image, packed, memory):
    """Total -log p of all scored targets, in nats. image (vector, grid) in the packed order."""
    words = _words(p["W_embed"], packed, None, memory)
    h, _, _ = CELLS[cell_type].forward(p, image, _project(p, words, memory), words.rows, packed, memory)
    h, targets, total, unused = h[packed.scored], packed.targets[packed.scored], 0.0, np.empty_like(p["b_vocab"])
    for start in range(0, len(h), CHUNK):
        part = h[start:start + CHUNK]
        z = np.matmul(part, p["W_vocab"], out=memory("chunk", (len(part), len(p["b_vocab"])), h.dtype))
        total += softmax_loss(z, p["b_vocab"], targets[start:start + CHUNK], 1, unused)
    return float(total)


def start(cell_type, p, image):
    """The state before the first word. image (vector, grid), the captions' order."""
    return CELLS[cell_type].start(p, image)


def step(cell_type, p, words, state):
    """Feed a word (n,) to each caption -> scores of the next one (n, V), state."""
    distinct, index = np.unique(words, return_inverse=True)
    x = p["W_embed"][distinct] @ p["Wx"] + p["b"]
    state = CELLS[cell_type].step(p, x, index, state)
    scores = state.h @ p["W_vocab"]
    scores += p["b_vocab"]
    return scores, state


def greedy_alone(cell_type, p, image, first, end, length):
    """The most likely words of one caption by one compiled loop -> ids (T,), T <= length; None where steps are faster.

    They are for attention, and for weights that are too large for one core's caches (docs/performance.md).
    """
    loop = LOOPS["rnn" if CELLS[cell_type].gates == 1 else "lstm"]
    names = ("W_embed", "Wx", "b", "W_vocab", "b_vocab", *loop.weights)
    if CELLS[cell_type].seen or sum(p[name].nbytes for name in names[1:]) > ALONE_BYTES:
        return None
    state, words = start(cell_type, p, image), np.empty(length, np.int64)
    weights = [np.ascontiguousarray(p[name]) for name in names]
    states = [array[0] for array in (state.h, state.c)[:loop.states]]
    return words[:loop.greedy(*weights, *states, first, end, words)]


def _words(W_embed, packed, keep_x, memory):
    distinct, index = np.unique(packed.words, return_inverse=True)
    if keep_x is None:
        return Words(distinct, index, W_embed[distinct], index)
    vectors = memory("x", keep_x.shape, W_embed.dtype)
    np.multiply(W_embed[packed.words], keep_x, out=vectors)
    return Words(distinct, index, vectors, np.arange(len(index)))


def _project(p, words, memory):
    """x Wx + b, once for each distinct input."""
    x = np.matmul(words.vectors, p["Wx"], out=memory("x Wx", (len(words.vectors), len(p["b"])), p["Wx"].dtype))
    x += p["b"]
    return x


def _vocabulary(p, h, packed, N, keep_h, smoothing, memory):
    """Scores, softmax, loss and their gradients, in one buffer and for real targets alone.

    -> loss, smoothing's part beside it, dh (M, H), grads
    """
    if keep_h is not None:
        h = np.multiply(h, keep_h, out=memory("h dropped", h.shape, h.dtype))
    every = isinstance(packed.scored, slice)
    scored = h if every else h[packed.scored]
    z = np.matmul(scored, p["W_vocab"], out=memory("scores", (len(scored), len(p["b_vocab"])), h.dtype))
    grads = {name: memory(f"d{name}", p[name].shape, h.dtype) for name in ("W_vocab", "b_vocab")}
    targets = packed.targets[packed.scored]
    smooth = _smoothing(z, p["b_vocab"], targets) * smoothing / N if smoothing else 0.0
    loss = softmax_loss(z, p["b_vocab"], targets, N, grads["b_vocab"])
    if smoothing:
        _smooth(z, grads["b_vocab"], targets, smoothing / N)
    np.matmul(scored.T, z, out=grads["W_vocab"])
    dh = memory("dh", h.shape, h.dtype)
    if every:
        np.matmul(z, p["W_vocab"].T, out=dh)
    else:
        dh[:] = 0
        dh[packed.scored] = z @ p["W_vocab"].T
    if keep_h is not None:
        dh *= keep_h
    return loss, smooth, dh, grads


def _smoothing(z, b, targets):
    """rnnlayers.softmax.label_smoothing_penalty times N, of scores z (M, V) without their bias."""
    chosen = z[np.arange(len(z)), targets] + b[targets]
    return float(chosen.sum(dtype=np.float64) - z.mean(axis=1).sum(dtype=np.float64) - len(z) * b.mean())


def _smooth(z, db, targets, weight):
    """Add the gradient of weight times _smoothing to z (M, V) and to that of the bias (V,)."""
    share = z.dtype.type(weight / len(db))
    z -= share
    z[np.arange(len(z)), targets] += z.dtype.type(weight)
    db += weight * np.bincount(targets, minlength=len(db)) - len(z) * share


def _input_gradients(p, da, words, keep_x, memory):
    """Gradients of W_embed, Wx and b, from da (M, mH) at x Wx + b."""
    da_x = da
    if keep_x is None:                                      # words that are the same word share one row
        da_x = memory("da of words", (len(words.distinct), da.shape[1]), da.dtype)
        scatter_add(da, words.index, da_x)
    dx = times_transposed(da_x, p["Wx"], memory("dx", (words.vectors.size,), da.dtype))
    if keep_x is not None:
        dx = np.multiply(dx, keep_x, out=memory("dx kept", keep_x.shape, da.dtype))
        total = memory("dx of words", (len(words.distinct), dx.shape[1]), da.dtype)
        scatter_add(dx, words.index, total)
        dx = total
    dW_embed = memory("dW_embed", p["W_embed"].shape, da.dtype)
    dW_embed[:] = 0
    dW_embed[words.distinct] = dx
    dWx = np.matmul(words.vectors.T, da_x, out=memory("dWx", p["Wx"].shape, da.dtype))
    return {"W_embed": dW_embed, "Wx": dWx, "b": column_sums(da_x)}


def _penalty(maps, packed, N, weight, memory):
    """rnnlayers.additive_attention.doubly_stochastic_penalty times its weight, and the gradient at maps (M, L)."""
    if maps is None:
        return 0.0, None
    dmaps = memory("dmaps", maps.shape, maps.dtype)
    dmaps[:] = 0
    if not weight:
        return 0.0, dmaps
    used = np.zeros((len(maps), 1), maps.dtype)
    used[packed.scored] = 1
    rest = np.ones((N, maps.shape[1]), maps.dtype)          # what is left to look at
    for s, e in packed.steps:
        rest[:e - s] -= used[s:e] * maps[s:e]
    for s, e in packed.steps:
        dmaps[s:e] = used[s:e] * rest[:e - s] * (-2 * weight / N)
    return float(weight * (rest**2).sum() / N), dmaps
