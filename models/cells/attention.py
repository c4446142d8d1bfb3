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
        mean = A.mean(axis=2, where=_real(A, image)[:, None])
        return self.first_state(mean, mean, (A, *image.mask))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        attn, weights, _ = dot_product_attention_forward(self.query(state), *state.memory)
        return self.next_state(p, x, attn, weights, state)

    def attend_backward(self, dcontext: np.ndarray, dweights: np.ndarray | None, cache: Any) -> Arrays:
        return dot_product_attention_backward(dcontext, cache, dweights)

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray, Any]:
        A, projection_cache = _project(p, image)
        if self.num_layers == 1:
            h, cache = attention_forward(x, A, *take(p, WEIGHTS), *image.mask)
            return h, np.stack([weights for _, _, weights in cache.attentions], axis=1), (projection_cache, cache)
        real = _real(A, image)
        mean = A.mean(axis=2, where=real[:, None])
        y, attention, cache = self.stack_forward(
            p, x, mean, mean, lambda h: dot_product_attention_forward(h, A, *image.mask), dropout)
        return y, attention, (projection_cache, cache, real)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        if self.num_layers == 1:
            projection_cache, cache = cache
            dx, dA, *dweights = attention_backward(dh, cache)
            grads = dict(zip(WEIGHTS, dweights))
        else:
            from models.stacked_attention import mean_backward
            projection_cache, cache, real = cache
            dx, dh0, dc0, grads, (dA,) = self.stack_backward(dh, dattention, cache)
            dA = dA + mean_backward(dh0 + dc0, real)       # all layers start from h0 = c0 = mean of A
        _, dW_proj, db_proj = temporal_affine_backward(dA.transpose(0, 2, 1), projection_cache)
        return dx, {"W_proj": dW_proj, "b_proj": db_proj, **grads}


def _project(p: Params, image: Image) -> tuple[np.ndarray, Any]:
    """Projected regions as the layers take them, (N, H, L)."""
    A, cache = temporal_affine_forward(image.regions, p["W_proj"], p["b_proj"])
    return A.transpose(0, 2, 1), cache


def _real(A: np.ndarray, image: Image) -> np.ndarray:
    """Which regions of A (N, H, L) are real, bool (N, L)."""
    return real_regions("attention", image.counts, len(A), A.shape[2])
