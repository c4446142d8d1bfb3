"""A transformer's attention on packed rows: rnnlayers.multihead_attention, for all captions of a batch at once.

Rows are in the order of the captions here: all words of the first, then all of the second; pictures are in the order of
the captions. Dropout masks are bool, with no rows where nothing is dropped.
"""
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnlayers.engine import transformer_kernels as kernels
from rnnlayers.engine.feed_forward_kernels import drop
from rnnlayers.engine.packing import Packed
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator

Params = dict[str, Array]


class Rows(NamedTuple):
    """The rows of a packed batch in the order of the captions."""
    place: Array            # (M,) the packed row of each
    starts: Array           # (active + 1,) the first row of each caption, and M
    caption: Array          # (M,) and time (M,)
    time: Array
    steps: int              # words of the longest caption

    def groups(self) -> Iterator[tuple[slice, slice, int]]:
        """Captions of one length, which follow each other: their pictures, their rows, that length."""
        lengths = np.diff(self.starts)
        ends = [*np.flatnonzero(np.diff(lengths)) + 1, len(lengths)] if len(lengths) else []
        for first, end in zip([0, *ends], ends):
            yield slice(first, end), slice(self.starts[first], self.starts[end]), int(lengths[first])


def caption_rows(packed: Packed) -> Rows:
    """The rows of a packed batch, one caption after the other."""
    starts = np.concatenate([[0], np.cumsum(packed.lengths)]).astype(np.int64)
    caption = np.repeat(np.arange(packed.active), packed.lengths)
    time = np.arange(len(caption)) - starts[caption]
    return Rows(np.asarray(packed.starts)[time] + caption, starts, caption, time, len(packed.steps))


class Masks(NamedTuple):
    """A layer's dropout masks by the names that rnnlayers.decoder_layer_forward gives them."""
    keep: Mapping[str, Array]       # bool, a row for each row, or no rows
    scale: float


ALL = np.zeros((0, 1), bool)        # a mask that keeps all
ALL_WEIGHTS = np.zeros((0, 1, 1), bool)
NO_MASKS = Masks({"self.weights": ALL_WEIGHTS, "self": ALL, "cross.weights": ALL_WEIGHTS, "cross": ALL,
                  "ffn.hidden": ALL, "ffn": ALL}, 1.0)


def self_attention_forward(z: Array, p: Params, rows: Rows, heads: int, masks: Masks, kept: Allocator,
                           workspace: Allocator) -> tuple[Array, Any]:
    """Causal attention within each caption: z (M, W) -> out (M, W) without the bias bo, cache."""
    M, W = z.shape
    qkv = times(z, self_weights(p, workspace), "qkv", kept)
    weights, mixed = kept("weights", (M, heads, rows.steps), z.dtype), kept("mixed", (M, W), z.dtype)
    bias = np.concatenate([p["self.bq"], p["self.bk"], p["self.bv"]])
    kernels.self_attend(qkv, bias, rows.starts, masks.keep["self.weights"], masks.scale, weights, mixed)
    return times(mixed, p["self.Wo"], "self out", workspace), (z, qkv, weights, mixed, rows, masks)


def self_attention_backward(dout: Array, cache: Any, p: Params, grads: Params, workspace: Allocator) -> Array:
    """dout (M, W) -> dz (M, W); gradients of the parameters into grads."""
    z, qkv, weights, mixed, rows, masks = cache
    W = z.shape[1]
    np.matmul(mixed.T, dout, out=grads["self.Wo"])
    dmixed = times(dout, p["self.Wo"].T, "dmixed", workspace)
    dqkv = workspace("dqkv", qkv.shape, z.dtype)
    kernels.self_attend_backward(dmixed, qkv, rows.starts, masks.keep["self.weights"], masks.scale, weights, dqkv)
    sums = column_sums(dqkv)
    for i, name in enumerate("qkv"):
        np.matmul(z.T, dqkv[:, i * W:(i + 1) * W], out=grads[f"self.W{name}"])
        grads[f"self.b{name}"][:] = sums[i * W:(i + 1) * W]
    return times(dqkv, self_weights(p, workspace).T, "dz of self", workspace)


def self_weights(p: Params, workspace: Allocator) -> Array:
    """Wq, Wk and Wv side by side, (W, 3W)."""
    weights = [p[f"self.W{name}"] for name in "qkv"]
    W = len(weights[0])
    return np.concatenate(weights, axis=1, out=workspace("Wq, Wk, Wv", (W, 3 * W), weights[0].dtype))


def look_forward(q: Array, picture: Array, counts: Array, Wk: Array, Wv: Array, bv: Array, rows: Rows, heads: int,
                 masks: Masks, kept: Allocator, workspace: Allocator) -> tuple[Array, Any]:
    """Attention of words to pictures, without keys and values of regions.

    In head i, q_i k_r = q_i (S_r Wk_i + bk_i) is (q_i Wk_i^T) S_r, up to a number that is the same for all regions and
    that a softmax does not see; and sum_r w_r (S_r Wv_i + bv_i) is (sum_r w_r S_r) Wv_i + (sum_r w_r) bv_i. A caption
    has fewer words than a picture has regions, so that to project words costs less than to project regions.

    q (M, W), picture S (>= active, R, C), counts (M,): the rows of the picture that each word sees, Wk, Wv (C, W),
    bv (W,) -> mixed (M, W), cache.
    """
    (M, W), (_, R, C), dtype = q.shape, picture.shape, q.dtype
    weights = kept("weights of regions", (M, heads, R), dtype)
    ahead = by_head(q, Wk, workspace("words for regions", (M, heads, C), dtype))
    per_picture(ahead, picture.swapaxes(1, 2), rows, weights)
    kernels.softmax_rows(weights, counts, (W // heads)**-0.5)
    used = dropped(weights, masks.keep["cross.weights"], masks.scale, workspace)
    seen = per_picture(used, picture, rows, workspace("regions seen", (M, heads, C), dtype))
    mixed = from_heads(seen, Wv, kept("mixed of regions", (M, W), dtype))
    add_by_head(mixed, bv, used if used is not weights else None)
    return mixed, (q, picture, weights, Wk, Wv, bv, rows, masks)


def look_backward(dmixed: Array, cache: Any, dpicture: Array | None, workspace: Allocator) -> tuple[Array, ...]:
    """dmixed (M, W) -> dq (M, W), dWk, dWv (C, W), dbv (W,). Adds to dpicture, like the picture, if that is wanted."""
    q, picture, weights, Wk, Wv, bv, rows, masks = cache
    (M, heads, _), C, dtype = weights.shape, len(Wk), q.dtype
    used = dropped(weights, masks.keep["cross.weights"], masks.scale, workspace)
    seen = per_picture(used, picture, rows, workspace("regions seen", (M, heads, C), dtype))
    dWv = head_grads(seen, dmixed, workspace("dWv of pictures", Wv.shape, dtype))
    dseen = by_head(dmixed, Wv, seen)
    dscores = per_picture(dseen, picture.swapaxes(1, 2), rows, workspace("dscores", weights.shape, dtype))
    dbv = column_sums(dmixed)
    if used is not weights:                                 # the weights that are used do not add up to 1
        split, total = dmixed.reshape(M, heads, len(bv) // heads), used.sum(axis=2)
        dbv = (split * total[:, :, None]).sum(axis=0).ravel()
        dscores += np.einsum("mhd,hd->mh", split, bv.reshape(heads, -1))[:, :, None]
        drop(flat(dscores), flat(masks.keep["cross.weights"]), masks.scale)
    if dpicture is not None:
        add_per_picture(used, dseen, rows, dpicture)
    kernels.softmax_rows_backward(dscores, weights, (q.shape[1] // heads)**-0.5)
    if dpicture is not None:
        add_per_picture(dscores, by_head(q, Wk, dseen), rows, dpicture)
    dahead = per_picture(dscores, picture, rows, seen)
    dWk = head_grads(dahead, q, workspace("dWk of pictures", Wk.shape, dtype))
    return from_heads(dahead, Wk, workspace("dq", q.shape, dtype)), dWk, dWv, dbv


def look_at_one_forward(values: Array, rows: Rows, heads: int, masks: Masks, kept: Allocator) -> Array:
    """Attention to pictures of one row each, whose weight is 1 whatever the query: values (active, W) -> mixed.

    (M, W) with a dropout mask of weights. Without one all words of a caption have the same, and mixed is the values.
    """
    if not len(masks.keep["cross.weights"]):
        return values
    mixed = kept("mixed of regions", (len(rows.caption), values.shape[1]), values.dtype)
    mixed[:] = values[rows.caption]
    _drop_heads(mixed, heads, masks)
    return mixed


def look_at_one_backward(dmixed: Array, rows: Rows, heads: int, masks: Masks) -> Array:
    """dmixed like mixed, overwritten -> dvalues (active, W)."""
    if not len(masks.keep["cross.weights"]):
        return dmixed
    _drop_heads(dmixed, heads, masks)
    return of_captions(dmixed, rows)


def of_captions(x: Array, rows: Rows) -> Array:
    """Sums over the words of each caption, (M, W) -> (active, W)."""
    return np.add.reduceat(x, rows.starts[:-1], axis=0) if len(x) else x


def _drop_heads(mixed: Array, heads: int, masks: Masks) -> None:
    split = _split(mixed, heads)
    split *= masks.keep["cross.weights"].swapaxes(0, 1) * mixed.dtype.type(masks.scale)


def times(x: Array, W: Array, name: str, workspace: Allocator) -> Array:
    """x W in the workspace."""
    return np.matmul(x, W, out=workspace(name, (len(x), W.shape[1]), x.dtype))


def column_sums(x: Array) -> Array:
    """Sum over the rows, as a product that BLAS does with all its threads."""
    return np.ones(len(x), x.dtype) @ x


def by_head(x: Array, W: Array, out: Array) -> Array:
    """x_i W_i^T of each head's columns: x (M, W), W (C, W) -> out (M, heads, C)."""
    np.matmul(_split(x, out.shape[1]), _split(W, out.shape[1]).swapaxes(1, 2), out=out.swapaxes(0, 1))
    return out


def from_heads(x: Array, W: Array, out: Array) -> Array:
    """x_i W_i side by side: x (M, heads, C), W (C, W) -> out (M, W)."""
    np.matmul(x.swapaxes(0, 1), _split(W, x.shape[1]), out=_split(out, x.shape[1]))
    return out


def head_grads(x: Array, d: Array, out: Array) -> Array:
    """x_i^T d_i side by side: x (M, heads, C), d (M, W) -> out (C, W)."""
    np.matmul(x.transpose(1, 2, 0), _split(d, x.shape[1]), out=_split(out, x.shape[1]))
    return out


def per_picture(x: Array, pictures: Array, rows: Rows, out: Array) -> Array:
    """Each row times its picture: x (M, heads, A), pictures (>= active, A, B) -> out (M, heads, B)."""
    for captions, words, length in rows.groups():
        shape = captions.stop - captions.start, length * x.shape[1]
        to = out[words].reshape(*shape, out.shape[2])       # a view
        np.matmul(x[words].reshape(*shape, x.shape[2]), pictures[captions], out=to)
    return out


def add_per_picture(x: Array, y: Array, rows: Rows, out: Array) -> None:
    """out[n] += x^T y over the words and heads of caption n: x (M, heads, A), y (M, heads, B), out (.., A, B)."""
    for captions, words, length in rows.groups():
        shape = captions.stop - captions.start, length * x.shape[1]
        out[captions] += x[words].reshape(*shape, -1).swapaxes(1, 2) @ y[words].reshape(*shape, -1)


def add_by_head(mixed: Array, b: Array, used: Array | None) -> None:
    """mixed (M, W) += (sum of a head's weights) b of the head's columns; used (M, heads, R), None: the sums are 1."""
    if used is None:
        mixed += b
    else:
        split = _split(mixed, used.shape[1])
        split += used.sum(axis=2).T[:, :, None] * _split(b[None], used.shape[1])


def dropped(weights: Array, keep: Array, scale: float, workspace: Allocator) -> Array:
    """weights (M, heads, R) times their dropout mask, in the workspace; themselves where nothing is dropped."""
    if not len(keep):
        return weights
    used = workspace("weights used", weights.shape, weights.dtype)
    used[:] = weights
    drop(flat(used), flat(keep), scale)
    return used


def flat(x: Array) -> Array:
    """(M, heads, R) as (M, heads R), a view."""
    return x.reshape(len(x), x.shape[1] * x.shape[2])


def _split(x: Array, heads: int) -> Array:
    """Columns by head: (n, W) -> (heads, n, W / heads), a view."""
    return x.reshape(len(x), heads, x.shape[1] // heads).swapaxes(0, 1)
