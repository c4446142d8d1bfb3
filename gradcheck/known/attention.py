"""Dot-product attention with one head or many, with its mistakes: Vaswani et al. 2017, section 3.2."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gradcheck.known.graph import Graph, Node, forgotten
from gradcheck.known.softmaxes import softmax

Known = Iterator[tuple[Graph, list[Node]]]
WORDS = ("queries", "keys", "values")


class Roles(NamedTuple):
    """Names of the inputs in their roles: one to three arrays, and linear maps, each a weight and a bias or None."""
    arrays: list[str]
    maps: list[tuple[str, str | None]]


def attentions(inputs: dict[str, np.ndarray], outs: list[np.ndarray], settings: dict[str, np.ndarray]) -> Known:
    """softmax(q k / sqrt(d)) v, of q, k, v themselves or of linear maps of one to three arrays, with one head or many.

    In order: one to three arrays (N, T, D) or (T, D); then maps (D, D') of q, k, v and of the output or not, or one map
    (D, 3 D') of q, k and v. Biases, if any, follow their weights, or all weights.
    """
    masks = [None, "causal", *(np.asarray(mask) for mask in settings.values() if np.ndim(mask) >= 2)]
    for roles in _roles(inputs):
        for turned, heads, mask, scaled in product((False, True), range(1, 9), masks, (True, False)):
            with suppress(ValueError, IndexError):      # shapes that do not fit together in this form
                g = Graph(inputs)
                yield g, [_attention(g, roles, turned, heads, mask, scaled)]


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


def _attention(g: Graph, roles: Roles, turned: bool, heads: int, mask: Any, scaled: bool) -> Node:
    maps = [(g.transpose(g[w], (1, 0)) if turned else g[w], g[b] if b else None) for w, b in roles.maps]
    x = [g[name] for name in roles.arrays]
    q, k, v = x * 3 if len(x) == 1 else [x[0], x[-2], x[-1]] if len(x) == 3 else [x[0], x[1], x[1]]
    if len(maps) in (1, 2):                             # one map for q, k and v
        parts = _thirds(g, _linear(g, q, maps[0], ""))
        maps[:1] = [None] * 3                           # type: ignore[list-item]
    elif len(maps) in (3, 4):
        parts = [_linear(g, node, one, words) for node, one, words in zip((q, k, v), maps, WORDS)]
    elif len(x) == 1:
        raise ValueError("one array without maps")
    else:
        parts = [q, k, v]
    context = _heads(g, parts, heads, mask, scaled)
    return _linear(g, context, maps[3], "") if len(maps) == 4 else context


def _thirds(g: Graph, a: Node) -> list[Node]:
    width = a.value.shape[-1] // 3
    return g.split(a, [width] * 3, WORDS)


def _linear(g: Graph, x: Node, linear: tuple[Node, Node | None], words: str) -> Node:
    """x W + b. words: which path of the input's gradient goes through here, if there are several."""
    W, b = linear
    y = g.matmul(x, W)
    if words:
        y.slip("path", f"the input's gradient lacks the path through the {words}", forgotten)
    if W.value.shape[0] == W.value.shape[1]:
        y.slip("transpose", "the weights of a linear map stand in backward where their transpose belongs",
               lambda d: d @ W.value)
    return g.add(y, b) if b else y


def _heads(g: Graph, parts: list[Node], heads: int, mask: Any, scaled: bool) -> Node:
    """Attention of each head -> the heads side by side, (N, T, D)."""
    if any(node.value.shape[-1] % heads or not node.value.size or node.value.ndim not in (2, 3) for node in parts):
        raise ValueError("no such heads")

    def split(a: Node) -> Node:
        if heads == 1:
            return a
        *lead, T, D = a.value.shape
        order = (0, 2, 1, 3) if lead else (1, 0, 2)
        return g.transpose(g.reshape(a, (*lead, T, heads, D // heads)), order)
    q, k, v = map(split, parts)
    d = q.value.shape[-1]
    swap = (*range(k.value.ndim - 2), k.value.ndim - 1, k.value.ndim - 2)
    scores = g.matmul(q, g.transpose(k, swap))
    for words, edge in (("queries", 0), ("keys", 1)):
        scores.slip("path", f"the path through the {words} is dropped", forgotten, edge=edge)
    if scores.value.shape[-1] == scores.value.shape[-2]:
        scores.slip("transpose", "the gradient of the keys takes that of the scores, expected its transpose",
                    lambda d: q.value.swapaxes(-1, -2) @ d.swapaxes(-1, -2), edge=1)
    if q.value.shape == k.value.shape:
        scores.slip("operand", "the gradient of the keys takes the keys, expected the queries",
                    lambda d: k.value.swapaxes(-1, -2) @ d, edge=1)
        scores.slip("operand", "the gradient of the queries takes the queries, expected the keys",
                    lambda d: d @ q.value)
    if scaled:
        scores = _scaled(g, scores, d, heads)
    allowed = _allowed(mask, scores.value.shape)
    if allowed is not None:
        scores = g.node(np.where(allowed, scores.value, -1e9), (scores, lambda d: d * allowed))
        scores.slip("padding", "the mask is missing on the way back", lambda d: d)
    weights = softmax(g, scores, -1, "the softmax of the attention")
    context = _values(g, weights, v)
    if heads == 1:
        return context
    *lead, _, T, width = context.value.shape
    merged = g.transpose(context, (0, 2, 1, 3) if lead else (1, 0, 2))
    return g.reshape(merged, (*lead, T, heads * width))


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


def _values(g: Graph, weights: Node, v: Node) -> Node:
    """weights @ v."""
    node = g.matmul(weights, v)
    node.slip("path", "the path through the attention weights is dropped: queries and keys get no gradient", forgotten)
    node.slip("path", "the path through the values is dropped", forgotten, edge=1)
    if weights.value.shape[-1] == weights.value.shape[-2]:
        node.slip("transpose", "the gradient of the values takes the attention weights, expected their transpose",
                  lambda d: weights.value @ d, edge=1)
    return node
