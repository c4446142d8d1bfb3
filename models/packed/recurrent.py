"""Recurrent cells on packed rows: models.cells.recurrent with the time loops of rnnlayers.engine.recurrent."""
from typing import Any

import numpy as np

from models.cells import Image, State
from models.cells.cell import Cell, Params, take
from models.dropout import NO_DROPOUT, Dropout
from models.packed.cell import PackedCell, Words, affine_grads, column_sums
from rnnlayers.additive_attention import initial_state_backward, initial_state_forward
from rnnlayers.engine.kernels import scatter_add
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import times_transposed
from rnnlayers.engine.recurrent import LOOPS
from rnnlayers.workspace import Allocator, allocate

ALONE_BYTES = 8 * 2**20             # of weights: up to here a single compiled loop captions one image fastest
TANH_WEIGHTS = ("W_init_h", "b_init_h", "W_init_c", "b_init_c")


class Recurrent(PackedCell):
    """A cell whose time loop stands in LOOPS under its name."""

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.loop = LOOPS[cell.name]
        self.initial: ProjectedState | TanhStates = INITIAL[getattr(cell, "start", "h")]()
        self.carried = ("N H",) * (self.loop.states - 1)

    def initial_state(self, p: Params, image: Image) -> State:
        (h, *further), _ = self.initial.forward(p, image.vector)
        return State(h, (*further, *self._zeros(h, further)))

    def step(self, p: Params, words: Words, state: State) -> State:
        states = state.output, *state.carried
        h, *further = self.loop.step(project(p, words, allocate), words.row_of, states, take(p, self.loop.weights))
        return State(h, tuple(further))

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, None, Any]:
        (h0, *further), initial_cache = self.initial.forward(p, image.vector[:packed.active])
        states0 = h0, *further, *self._zeros(h0, further)
        x = project(p, words, workspace)
        h, cache = self.loop.forward(x, words.row_of, states0, take(p, self.loop.weights), packed, workspace)
        return h, None, (initial_cache, cache)

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        initial_cache, cache = cache
        da, dstates0, dweights = self.loop.backward(dh, cache, packed, workspace)
        dvectors, grads = project_backward(p, da, words, workspace)
        grads.update(self.initial.backward(dstates0, initial_cache, workspace))
        return dvectors, {**grads, **dict(zip(self.loop.weights, dweights))}

    def greedy(self, p: Params, image: Image, start: int, end: int, length: int) -> np.ndarray | None:
        weights = [np.ascontiguousarray(w) for w in take(
            p, ("W_embed", "Wx", "b", "W_vocab", "b_vocab", *self.loop.weights))]
        if self.loop.greedy is None or sum(w.nbytes for w in weights[1:]) > ALONE_BYTES:
            return None                         # no such loop, or weights beyond one core's caches: docs/performance.md
        state, words = self.initial_state(p, image), np.empty(length, np.int64)
        states = [array[0] for array in (state.output, *state.carried)]
        return words[:self.loop.greedy(*weights, *states, start, end, words)]

    def _zeros(self, h: np.ndarray, further: list[np.ndarray]) -> list[np.ndarray]:
        """The states that the picture leaves at zero."""
        return [np.zeros_like(h)] * (self.loop.states - 1 - len(further))


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


def project(p: Params, words: Words, workspace: Allocator) -> np.ndarray:
    """x Wx + b, once for each distinct input (U, G)."""
    x = np.matmul(words.vectors, p["Wx"], out=workspace("x Wx", (len(words.vectors), len(p["b"])), p["Wx"].dtype))
    x += p["b"]
    return x


def project_backward(p: Params, da: np.ndarray, words: Words, workspace: Allocator) -> tuple[np.ndarray, Params]:
    """Gradients of project from da (M, G), one row for each word -> dvectors (U, W), dWx and db."""
    if words.repeated:                                      # rows that share a vector share its gradient
        total = workspace("da of words", (len(words.vectors), da.shape[1]), da.dtype)
        scatter_add(da, words.row_of, total)
        da = total
    dvectors = times_transposed(da, p["Wx"], workspace("dx", (words.vectors.size,), da.dtype))
    dWx = np.matmul(words.vectors.T, da, out=workspace("dWx", p["Wx"].shape, da.dtype))
    return dvectors, {"Wx": dWx, "b": column_sums(da)}
