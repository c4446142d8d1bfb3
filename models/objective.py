"""What a training step minimises, and what a captioner's `loss` returns."""
from typing import NamedTuple

import numpy as np

from models.cells.cell import Params


class Objective(NamedTuple):
    """What a training step minimises."""
    loss: float | np.floating       # -log-likelihood plus regularisers
    regularisers: float             # the regularisers' share of it: doubly stochastic penalty, label smoothing
    grads: Params


class LossAndGrads(tuple):
    """The pair (loss, grads) that CaptioningRNN.loss returns; `regularisers` is as in Objective."""
    regularisers: float

    def __new__(cls, objective: Objective) -> "LossAndGrads":
        pair = super().__new__(cls, (objective.loss, objective.grads))
        pair.regularisers = objective.regularisers
        return pair
