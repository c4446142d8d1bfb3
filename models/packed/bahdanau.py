"""The LSTM of Show, Attend and Tell on packed rows: models.cells.bahdanau."""
from typing import Any

import numpy as np

from models.cells import Cell, Image, State
from models.cells.attending import AttendingLSTM
from models.cells.cell import Params, take
from models.cells.stack import carried_of, states_of
from models.dropout import NO_DROPOUT, Dropout
from models.packed.cell import PackedCell, Words, affine, affine_grads, region_counts
from models.packed.projection import project, project_backward
from models.packed.recurrent import TanhStates
from models.packed.stack import carried_letters, grads_above, lstms_above, step_above
from rnnlayers.engine.additive import additive_backward, additive_forward
from rnnlayers.engine.kernels import additive_attend
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import product
from rnnlayers.engine.recurrent import LOOPS, lstm_update
from rnnlayers.workspace import Allocator, allocate

WEIGHTS = ("Wh", "Wattn", "Wq", "v", "Wbeta", "bbeta")
INITIAL = TanhStates()


class Bahdanau(PackedCell):
    """An LSTM with additive attention to the grid and a gated context."""
    cell: AttendingLSTM
    memory, vector = ("N L D", "N L K", "N"), "N P"

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.carried = carried_letters(self.cell.num_layers, 2)

    def initial_state(self, p: Params, image: Image) -> State:
        (h, c), _ = INITIAL.forward(p, image.vector)
        keys = affine(image.regions, p["Wa"], p["ba"], "keys", allocate)
        weights = np.concatenate([p["Wh"], p["Wq"], p["Wbeta"]], axis=1)
        carried = carried_of([(h, c)] * self.cell.num_layers)
        return State(h, carried, (image.regions, keys, region_counts(image)), (weights,))

    def step(self, p: Params, words: Words, state: State) -> State:
        (A, keys, counts), (W,), G, K = state.memory, state.weights, p["Wh"].shape[1], len(p["v"])
        states = states_of(state, self.cell.num_layers)
        (h, c), last_h = states[0], states[-1][0]
        a = product(last_h, W)                              # h [Wh, Wq, Wbeta]
        own = a[:, :G] if last_h is h else product(h, p["Wh"])
        query, beta = np.ascontiguousarray(a[:, G:G + K]), a[:, G + K:] + p["bbeta"]
        weights, z, context = np.empty(A.shape[:2], A.dtype), np.empty_like(beta), np.empty_like(beta)
        additive_attend(query, beta, keys, A, p["v"], counts, weights, z, context)
        gates = product(context, p["Wattn"])
        gates += own
        first = lstm_update(gates, project(p, words, allocate), words.row_of, c)
        y, states = step_above(LOOPS["lstm"], p, first, states, self.cell.residual)
        return State(y, carried_of(states), state.memory, state.weights, weights)

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, np.ndarray, Any]:
        (h0, c0), initial_cache = INITIAL.forward(p, image.vector[:packed.active])
        keys = affine(image.regions, p["Wa"], p["ba"], "keys", workspace)
        Wh, Wattn, Wq, v, Wbeta, bbeta = take(p, WEIGHTS)
        h, attention, cache = additive_forward(project(p, words, workspace), words.row_of, h0, c0, image.regions, keys,
                                               region_counts(image), Wh, Wattn, Wq, v, Wbeta, bbeta, packed, workspace,
                                               lstms_above(self.cell, p, dropout, packed, workspace))
        return h, attention, (initial_cache, image.regions, cache)

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        assert dattention is not None                       # of a cell that attends
        initial_cache, grid, cache = cache
        (da, dh0, dc0, dkeys, *dweights), dabove = additive_backward(dh, dattention, cache, packed, workspace)
        dvectors, grads = project_backward(p, da, words, workspace)
        grads.update(INITIAL.backward((dh0, dc0), initial_cache, workspace))
        grads.update({**dict(zip(WEIGHTS, dweights)), **grads_above(dabove)})
        return dvectors, {**grads, **affine_grads(grid, dkeys, "Wa", "ba", workspace)}
