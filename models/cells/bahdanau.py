"""An LSTM with additive attention and a gated context, Show, Attend and Tell, as a captioner's cell."""
from typing import Any

import numpy as np

from models.cells.cell import BOTH, Cell, Image, Params, State, take
from models.cells.initial import TanhStates
from models.cells.lstm import ABOUT, GATES, gate_activity, saturated_gates
from models.cells.recurrent import recurrent_shapes
from models.dropout import NO_DROPOUT, Dropout
from rnnlayers import (
    additive_attention_backward,
    additive_attention_forward,
    bahdanau_backward,
    bahdanau_forward,
    lstm_step_forward,
    temporal_affine_forward,
)

LSTM_WEIGHTS, KEYS, ENERGY = ("Wx", "Wh", "Wattn", "b"), ("Wa", "ba"), ("Wq", "v", "Wbeta", "bbeta")
WEIGHTS = (*LSTM_WEIGHTS, *KEYS, *ENERGY)
INITIAL = TanhStates("P")


class Bahdanau(Cell):
    """An LSTM with the attention of Show, Attend and Tell; a picture's vector initialises h and c.

    Source: Xu et al. (2015), "Show, attend and tell: neural image caption generation with visual attention", 3.1.2.
    """
    name, place, features, attends, gates = "bahdanau", 50, BOTH, True, GATES
    options, about, forget_gate = ("pooled_dim", "pooled_stats", "penalty"), ABOUT, "f"

    def shapes(self) -> dict[str, str]:
        return {**INITIAL.shapes, **recurrent_shapes(GATES), "Wattn": "D 4H", "Wa": "D K", "ba": "K", "Wq": "H K",
                "v": "K", "Wbeta": "H D", "bbeta": "D"}

    def initial_state(self, p: Params, image: Image) -> State:
        (h, c), _ = INITIAL.forward(p, image.vector)
        keys, _ = temporal_affine_forward(image.regions, *take(p, KEYS))
        return State(h, (c,), (image.regions, keys, *image.mask))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        (Wx, Wh, Wattn, b), (c,), (A, keys, *mask) = take(p, LSTM_WEIGHTS), state.carried, state.memory
        context, weights, _ = additive_attention_forward(state.output, A, keys, *take(p, ENERGY), *mask)
        h, c, _ = lstm_step_forward(np.hstack([x, context]), state.output, c, np.vstack([Wx, Wattn]), Wh, b)
        return State(h, (c,), state.memory, attention=weights)

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray, Any]:
        (h0, c0), initial_cache = INITIAL.forward(p, image.vector)
        h, attention, cache = bahdanau_forward(x, h0, c0, image.regions, *take(p, WEIGHTS), *image.mask)
        return h, attention, (initial_cache, cache)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        assert dattention is not None                       # of a cell that attends
        initial_cache, cache = cache
        dx, dh0, dc0, _, *grads = bahdanau_backward(dh, dattention, cache)
        return dx, {**INITIAL.backward((dh0, dc0), initial_cache), **dict(zip(WEIGHTS, grads))}

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return gate_activity(cache[1].steps)

    def saturated(self, cache: Any) -> np.ndarray:
        return saturated_gates(cache[1].steps)

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        from models.gradient_norms import norms_of_h_and_c  # a course's copy leaves it out

        def attend_backward(t: int, dcontext: np.ndarray) -> np.ndarray:
            attention = cache[1].attentions[t]
            return additive_attention_backward(dcontext, np.zeros_like(attention.weights), attention)[0]
        return norms_of_h_and_c(dh, cache[1].steps, attend_backward)
