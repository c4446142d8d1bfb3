"""An LSTM with additive attention and a gated context, Show, Attend and Tell, as a captioner's cell."""
from typing import Any

import numpy as np

from models.cells.attending import AttendingLSTM
from models.cells.cell import BOTH, Image, Params, State, take
from models.cells.initial import TanhStates
from models.cells.stack import Arrays, recurrent_shapes
from models.dropout import NO_DROPOUT, Dropout
from rnnlayers import (
    additive_attention_backward,
    additive_attention_forward,
    bahdanau_backward,
    bahdanau_forward,
    temporal_affine_forward,
)

LSTM_WEIGHTS, KEYS, ENERGY = ("Wx", "Wh", "Wattn", "b"), ("Wa", "ba"), ("Wq", "v", "Wbeta", "bbeta")
WEIGHTS = (*LSTM_WEIGHTS, *KEYS, *ENERGY)
INITIAL = TanhStates("P")


class Bahdanau(AttendingLSTM):
    """An LSTM with the attention of Show, Attend and Tell; a picture's vector initialises h and c.

    Source: Xu et al. (2015), "Show, attend and tell: neural image caption generation with visual attention", 3.1.2.
    """
    name, place, features = "bahdanau", 50, BOTH
    options = ("pooled_dim", "pooled_stats", "penalty", *AttendingLSTM.options)

    def shapes(self) -> dict[str, str]:
        return {**INITIAL.shapes, **recurrent_shapes(self.gates), "Wattn": "D 4H", "Wa": "D K", "ba": "K",
                "Wq": "H K", "v": "K", "Wbeta": "H D", "bbeta": "D", **self.upper_shapes()}

    def initial_state(self, p: Params, image: Image) -> State:
        (h, c), _ = INITIAL.forward(p, image.vector)
        keys, _ = temporal_affine_forward(image.regions, *take(p, KEYS))
        return self.first_state(h, c, (image.regions, keys, *image.mask))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        A, keys, *mask = state.memory
        context, weights, _ = additive_attention_forward(self.query(state), A, keys, *take(p, ENERGY), *mask)
        return self.next_state(p, x, context, weights, state)

    def attend_backward(self, dcontext: np.ndarray, dweights: np.ndarray | None, cache: Any) -> Arrays:
        return additive_attention_backward(dcontext, np.zeros_like(cache.weights) if dweights is None else dweights,
                                           cache)

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray, Any]:
        (h0, c0), initial_cache = INITIAL.forward(p, image.vector)
        if self.num_layers > 1:
            from models.stacked_attention import additive_forward  # a course's copy leaves it out
            h, attention, stack_cache = additive_forward(self, p, (h0, c0), image.regions, x, image.mask, dropout)
            return h, attention, (initial_cache, stack_cache)
        h, attention, cache = bahdanau_forward(x, h0, c0, image.regions, *take(p, WEIGHTS), *image.mask)
        return h, attention, (initial_cache, cache)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        assert dattention is not None                       # of a cell that attends
        initial_cache, cache = cache
        if self.num_layers > 1:
            from models.stacked_attention import additive_backward
            dx, dh0, dc0, found = additive_backward(self, dh, dattention, cache)
        else:
            dx, dh0, dc0, _, *grads = bahdanau_backward(dh, dattention, cache)
            found = dict(zip(WEIGHTS, grads))
        return dx, {**INITIAL.backward((dh0, dc0), initial_cache), **found}
