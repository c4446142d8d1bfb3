"""Mistakes inside a recurrent cell: the gradients that a backward returns if it makes one of them.

A pair is taken for such a cell only if its forward gives the very numbers of the cell written out here, so the roles of
its inputs (x, h, Wx, Wh, b, with c for an LSTM step, attn and Wattn for attention) are never a guess. The course's copy
of gradcheck leaves this file out, since it holds the right backward of each cell.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gradcheck.diagnose import Evidence

Arrays = dict[str, np.ndarray]      # by role, or by name in the caller's inputs
SHAPES = {"h": "NH", "c": "NH", "Wx": "DG", "Wh": "HG", "b": "G", "bn": "H",         # G: all gates
          "attn": "NH", "Wattn": "HG"}
MISTAKES = {                        # of any cell: key -> kind, sentence
    "carry": ("recurrence", "the gradient from later steps is dropped (recurrence dropped)"),
    "first step": ("one step", "only the first step counts: assigned instead of accumulated over the steps"),
    "last step": ("one step", "only the last step counts: not accumulated over the steps"),
    "next h": ("hidden state", "the hidden state of the wrong step: dWh takes prev_h, not next_h"),
    "tanh": ("derivative", "the derivative of tanh is missing"),
}


def cell_mistakes(e: Evidence, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """Predictions of one gradient of a cell -> kind, sentence, predicted gradient; none if the pair is no cell."""
    if e.cell is None:
        e.cell = predict(e.inputs, e.outs, e.douts)
    for kind, sentence, grads in e.cell:
        if grads[name].shape == e.numeric[name].shape:
            yield kind, sentence, grads[name]


def predict(inputs: dict, outs: Sequence[np.ndarray],
            douts: Sequence[np.ndarray]) -> list[tuple[str, str, Arrays]]:
    """All gradients of the cell that these inputs and outputs belong to, once with each mistake; [] if none fits."""
    arrays = {name: x for name, x in inputs.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"}
    for kind in CELLS:
        for roles in kind.roles:
            values = dict(zip(roles, arrays.values()))
            if len(arrays) == len(roles) and kind.fits(values):
                cell = kind(values)
                if cell.gives(outs):
                    return [(*said, cell.gradients(key, douts, list(arrays))) for key, said in kind.mistakes.items()]
    return []


class Cell:
    """One kind of cell, run over all steps of x. A subclass has its roles, mistakes, forward and backward."""

    roles: tuple[tuple[str, ...], ...]                  # of forward's arguments in order, one tuple for each form
    mistakes: dict[str, tuple[str, str]]
    gates: int
    states: tuple[str, ...] = ("h",)                    # what goes from step to step

    def __init__(self, values: Arrays) -> None:
        self.v = values
        x, zero = self._steps_of(values["x"]), np.zeros_like(values["h"])
        state = {role: values.get(role, zero) for role in self.states}
        self.steps: list[Arrays] = []
        for t in range(x.shape[1]):
            step = self.forward({"x": x[:, t], **state})
            self.steps.append({"x": x[:, t], **state, **step})
            state = {role: step[f"next_{role}"] for role in self.states}

    def forward(self, s: Arrays) -> Arrays:
        """One step: x and the states before it -> next_h (and next_c), and what backward needs."""
        raise NotImplementedError

    def backward(self, wrong: str, s: Arrays, d: dict) -> tuple[Arrays, Arrays]:
        """One step back: gradients d of the next states -> of x and of the states, of weights and attn."""
        raise NotImplementedError

    @classmethod
    def fits(cls, values: Arrays) -> bool:
        """Whether arrays in these roles have the shapes of this cell; a sequence with a first c is not covered."""
        x, h = values["x"], values["h"]
        if x.ndim not in (2, 3) or h.ndim != 2 or x.ndim == 3 and "c" in values:
            return False
        sizes = {"N": h.shape[0], "H": h.shape[1], "D": x.shape[-1], "G": cls.gates * h.shape[1]}
        return len(x) == len(h) and all(
            values[role].shape == tuple(sizes[letter] for letter in SHAPES[role]) for role in values if role != "x")

    def gives(self, outs: Sequence[np.ndarray]) -> bool:
        """Whether this cell's outputs are the ones that were measured."""
        h = np.stack([step["next_h"] for step in self.steps], axis=1)
        own = [h if self.v["x"].ndim == 3 else h[:, 0], *([self.steps[-1]["next_c"]] if "c" in self.v else [])]
        return len(own) == len(outs) and all(
            p.shape == q.shape and np.abs(p - q).max(initial=0) < 1e-9 for p, q in zip(own, outs))

    def gradients(self, wrong: str, douts: Sequence[np.ndarray], names: list[str]) -> Arrays:
        """Gradients with one mistake, by the inputs' names -> (K, *shape) for K upstream gradients."""
        grads = [self._all_steps(wrong, *(dout[k] for dout in douts)) for k in range(len(douts[0]))]
        return {name: np.array([grad[role] for grad in grads]) for role, name in zip(self.v, names)}

    def _all_steps(self, wrong: str, dh: np.ndarray, dnext_c: np.ndarray | int = 0) -> dict:
        dh = self._steps_of(dh)
        carry: dict = {"h": 0, "c": 0 if wrong == "dnext_c" else dnext_c}
        total: Arrays = {}
        dx = []
        for t in reversed(range(len(self.steps))):
            d, terms = self.backward(wrong, self.steps[t], {**carry, "h": dh[:, t] + carry["h"]})
            dx.append(d.pop("x"))
            carry.update({role: 0 if t and wrong in ("carry", f"carry of {role}") else d[role] for role in d})
            if not total or wrong == "first step":
                total = terms
            elif wrong != "last step":
                total = {role: total[role] + terms[role] for role in terms}
        x = np.stack(dx[::-1], axis=1)
        return {**total, **carry, "x": x if self.v["x"].ndim == 3 else x[:, 0]}

    def _steps_of(self, x: np.ndarray) -> np.ndarray:
        """An array as (N, T, ...), with T = 1 if the pair is a single step."""
        return x if self.v["x"].ndim == 3 else x[:, None]

    def product(self, s: Arrays) -> np.ndarray:
        """a = x Wx + h Wh + b (+ attn Wattn)."""
        v = self.v
        return s["x"] @ v["Wx"] + s["h"] @ v["Wh"] + v["b"] + (v["attn"] @ v["Wattn"] if "attn" in v else 0)

    def product_back(self, wrong: str, s: Arrays, da: np.ndarray) -> tuple[Arrays, Arrays]:
        """The gradient of a -> gradients of x and h, of weights and attn."""
        v, h = self.v, s["next_h"] if wrong == "next h" else s["h"]
        terms = {"Wx": s["x"].T @ da, "Wh": h.T @ da, "b": da.sum(axis=0)}
        if "attn" in v:
            terms.update(attn=da @ v["Wattn"].T, Wattn=v["attn"].T @ da)
        return {"x": da @ v["Wx"].T, "h": da @ (v["Wh"] if wrong == "Wh" else v["Wh"].T)}, terms


class RNN(Cell):
    """next_h = tanh(a)."""

    roles, gates = (("x", "h", "Wx", "Wh", "b"),), 1
    mistakes = {
        **MISTAKES,
        "1 - h": ("derivative", "the derivative of tanh is 1 - h^2, not 1 - h"),
        "h (1 - h)": ("derivative", "the derivative of tanh is 1 - h^2; this is a sigmoid's"),
        "Wh": ("transpose", "Wh is used in backward where its transpose belongs"),
    }

    def forward(self, s: Arrays) -> Arrays:
        return {"next_h": np.tanh(self.product(s))}

    def backward(self, wrong: str, s: Arrays, d: dict) -> tuple[Arrays, Arrays]:
        h = s["next_h"]
        slope = {"tanh": 1, "1 - h": 1 - h, "h (1 - h)": h * (1 - h)}.get(wrong, 1 - h**2)
        return self.product_back(wrong, s, d["h"] * slope)


class LSTM(Cell):
    """i, f, o = sigmoid(a_i, a_f, a_o), g = tanh(a_g); next_c = f c + i g, next_h = o tanh(next_c)."""

    roles = (("x", "h", "Wx", "Wh", "b"), ("x", "h", "c", "Wx", "Wh", "b"),
             ("x", "h", "c", "Wx", "Wh", "b", "attn", "Wattn"))
    gates, states = 4, ("h", "c")
    swaps = {"gates i and f": (0, 1), "gates i and g": (0, 3), "gates f and o": (1, 2), "gates o and g": (2, 3)}
    mistakes = {
        **MISTAKES,
        "carry of h": ("recurrence", "the gradient from later steps through h is dropped (recurrence dropped)"),
        "carry of c": ("recurrence", "the gradient from later steps through the cell state is dropped"),
        "next c": ("cell state", "the cell state of the wrong step: df = dc * prev_c, not dc * next_c"),
        "gates": ("derivative", "the derivatives of all gates are missing"),
        **{f"gate {gate}": ("derivative", f"the derivative of the activation of gate {gate} is missing")
           for gate in "ifog"},
        "g (1 - g)": ("derivative", "gate g has the derivative of a sigmoid, expected that of tanh"),
        "f in dprev_c": ("cell state", "dprev_c is dc * f, the factor f is missing"),
        "dnext_c": ("upstream", "dnext_c is ignored"),
        "dnext_h in dc": ("upstream", "dc lacks the path from dnext_h through tanh(next_c)"),
        **{key: ("block", f"{key} are exchanged") for key in swaps},
        "c in do": ("cell state", "do = dnext_h * tanh(next_c), the tanh is missing"),
    }

    def forward(self, s: Arrays) -> Arrays:
        i, f, o, g = np.split(self.product(s), 4, axis=1)
        i, f, o, g = *(0.5 + 0.5 * np.tanh(0.5 * z) for z in (i, f, o)), np.tanh(g)
        next_c = f * s["c"] + i * g
        return {"i": i, "f": f, "o": o, "g": g, "next_c": next_c, "next_h": o * np.tanh(next_c)}

    def backward(self, wrong: str, s: Arrays, d: dict) -> tuple[Arrays, Arrays]:
        i, f, o, g = (s[gate] for gate in "ifog")
        dc, tanh_c = d["c"], np.tanh(s["next_c"])
        if wrong != "dnext_h in dc":
            dc = dc + d["h"] * o * (1 if wrong == "tanh" else 1 - tanh_c**2)
        do = d["h"] * (s["next_c"] if wrong == "c in do" else tanh_c)
        parts = [dc * g, dc * (s["next_c"] if wrong == "next c" else s["c"]), do, dc * i]
        slopes = [i * (1 - i), f * (1 - f), o * (1 - o), g * (1 - g) if wrong == "g (1 - g)" else 1 - g**2]
        da = [part if wrong in ("gates", f"gate {gate}") else part * slope
              for gate, part, slope in zip("ifog", parts, slopes)]
        p, q = self.swaps.get(wrong, (0, 0))
        da[p], da[q] = da[q], da[p]
        grads, terms = self.product_back(wrong, s, np.hstack(da))
        return {**grads, "c": dc if wrong == "f in dprev_c" else dc * f}, terms


class GRU(Cell):
    """r, z = sigmoid(a_r, a_z), n = tanh(x Wx_n + b_n + r m) with m = h Wh_n + bn; next_h = (1 - z) n + z h."""

    roles, gates = (("x", "h", "Wx", "Wh", "b", "bn"),), 3
    mistakes = {
        **MISTAKES,
        "bypass": ("hidden state", "dprev_h lacks the direct path z * dnext_h"),
        "r in dm": ("hidden state", "the gradient of prev_h Wh_n + bn is that of n's input times r, the factor r is "
                                    "missing"),
        "m in dr": ("hidden state", "the reset gate multiplies prev_h Wh_n + bn, not prev_h alone"),
        "gates": ("derivative", "the derivatives of both gates are missing"),
        **{f"gate {gate}": ("derivative", f"the derivative of the activation of gate {gate} is missing")
           for gate in "rz"},
        "1 - z": ("block", "z and 1 - z are exchanged: n has the weight 1 - z, prev_h the weight z"),
        "n - h": ("sign", "dz is dnext_h * (prev_h - n), its sign is wrong"),
        "gates r and z": ("block", "gates r and z are exchanged"),
    }

    def forward(self, s: Arrays) -> Arrays:
        v, H = self.v, len(self.v["bn"])
        a, u = s["x"] @ v["Wx"] + v["b"], s["h"] @ v["Wh"]
        r, z = (0.5 + 0.5 * np.tanh(0.5 * (a + u)[:, k * H:(k + 1) * H]) for k in (0, 1))
        m = u[:, 2 * H:] + v["bn"]
        n = np.tanh(a[:, 2 * H:] + r * m)
        return {"r": r, "z": z, "n": n, "m": m, "next_h": (1 - z) * n + z * s["h"]}

    def backward(self, wrong: str, s: Arrays, d: dict) -> tuple[Arrays, Arrays]:
        r, z, n, m = (s[name] for name in "rznm")
        keep, new = (1 - z, z) if wrong == "1 - z" else (z, 1 - z)
        dn = d["h"] * new * (1 if wrong == "tanh" else 1 - n**2)
        dz = d["h"] * (n - s["h"] if wrong == "n - h" else s["h"] - n)
        gates = [part if wrong in ("gates", f"gate {gate}") else part * s[gate] * (1 - s[gate])
                 for gate, part in (("r", dn * (s["h"] if wrong == "m in dr" else m)), ("z", dz))]
        gates = gates[::-1] if wrong == "gates r and z" else gates
        dm = dn if wrong == "r in dm" else dn * r
        grads, terms = self.product_back(wrong, s, np.hstack([*gates, dm]))
        da = np.hstack([*gates, dn])
        terms.update(Wx=s["x"].T @ da, b=da.sum(axis=0), bn=dm.sum(axis=0))
        return {"x": da @ self.v["Wx"].T, "h": grads["h"] + (0 if wrong == "bypass" else d["h"] * keep)}, terms


CELLS: tuple[type[Cell], ...] = (RNN, LSTM, GRU)
