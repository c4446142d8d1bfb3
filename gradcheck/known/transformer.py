"""The layers of a transformer with their mistakes: Vaswani et al. 2017, section 3.

A decoder or encoder layer is attention, attention to a memory or none, and a feed-forward layer, each in a residual sum
with a layer norm after or before it. Its arguments are x, the memory or none, then weights and biases in this order;
what is not a weight or its bias is a gamma or a beta.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import NamedTuple

import numpy as np

from gradcheck.known.attention import Form, attention, forms, linear_map
from gradcheck.known.dense import activation
from gradcheck.known.graph import Graph, Node, forgotten, same
from gradcheck.known.norms import scaled_norm

Known = Iterator[tuple[Graph, list[Node]]]
Linear = tuple[str, str | None]     # names of a weight and its bias
Pair = tuple[str, str]              # of gamma and beta
ACTIVATIONS = ("gelu", "relu", "gelu, by tanh")
EPS = (1e-5, 1e-6, 1e-12)
SELF, CROSS, FEED = "the self-attention", "the attention to the memory", "the feed-forward layer"


class Parts(NamedTuple):
    """Names of a layer's arrays."""
    arrays: list[str]               # x, and the memory if there is one
    attentions: list[list[Linear]]
    feed: list[Linear]
    norms: list[Pair]


class Style(NamedTuple):
    """What a layer's forward has to be tried in."""
    pre: bool                       # whether the norm stands before what is inside a residual sum
    kind: str                       # of activation
    eps: float


def feed_forwards(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """act(x W1 + b1) W2 + b2, with biases or without."""
    names, linears, rest = _linears(inputs)
    if len(names) != 1 or len(linears) != 2 or rest or len(outs) != 1:
        return
    for kind in ACTIVATIONS:
        g = Graph(inputs)
        yield g, [_feed_forward(g, g[names[0]], linears, kind)]


def patches(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """Square patches of pictures (N, C, H, W), flattened as (C, p, p) or (p, p, C), times w, plus b."""
    names = list(inputs)
    if len(names) != 3 or [inputs[name].ndim for name in names] != [4, 2, 1]:
        return
    N, C, H, W = inputs[names[0]].shape
    p = round((len(inputs[names[1]]) / C)**0.5)
    if not p or len(inputs[names[1]]) != C * p * p or H % p or W % p:
        return
    for order in ((0, 2, 4, 1, 3, 5), (0, 2, 4, 3, 5, 1)):
        g = Graph(inputs)
        x, back = g.transpose(g.reshape(g[names[0]], (N, C, H // p, p, W // p, p)), order), np.argsort(order)
        x.slip("transpose", "rows and columns of patches change places", lambda d, order=order: _turned(d, order, 1, 2))
        x.slip("transpose", "rows and columns inside each patch change places",
               lambda d, order=order: _turned(d, order, order.index(3), order.index(5)))
        if order[3] == 1:
            x.slip("transpose", "patches are read as (patch, patch, C), expected (C, patch, patch)",
                   lambda d, back=back: np.moveaxis(d.reshape(*d.shape[:3], p, p, C), -1, 3).transpose(back))
        y = g.matmul(g.reshape(x, (N, -1, C * p * p)), g[names[1]])
        yield g, [g.add(y, g[names[2]])]


def _turned(d: np.ndarray, order: tuple[int, ...], k: int, m: int) -> np.ndarray:
    """The gradient of a transposed array whose axes k and m were taken for each other."""
    shape = list(d.shape)
    shape[k], shape[m] = shape[m], shape[k]
    return d.reshape(shape).swapaxes(k, m).transpose(np.argsort(order))


def layers(inputs: dict[str, np.ndarray], outs: list[np.ndarray], settings: Mapping[str, np.ndarray]) -> Known:
    """A decoder or an encoder layer."""
    parts = _parts(inputs)
    dropout = any(mask.ndim == 4 for mask in settings.values())
    if parts is None or dropout or len(outs) != 1 or outs[0].shape != inputs[parts.arrays[0]].shape:
        return
    S, T = (inputs[name].shape[1] for name in (parts.arrays[0], parts.arrays[-1]))
    for form in forms({name: mask for name, mask in settings.items() if mask.shape[-2:] == (S, S)}):
        own = [form]
        if len(parts.attentions) > 1:
            others = forms({name: mask for name, mask in settings.items() if mask.shape[-2:] == (S, T)})
            own = [other for other in others if other.heads == form.heads and other.scaled == form.scaled
                   and not isinstance(other.mask, str)]
        if inputs[parts.arrays[0]].shape[2] % form.heads == 0 and form.scaled:
            yield from _styles(inputs, outs[0], parts, form, own)


def _styles(inputs: dict[str, np.ndarray], out: np.ndarray, parts: Parts, form: Form, others: list[Form]) -> Known:
    for other, pre, kind, eps in product(others, (False, True), ACTIVATIONS, EPS):
        with suppress(ValueError):
            g = Graph(inputs)
            node = _layer(g, parts, (form, other), Style(pre, kind, eps))
            yield g, [node]
            if same(node.value, out):
                return


def _layer(g: Graph, parts: Parts, shapes: tuple[Form, Form], style: Style) -> Node:
    y, memory = g[parts.arrays[0]], g[parts.arrays[-1]]
    norms = iter(parts.norms)
    for words, maps, form, is_self in zip((SELF, CROSS), parts.attentions, shapes, (True, False)):
        def attend(x: Node, maps: list[Linear] = maps, form: Form = form, is_self: bool = is_self) -> Node:
            return attention(g, (x, x, x) if is_self else (x, memory, memory),
                             [(g[w], g[b] if b else None) for w, b in maps], form)
        y = _sublayer(g, y, attend, next(norms), words, style)
    return _sublayer(g, y, lambda x: _feed_forward(g, x, parts.feed, style.kind), next(norms), FEED, style)


def _sublayer(g: Graph, x: Node, inside: Callable[[Node], Node], names: Pair, words: str, style: Style) -> Node:
    """norm(x + inside(x)), or x + inside(norm(x))."""
    x = g.same(x)
    entry = g.same(x)
    for place in (words, "what is inside the residual sums"):
        entry.slip("residual", f"the path through {place} is dropped, only the residual path is left", forgotten)
    if style.pre:
        normed, _ = _norm(g, entry, names, style.eps, words)
        return _residual(g, x, _within(g, words, lambda: inside(normed)), words)
    total = _residual(g, x, _within(g, words, lambda: inside(entry)), words)
    out, norm = _norm(g, total, names, style.eps, words)
    held: dict[str, np.ndarray] = {}

    def hold(d: np.ndarray) -> np.ndarray:
        held["d"] = d
        return norm.edges[0].pull(d)
    for place in (f" around {words}", "s"):
        key = "residual", f"the residual path{place} takes the gradient behind the layer norm, expected that before it"
        norm.slip(*key, hold)
        total.slip(*key, lambda d: held["d"])
    return out


def _residual(g: Graph, x: Node, y: Node, words: str) -> Node:
    """x + y, where words name what y comes from."""
    total = g.add(x, y)
    for place in (f" around {words}", "s"):
        total.slip("residual", f"the residual path{place} is dropped: the gradient goes on past what is inside too",
                   forgotten)
        total.slip("residual", f"the gradient of the residual path{place} is added twice", lambda d: 2 * d)
    return total


def _norm(g: Graph, x: Node, names: Pair, eps: float, words: str) -> tuple[Node, Node]:
    """The layer norm of x, and its node before beta is added."""
    gamma, beta = (g[name] for name in names)
    s = 1 / np.sqrt(x.value.var(axis=-1, keepdims=True) + eps)
    norm = _within(g, f"the layer norm of {words}",
                   lambda: scaled_norm(g, x, gamma, (x.value.ndim - 1,), s, True, "gamma"))
    return g.add(norm, beta), norm


def _within(g: Graph, words: str, build: Callable[[], Node]) -> Node:
    """What build() adds, each of whose mistakes may be made in all such parts of a layer, or in this one alone."""
    start = len(g.nodes)
    out = build()
    for node in g.nodes[start:]:
        for (kind, sentence), pulls in list(node.slips.items()):
            node.slips[kind, f"{sentence}, in {words}"] = pulls
    return out


def _feed_forward(g: Graph, x: Node, linears: list[Linear], kind: str) -> Node:
    first, second = ((g[w], g[b] if b else None) for w, b in linears)
    return linear_map(g, activation(g, linear_map(g, x, first, ""), kind), second, "")


def _parts(inputs: Mapping[str, np.ndarray]) -> Parts | None:
    """The arrays of a layer by their shapes: square weights of attention, the two of the feed-forward layer, norms."""
    arrays, linears, _ = _linears(inputs)
    count = len(linears) - 2
    wide = [linear for linear in linears if len(set(inputs[linear[0]].shape)) > 1] or linears[-2:]
    maps = [linear for linear in linears if linear not in wide]
    if len(arrays) not in (1, 2) or count != 4 * len(arrays) or len(wide) != 2 or any(
            inputs[name].ndim != 3 for name in arrays):
        return None
    maps, wide = _all_or_none(maps), _all_or_none(wide)
    used = {bias for _, bias in (*maps, *wide)}
    rest = [name for name, x in inputs.items() if x.ndim == 1 and name not in used]
    if len(rest) != 2 * (len(arrays) + 1):
        return None
    pairs = [(rest[k], rest[k + 1]) for k in range(0, len(rest), 2)]
    return Parts(arrays, [maps[k:k + 4] for k in range(0, count, 4)], wide, pairs)


def _all_or_none(linears: list[Linear]) -> list[Linear]:
    """Weights with their biases, or without: then the vector behind one of them is the gamma of a norm."""
    return linears if all(bias for _, bias in linears) else [(weight, None) for weight, _ in linears]


def _linears(inputs: Mapping[str, np.ndarray]) -> tuple[list[str], list[Linear], list[str]]:
    """Names of the arrays before the first weight; of each weight and the bias behind it; of other vectors."""
    names = list(inputs)
    first = next((k for k, name in enumerate(names) if inputs[name].ndim == 2), len(names))
    weights = [k for k in range(first, len(names)) if inputs[names[k]].ndim == 2]
    biased = {k: names[k + 1] for k in weights if k + 1 < len(names)
              and inputs[names[k + 1]].shape == inputs[names[k]].shape[1:]}
    rest = [name for name in names[first:] if inputs[name].ndim == 1 and name not in biased.values()]
    return names[:first], [(names[k], biased.get(k)) for k in weights], rest
