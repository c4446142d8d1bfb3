"""One step of each recurrent cell as a graph, with the mistakes that are made inside it."""
from __future__ import annotations

import numpy as np

from gradcheck.known.graph import Graph, Node, forgotten

State = dict[str, Node]             # h and, for an LSTM, c
NOT_PASSED = "the derivatives of all gates are missing"


class Cell:
    """A cell with its weights. A subclass has its gates and its step."""

    gates: str                                          # one letter for each, in our order
    states: tuple[str, ...] = ("h",)
    forms: tuple[tuple[bool, ...], ...] = ((),)         # variants of the step

    def __init__(self, g: Graph, Wx: Node, Wh: Node, b: Node | None, bh: Node | None, form: tuple[bool, ...]) -> None:
        """Weights (D, G) and (H, G) for G numbers of all gates; bh: biases that a GRU keeps apart, (G,)."""
        self.g, self.form, self.H = g, form, Wh.value.shape[0]
        self.Wx, self.Wh = g.same(Wx, repeated=True), g.same(Wh, repeated=True)
        self.b, self.bh = (node and g.same(node, repeated=True) for node in (b, bh))

    def step(self, x: Node, state: State, extra: Node | None) -> State:
        """The states after one step. extra: another term of the sums before the gates, or None."""
        raise NotImplementedError

    def after(self, product: Node, h: Node, next_h: Node) -> None:
        """Add the mistake that needs the step's result: dWh from next_h."""
        product.slip("hidden state", "the hidden state of the wrong step: dWh takes prev_h, not next_h",
                     lambda d: next_h.value.T @ d, edge=1)

    def inputs(self, x: Node) -> Node:
        """x Wx + b."""
        product = self.g.matmul(x, self.Wx)
        return product if self.b is None else self.g.add(product, self.b)

    def hidden(self, h: Node) -> Node:
        """h Wh."""
        return self.g.matmul(h, self.Wh)

    def parts(self, a: Node) -> list[Node]:
        """The sums before each gate, from those of all."""
        return self.g.split(a, [self.H] * len(self.gates), self.gates, "gate ")


class RNN(Cell):
    """next_h = tanh(a)."""

    gates = "h"

    def step(self, x: Node, state: State, extra: Node | None) -> State:
        product = self.hidden(state["h"])
        product.slip("transpose", "Wh is used in backward where its transpose belongs", lambda d: d @ self.Wh.value)
        h = tanh(self.g, self.g.add(self.inputs(x), product, *([extra] if extra else [])), "tanh")
        self.after(product, state["h"], h)
        return {"h": h}


class LSTM(Cell):
    """i, f, o = sigmoid(a_i, a_f, a_o), g = tanh(a_g); next_c = f c + i g, next_h = o tanh(next_c)."""

    gates, states = "ifog", ("h", "c")

    def step(self, x: Node, state: State, extra: Node | None) -> State:
        g, c, product = self.g, state["c"], self.hidden(state["h"])
        i, f, o, new = self.parts(g.add(self.inputs(x), product, *([extra] if extra else [])))
        i, f, o, new = *(gate(g, a, name) for a, name in zip((i, f, o), "ifo")), tanh(g, new, "gate g", gates=True)
        kept = g.multiply(f, c)
        next_c = g.add(kept, g.multiply(i, new))
        squashed = tanh(g, next_c, "tanh")
        next_h = g.multiply(o, squashed)
        kept.slip("cell state", "the cell state of the wrong step: df = dc * prev_c, not dc * next_c",
                  lambda d: d * next_c.value)
        kept.slip("cell state", "dprev_c is dc * f, the factor f is missing", lambda d: d, edge=1)
        next_h.slip("upstream", "dc lacks the path from dnext_h through tanh(next_c)", forgotten, edge=1)
        next_h.slip("cell state", "do = dnext_h * tanh(next_c), the tanh is missing", lambda d: d * next_c.value)
        next_h.slip("cell state", "dc = dnext_h * o * (1 - tanh(next_c)^2), the factor o is missing", lambda d: d,
                    edge=1)
        self.after(product, state["h"], next_h)
        return {"h": next_h, "c": next_c}


class GRU(Cell):
    """r, z = sigmoid(a_r, a_z), n = tanh(a_n + r m) with m = h Wh_n + bn; next_h = (1 - z) n + z h.

    The form is whether r multiplies h before the product, n = tanh(a_n + (r h) Wh_n), and whether z and 1 - z change
    places.
    """

    gates = "rzn"
    forms = ((False, False), (True, False), (False, True), (True, True))

    def __init__(self, g: Graph, Wx: Node, Wh: Node, b: Node | None, bh: Node | None, form: tuple[bool, ...]) -> None:
        super().__init__(g, Wx, Wh, b, bh, form)
        if form[0]:                                     # the product with Wh_n is another one
            H = self.H
            self.Wh, self.Wn = (g.same(g.take(Wh, (slice(None), part)), repeated=True)
                                for part in (slice(2 * H), slice(2 * H, None)))

    def step(self, x: Node, state: State, extra: Node | None) -> State:
        g, h, H = self.g, state["h"], self.H
        before, swapped = self.form
        product = self.hidden(h)
        sums = product
        if before:                                      # its place is filled below, after r is known
            sums = g.join([product, g.node(np.zeros_like(h.value))], 1)
        sums = g.add(sums, self.bh) if self.bh else sums
        a = self.inputs(x)
        inner, outer = self.parts(a), self.parts(sums)
        r, z = (gate(g, g.add(p, q), name) for p, q, name in zip(inner, outer, "rz"))
        m = self._before(r, h, outer[2]) if before else self._after(r, h, outer[2])
        n = tanh(g, g.add(inner[2], m), "tanh")
        next_h = self._mixed(z, n, h, swapped)
        self.after(product, h, next_h)
        product.slip("hidden state", "dWh takes the gradient of h Wh_n, which is that of the sum before tanh times r, "
                     "the factor r is missing", lambda d: h.value.T @ np.hstack([d[:, :2 * H], d[:, 2 * H:] / r.value])
                     if not before else h.value.T @ d, edge=1)
        return {"h": next_h}

    def _before(self, r: Node, h: Node, bias: Node) -> Node:
        reset = self.g.multiply(r, h)
        reset.slip("hidden state", "the gradient of prev_h through r * prev_h lacks the factor r", lambda d: d, edge=1)
        reset.slip("hidden state", "prev_h lacks the path through r * prev_h", forgotten, edge=1)
        reset.slip("hidden state", "gate r lacks the path through r * prev_h", forgotten)
        reset.slip("hidden state", "dr is the gradient of r * prev_h times prev_h, the factor prev_h is missing",
                   lambda d: d)
        product = self.g.matmul(reset, self.Wn)
        product.slip("hidden state", "the gradient of the candidate's weights takes r * prev_h, not prev_h alone",
                     lambda d: h.value.T @ d, edge=1)
        return self.g.add(product, bias)

    def _after(self, r: Node, h: Node, m: Node) -> Node:
        reset = self.g.multiply(r, m)
        reset.slip("hidden state", "the gradient of prev_h Wh_n + bn is that of n's input times r, the factor r is "
                   "missing", lambda d: d, edge=1)
        reset.slip("hidden state", "the reset gate multiplies prev_h Wh_n + bn, not prev_h alone",
                   lambda d: d * h.value)
        reset.slip("hidden state", "gate r lacks the path through n", forgotten)
        return reset

    def _mixed(self, z: Node, n: Node, h: Node, swapped: bool) -> Node:
        """(1 - z) n + z h, or z n + (1 - z) h."""
        g = self.g
        rest = g.node(1 - z.value, (z, lambda d: -d))
        keep, new, k, m = (rest, z, "1 - z", "z") if swapped else (z, rest, "z", "1 - z")
        kept, taken = g.multiply(keep, h), g.multiply(new, n)
        kept.slip("hidden state", f"dprev_h lacks the direct path {k} * dnext_h", forgotten, edge=1)
        taken.slip("path", f"the path through the candidate n is dropped, {m} * dnext_h", forgotten, edge=1)
        wrong = f"{k} and {m} are exchanged: n has the weight {m}, prev_h the weight {k}"
        kept.slip("block", wrong, lambda d: d * new.value, edge=1)
        taken.slip("block", wrong, lambda d: d * keep.value, edge=1)
        taken.slip("block", f"the weight of n is {m}, not {k}", lambda d: d * keep.value, edge=1)
        kept.slip("block", f"the weight of prev_h is {k}, not {m}", lambda d: d * new.value, edge=1)
        sign = ("sign", f"dz is dnext_h * {'(n - prev_h)' if swapped else '(prev_h - n)'}, its sign is wrong")
        kept.slip(*sign, lambda d: -d * h.value)
        taken.slip(*sign, lambda d: -d * n.value)
        kept.slip("path", "dz lacks the part from prev_h", forgotten)
        taken.slip("path", "dz lacks the part from the candidate n", forgotten)
        taken.slip("factor", f"the factor {m} is missing in the gradient of n", lambda d: d, edge=1)
        return g.add(kept, taken)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def gate(g: Graph, a: Node, name: str) -> Node:
    """sigmoid(a)."""
    s = sigmoid(a.value)
    node = g.function(a, s, s * (1 - s))
    node.slip("derivative", f"the derivative of the activation of gate {name}, a sigmoid, is missing",
              lambda d: d)
    node.slip("derivative", NOT_PASSED, lambda d: d)
    node.slip("derivative", f"gate {name} has the derivative of tanh, expected that of a sigmoid",
              lambda d: d * (1 - s**2))
    for factor, rest in ((name, 1 - s), (f"1 - {name}", s)):
        node.slip("derivative", f"the derivative of gate {name} is {name} (1 - {name}), the factor {factor} is missing",
                  lambda d, rest=rest: d * rest)
    return node.slip("derivative", f"the derivative of gate {name} is s (1 - s) of the gate s itself; here the sigmoid "
                     "is taken twice", lambda d: d * sigmoid(s) * (1 - sigmoid(s)))


def tanh(g: Graph, a: Node, words: str, gates: bool = False) -> Node:
    """tanh(a); gates: whether it is one of the gates of which all derivatives may be missing."""
    h = np.tanh(a.value)
    node = g.function(a, h, 1 - h**2)
    name = "the activation of gate g" if gates else words
    node.slip("derivative", f"the derivative of {name} is missing", lambda d: d)
    if gates:
        node.slip("derivative", NOT_PASSED, lambda d: d)
    node.slip("derivative", f"the derivative of {words} is 1 - h^2, not 1 - h", lambda d: d * (1 - h))
    node.slip("derivative", f"the tanh of {name} is taken twice in its derivative", lambda d: d * (1 - np.tanh(h)**2))
    return node.slip("derivative", f"{words} has the derivative of a sigmoid, expected that of tanh, 1 - h^2",
                     lambda d: d * h * (1 - h))


CELLS: tuple[type[Cell], ...] = (RNN, LSTM, GRU)
