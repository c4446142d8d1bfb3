"""The LSTM as a captioner's cell, and what every cell built on an LSTM tells of its gates."""
from collections.abc import Callable
from typing import Any

import numpy as np

from models.cells.cell import NEAR, About, Params
from models.cells.recurrent import Recurrent
from rnnlayers import lstm_backward, lstm_forward, lstm_step_backward, lstm_step_forward
from rnnlayers.lstm import LSTMStepCache

GATES = "ifog"
ABOUT = About(
    heading="What its gates do", labels={"i": "input", "f": "forget", "o": "output"},
    activity="the mean of each gate over the units (band: their middle half). Input: how much of the new word is "
             "written; forget: how much of the cell state is kept; output: how much of the cell state goes into h",
    memory="An LSTM has two states. At each step the gradient with respect to the cell state c is multiplied by the "
           "forget gate and little else: where that gate is near 1, the gradient arrives undiminished, however many "
           "words lie in between. That is how an LSTM remembers. A plain RNN has no such path: every step multiplies "
           "by the same matrix and by 1 − h², so the gradient vanishes or explodes.")


class LSTM(Recurrent):
    """An LSTM; the picture initialises h, or with start="both" h and c.

    Source: Vinyals et al. (2015), "Show and tell: a neural image caption generator", section 3.1.
    """
    name, place, gates, starts, further_states = "lstm", 20, GATES, ("h", "both"), 1
    options, about = ("start",), ABOUT
    layer, one_step = (lstm_forward, lstm_backward), (lstm_step_forward, lstm_step_backward)

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return gate_activity(cache[1].steps)

    def saturated(self, cache: Any) -> np.ndarray:
        return saturated_gates(cache[1].steps)

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        return state_norms(dh, cache[1].steps)


def gate_activity(steps: list[LSTMStepCache]) -> dict[str, np.ndarray]:
    """The gates i, f, o of all steps, each (N, T, H)."""
    return {gate: np.stack([getattr(step, gate) for step in steps], axis=1) for gate in "ifo"}


def saturated_gates(steps: list[LSTMStepCache]) -> np.ndarray:
    """Which gates, the candidate g among them, are within 0.01 of where their derivative is 0: bool (N, T, 4H)."""
    return np.stack([np.hstack([abs(np.hstack([s.i, s.f, s.o]) - 0.5) > 0.5 - NEAR, abs(s.g) > 1 - NEAR])
                     for s in steps], axis=1)


def state_norms(dh: np.ndarray, steps: list[LSTMStepCache],
                attend_backward: Callable[[int, np.ndarray], np.ndarray] | None = None) -> Params:
    """Norms of the gradients with respect to h and c after each step: dh (N, T, H) -> {"h": (N, T), "c": (N, T)}.

    attend_backward(t, dattn): what the attention of step t sends back to the h before it, if the cell attends.
    """
    of_h, of_c = np.zeros((2, *dh.shape[:2]), dh.dtype)
    back, dc = np.zeros_like(dh[:, 0]), np.zeros_like(dh[:, 0])
    for t in reversed(range(len(steps))):
        back, step = back + dh[:, t], steps[t]
        of_h[:, t] = np.linalg.norm(back, axis=1)
        of_c[:, t] = np.linalg.norm(dc + back * step.o * (1 - step.tanh_c**2), axis=1)     # also through h = o tanh(c)
        _, back, dc, _, _, _, *dattn = lstm_step_backward(back, dc, step)
        if attend_backward is not None:
            back = back + attend_backward(t, dattn[0])
    return {"h": of_h, "c": of_c}
