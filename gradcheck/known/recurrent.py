"""Recurrent layers, one step or many, in the layouts in which people write them.

A layer is taken for one of these only if its outputs are the very numbers of the cell written out in cells.py, so the
roles of its inputs and the order of its gates are never a guess.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import permutations, product
from typing import NamedTuple

import numpy as np

from gradcheck.known.cells import CELLS, Cell, State
from gradcheck.known.graph import Graph, Node, forgotten, same

Known = Iterator[tuple[Graph, list[Node]]]
Block = tuple[str, slice, slice]    # the weights of one gate: name, rows and columns
ORDERS: dict[int, list[tuple[int, ...]]] = {            # of the axes of x that make it (N, T, D), by their number
    1: [(0,)], 2: [(0, 1), (1, 0)], 3: [(0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 0, 1)]}
LATER = "the gradient from later steps {}is dropped (recurrence dropped)"
CARRIES = {"h": LATER.format("through h "), "c": LATER.format("through the cell state ")}


class Roles(NamedTuple):
    """Names of the inputs in their roles."""
    x: str
    axes: tuple[int, ...]           # of x: those of the batch, of time if there is one, of the numbers
    states: list[str]               # of h, or of h and c, or none: they are zero
    weights: list[str]
    biases: list[str]
    extra: list[str]                # attn and Wattn, whose product is added to the sums, or none


class Plan(NamedTuple):
    """Where the weights of each gate stand, in the layer's own order of gates."""
    turned: bool                    # weights are (G, D), not (D, G)
    x: list[Block]
    h: list[Block]
    b: list[Block]
    bh: list[Block]                 # biases of h Wh, if they are apart; of a GRU's candidate alone if there is one

    @property
    def H(self) -> int:
        return self.h[0][2].stop - self.h[0][2].start


def recurrences(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """x (N, D) or (N, T, D), states (N, H), weights (D, G) and (H, G) or (D + H, G), and biases.

    G numbers are those of all gates, in one array or in several. Batch and time may have another place, and weights may
    be turned. The outputs are states of all steps or of the last one.
    """
    for kind in CELLS:
        for roles in _roles(inputs, kind):
            for plan in _plans(inputs, kind, roles):
                if not {out.size for out in outs} <= _sizes(inputs[roles.x], roles.axes, plan.H):
                    continue
                for order, form in product(permutations(range(len(kind.gates))), kind.forms):
                    with suppress(ValueError):          # shapes that do not fit together in these roles
                        g = Graph(inputs)
                        found = _matched(g, _run(g, kind, roles, plan, order, form), roles, outs)
                        yield g, found


def _sizes(x: np.ndarray, axes: tuple[int, ...], H: int) -> set[int]:
    """How many numbers the states of all steps and those of the last one are."""
    N, *T, _ = [x.shape[axis] for axis in axes] if len(axes) > 1 else [1, 1]
    return {N * H, math.prod((N, *T, H))}


def _roles(inputs: dict[str, np.ndarray], kind: type[Cell]) -> Iterator[Roles]:
    x, *rest = inputs
    for axes, count in product(ORDERS.get(inputs[x].ndim, []), range(len(kind.states), -1, -1)):
        states, others = rest[:count], rest[count:]
        if any(inputs[name].ndim != min(inputs[x].ndim, 2) for name in states):
            continue
        biases = [name for name in others if inputs[name].ndim == 1 or 1 in inputs[name].shape]
        weights = [name for name in others if name not in biases]
        yield Roles(x, axes, states, weights, biases, [])
        if len(weights) > 3:
            yield Roles(x, axes, states, weights[:-2], biases, weights[-2:])


def _plans(inputs: dict[str, np.ndarray], kind: type[Cell], roles: Roles) -> Iterator[Plan]:
    D, gates = inputs[roles.x].shape[roles.axes[-1]], len(kind.gates)
    for turned in (False, True):
        shapes = {name: inputs[name].shape[::-1 if turned else 1] for name in roles.weights}
        if not all(len(shape) == 2 for shape in shapes.values()):
            continue
        for H in {shape[0] - k for shape in shapes.values() for k in (0, D) if shape[0] > k}:
            if not all(shape[1] % H == 0 for shape in shapes.values()):
                continue
            choices = [_rows(name, shape, D, H) for name, shape in shapes.items()]
            for chosen in _likely(choices):
                x, h = ([block for part in chosen for block in part[k]] for k in (0, 1))
                if len(x) == len(h) == gates:
                    for b, bh in _bias_plans(inputs, roles.biases, H, gates):
                        yield Plan(turned, x, h, b, bh)


def _likely(choices: list[list[tuple[list[Block], list[Block]]]]) -> Iterator[tuple]:
    """Ways to read all arrays. Where many of them could belong to x or to h: in turn, or first those of one."""
    if np.prod([len(ways) for ways in choices]) <= 16:
        yield from product(*choices)
    else:
        for pattern in (lambda k: k % 2, lambda k: k >= len(choices) // 2):
            for turn in (0, 1):
                yield tuple(ways[(pattern(k) + turn) % 2 % len(ways)] for k, ways in enumerate(choices))


def _rows(name: str, shape: Sequence[int], D: int, H: int) -> list[tuple[list[Block], list[Block]]]:
    """The ways to read an array of weights: blocks of x and blocks of h."""
    def blocks(first: int, size: int) -> list[Block]:
        return [(name, slice(first, first + size), slice(k, k + H)) for k in range(0, shape[1], H)]
    found: list[tuple[list[Block], list[Block]]] = []
    if shape[0] == D + H:
        found += [(blocks(0, D), blocks(D, H)), (blocks(H, D), blocks(0, H))]
    if shape[0] == D:
        found.append((blocks(0, D), []))
    if shape[0] == H:
        found.append(([], blocks(0, H)))
    return found


def _bias_plans(inputs: dict[str, np.ndarray], names: list[str], H: int,
                gates: int) -> Iterator[tuple[list[Block], list[Block]]]:
    if any(inputs[name].size % H for name in names):
        return
    all_ = [(name, slice(None), slice(k, k + H)) for name in names for k in range(0, inputs[name].size, H)]
    if len(all_) in (0, gates):
        yield all_, []
    elif len(all_) == 2 * gates:
        yield all_[:gates], all_[gates:]
        yield all_[::2], all_[1::2]
    elif len(all_) == gates + 1:
        yield all_[:gates], all_[gates:]


def _run(g: Graph, kind: type[Cell], roles: Roles, plan: Plan, order: Sequence[int],
         form: tuple[bool, ...]) -> list[State]:
    """Add the layer to the graph -> states after each step."""
    x = _steps(g, g[roles.x], roles.axes)
    Wx, Wh, b, bh = (_joined(g, plan, blocks, order, plan.H) for blocks in (plan.x, plan.h, plan.b, plan.bh))
    cell = kind(g, Wx, Wh, b, bh, form)                                     # type: ignore[arg-type]
    states = [_batched(g, g[name], roles) for name in roles.states]
    zeros = g.node(np.zeros((x.value.shape[0], plan.H)))
    state = {role: states[k] if k < len(states) else zeros for k, role in enumerate(kind.states)}
    extra = g.matmul(*(g[name] for name in roles.extra)) if roles.extra else None
    steps: list[State] = []
    for t in range(x.value.shape[1]):
        state = cell.step(g.take(x, (slice(None), t)), {role: _carried(g, role, node, t, len(state))
                                                        for role, node in state.items()}, extra)
        steps.append(state)
    return steps


def _carried(g: Graph, role: str, node: Node, t: int, states: int) -> Node:
    """The state that one step hands on to the next, where the gradient of later steps may be dropped."""
    if t == 0:
        return node
    node = g.same(node)
    if states > 1:
        node.slip("recurrence", CARRIES[role], forgotten)
    return node.slip("recurrence", LATER.format(""), forgotten)


def _steps(g: Graph, x: Node, axes: tuple[int, ...]) -> Node:
    """x as (N, T, D)."""
    if len(axes) == 1:
        return g.reshape(x, (1, 1, -1))
    x = g.transpose(x, axes) if axes != tuple(range(len(axes))) else x
    return g.reshape(x, (x.value.shape[0], 1, -1)) if len(axes) == 2 else x


def _batched(g: Graph, state: Node, roles: Roles) -> Node:
    """A state as (N, H)."""
    if len(roles.axes) == 1:
        return g.reshape(state, (1, -1))
    return g.transpose(state, (1, 0)) if roles.axes[0] > roles.axes[-1] else state


def _joined(g: Graph, plan: Plan, blocks: list[Block], order: Sequence[int], H: int) -> Node | None:
    """Blocks of weights or biases side by side in our order of gates; None if there are none."""
    if not blocks:
        return None
    parts = []
    for name, rows, columns in blocks:
        if rows == slice(None):
            parts.append(g.take(g.reshape(g[name], (-1,)), columns))
        else:
            parts.append(g.take(g.transpose(g[name], (1, 0)) if plan.turned else g[name], (rows, columns)))
    if len(blocks) == 1 and len(order) > 1:             # the bias of h Wh_n alone
        parts = [g.node(np.zeros(2 * H)), parts[0]]
        return g.join(parts, 0)
    return g.join([parts[k] for k in order], -1)


def _matched(g: Graph, steps: list[State], roles: Roles, outs: list[np.ndarray]) -> list[Node]:
    """Nodes that are the layer's outputs, states of all steps or of the last one; [] if they are others."""
    found: list[Node] = []
    states = {role: [step[role] for step in steps] for role in steps[0]}
    for out in outs:
        role = next((role for role, nodes in states.items() if same(_shaped(nodes[-1].value, roles), out)), None)
        if role is not None:
            last = g.same(states[role][-1])
            if role == "c":
                last.slip("upstream", "dnext_c is ignored", forgotten)
            found.append(_reshaped(g, last, roles))
            continue
        role = next((role for role, nodes in states.items() if len(roles.axes) == 3 and same(
            np.stack([node.value for node in nodes], 1).transpose(np.argsort(roles.axes)), out)), None)
        if role is None:
            return []
        found.append(g.transpose(g.stack(states[role], 1), [int(k) for k in np.argsort(roles.axes)]))
    return found


def _shaped(state: np.ndarray, roles: Roles) -> np.ndarray:
    if len(roles.axes) == 1:
        return state[0]
    return state.T if roles.axes[0] > roles.axes[-1] else state


def _reshaped(g: Graph, state: Node, roles: Roles) -> Node:
    return g.reshape(state, (-1,)) if len(roles.axes) == 1 else (
        g.transpose(state, (1, 0)) if roles.axes[0] > roles.axes[-1] else state)
