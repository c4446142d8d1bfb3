"""An activation of each number, of an array or of x w + b, with the mistakes in its derivative."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from math import erf, pi, sqrt
from typing import NamedTuple

import numpy as np

from gradcheck.known.cells import sigmoid
from gradcheck.known.graph import Graph, Node

Known = Iterator[tuple[Graph, list[Node]]]
ROOT = sqrt(2 / pi)


class Activation(NamedTuple):
    """y = value(x), and the slope of each number; wrong: sentence -> slope, of x and y."""
    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray]
    wrong: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(erf, otypes=[float])(x)


def _bell(x: np.ndarray) -> np.ndarray:
    return np.exp(-x**2 / 2) / sqrt(2 * pi)


def _inner(x: np.ndarray) -> np.ndarray:
    return np.tanh(ROOT * (x + 0.044715 * x**3))


def _gelu_slope(x: np.ndarray, cube: float = 3) -> np.ndarray:
    t = _inner(x)
    return (1 + t) / 2 + x / 2 * (1 - t**2) * ROOT * (1 + cube * 0.044715 * x**2)


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda x, y: 1 - y**2, {
        "the derivative of tanh is 1 - h^2, not 1 - h": lambda x, y: 1 - y,
        "the derivative of tanh is 1 - h^2 of the result h, here x stands for it": lambda x, y: 1 - x**2,
        "tanh has the derivative of a sigmoid, expected 1 - h^2": lambda x, y: y * (1 - y),
        "tanh is taken twice in its derivative": lambda x, y: 1 - np.tanh(y)**2}),
    "sigmoid": Activation(sigmoid, lambda x, y: y * (1 - y), {
        "the sigmoid has the derivative of tanh, expected s (1 - s)": lambda x, y: 1 - y**2,
        "the derivative of the sigmoid s is s (1 - s), the factor s is missing": lambda x, y: 1 - y,
        "the derivative of the sigmoid s is s (1 - s), the factor 1 - s is missing": lambda x, y: y,
        "the sigmoid is taken twice in its derivative": lambda x, y: sigmoid(y) * (1 - sigmoid(y))}),
    "relu": Activation(lambda x: np.maximum(x, 0), lambda x, y: 1.0 * (x > 0), {
        "the mask of relu is inverted: it passes where x is negative": lambda x, y: 1.0 * (x <= 0)}),
    "gelu, by tanh": Activation(lambda x: x / 2 * (1 + _inner(x)), lambda x, y: _gelu_slope(x), {
        "gelu lacks the path through tanh: its derivative is a product's, with two terms":
            lambda x, y: (1 + _inner(x)) / 2,
        "gelu lacks the term (1 + tanh) / 2 of its derivative": lambda x, y: _gelu_slope(x) - (1 + _inner(x)) / 2,
        "the derivative of 0.044715 x^3 is 3 times 0.044715 x^2, the 3 is missing": lambda x, y: _gelu_slope(x, 1),
        "the derivative of x + 0.044715 x^3 in gelu is missing": lambda x, y: _gelu_slope(x, 0)}),
    "gelu": Activation(lambda x: x / 2 * (1 + _erf(x / sqrt(2))),
                       lambda x, y: (1 + _erf(x / sqrt(2))) / 2 + x * _bell(x), {
        "gelu lacks the term x phi(x) of its derivative": lambda x, y: (1 + _erf(x / sqrt(2))) / 2,
        "gelu has phi(x) where x phi(x) belongs": lambda x, y: (1 + _erf(x / sqrt(2))) / 2 + _bell(x),
        "gelu lacks the term Phi(x) of its derivative": lambda x, y: x * _bell(x),
        "gelu has x exp(-x^2 / 2) where x phi(x) belongs, the 1 / sqrt(2 pi) is missing":
            lambda x, y: (1 + _erf(x / sqrt(2))) / 2 + x * np.exp(-x**2 / 2),
        "gelu has exp(-x^2) in its density, expected exp(-x^2 / 2)":
            lambda x, y: (1 + _erf(x / sqrt(2))) / 2 + x * np.exp(-x**2) / sqrt(2 * pi),
        "gelu has a minus before x phi(x) in its derivative, expected a plus":
            lambda x, y: (1 + _erf(x / sqrt(2))) / 2 - x * _bell(x),
        "gelu has the derivative of its approximation by tanh": lambda x, y: _gelu_slope(x),
        "gelu has the derivative of its approximation x sigmoid(1.702 x)":
            lambda x, y: sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x)))}),
    "silu": Activation(lambda x: x * sigmoid(x), lambda x, y: sigmoid(x) + y * (1 - sigmoid(x)), {
        "silu lacks the path through the sigmoid: its derivative is a product's, with two terms":
            lambda x, y: sigmoid(x)}),
    "softplus": Activation(lambda x: np.logaddexp(0, x), lambda x, y: sigmoid(x), {}),
    "exp": Activation(np.exp, lambda x, y: y, {}),
}


def activations(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """An activation of x, or of a linear map of it."""
    if len(outs) != 1:
        return
    for name in ACTIVATIONS:
        for g, a in linear(inputs):
            if a.value.shape == outs[0].shape:
                yield g, [activation(g, a, name)]


def linear(inputs: dict[str, np.ndarray]) -> Iterator[tuple[Graph, Node]]:
    """x alone, or x w + b with x (..., D) or its rows flattened, w (D, M) or turned, or w x + b; with b or without."""
    names = list(inputs)
    if len(names) == 1:
        g = Graph(inputs)
        yield g, g[names[0]]
    for flat, turned, columns in product((False, True), repeat=3) if len(names) in (2, 3) else ():
        g = Graph(inputs)
        x, w = (g[name] for name in names[::-1 if columns and len(names) == 2 else 1][:2])
        with suppress(ValueError):                      # shapes that do not fit together in this form
            w = g.transpose(w, (1, 0)) if turned else w
            x = g.reshape(x, (len(x.value), -1)) if flat else x
            a = g.matmul(w, x) if columns else g.matmul(x, w)
            yield g, g.add(a, g[names[2]]) if len(names) == 3 else a


def activation(g: Graph, a: Node, name: str) -> Node:
    """One of ACTIVATIONS of a."""
    kind = ACTIVATIONS[name]
    value = kind.value(a.value)
    node = g.function(a, value, kind.slope(a.value, value))
    node.slip("derivative", f"the derivative of {name} is missing", lambda d: d)
    for sentence, slope in kind.wrong.items():
        wrong = slope(a.value, value)
        node.slip("derivative", sentence, lambda d, wrong=wrong: d * wrong)
    if name == "relu":
        node.slip("derivative", "the mask of relu is taken from the upstream gradient, expected from x",
                  lambda d: d * (d > 0))
    return node
