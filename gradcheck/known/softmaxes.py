"""Softmax and the losses made from it, with their mistakes."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.known.dense import linear
from gradcheck.known.graph import Graph, Node

Known = Iterator[tuple[Graph, list[Node]]]


def softmax(g: Graph, a: Node, axis: int = -1, words: str = "softmax") -> Node:
    """p = exp(a) / sum(exp(a)); da = p (d - sum(d p))."""
    e = np.exp(a.value - a.value.max(axis, keepdims=True))
    p = e / e.sum(axis, keepdims=True)

    def total(d: np.ndarray) -> np.ndarray:
        return d.sum(axis, keepdims=True)
    node = g.node(p, (a, lambda d: p * (d - total(d * p))))
    for sentence, pull in {
        f"only the diagonal of the Jacobian of {words} is used, p (1 - p): each p depends on all scores":
            lambda d: p * (1 - p) * d,
        f"the sum over the row is missing in the gradient of {words}: p (d - sum(d p)), not p d": lambda d: p * d,
        f"the factor p is missing in the gradient of {words}: p (d - sum(d p)), not d - sum(d p)":
            lambda d: d - total(d * p),
        f"the gradient of {words} has the sum of d where that of d p belongs: p (d - sum(d p))":
            lambda d: p * (d - total(d)),
        f"the gradient of {words} has a mean over the row where a sum belongs: p (d - sum(d p))":
            lambda d: p * (d - total(d * p) / p.shape[axis]),
        f"the gradient of {words} has a plus where a minus belongs: p (d - sum(d p))":
            lambda d: p * (d + total(d * p)),
        f"the derivative of {words} is missing": lambda d: d,
    }.items():
        node.slip("softmax", sentence, pull)
    for other in range(p.ndim):
        if other - p.ndim != axis and other != axis:
            node.slip("softmax", f"the sum in the gradient of {words} runs over axis {other}, expected axis "
                      f"{axis % p.ndim}", lambda d, other=other: p * (d - (d * p).sum(other, keepdims=True)))
    return node


def softmax_alone(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """The softmax or its logarithm, of one array over one axis."""
    if len(inputs) != 1 or len(outs) != 1:
        return
    (name, x), = inputs.items()
    for axis in range(-1, -x.ndim - 1, -1):
        g = Graph(inputs)
        yield g, [softmax(g, g[name], axis)]
        g = Graph(inputs)
        yield g, [log_softmax(g, g[name], axis)]


def log_softmax(g: Graph, a: Node, axis: int = -1) -> Node:
    """a - log(sum(exp(a))); da = d - p sum(d)."""
    high = a.value.max(axis, keepdims=True)
    e = np.exp(a.value - high)
    p = e / e.sum(axis, keepdims=True)
    node = g.node(a.value - high - np.log(e.sum(axis, keepdims=True)),
                  (a, lambda d: d - p * d.sum(axis, keepdims=True)))
    node.slip("softmax", "the one-hot vector is not subtracted: p - 1 at the label, p elsewhere",
              lambda d: -p * d.sum(axis, keepdims=True))
    node.slip("softmax", "the softmax itself is missing, only the one-hot vector is left", lambda d: d)
    node.slip("softmax", "only the entry of the label gets a gradient, p - 1, as if only the diagonal of "
              "the softmax's Jacobian counted; the others get p", lambda d: d * (1 - p))
    unnormalised = "the exponentials are not normalised: p is exp(a) / sum(exp(a))"
    for sentence, pull in {
        "the one-hot vector is added, expected p minus it": lambda d: -d - p * d.sum(axis, keepdims=True),
        unnormalised: lambda d: d - e * d.sum(axis, keepdims=True),
        f"{unnormalised}, without a shift": lambda d: d - np.exp(a.value) * d.sum(axis, keepdims=True),
        "the gradient takes the log-probabilities where the probabilities belong, exp(out)":
            lambda d: d - node.value * d.sum(axis, keepdims=True),
        "the gradient of log-softmax is d - p sum(d); this is the softmax's, p (d - sum(d p))":
            lambda d: p * (d - (d * p).sum(axis, keepdims=True)),
        "the gradient of log-softmax has a mean of d where the sum belongs: d - p sum(d)":
            lambda d: d - p * d.mean(axis, keepdims=True),
        "the softmax's gradient without the derivative of the logarithm, 1 / p":
            lambda d: p * (p * d - (d * p * p).sum(axis, keepdims=True)),
    }.items():
        node.slip("softmax", sentence, pull)
    for other in set(range(p.ndim)) - {axis % p.ndim}:
        node.slip("softmax", f"the sum in the gradient of log-softmax runs over axis {other}, expected axis "
                  f"{axis % p.ndim}", lambda d, other=other: d - p * d.sum(other, keepdims=True))
    return node


def cross_entropy(inputs: dict[str, np.ndarray], outs: list[np.ndarray], settings: dict[str, np.ndarray]) -> Known:
    """-log softmax(scores)[labels], each, summed or averaged; labels are whole numbers or one-hot vectors.

    The scores are one array, or a linear map of one.
    """
    for label in settings.values():
        for _, scores in linear(inputs):
            one_hot = _one_hot(np.asarray(label), scores.value.shape)
            if one_hot is not None:
                for how in ("mean", "sum", "each"):
                    for g, a in linear(inputs):
                        if a.value.shape == one_hot.shape:
                            yield g, [_entropy(g, a, one_hot, how)]
                break


def _one_hot(label: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Labels as 0 and 1 in the shape of the scores; None if they are no labels of these."""
    if len(shape) > 1 and label.shape == shape[:-1] and label.dtype.kind in "iu" and label.size and (
            0 <= label.min() <= label.max() < shape[-1]):
        return np.eye(shape[-1])[label]
    return label.astype(float) if label.shape == shape and np.isin(label, (0, 1)).all() else None


def _entropy(g: Graph, scores: Node, one_hot: np.ndarray, how: str) -> Node:
    log_p = log_softmax(g, scores)
    each = -(log_p.value * one_hot).sum(axis=-1)
    value, scale = {"mean": (each.mean(), 1 / each.size), "sum": (each.sum(), 1)}.get(how, (each, 1))
    loss = g.node(np.asarray(value), (log_p, lambda d: -np.asarray(d)[..., None] * scale * one_hot))
    return loss.slip("upstream", "the upstream gradient is ignored: it multiplies the gradient of the loss",
                     lambda d: -scale * one_hot)
