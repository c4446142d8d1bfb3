"""An LSTM with scaled dot-product attention as a captioner's cell."""
from typing import Any

import numpy as np

from models.cells.cell import GRID, Cell, Image, Params, State, take
from models.cells.lstm import ABOUT, GATES, gate_activity, saturated_gates
from models.cells.recurrent import recurrent_shapes
from models.dropout import NO_DROPOUT, Dropout
from rnnlayers import (
    attention_backward,
    attention_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
    lstm_step_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)
from rnnlayers.regions import real_regions

WEIGHTS = ("Wx", "Wh", "Wattn", "b")


class Attention(Cell):
    """An LSTM that attends to projected regions A by scaled dot products; h0 = c0 = mean of A over the regions.

    Source: the attention LSTM of EECS 498-007 (2019), assignment 4, after Vaswani et al. (2017), section 3.2.1.
    """
    name, aliases, place, features, attends, gates = "attention", ("attn",), 40, GRID, True, GATES
    about, forget_gate, drawn_first = ABOUT, "f", ("Wx", "Wh")

    def shapes(self) -> dict[str, str]:
        return {"W_proj": "D H", "b_proj": "H", **recurrent_shapes(GATES), "Wattn": "H 4H"}

    def initial_state(self, p: Params, image: Image) -> State:
        A, _ = _project(p, image)
        real = real_regions("attention", image.counts, len(A), A.shape[2])
        mean = A.mean(axis=2, where=real[:, None])
        return State(mean, (mean,), (A, *image.mask))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        (Wx, Wh, Wattn, b), (c,) = take(p, WEIGHTS), state.carried
        attn, weights, _ = dot_product_attention_forward(state.output, *state.memory)
        h, c, _ = lstm_step_forward(np.hstack([x, attn]), state.output, c, np.vstack([Wx, Wattn]), Wh, b)
        return State(h, (c,), state.memory, attention=weights)

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray, Any]:
        A, projection_cache = _project(p, image)
        h, cache = attention_forward(x, A, *take(p, WEIGHTS), *image.mask)
        return h, np.stack([weights for _, _, weights in cache.attentions], axis=1), (projection_cache, cache)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        projection_cache, cache = cache
        dx, dA, *grads = attention_backward(dh, cache)
        _, dW_proj, db_proj = temporal_affine_backward(dA.transpose(0, 2, 1), projection_cache)
        return dx, {"W_proj": dW_proj, "b_proj": db_proj, **dict(zip(WEIGHTS, grads))}

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return gate_activity(cache[1].steps)

    def saturated(self, cache: Any) -> np.ndarray:
        return saturated_gates(cache[1].steps)

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        from models.gradient_norms import norms_of_h_and_c  # a course's copy leaves it out

        def attend_backward(t: int, dattn: np.ndarray) -> np.ndarray:
            return dot_product_attention_backward(dattn, cache[1].attentions[t])[0]
        return norms_of_h_and_c(dh, cache[1].steps, attend_backward)


def _project(p: Params, image: Image) -> tuple[np.ndarray, Any]:
    """Projected regions as the layers take them, (N, H, L)."""
    A, cache = temporal_affine_forward(image.regions, p["W_proj"], p["b_proj"])
    return A.transpose(0, 2, 1), cache
