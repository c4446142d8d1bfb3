"""The LSTM as a captioner's cell, and what all cells built on an LSTM report about their gates."""
from typing import Any

import numpy as np

from models.cells.cell import NEAR, About, Params
from models.cells.recurrent import Recurrent
from models.cells.stack import OPTIONS
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
    options, about, forget_gate = ("start", *OPTIONS), ABOUT, "f"
    layer, one_step = (lstm_forward, lstm_backward), (lstm_step_forward, lstm_step_backward)

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return gate_activity(self.last_layer(cache).steps)

    def saturated(self, cache: Any) -> np.ndarray:
        return saturated_gates(self.last_layer(cache).steps)

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        from models.gradient_norms import norms_of_h_and_c  # a course's copy leaves it out
        return norms_of_h_and_c(dh, self.last_layer(cache).steps)


def gate_activity(steps: list[LSTMStepCache]) -> dict[str, np.ndarray]:
    """The gates i, f, o of all steps, each (N, T, H)."""
    return {gate: np.stack([getattr(step, gate) for step in steps], axis=1) for gate in "ifo"}


def saturated_gates(steps: list[LSTMStepCache]) -> np.ndarray:
    """Which entries of i, f, o, g are within 0.01 of a limit, where their derivative is 0: bool (N, T, 4H)."""
    return np.stack([np.hstack([abs(np.hstack([s.i, s.f, s.o]) - 0.5) > 0.5 - NEAR, abs(s.g) > 1 - NEAR])
                     for s in steps], axis=1)
