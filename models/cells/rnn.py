"""The vanilla RNN as a captioner's cell."""
from typing import Any

import numpy as np

from models.cells.cell import NEAR, About
from models.cells.recurrent import Recurrent
from rnnlayers import rnn_backward, rnn_forward, rnn_step_backward, rnn_step_forward


class RNN(Recurrent):
    """h_t = tanh(x_t Wx + h_{t-1} Wh + b), from h0 = vector W_proj + b_proj.

    Source: Karpathy and Fei-Fei (2015), "Deep visual-semantic alignments", section 3.2.
    """
    name, place = "rnn", 10
    about = About(
        labels={"1 - h^2": "1 − h²"},
        activity="the mean over the units (band: their middle half) of 1 − h², the factor by which the gradient is "
                 "multiplied at each unit",
        saturation="the share of units with |h| above 0.99, which let hardly any gradient through",
        memory="At each step a plain RNN multiplies the gradient by the same matrix, Wh, and by 1 − h², which is near "
               "0 for a unit near ±1. Over many steps the gradient vanishes or explodes, and where it vanishes, words "
               "far apart cannot learn from each other: the RNN forgets. Captions are short, and training may find a "
               "matrix that preserves the gradient for a dozen words; the line shows whether it did.",
        compare="lstm")
    layer, one_step = (rnn_forward, rnn_backward), (rnn_step_forward, rnn_step_backward)

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return {"1 - h^2": 1 - self._states(cache)**2}

    def saturated(self, cache: Any) -> np.ndarray:
        return abs(self._states(cache)) > 1 - NEAR

    def _states(self, cache: Any) -> np.ndarray:
        return np.stack([step.next_h for step in self.last_layer(cache)], axis=1)
