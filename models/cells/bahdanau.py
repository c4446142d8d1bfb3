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
    temporal_affine_backward,
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
        A, mask = image.regions, image.mask
        if self.num_layers == 1:
            h, attention, cache = bahdanau_forward(x, h0, c0, A, *take(p, WEIGHTS), *mask)
            return h, attention, (initial_cache, cache)
        keys, keys_cache = temporal_affine_forward(A, *take(p, KEYS))
        y, attention, cache = self.stack_forward(
            p, x, h0, c0, lambda h: additive_attention_forward(h, A, keys, *take(p, ENERGY), *mask), dropout)
        return y, attention, (initial_cache, cache, keys_cache)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        assert dattention is not None                       # of a cell that attends
        if self.num_layers == 1:
            initial_cache, cache = cache
            dx, dh0, dc0, _, *dweights = bahdanau_backward(dh, dattention, cache)
            grads = dict(zip(WEIGHTS, dweights))
        else:
            initial_cache, cache, keys_cache = cache
            dx, dh0, dc0, grads, (_, dkeys, *denergy) = self.stack_backward(dh, dattention, cache)
            dkeys = temporal_affine_backward(dkeys, keys_cache)[1:]         # keys = A Wa + ba
            grads.update(zip((*KEYS, *ENERGY), (*dkeys, *denergy)))
        return dx, {**INITIAL.backward((dh0, dc0), initial_cache), **grads}
