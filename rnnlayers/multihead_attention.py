"""Multi-head attention: several scaled dot-product attentions side by side, each over a block of the columns."""
import math
from typing import NamedTuple

import numpy as np

from rnnlayers.affine import temporal_affine_backward, temporal_affine_forward
from rnnlayers.precision import widened
from rnnlayers.shapes import Array, check_like, check_shapes
from rnnlayers.softmax import softmax_backward


class HeadsCache(NamedTuple):
    q: Array                # (N, heads, S, d), d = E / heads
    k: Array                # (N, heads, T, d)
    v: Array                # (N, heads, T, d)
    weights: Array          # (N, heads, S, T)
    keep: Array | None      # dropout mask like weights


class MultiheadCache(NamedTuple):
    projections: tuple[tuple, ...]      # the caches of the affine layers of query, key and value
    heads: HeadsCache
    output: tuple                       # the cache of the affine layer at the end


def multihead_attention_forward(query: Array, key: Array, value: Array, Wq: Array, bq: Array, Wk: Array, bk: Array,
                                Wv: Array, bv: Array, Wo: Array, bo: Array, num_heads: int,
                                attn_mask: Array | None = None, keep: Array | None = None
                                ) -> tuple[Array, MultiheadCache]:
    """Attend from each query to the keys, in num_heads blocks of d = E / num_heads columns.

    q = query Wq + bq, k = key Wk + bk, v = value Wv + bv;  in head i, with its columns of q, k and v,
    weights_i = softmax over keys of (q_i k_i^T / sqrt(d)), 0 where the mask is 0;  out = [weights_i v_i]_i Wo + bo

    query (N, S, E), key and value (N, T, E), Wq, Wk, Wv, Wo (E, E), bq, bk, bv, bo (E,), num_heads a divisor of E,
    attn_mask None or (S, T) or (N, S, T) of 0 (blocked) and 1, keep None or a dropout mask (N, num_heads, S, T) that
    multiplies the weights -> out (N, S, E), cache. A query that sees no key attends to nothing: its weights are 0.
    Raises ValueError on shapes that do not fit, E not divisible by num_heads, other values in the mask.
    Source: Vaswani et al. (2017), "Attention is all you need", section 3.2.2.
    """
    name = "multihead_attention_forward"
    check_shapes(name, query=(query, "N S E"), key=(key, "N T E"), value=(value, "N T E"), Wq=(Wq, "E E"), bq=(bq, "E"),
                 Wk=(Wk, "E E"), bk=(bk, "E"), Wv=(Wv, "E E"), bv=(bv, "E"), Wo=(Wo, "E E"), bo=(bo, "E"))
    check_heads(name, query.shape[2], num_heads)
    seen = attention_mask(name, attn_mask, len(query), query.shape[1], key.shape[1])
    check_keep(name, keep, (len(query), num_heads, query.shape[1], key.shape[1]))
    # BEGIN SOLUTION 6.2: seen is None or bool, to be broadcast with (N, num_heads, S, T); attend() is written below
    projected = [temporal_affine_forward(*args) for args in ((query, Wq, bq), (key, Wk, bk), (value, Wv, bv))]
    q, k, v = (out for out, _ in projected)
    out, heads, output = attend(q, k, v, Wo, bo, num_heads, seen, keep)
    return out, MultiheadCache(tuple(cache for _, cache in projected), heads, output)
    # END SOLUTION 6.2


def multihead_attention_backward(dout: Array, cache: MultiheadCache) -> tuple[Array, ...]:
    """Gradients of multihead_attention_forward.

    dout (N, S, E) -> dquery (N, S, E), dkey (N, T, E), dvalue (N, T, E), dWq, dbq, dWk, dbk, dWv, dbv, dWo, dbo.
    Raises ValueError if the shape of dout is not that of out.
    """
    # BEGIN SOLUTION 6.2
    check_like("multihead_attention_backward", dout=(dout, np.shape(cache.output[0])))
    dmixed, dWo, dbo = temporal_affine_backward(dout, cache.output)             # out = mixed Wo + bo
    dheads = heads_backward(split_heads(dmixed, cache.heads.q.shape[1]), cache.heads)
    dinputs, dweights = [], []
    for dhead, projection in zip(dheads, cache.projections):                    # q, k, v = affine
        dinput, *dparams = temporal_affine_backward(join_heads(dhead), projection)
        dinputs.append(dinput)
        dweights += dparams
    return *dinputs, *dweights, dWo, dbo
    # END SOLUTION 6.2


def attention_weights(cache: MultiheadCache) -> Array:
    """The weights of all heads, (N, num_heads, S, T), from the cache of multihead_attention_forward."""
    # BEGIN SOLUTION 6.2
    return cache.heads.weights
    # END SOLUTION 6.2


def attend(q: Array, k: Array, v: Array, Wo: Array, bo: Array, num_heads: int, seen: Array | None,
           keep: Array | None = None) -> tuple[Array, HeadsCache, tuple]:
    """What follows the projections: split q, k and v into heads, attend in each, join them, and out = mixed Wo + bo.

    q (N, S, E), k and v (N, T, E), seen and keep as in heads_forward -> out (N, S, E), the caches of heads_forward and
    of the affine layer. A captioner that writes a caption word by word calls it with the keys and values that it kept.
    """
    # BEGIN SOLUTION 6.2
    q, k, v = (split_heads(x, num_heads) for x in (q, k, v))
    mixed, heads = heads_forward(q, k, v, seen, keep)
    out, output = temporal_affine_forward(join_heads(mixed), Wo, bo)
    return out, heads, output
    # END SOLUTION 6.2


def heads_forward(q: Array, k: Array, v: Array, seen: Array | None, keep: Array | None = None
                  ) -> tuple[Array, HeadsCache]:
    """Scaled dot-product attention in each head.

    q (N, heads, S, d), k and v (N, heads, T, d), seen None or bool, to be broadcast with (N, heads, S, T), keep None or
    a dropout mask like it -> mixed (N, heads, S, d), cache.
    """
    # BEGIN SOLUTION 6.2: captioners read cache.weights, (N, heads, S, T), before dropout
    scores = widened(q) @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    weights = masked_softmax(scores, seen).astype(np.result_type(q, k, np.float16), copy=False)
    return (weights if keep is None else weights * keep) @ v, HeadsCache(q, k, v, weights, keep)
    # END SOLUTION 6.2


def heads_backward(dmixed: Array, cache: HeadsCache) -> tuple[Array, Array, Array]:
    """Gradients of heads_forward: dmixed (N, heads, S, d) -> dq, dk, dv. A weight of 0 passes nothing to its score."""
    # BEGIN SOLUTION 6.2
    q, k, v, weights, keep = cache
    dweights = dmixed @ v.swapaxes(-1, -2)                              # mixed = (weights keep) v
    kept = weights
    if keep is not None:
        dweights, kept = dweights * keep, weights * keep
    dv = kept.swapaxes(-1, -2) @ dmixed
    dscores = softmax_backward(dweights, weights) / math.sqrt(q.shape[-1])
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, dv                # scores = q k^T / sqrt(d)
    # END SOLUTION 6.2


def masked_softmax(scores: Array, seen: Array | None) -> Array:
    """Softmax over the last axis among what is seen; rows that see nothing are 0. seen: bool, or None for all."""
    # BEGIN SOLUTION 6.2: what is blocked gets the weight 0, whatever its score, and a row that sees nothing no NaN
    seen = np.ones(scores.shape, bool) if seen is None else np.broadcast_to(seen, scores.shape)
    top = np.where(seen, scores.real, -np.inf).max(axis=-1, keepdims=True, initial=-np.inf)
    e = np.where(seen, np.exp(np.where(seen, scores - np.where(np.isneginf(top), 0, top), 0)), 0)
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)
    # END SOLUTION 6.2


def attention_mask(function: str, mask: Array | None, N: int, S: int, T: int) -> Array | None:
    """A mask (S, T) or (N, S, T) of 0 and 1, or None, as bool (1 or N, 1, S, T) or None. Raises ValueError."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape not in ((S, T), (N, S, T)):
        raise ValueError(f"{function}: attn_mask is {mask.shape}, expected (S, T) = {(S, T)} or (N, S, T) = "
                         f"{(N, S, T)}")
    if mask.dtype.kind not in "buif" or mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError(f"{function}: attn_mask is {mask.dtype} with values other than 0 and 1, expected 0 where "
                         "a key is blocked and 1 where it is seen; for a mask that is added to the scores, 0 and -inf, "
                         "pass mask == 0")
    seen = mask != 0
    return seen[None, None] if seen.ndim == 2 else seen[:, None]


def check_keep(function: str, keep: Array | None, shape: tuple[int, ...]) -> None:
    """Raises ValueError unless a dropout mask is None or of this shape: it would be broadcast silently."""
    if keep is not None and np.shape(keep) != shape:
        raise ValueError(f"{function}: keep is {np.shape(keep)}, expected a dropout mask {shape}")


def check_heads(function: str, E: int, num_heads: int) -> None:
    """Raises ValueError unless E columns fall into num_heads blocks of the same size."""
    if isinstance(num_heads, bool) or not isinstance(num_heads, (int, np.integer)) or num_heads < 1 or E % num_heads:
        raise ValueError(f"{function}: num_heads is {num_heads!r}, expected a divisor of E = {E}: heads are blocks of "
                         "E / num_heads columns")


def split_heads(x: Array, num_heads: int) -> Array:
    """(N, S, E) -> (N, num_heads, S, E / num_heads): head i has the i-th block of columns."""
    # BEGIN SOLUTION 6.2
    N, S, E = x.shape
    return x.reshape(N, S, num_heads, E // num_heads).swapaxes(1, 2)
    # END SOLUTION 6.2


def join_heads(x: Array) -> Array:
    """(N, num_heads, S, d) -> (N, S, num_heads d): the inverse of split_heads."""
    # BEGIN SOLUTION 6.2
    N, heads, S, d = x.shape
    return x.swapaxes(1, 2).reshape(N, S, heads * d)
    # END SOLUTION 6.2
