"""Find the known layer that a forward is, by its numbers, and compute the gradients of each mistake in it."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.factors import FIT
from gradcheck.known import attention, dense, norms, recurrent, softmaxes, transformer, windows
from gradcheck.known.graph import Graph, Node, same

Prediction = tuple[str, str, dict[str, np.ndarray]]     # kind, sentence, name -> gradients (K, *shape)
WORK = 100_000                      # nodes of all forms that are tried, some seconds
LARGEST = 200_000                   # numbers in all inputs: beyond, a graph would take too long


def predict(inputs: Mapping[str, Any], outs: Sequence[np.ndarray], douts: Sequence[np.ndarray],
            wrong: Mapping[str, np.ndarray]) -> list[Prediction]:
    """The gradients of the known layer with these inputs and outputs for each mistake that may explain a wrong one.

    wrong: name -> gradients (K, *shape) to explain. A mistake that differs from all of them at the first upstream
    gradient is left out, since the rest of its work would be in vain. -> [] if no known layer has these outputs.
    """
    found = find(inputs, outs)
    if found is None:
        return []
    graph, nodes = found
    predictions = []
    for key in graph.mistakes():
        first = graph.gradients(nodes, [dout[0] for dout in douts], key)
        if any(_may_fit(first[name], gradients) for name, gradients in wrong.items() if name in first):
            rest = [graph.gradients(nodes, [dout[k] for dout in douts], key) for k in range(1, len(douts[0]))]
            predictions.append((*key, {name: np.array([grads[name] for grads in (first, *rest)]) for name in first}))
    return predictions


def _may_fit(first: np.ndarray, gradients: np.ndarray) -> bool:
    """Whether the prediction at the first upstream gradient can be part of one that fits, with room for rounding."""
    return bool(np.abs(gradients[0] - first).max(initial=0) <= 2 * FIT * np.abs(gradients).max(initial=0))


def find(inputs: Mapping[str, Any], outs: Sequence[np.ndarray]) -> tuple[Graph, list[Node]] | None:
    """The graph of the known layer that gives these outputs, and its output nodes."""
    arrays = {name: x for name, x in inputs.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"}
    settings = {name: x for name, x in inputs.items() if name not in arrays and isinstance(x, np.ndarray)}
    outs = [np.asarray(out) for out in outs]
    if not arrays or sum(x.size for x in arrays.values()) > LARGEST:
        return None
    work = 0
    for family in _families(arrays, settings, outs):
        try:
            for graph, nodes in family:
                work += len(graph.nodes)
                if work > WORK:
                    return None
                if len(nodes) == len(outs) and all(same(node.value, out) for node, out in zip(nodes, outs)):
                    return graph, nodes
        except (ValueError, IndexError, ArithmeticError):        # arrays whose shapes fit no layer of this family
            continue
    return None


def _families(arrays: dict[str, np.ndarray], settings: dict[str, np.ndarray],
              outs: list[np.ndarray]) -> Iterator[Iterator[tuple[Graph, list[Node]]]]:
    yield softmaxes.softmax_alone(arrays, outs)
    yield softmaxes.cross_entropy(arrays, outs, settings)
    yield dense.activations(arrays, outs)
    yield norms.normalisations(arrays, outs)
    yield windows.convolutions(arrays, outs)
    yield windows.pools(arrays, outs)
    yield recurrent.recurrences(arrays, outs)
    yield transformer.feed_forwards(arrays, outs)
    yield transformer.patches(arrays, outs)
    yield transformer.layers(arrays, outs, settings)
    yield attention.attentions(arrays, outs, settings)
