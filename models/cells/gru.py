"""The GRU as a captioner's cell."""
from typing import Any

import numpy as np

from models.cells.cell import NEAR, About
from models.cells.recurrent import Recurrent
from rnnlayers import gru_backward, gru_forward, gru_step_backward, gru_step_forward


class GRU(Recurrent):
    """A gated recurrent unit, from h0 = vector W_proj + b_proj. Source: Cho et al. (2014), section 2.3."""
    name, place, gates, weights = "gru", 30, "rzn", ("Wx", "Wh", "b", "bn")
    about = About(
        heading="What its gates do", labels={"r": "reset", "z": "update"},
        activity="the mean of each gate over the units (band: their middle half). Reset: how much of the old state the "
                 "candidate sees; update: how much of the old state is kept instead of the candidate",
        saturation="the share of gates and candidates within 0.01 of their limits, which let hardly any gradient "
                   "through",
        memory="A GRU has one state, h, and each step mixes it with a candidate. Along the state itself the gradient "
               "is multiplied by the update gate: where that gate is near 1, the gradient arrives undiminished, as "
               "along the cell state of an LSTM. The rest passes through the candidate, by the same matrix and 1 − n² "
               "at every step, as in a plain RNN.",
        compare="lstm")
    layer, one_step = (gru_forward, gru_backward), (gru_step_forward, gru_step_backward)

    def layer_shapes(self) -> dict[str, str]:
        return {**super().layer_shapes(), "bn": "H"}

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return {gate: np.stack([getattr(step, gate) for step in self.last_layer(cache)], axis=1) for gate in "rz"}

    def saturated(self, cache: Any) -> np.ndarray:
        return np.stack([np.hstack([abs(np.hstack([s.r, s.z]) - 0.5) > 0.5 - NEAR, abs(s.n) > 1 - NEAR])
                         for s in self.last_layer(cache)], axis=1)
