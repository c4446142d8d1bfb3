"""The LSTM with scaled dot-product attention on packed rows: models.cells.attention."""
from typing import Any

import numpy as np

from models.cells import Image, State
from models.cells.cell import Params
from models.dropout import NO_DROPOUT, Dropout
from models.packed.cell import PackedCell, Words, affine, affine_grads, region_counts
from models.packed.recurrent import project, project_backward
from rnnlayers.engine.attention import attention_backward, attention_forward, region_mean
from rnnlayers.engine.kernels import attend
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import product
from rnnlayers.engine.recurrent import lstm_update
from rnnlayers.workspace import Allocator, allocate


class Attention(PackedCell):
    """An LSTM that attends to projected regions A (N, L, H); h0 = c0 = mean of A over the regions."""
    carried, memory = ("N H",), ("N L H", "N")

    def initial_state(self, p: Params, image: Image) -> State:
        A = affine(image.regions, p["W_proj"], p["b_proj"], "A", allocate)
        counts = region_counts(image)
        mean = region_mean(A, counts)
        return State(mean, (mean,), (A, counts), (np.concatenate([p["Wh"], p["Wattn"]]),))

    def step(self, p: Params, words: Words, state: State) -> State:
        (A, counts), (W,), (n, H) = state.memory, state.weights, state.output.shape
        both, attn, weights = np.empty((n, 2 * H), A.dtype), np.empty((n, H), A.dtype), np.empty(A.shape[:2], A.dtype)
        attend(state.output, A, counts, weights, attn)
        both[:, :H], both[:, H:] = state.output, attn
        h, c = lstm_update(product(both, W), project(p, words, allocate), words.row_of, *state.carried)
        return State(h, (c,), state.memory, state.weights, weights)

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, np.ndarray, Any]:
        A = affine(image.regions, p["W_proj"], p["b_proj"], "A", workspace)
        x = project(p, words, workspace)
        h, attention, cache = attention_forward(x, words.row_of, A, region_counts(image), p["Wh"], p["Wattn"],
                                                packed, workspace)
        return h, attention, (image.regions, cache)

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        assert dattention is not None                       # of a cell that attends
        grid, cache = cache
        da, dA, dWh, dWattn = attention_backward(dh, dattention, cache, packed, workspace)
        dvectors, grads = project_backward(p, da, words, workspace)
        return dvectors, {**grads, **affine_grads(grid, dA, "W_proj", "b_proj", workspace), "Wh": dWh, "Wattn": dWattn}
