"""Mistakes inside a recurrent cell: an RNN or LSTM backward with one mistake made on purpose, as a prediction.

A pair counts as such a cell only if its forward gives the very numbers of the cell written out here, so the roles of
its inputs (x, h, Wx, Wh, b, with c for an LSTM step, attn and Wattn for an attention input) are never a guess.
"""
import numpy as np

ROLES = (("x", "h", "Wx", "Wh", "b"), ("x", "h", "c", "Wx", "Wh", "b"),
         ("x", "h", "c", "Wx", "Wh", "b", "attn", "Wattn"))
GATES = "ifog"
SWAPS = {"gates i and f": (0, 1), "gates i and g": (0, 3), "gates f and o": (1, 2), "gates o and g": (2, 3)}
MISTAKES = {            # key -> kind, sentence
    "carry": ("recurrence", "what comes back from the later steps is dropped (recurrence dropped)"),
    "carry of h": ("recurrence", "what comes back through h from the later steps is dropped (recurrence dropped)"),
    "carry of c": ("recurrence", "what comes back through the cell state from the later steps is dropped"),
    "first step": ("one step", "only the first step counts: assigned instead of accumulated over the steps"),
    "last step": ("one step", "only the last step counts: not accumulated over the steps"),
    "next c": ("cell state", "the cell state of the wrong step: df = dc * prev_c, not dc * next_c"),
    "next h": ("hidden state", "the hidden state of the wrong step: dWh takes prev_h, not next_h"),
    "tanh": ("derivative", "the derivative of tanh is missing"),
    "1 - h": ("derivative", "the derivative of tanh is 1 - h^2, not 1 - h"),
    "h (1 - h)": ("derivative", "the derivative of tanh is 1 - h^2; this one is a sigmoid's"),
    "gates": ("derivative", "the derivatives of all gates are missing"),
    **{f"gate {gate}": ("derivative", f"the derivative of the activation of gate {gate} is missing") for gate in GATES},
    "g (1 - g)": ("derivative", "gate g has the derivative of a sigmoid, expected that of tanh"),
    "f in dprev_c": ("cell state", "dprev_c is dc * f, the factor f is missing"),
    "dnext_c": ("upstream", "dnext_c is ignored"),
    "dnext_h in dc": ("upstream", "dc lacks the path from dnext_h through tanh(next_c)"),
    **{key: ("block", f"{key} are exchanged") for key in SWAPS},
    "Wh": ("transpose", "Wh is used on the way back where its transpose belongs"),
    "c in do": ("cell state", "do = dnext_h * tanh(next_c), the tanh is missing"),
}


def cell_mistakes(e, name):
    """Predictions of one gradient of a cell."""
    cell = getattr(e, "cell", False)
    if cell is False:
        cell = e.cell = find_cell(e)
    for key, grads in (cell.mistaken if cell else {}).items():
        if grads[name].shape == e.numeric[name].shape:
            yield *MISTAKES[key], grads[name]


def find_cell(e):
    """The cell that the inputs and outputs of a check belong to, with all its mistaken gradients, or None."""
    inputs = {name: x for name, x in e.inputs.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"}
    for roles in ROLES:
        if len(inputs) == len(roles):
            values = dict(zip(roles, inputs.values()))
            if _shapes_fit(values):
                cell = Cell(values)
                if cell.gives(e.outs):
                    cell.mistaken = {key: cell.mistake(key, e.douts, inputs) for key in MISTAKES}
                    return cell
    return None


def _shapes_fit(v):
    if v["x"].ndim not in (2, 3) or v["h"].ndim != 2 or v["Wx"].ndim != 2 or v["x"].ndim == 3 and "c" in v:
        return False
    (N, H), D, G = v["h"].shape, v["x"].shape[-1], v["Wx"].shape[1]
    return (G in (H, 4 * H) and v["x"].shape[0] == N and v["Wx"].shape == (D, G) and v["Wh"].shape == (H, G)
            and v["b"].shape == (G,) and v.get("c", v["h"]).shape == (N, H) and v.get("attn", v["h"]).shape == (N, H)
            and v.get("Wattn", v["Wh"]).shape == (H, G) and ("c" not in v or G == 4 * H))


class Cell:
    """tanh(a), or the LSTM with gates i, f, o, g, with a = x Wx + h Wh + b (+ attn Wattn), over all steps of x."""

    def __init__(self, v):
        self.v, self.lstm = v, v["Wx"].shape[1] != v["h"].shape[1]
        x = v["x"] if v["x"].ndim == 3 else v["x"][:, None]
        h, c = v["h"], v.get("c", np.zeros_like(v["h"]))
        self.steps = []
        for t in range(x.shape[1]):
            a = x[:, t] @ v["Wx"] + h @ v["Wh"] + v["b"] + (v["attn"] @ v["Wattn"] if "attn" in v else 0)
            gates = self._gates(a)
            next_c = gates[1] * c + gates[0] * gates[3] if self.lstm else c
            next_h = gates[2] * np.tanh(next_c) if self.lstm else gates
            self.steps.append((x[:, t], h, c, gates, next_h, next_c))
            h, c = next_h, next_c

    def _gates(self, a):
        if not self.lstm:
            return np.tanh(a)
        i, f, o, g = np.split(a, 4, axis=1)
        return [*(0.5 + 0.5 * np.tanh(0.5 * z) for z in (i, f, o)), np.tanh(g)]

    def gives(self, outs):
        """Whether these are the outputs that were measured."""
        h = np.stack([step[4] for step in self.steps], axis=1)
        own = [h if self.v["x"].ndim == 3 else h[:, 0], *([self.steps[-1][5]] if "c" in self.v else [])]
        return len(own) == len(outs) and all(
            p.shape == q.shape and np.abs(p - q).max(initial=0) < 1e-9 for p, q in zip(own, outs))

    def mistake(self, key, douts, inputs):
        """Gradients with one mistake, named as the inputs are: name -> (K, *shape)."""
        grads = [self._backward(key, *(dout[k] for dout in douts)) for k in range(len(douts[0]))]
        return {name: np.array([grad[role] for grad in grads]) for role, name in zip(self.v, inputs)}

    def _backward(self, wrong, dh, dnext_c=0):
        v = self.v
        dh = dh if v["x"].ndim == 3 else dh[:, None]
        carry_h, carry_c, dx, total = 0, 0 if wrong == "dnext_c" else dnext_c, [], {}
        for t in reversed(range(len(self.steps))):
            x, h, *_ = self.steps[t]
            da, carry_c = self._da(wrong, self.steps[t], dh[:, t] + carry_h, carry_c)
            carry_h = da @ (v["Wh"] if wrong == "Wh" and not self.lstm else v["Wh"].T)
            previous = self.steps[t][4] if wrong == "next h" else h
            terms = {"Wx": x.T @ da, "Wh": previous.T @ da, "b": da.sum(axis=0)}
            if "attn" in v:
                terms.update(attn=da @ v["Wattn"].T, Wattn=v["attn"].T @ da)
            if t == len(self.steps) - 1 or wrong == "first step":
                total = terms
            elif wrong != "last step":
                total = {role: total[role] + terms[role] for role in terms}
            dx.append(da @ v["Wx"].T)
            if t and wrong in ("carry", "carry of h"):
                carry_h = 0
            if t and wrong in ("carry", "carry of c"):
                carry_c = 0
        dx = np.stack(dx[::-1], axis=1)
        return {**total, "x": dx if v["x"].ndim == 3 else dx[:, 0], "h": carry_h, "c": carry_c}

    def _da(self, wrong, step, dh, dc):
        """Gradient of a at one step, and of the cell state before it."""
        _, _, c, gates, next_h, next_c = step
        if not self.lstm:
            slope = {"tanh": 1, "1 - h": 1 - next_h, "h (1 - h)": next_h * (1 - next_h)}.get(wrong, 1 - next_h**2)
            return dh * slope, dc
        i, f, o, g = gates
        tanh_c = np.tanh(next_c)
        if wrong != "dnext_h in dc":
            dc = dc + dh * o * (1 if wrong == "tanh" else 1 - tanh_c**2)
        do = dh * (next_c if wrong == "c in do" else tanh_c)
        parts = [dc * g, dc * (next_c if wrong == "next c" else c), do, dc * i]
        slopes = [i * (1 - i), f * (1 - f), o * (1 - o), g * (1 - g) if wrong == "g (1 - g)" else 1 - g**2]
        da = [part if wrong in ("gates", f"gate {gate}") else part * slope
              for gate, part, slope in zip(GATES, parts, slopes)]
        p, q = SWAPS.get(wrong, (0, 0))
        da[p], da[q] = da[q], da[p]
        return np.hstack(da), dc if wrong == "f in dprev_c" else dc * f
