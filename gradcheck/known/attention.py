"""Dot-product attention with one head or many, with its mistakes: Vaswani et al. 2017, section 3.2."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gradcheck.known.graph import Graph, Node, forgotten
from gradcheck.known.softmaxes import softmax

Known = Iterator[tuple[Graph, list[Node]]]
WORDS = ("queries", "keys", "values")


class Form(NamedTuple):
    """How attention is computed."""
    heads: int
    mask: Any                       # None, "causal" or an array of 0 and 1
    keep: np.ndarray | None         # what the weights are multiplied by
    scaled: bool                    # whether scores are divided by the root of a head's width


class Roles(NamedTuple):
    """Names of the inputs in their roles: one to three arrays, and linear maps, each a weight and a bias or None."""
    arrays: list[str]
    maps: list[tuple[str, str | None]]


def attentions(inputs: dict[str, np.ndarray], outs: list[np.ndarray], settings: dict[str, np.ndarray]) -> Known:
    """softmax(q k / sqrt(d)) v, of q, k, v themselves or of linear maps of one to three arrays, with one head or many.

    In order: one to three arrays (N, T, D) or (T, D); then maps (D, D') of q, k, v and of the output or not, or one map
    (D, 3 D') of q, k and v. Biases, if any, follow their weights, or all weights.
    """
    for roles in _roles(inputs):
        for turned, form in product((False, True), forms(settings)):
            with suppress(ValueError, IndexError):      # shapes that do not fit together in this form
                g = Graph(inputs)
                yield g, [_attention(g, roles, turned, form)]


def forms(settings: Mapping[str, np.ndarray]) -> Iterator[Form]:
    """Numbers of heads with each mask, each mask of dropout (N, heads, S, T), and with the scores scaled or not."""
    masks = [None, "causal", *(mask for mask in settings.values() if np.ndim(mask) in (2, 3))]
    keeps = [*(keep for keep in settings.values() if np.ndim(keep) == 4), None]
    for heads, mask, keep, scaled in product(range(1, 9), masks, keeps, (True, False)):
        yield Form(heads, mask, keep, scaled)


def _roles(inputs: dict[str, np.ndarray]) -> Iterator[Roles]:
    names = list(inputs)
    ndim = inputs[names[0]].ndim
    if ndim < 2:
        return
    for count in (1, 2, 3):
        arrays, rest = names[:count], names[count:]
        weights = [name for name in rest if inputs[name].ndim == 2]
        if len(arrays) < count or any(inputs[name].ndim != ndim for name in arrays) or len(weights) > 4:
            continue
        biases = [name for name in rest if name not in weights]
        if any(inputs[name].ndim != 1 for name in biases):
            continue
        if biases and rest[:len(weights)] == weights:
            yield Roles(arrays, [*zip(weights, [*biases, *[None] * 4])])
        yield Roles(arrays, [(name, after if after in biases else None) for name, after in zip(rest, [*rest[1:], ""])
                             if name in weights])


def _attention(g: Graph, roles: Roles, turned: bool, form: Form) -> Node:
    maps = [(g.transpose(g[w], (1, 0)) if turned else g[w], g[b] if b else None) for w, b in roles.maps]
    x = [g[name] for name in roles.arrays]
    q, k, v = x * 3 if len(x) == 1 else [x[0], x[-2], x[-1]] if len(x) == 3 else [x[0], x[1], x[1]]
    if len(maps) in (1, 2):                             # one map for q, k and v
        parts = _thirds(g, linear_map(g, q, maps[0], ""))
        maps[:1] = [None] * 3                           # type: ignore[list-item]
    elif len(maps) in (3, 4):
        return attention(g, (q, k, v), maps, form)
    elif len(x) == 1:
        raise ValueError("one array without maps")
    else:
        parts = [q, k, v]
    context = _heads(g, parts, form)
    return linear_map(g, context, maps[3], "") if len(maps) == 4 else context


def attention(g: Graph, x: Sequence[Node], maps: Sequence[Any], form: Form) -> Node:
    """Attention of linear maps of three arrays, and a map of the result if there are four."""
    parts = [linear_map(g, node, one, words) for node, one, words in zip(x, maps, WORDS)]
    context = _heads(g, parts, form)
    return linear_map(g, context, maps[3], "") if len(maps) == 4 else context


def _thirds(g: Graph, a: Node) -> list[Node]:
    width = a.value.shape[-1] // 3
    return g.split(a, [width] * 3, WORDS)


def linear_map(g: Graph, x: Node, linear: tuple[Node, Node | None], words: str) -> Node:
    """x W + b. words: which path of the input's gradient goes through here, if there are several."""
    W, b = linear
    y = g.matmul(x, W)
    if words:
        y.slip("path", f"the input's gradient lacks the path through the {words}", forgotten)
    if W.value.shape[0] == W.value.shape[1]:
        y.slip("transpose", "the weights of a linear map stand in backward where their transpose belongs",
               lambda d: d @ W.value)
    return g.add(y, b) if b else y


def _heads(g: Graph, parts: list[Node], form: Form) -> Node:
    """Attention of each head -> the heads side by side, (N, T, D)."""
    heads = form.heads
    if any(node.value.shape[-1] % heads or not node.value.size or node.value.ndim not in (2, 3) for node in parts):
        raise ValueError("no such heads")

    def split(a: Node) -> Node:
        if heads == 1:
            return a
        *lead, T, D = a.value.shape
        order = (0, 2, 1, 3) if lead else (1, 0, 2)
        parted = g.reshape(a, (*lead, T, heads, D // heads))
        parted.slip("heads", "the columns of queries, keys and values are put together interleaved: heads are "
                    "consecutive blocks", lambda d: d.swapaxes(-1, -2).reshape(a.value.shape))
        return g.transpose(parted, order)
    q, k, v = map(split, parts)
    scores = _scores(g, q, k, form)
    weights = softmax(g, scores, -1, "the softmax of the attention")
    allowed = _allowed(form.mask, scores.value.shape)
    if allowed is not None and not allowed.any(axis=-1).all():
        weights = g.times(weights, allowed.any(axis=-1, keepdims=True))     # type: ignore[arg-type]
    context = _values(g, weights, v, form.keep)
    if heads == 1:
        return context
    *lead, _, T, width = context.value.shape
    merged = g.transpose(context, (0, 2, 1, 3) if lead else (1, 0, 2))
    return g.reshape(merged, (*lead, T, heads * width)).slip(
        "heads", "the output's columns are given to the heads interleaved: heads are consecutive blocks",
        lambda d: d.reshape(*lead, T, width, heads).swapaxes(-1, -2))


def _scores(g: Graph, q: Node, k: Node, form: Form) -> Node:
    """q k, scaled or not, and far below all others where the mask is 0."""
    d, swap = q.value.shape[-1], (*range(k.value.ndim - 2), k.value.ndim - 1, k.value.ndim - 2)
    scores = g.matmul(q, g.transpose(k, swap))
    for words, edge in (("queries", 0), ("keys", 1)):
        scores.slip("path", f"the path through the {words} is dropped", forgotten, edge=edge)
        if form.scaled:
            scores.slip("factor", f"the factor 1 / sqrt({d}) of the scores is missing in the gradient of the {words}",
                        lambda dout, pull=scores.edges[edge].pull: pull(dout * np.sqrt(d)), edge=edge)
    if scores.value.shape[-1] == scores.value.shape[-2]:
        scores.slip("transpose", "the gradient of the keys takes that of the scores, expected its transpose",
                    lambda d: q.value.swapaxes(-1, -2) @ d.swapaxes(-1, -2), edge=1)
    if q.value.shape == k.value.shape:
        scores.slip("operand", "the gradient of the keys takes the keys, expected the queries",
                    lambda d: k.value.swapaxes(-1, -2) @ d, edge=1)
        scores.slip("operand", "the gradient of the queries takes the queries, expected the keys",
                    lambda d: d @ q.value)
    if form.scaled:
        scores = _scaled(g, scores, d, form.heads)
    else:
        scores.slip("factor", f"the scores' gradient is divided by sqrt({d}), but forward does not divide the scores",
                    *(lambda dout, pull=edge.pull: pull(dout / np.sqrt(d)) for edge in scores.edges))
    allowed = _allowed(form.mask, scores.value.shape)
    return scores if allowed is None else _masked(g, scores, allowed)


def _masked(g: Graph, scores: Node, allowed: np.ndarray) -> Node:
    node = g.node(np.where(allowed, scores.value, -1e9), (scores, lambda d: d * allowed))
    node.slip("padding", "the mask is missing on the way back", lambda d: d)
    node.slip("padding", "the mask is inverted on the way back", lambda d: d * ~allowed)
    for axis, words in ((-1, "keys"), (-2, "queries")):
        node.slip("padding", f"the mask is reversed along the {words} on the way back",
                  lambda d, axis=axis: d * np.flip(allowed, axis))
    if allowed.shape[-1] == allowed.shape[-2]:
        node.slip("padding", "the mask is transposed on the way back: its rows are queries, its columns keys",
                  lambda d: d * allowed.swapaxes(-1, -2))
    return node


def _scaled(g: Graph, scores: Node, d: int, heads: int) -> Node:
    """scores / sqrt(d)."""
    node, root = g.times(scores, d**-0.5), float(np.sqrt(d))
    for words, factor in {f"the factor 1 / sqrt({d}) of the scores is missing": 1,
                          f"the factor 1 / sqrt({d}) of the scores is applied twice": 1 / d,
                          f"the scores' gradient is multiplied by sqrt({d}), expected a division": root,
                          f"the scores' gradient is divided by sqrt({d * heads}), the root of all heads' width, "
                          f"expected sqrt({d}), that of one head": (d * heads)**-0.5}.items():
        node.slip("factor", words, lambda dout, factor=factor: dout * factor)
    return node


def _allowed(mask: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    if mask is None:
        return None
    if isinstance(mask, str):
        return np.tril(np.ones(shape[-2:], bool))
    mask = np.asarray(mask) != 0
    if mask.ndim == len(shape) - 1:
        mask = mask[:, None]
    if len(shape) > mask.ndim == 2 and mask.shape != shape[-2:]:            # (N, T) of keys
        mask = mask.reshape(len(mask), *[1] * (len(shape) - 2), mask.shape[1])
    return np.broadcast_to(mask, shape)


def _values(g: Graph, weights: Node, v: Node, keep: np.ndarray | None) -> Node:
    """weights @ v, or (weights keep) @ v."""
    kept = weights
    if keep is not None and keep.shape != weights.value.shape:
        raise ValueError("no mask of these weights")
    if keep is not None:
        kept = g.times(weights, keep)                                       # type: ignore[arg-type]
    node = g.matmul(kept, v)
    node.slip("path", "the path through the attention weights is dropped: queries and keys get no gradient", forgotten)
    node.slip("path", "the path through the values is dropped", forgotten, edge=1)
    if weights.value.shape[-1] == weights.value.shape[-2]:
        node.slip("transpose", "the gradient of the values takes the attention weights, expected their transpose",
                  lambda d: kept.value @ d, edge=1)
    if keep is not None:
        _dropout(weights, kept, node, keep)
    return node


def _dropout(weights: Node, kept: Node, node: Node, keep: np.ndarray) -> None:
    """The mistakes with a dropout mask of the weights."""
    plain = weights.value.swapaxes(-1, -2)
    kept.slip("dropout", "the dropout mask is missing in the gradient of the attention weights", lambda d: d)
    node.slip("dropout", "the gradient of the values takes the attention weights without their dropout mask",
              lambda d: plain @ d, edge=1)
    both = "dropout", "the dropout mask of the attention weights is missing on the way back"
    kept.slip(*both, lambda d: d)
    node.slip(*both, lambda d: plain @ d, edge=1)
    moved = "dropout", "the dropout mask multiplies the gradient of the scores, expected that of the weights"
    kept.slip(*moved, lambda d: d)
    weights.slip(*moved, lambda d, pull=weights.edges[0].pull: pull(d) * keep)
