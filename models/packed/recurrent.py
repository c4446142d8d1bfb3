"""Recurrent cells on packed rows: models.cells.recurrent with the time loops of rnnlayers.engine.recurrent."""
from typing import Any

import numpy as np

from models.cells import Image, State
from models.cells.cell import Cell, Params, take
from models.cells.recurrent import Recurrent as RecurrentCell
from models.cells.stack import Arrays, carried_of, grads_of_layer, of_layer, states_of
from models.dropout import NO_DROPOUT, Dropout
from models.packed.cell import PackedCell, Words, affine_grads
from models.packed.projection import project, project_backward, rows
from models.packed.stack import carried_letters, dropped, layer_place, mask_between, step_above
from rnnlayers.additive_attention import initial_state_backward, initial_state_forward
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.recurrent import LOOPS
from rnnlayers.rnn import accumulate
from rnnlayers.workspace import Allocator, allocate

ALONE_BYTES = 8 * 2**20             # of weights: up to here a single compiled loop captions one image fastest
TANH_WEIGHTS = ("W_init_h", "b_init_h", "W_init_c", "b_init_c")


class Recurrent(PackedCell):
    """A cell whose time loop stands in LOOPS under its name, or a stack of them: one loop after the other."""
    cell: RecurrentCell

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.loop = LOOPS[cell.name]
        self.initial: ProjectedState | TanhStates = INITIAL[getattr(cell, "start", "h")]()
        self.carried = carried_letters(self.cell.num_layers, self.loop.states)

    def initial_state(self, p: Params, image: Image) -> State:
        states, _ = self._first(p, image.vector)
        return State(states[0], carried_of([states] * self.cell.num_layers))

    def step(self, p: Params, words: Words, state: State) -> State:
        states = states_of(state, self.cell.num_layers)
        first = self.loop.step(project(p, words, allocate), words.row_of, states[0], take(p, self.loop.weights))
        y, states = step_above(self.loop, p, first, states, self.cell.residual)
        return State(y, carried_of(states))

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, None, Any]:
        states0, initial_cache = self._first(p, image.vector[:packed.active])
        y, inputs, keeps, caches = words.vectors, [], [], []
        for k in range(self.cell.num_layers):
            layer, place, keep = self._layer(p, k), layer_place(workspace, k), None
            if k:
                keep = mask_between(k, y.shape[1], y.dtype, dropout, packed, workspace)
                words = rows(dropped(y, keep, place))
            x = project(layer, words, workspace)            # read by this layer's loop alone
            h, cache = self.loop.forward(x, words.row_of, states0, take(layer, self.loop.weights), packed, place)
            y = h
            if k and self.cell.residual:
                y = np.add(h, words.vectors, out=place("output", h.shape, h.dtype))
            inputs.append(words)
            keeps.append(keep)
            caches.append(cache)
        return y, None, (initial_cache, inputs, keeps, caches)

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        initial_cache, inputs, keeps, caches = cache
        dy, dstates0, grads = dh, [], {}
        for k in reversed(range(self.cell.num_layers)):
            layer, place = self._layer(p, k), layer_place(workspace, k)
            passed = place("passed", dy.shape, dy.dtype) if k and self.cell.residual else None
            if passed is not None:
                passed[:] = dy                              # the loop overwrites dy
            da, dstates, dweights = self.loop.backward(dy, caches[k], packed, place)
            accumulate(dstates0, list(dstates))             # all layers start from the same states
            dy, dlayer = project_backward(layer, da, inputs[k], place)
            if passed is not None:
                dy += passed                                # y = h + u
            if keeps[k] is not None:
                dy *= keeps[k]                              # u = keep * y of the layer below
            grads.update(grads_of_layer(k, {**dlayer, **dict(zip(self.loop.weights, dweights))}))
        grads.update(self.initial.backward(tuple(dstates0), initial_cache, workspace))
        return dy, grads

    def greedy(self, p: Params, image: Image, start: int, end: int, length: int) -> np.ndarray | None:
        weights = [np.ascontiguousarray(w) for w in take(
            p, ("W_embed", "Wx", "b", "W_vocab", "b_vocab", *self.loop.weights))]
        if (self.loop.greedy is None or self.cell.num_layers > 1
                or sum(w.nbytes for w in weights[1:]) > ALONE_BYTES):
            return None                         # no such loop, or weights beyond one core's caches: docs/performance.md
        state, words = self.initial_state(p, image), np.empty(length, np.int64)
        states = [array[0] for array in (state.output, *state.carried)]
        return words[:self.loop.greedy(*weights, *states, start, end, words)]

    def _first(self, p: Params, vector: np.ndarray) -> tuple[Arrays, Any]:
        """The states of every layer before the first word, zeros where the picture makes none, and a cache."""
        (h, *further), cache = self.initial.forward(p, vector)
        return (h, *further, *[np.zeros_like(h)] * (self.loop.states - 1 - len(further))), cache

    def _layer(self, p: Params, k: int) -> Params:
        return of_layer(p, k, ("Wx", "b", *self.loop.weights))


class ProjectedState:
    """models.cells.initial.ProjectedState, with gradients in the workspace."""

    def forward(self, p: Params, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        return (vector @ p["W_proj"] + p["b_proj"],), vector

    def backward(self, dstates0: tuple[np.ndarray, ...], cache: Any, workspace: Allocator) -> Params:
        return affine_grads(cache, dstates0[0], "W_proj", "b_proj", workspace)


class TanhStates:
    """models.cells.initial.TanhStates by the textbook's functions, which are fast enough for few rows."""

    def forward(self, p: Params, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        h0, c0, cache = initial_state_forward(vector, *take(p, TANH_WEIGHTS))
        return (h0, c0), cache

    def backward(self, dstates0: tuple[np.ndarray, ...], cache: Any, workspace: Allocator) -> Params:
        dh0, dc0 = dstates0
        _, *grads = initial_state_backward(dh0, dc0, cache)
        return dict(zip(TANH_WEIGHTS, grads))


# as models.cells.recurrent.INITIAL
INITIAL: dict[str, type[ProjectedState] | type[TanhStates]] = {"h": ProjectedState, "both": TanhStates}
