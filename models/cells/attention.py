"""An LSTM with scaled dot-product attention as a captioner's cell."""
from typing import Any

import numpy as np

from models.cells.attending import AttendingLSTM
from models.cells.cell import GRID, Image, Params, State, take
from models.cells.stack import Arrays, recurrent_shapes
from models.dropout import NO_DROPOUT, Dropout
from rnnlayers import (
    attention_backward,
    attention_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)
from rnnlayers.regions import real_regions

WEIGHTS = ("Wx", "Wh", "Wattn", "b")


class Attention(AttendingLSTM):
    """An LSTM that attends to projected regions A by scaled dot products; h0 = c0 = mean of A over the regions.

    Source: the attention LSTM of EECS 498-007 (2019), assignment 4, after Vaswani et al. (2017), section 3.2.1.
    """
    name, aliases, place, features, drawn_first = "attention", ("attn",), 40, GRID, ("Wx", "Wh")

    def shapes(self) -> dict[str, str]:
        return {"W_proj": "D H", "b_proj": "H", **recurrent_shapes(self.gates), "Wattn": "H 4H", **self.upper_shapes()}

    def initial_state(self, p: Params, image: Image) -> State:
        A, _ = _project(p, image)
        real = real_regions("attention", image.counts, len(A), A.shape[2])
        mean = A.mean(axis=2, where=real[:, None])
        return self.first_state(mean, mean, (A, *image.mask))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        attn, weights, _ = dot_product_attention_forward(self.query(state), *state.memory)
        return self.next_state(p, x, attn, weights, state)

    def attend_backward(self, dcontext: np.ndarray, dweights: np.ndarray | None, cache: Any) -> Arrays:
        return dot_product_attention_backward(dcontext, cache, dweights)

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray, Any]:
        A, projection_cache = _project(p, image)
        if self.num_layers > 1:
            from models.stacked_attention import dot_product_forward  # a course's copy leaves it out
            h, attention, stack_cache = dot_product_forward(self, p, A, x, image.mask, dropout)
            return h, attention, (projection_cache, stack_cache)
        h, cache = attention_forward(x, A, *take(p, WEIGHTS), *image.mask)
        return h, np.stack([weights for _, _, weights in cache.attentions], axis=1), (projection_cache, cache)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        projection_cache, cache = cache
        if self.num_layers > 1:
            from models.stacked_attention import dot_product_backward
            dx, dA, found = dot_product_backward(self, dh, dattention, cache)
        else:
            dx, dA, *grads = attention_backward(dh, cache)
            found = dict(zip(WEIGHTS, grads))
        _, dW_proj, db_proj = temporal_affine_backward(dA.transpose(0, 2, 1), projection_cache)
        return dx, {"W_proj": dW_proj, "b_proj": db_proj, **found}


def _project(p: Params, image: Image) -> tuple[np.ndarray, Any]:
    """Projected regions as the layers take them, (N, H, L)."""
    A, cache = temporal_affine_forward(image.regions, p["W_proj"], p["b_proj"])
    return A.transpose(0, 2, 1), cache
