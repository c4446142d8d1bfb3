"""Normalisations over any axes, with their mistakes: batch, layer, instance, group and RMS normalisation.

y = gamma * (x - mean) * s + beta with s = 1 / sqrt(variance + eps), and for RMS normalisation without the mean.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.known.graph import Graph, Key, Node, summed

Known = Iterator[tuple[Graph, list[Node]]]      # a graph and its output nodes, for every form that may be meant
TERMS = ("x", "mean", "variance")                # of the gradient: the direct one and the two sums


def normalisations(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """x, then gamma and beta or not: out is x normalised over some axes, perhaps in groups of its second axis."""
    (_, x), *rest = inputs.items()
    if x.ndim < 2 or len(rest) > 2 or len(outs) != 1 or outs[0].shape != x.shape:
        return
    for split in [()] + [(k, x.shape[1] // k) for k in range(2, x.shape[1]) if x.ndim > 2 and x.shape[1] % k == 0]:
        shape = (len(x), *split, *x.shape[2:]) if split else x.shape
        for axes in _axes(len(shape), bool(split)):
            for centred in (True, False):
                for places in _places(x.shape, [parameter.shape for _, parameter in rest]):
                    yield from _normalised(inputs, outs[0], shape, axes, centred, places)


def _axes(n: int, grouped: bool) -> list[tuple[int, ...]]:
    if grouped:
        return [tuple(range(2, n))]
    return [axes for k in range(1, n + 1) for axes in combinations(range(n), k)]


def _places(shape: tuple[int, ...], parameters: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Shapes in which the parameters broadcast against x: as they are, or along the axis of channels."""
    channels = (1, shape[1], *[1] * (len(shape) - 2))
    for wanted in (None, channels):
        found = [wanted if wanted and np.prod(p) == shape[1] else p for p in parameters]
        try:
            if all(np.broadcast_shapes(p, shape) == shape for p in found):
                yield found
        except ValueError:
            continue


def _normalised(inputs: dict[str, np.ndarray], out: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...],
                centred: bool, places: list[tuple[int, ...]]) -> Known:
    g = Graph(inputs)
    x, *rest = (g[name] for name in inputs)
    placed = [g.reshape(node, place) for node, place in zip(rest, places)]
    gamma = placed[0] if placed else g.node(np.ones(1))
    beta = placed[1] if len(placed) > 1 else g.node(np.zeros(1))
    split, hat = g.reshape(x, shape), (out - beta.value) / gamma.value
    s = _scale(split.value, hat.reshape(shape), axes, centred)
    if s is None:
        return
    if shape != x.value.shape and placed:               # groups: gamma in their shape
        gamma = g.reshape(g.multiply(gamma, g.node(np.ones(x.value.shape))), shape)
    y = scaled_norm(g, split, gamma, axes, s, centred, [*inputs, "gamma"][1])
    yield g, [g.add(g.reshape(y, x.value.shape), beta)]


def _scale(x: np.ndarray, hat: np.ndarray, axes: tuple[int, ...], centred: bool) -> np.ndarray | None:
    """The s for which hat = (x - mean) * s over these axes, so that eps need not be known; None if there is none."""
    away = x - x.mean(axes, keepdims=True) if centred else x
    squares = (away**2).mean(axes, keepdims=True)
    with np.errstate(all="ignore"):
        s = (hat * away).mean(axes, keepdims=True) / squares
        eps = 1 / s**2 - squares
        fits = np.abs(hat - away * s).max() < 1e-9 * np.abs(hat).max() and np.ptp(eps) < 1e-8 * squares.max()
    return s if fits and (eps > -1e-9 * squares).all() and (eps < squares.max()).all() else None


def scaled_norm(g: Graph, x: Node, gamma: Node, axes: tuple[int, ...], s: np.ndarray, centred: bool,
                name: str = "gamma") -> Node:
    """gamma times x normalised over these axes, in the shape of x.

    dx = s (d - mean(d) - hat mean(d hat)) with d = gamma dout: Ioffe and Szegedy 2015, section 3.
    """
    shape = x.value.shape
    away = x.value - x.value.mean(axes, keepdims=True) if centred else x.value
    hat = away * s

    def mean(d: np.ndarray, axes: tuple[int, ...] = axes) -> np.ndarray:
        return d.mean(axes, keepdims=True)

    def pull(d: np.ndarray, m: Any = 1, v: float = 1, plain: Sequence[str] = (), outside: Any = 1, s: Any = s,
             hats: np.ndarray = hat, own: np.ndarray = hat, over: dict[str, tuple[int, ...]] | None = None
             ) -> np.ndarray:
        """m, v: factors of the two sums; plain: terms without gamma; outside: a factor of all terms; over: axes."""
        term = {part: d if part in plain else d * scale for part in TERMS}
        along = {"mean": axes, "variance": axes, **(over or {})}
        return outside * s * (term["x"] - m * centred * mean(term["mean"], along["mean"])
                              - v * hats * mean(term["variance"] * own, along["variance"]))
    scale = np.broadcast_to(gamma.value, shape) if gamma.value.ndim == len(shape) else gamma.value
    node = g.node(hat * scale, (x, pull), (gamma, lambda d: summed(d * hat, gamma.value.shape)))
    settings = {**_factors(centred, [shape[i] for i in axes]), **_parameter(name, scale, centred),
                **_powers(away, s, (away**2).mean(axes, keepdims=True))}
    for (kind, sentence), changed in settings.items():
        node.slip(kind, sentence, lambda d, changed=changed: pull(d, **changed))
    node.slip("path", "the normalisation is left out on the way back", lambda d: d * scale)
    node.slip("path", f"the normalisation and {name} are left out on the way back", lambda d: d)
    for k in set(range(len(shape))) - set(axes):
        for (path,), words in ((("mean",), "the mean"), (("variance",), "the variance")):
            node.slip("path", f"the path through {words} takes its sum over axis {k}, expected axis "
                      f"{' and '.join(map(str, axes))}", lambda d, k=k, path=path: pull(d, over={path: (k,)}))
        node.slip("path", f"the sums of both paths run over axis {k}, expected axis {' and '.join(map(str, axes))}",
                  lambda d, k=k: pull(d, over=dict.fromkeys(TERMS, (k,))))
    for word, wrong in (("x - mean", away), ("x", x.value)):
        node.slip("parameter", f"the sum of d{name} takes {word}, expected the normalised x",
                  lambda d, wrong=wrong: summed(d * wrong, gamma.value.shape), edge=1)
    return node


def _powers(away: np.ndarray, s: np.ndarray, variance: np.ndarray) -> dict[Key, dict[str, Any]]:
    """Wrong powers of s = 1 / sqrt(variance + eps), and eps in the wrong place; away is x - mean."""
    plain, eps = variance**-0.5, 1 / s**2 - variance
    return {("path", words): changed for words, changed in {
        "the path through the variance has the wrong power of the standard deviation, expected 1 / std^3":
            {"hats": away / s},
        "the path through the mean lacks the factor 1 / sqrt(variance + eps)": {"m": 1 / s},
        "the square of 1 / sqrt(variance + eps) stands where itself belongs": {"s": s**2},
        "the factor 1 / sqrt(variance + eps) is missing": {"s": 1},
        "eps is left out of 1 / sqrt(variance + eps)": {"s": plain},
        "eps is left out of 1 / sqrt(variance + eps), and of the normalised x":
            {"s": plain, "hats": away * plain, "own": away * plain},
        "eps stands outside the root, expected 1 / sqrt(variance + eps)": {"s": 1 / (np.sqrt(variance) + eps)},
        "in the path through the variance, x - mean stands where the normalised x belongs": {"hats": away}}.items()}


def _factors(centred: bool, sizes: list[int]) -> dict[Key, dict[str, Any]]:
    """Wrong factors of the paths through the mean (m) and the variance (v)."""
    size = int(np.prod(sizes))
    parts = {int(np.prod(part)) for k in range(1, len(sizes)) for part in combinations(sizes, k)}
    words = {**{size / part: f"has a sum divided by {part}, expected a mean over all {size} numbers" for part in parts},
             size / max(1, size - 1): "has its sum divided by n - 1, expected n",
             1 / size: f"has its sum divided by the number of entries twice, {size}",
             size: f"is a sum where a mean belongs, over {size} numbers", 0: "is dropped", -1: "has the wrong sign",
             2: "is twice what it should be", 0.5: "is half of what it should be"}   # of equal factors the last is said
    paths = {"the variance": ("v",), "the mean": ("m",), "the mean and the variance": ("m", "v")}
    return {("path", f"the path through {path} {word}"): dict.fromkeys(keys, factor)
            for path, keys in paths.items() if centred or keys == ("v",) for factor, word in words.items()}


def _parameter(name: str, scale: np.ndarray, centred: bool) -> dict[Key, dict[str, Any]]:
    """Places where gamma is left out or stands outside the sums."""
    found: dict[Key, dict[str, Any]] = {
        ("parameter", f"{name} stands outside the sums of the normalisation: dout has to be multiplied by it before "
         "they are taken"): {"plain": TERMS, "outside": scale},
        ("parameter", f"the factor {name} is missing: the normalised x gets dout, expected dout * {name}"):
            {"plain": TERMS}}
    for plain in (("mean", "variance"), ("mean",), ("variance",), ("x",)):
        where = f"the sum over the {' and the '.join(plain)}" if plain != ("x",) else "the direct term"
        found["parameter", f"the factor {name} is missing in {where}: {name} stands outside the sums"] = {
            "plain": plain}
    return found
