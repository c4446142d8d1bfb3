"""The LSTM with scaled dot-product attention on packed rows: models.cells.attention."""
from typing import Any

import numpy as np

from models.cells import Cell, Image, State
from models.cells.attending import AttendingLSTM
from models.cells.cell import Params
from models.cells.stack import carried_of, states_of
from models.dropout import NO_DROPOUT, Dropout
from models.packed.cell import PackedCell, Words, affine, affine_grads, region_counts
from models.packed.projection import project, project_backward
from models.packed.stack import carried_letters, grads_above, lstms_above, step_above
from rnnlayers.engine.attention import attention_backward, attention_forward, region_mean
from rnnlayers.engine.kernels import attend
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import product
from rnnlayers.engine.recurrent import LOOPS, lstm_update
from rnnlayers.workspace import Allocator, allocate


class Attention(PackedCell):
    """An LSTM that attends to projected regions A (N, L, H); h0 = c0 = mean of A over the regions."""
    cell: AttendingLSTM
    memory = "N L H", "N"

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.carried = carried_letters(self.cell.num_layers, 2)

    def initial_state(self, p: Params, image: Image) -> State:
        A = affine(image.regions, p["W_proj"], p["b_proj"], "A", allocate)
        counts = region_counts(image)
        mean = region_mean(A, counts)
        carried = carried_of([(mean, mean)] * self.cell.num_layers)
        return State(mean, carried, (A, counts), (np.concatenate([p["Wh"], p["Wattn"]]),))

    def step(self, p: Params, words: Words, state: State) -> State:
        (A, counts), (W,), (n, H) = state.memory, state.weights, state.output.shape
        both, attn, weights = np.empty((n, 2 * H), A.dtype), np.empty((n, H), A.dtype), np.empty(A.shape[:2], A.dtype)
        states = states_of(state, self.cell.num_layers)
        h, c = states[0]
        attend(states[-1][0], A, counts, weights, attn)
        both[:, :H], both[:, H:] = h, attn
        first = lstm_update(product(both, W), project(p, words, allocate), words.row_of, c)
        y, states = step_above(LOOPS["lstm"], p, first, states, self.cell.residual)
        return State(y, carried_of(states), state.memory, state.weights, weights)

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, np.ndarray, Any]:
        A = affine(image.regions, p["W_proj"], p["b_proj"], "A", workspace)
        x = project(p, words, workspace)
        h, attention, cache = attention_forward(x, words.row_of, A, region_counts(image), p["Wh"], p["Wattn"],
                                                packed, workspace,
                                                lstms_above(self.cell, p, dropout, packed, workspace))
        return h, attention, (image.regions, cache)

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        assert dattention is not None                       # of a cell that attends
        grid, cache = cache
        da, dA, dWh, dWattn, dabove = attention_backward(dh, dattention, cache, packed, workspace)
        dvectors, grads = project_backward(p, da, words, workspace)
        grads.update({"Wh": dWh, "Wattn": dWattn, **grads_above(dabove)})
        return dvectors, {**grads, **affine_grads(grid, dA, "W_proj", "b_proj", workspace)}
