"""A graph of array operations that can run backward with one mistake in it.

An operation adds a Node. Its edges lead to the arrays it was made from, each with the function that turns the node's
gradient into that array's. A slip replaces some of these functions by wrong ones. It has a key, (kind, sentence): nodes
that share a key, such as those of all time steps, make the mistake together.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Key = tuple[str, str]               # kind, sentence
Pull = Callable[..., Any]           # gradient of a node -> gradient of one array it was made from, None if it has none

SAME = 1e-9
ASSIGNED: Key = ("one step", "only the first step counts: assigned instead of accumulated over the steps")
LAST: Key = ("one step", "only the last step counts: not accumulated over the steps")


class Edge(NamedTuple):
    source: Node
    pull: Pull


class Node:
    """An array, the edges to what it was made from, and the mistakes that its backward may make."""

    def __init__(self, value: np.ndarray, edges: Sequence[Edge] = (), repeated: bool = False) -> None:
        """repeated: whether the gradients that arrive here come from the steps of a loop."""
        self.value, self.edges, self.repeated = value, edges, repeated
        self.slips: dict[Key, dict[int, Pull]] = {}     # key -> number of an edge -> its wrong pull

    def slip(self, kind: str, sentence: str, *pulls: Pull, edge: int = 0) -> Node:
        """Add a mistake of the pulls from this edge on -> the node."""
        self.slips.setdefault((kind, sentence), {}).update({edge + i: pull for i, pull in enumerate(pulls)})
        return self


class Graph:
    """Nodes in the order in which they were computed, and those of the inputs by name."""

    def __init__(self, inputs: Mapping[str, np.ndarray]) -> None:
        self.inputs = {name: Node(x) for name, x in inputs.items()}
        self.nodes: list[Node] = list(self.inputs.values())

    def __getitem__(self, name: str) -> Node:
        return self.inputs[name]

    def node(self, value: np.ndarray, *edges: tuple[Node, Pull], repeated: bool = False) -> Node:
        """Add an operation with this result."""
        self.nodes.append(Node(value, [Edge(*edge) for edge in edges], repeated))
        return self.nodes[-1]

    def mistakes(self) -> list[Key]:
        """All mistakes that can be made, those of single operations first."""
        found = dict.fromkeys(key for node in self.nodes for key in node.slips)
        loop = [ASSIGNED, LAST] if any(node.repeated for node in self.nodes) else []
        return [*found, *loop]

    def gradients(self, outs: Sequence[Node], douts: Sequence[np.ndarray],
                  mistake: Key | None = None) -> dict[str, np.ndarray]:
        """Gradients of sum(out * dout) over all outs by the inputs' names, with one mistake or none."""
        grads: dict[int, np.ndarray] = {}
        for out, dout in zip(outs, douts):
            grads[id(out)] = grads.get(id(out), 0) + dout
        for node in reversed(self.nodes):
            if id(node) not in grads or not node.edges:
                continue
            wrong = node.slips.get(mistake, {}) if mistake else {}
            for i, (source, pull) in enumerate(node.edges):
                part, old = wrong.get(i, pull)(grads[id(node)]), grads.get(id(source))
                if part is None:
                    continue
                if source.repeated and old is not None and mistake in (ASSIGNED, LAST):
                    grads[id(source)] = part if mistake == ASSIGNED else old        # steps come in reverse order
                else:
                    grads[id(source)] = part if old is None else old + part
        return {name: grads.get(id(node), 0) + np.zeros_like(node.value) for name, node in self.inputs.items()}

    # -- operations

    def matmul(self, a: Node, b: Node) -> Node:
        """a @ b, with leading axes that are shared or broadcast."""
        return self.node(
            a.value @ b.value,
            (a, lambda d: summed(d @ b.value.swapaxes(-1, -2), a.value.shape)),
            (b, lambda d: summed(a.value.swapaxes(-1, -2) @ d, b.value.shape)))

    def add(self, *terms: Node) -> Node:
        """The sum of arrays that broadcast."""
        return self.node(sum(term.value for term in terms),                     # type: ignore[arg-type]
                         *((term, lambda d, shape=term.value.shape: summed(d, shape)) for term in terms))

    def multiply(self, a: Node, b: Node) -> Node:
        """a * b, which broadcast."""
        return self.node(a.value * b.value, (a, lambda d: summed(d * b.value, a.value.shape)),
                         (b, lambda d: summed(d * a.value, b.value.shape)))

    def times(self, a: Node, factor: float) -> Node:
        """A number times a, or an array times a that gets no gradient."""
        return self.node(a.value * factor, (a, lambda d: d * factor))

    def same(self, a: Node, repeated: bool = False) -> Node:
        """a itself, as a place at which a gradient can go wrong."""
        return self.node(a.value, (a, lambda d: d), repeated=repeated)

    def function(self, a: Node, value: np.ndarray, slope: np.ndarray) -> Node:
        """A function of each entry of a, given its value and its slope."""
        return self.node(value, (a, lambda d: d * slope))

    def reshape(self, a: Node, shape: Sequence[int]) -> Node:
        """a in another shape."""
        return self.node(a.value.reshape(shape), (a, lambda d: d.reshape(a.value.shape)))

    def transpose(self, a: Node, order: Sequence[int]) -> Node:
        """a with its axes in another order, as np.transpose."""
        back = np.argsort(order)
        found = self.node(a.value.transpose(order), (a, lambda d: d.transpose(back)))
        if sorted(order) == list(order) or 1 in a.value.shape:
            return found
        return found.slip("transpose", f"reshaped where the axes belong transposed: the way back from {a.value.shape} "
                          f"to {found.value.shape} is a transpose", lambda d: d.reshape(a.value.shape))

    def take(self, a: Node, index: Any) -> Node:
        """a[index], for slices or for whole numbers that may repeat."""
        return self.node(a.value[index], (a, lambda d: added(d, index, a.value.shape)))

    def split(self, a: Node, sizes: Sequence[int], names: Sequence[str], words: str = "") -> list[Node]:
        """Parts of a along its last axis. Their gradients may be put into each other's place, or be forgotten."""
        ends = np.cumsum(sizes)
        places = [(..., slice(end - size, end)) for size, end in zip(sizes, ends)]
        nodes = [self.take(a, place) for place in places]
        for k, node in enumerate(nodes):
            node.slip("path", f"the path through {words or 'the '}{names[k]} is dropped", forgotten)
            for j in range(len(names)):
                if j != k and sizes[j] == sizes[k]:
                    pair = " and ".join(names[i] for i in sorted((j, k)))
                    node.slip("block", f"{words and 'gates '}{pair} are exchanged",
                              lambda d, place=places[j]: added(d, place, a.value.shape))
        return nodes

    def stack(self, parts: Sequence[Node], axis: int) -> Node:
        """Arrays of one shape as one, along a new axis."""
        return self.node(np.stack([part.value for part in parts], axis),
                         *((part, lambda d, i=i: d.take(i, axis)) for i, part in enumerate(parts)))

    def join(self, parts: Sequence[Node], axis: int) -> Node:
        """Arrays as one, along an axis that they have."""
        ends = np.cumsum([part.value.shape[axis] for part in parts])
        return self.node(np.concatenate([part.value for part in parts], axis), *(
            (part, lambda d, end=end, part=part: d.take(range(end - part.value.shape[axis], end), axis))
            for part, end in zip(parts, ends)))


def summed(d: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The gradient of an array that was broadcast: d summed over the axes that are new or were 1."""
    if d.shape == tuple(shape):
        return d
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    return d.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True)


def added(d: np.ndarray, index: Any, shape: Sequence[int]) -> np.ndarray:
    """The gradient of x[index]: an array of this shape with d added at the index."""
    dx = np.zeros(shape)
    np.add.at(dx, index, d)
    return dx



def same(p: np.ndarray, q: np.ndarray) -> bool:
    """Whether two arrays are the same numbers to rounding, relative to the largest."""
    return p.shape == q.shape and bool(np.abs(p - q).max(initial=0) <= SAME * max(1.0, np.abs(q).max(initial=0)))


def forgotten(d: np.ndarray) -> None:
    """The pull of a path on which no gradient goes back."""
