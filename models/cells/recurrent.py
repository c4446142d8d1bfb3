"""Cells that see the picture once: it initialises the state of a recurrent layer."""
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from models.cells.cell import Cell, Image, Params, State, take
from models.cells.initial import Initial, ProjectedState, TanhStates
from models.dropout import NO_DROPOUT, Dropout

INITIAL: dict[str, Initial] = {"h": ProjectedState(), "both": TanhStates("D")}


class Recurrent(Cell):
    """A recurrent layer of rnnlayers whose first states come from the picture.

    A subclass names the layer's four functions and its parameters. A step takes (x, h, further states, parameters), a
    sequence (x, h0, parameters, further first states); backward returns gradients in the same order.
    """
    layer: ClassVar[tuple[Callable, Callable]]      # forward and backward of a sequence
    one_step: ClassVar[tuple[Callable, Callable]]   # forward and backward of a step
    weights: ClassVar[tuple[str, ...]] = ("Wx", "Wh", "b")
    further_states: ClassVar[int] = 0               # states besides h

    start = "h"

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.initial = INITIAL[self.start]

    def shapes(self) -> dict[str, str]:
        return {**self.initial.shapes, **recurrent_shapes(self.gates)}

    def initial_state(self, p: Params, image: Image) -> State:
        (h, *further), _ = self.initial.forward(p, image.vector)
        zeros = [np.zeros_like(h)] * (self.further_states - len(further))
        return State(h, (*further, *zeros))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        h, *further, _ = self.one_step[0](x, state.output, *state.carried, *take(p, self.weights))
        return State(h, tuple(further))

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, None, Any]:
        (h0, *further), initial_cache = self.initial.forward(p, image.vector)
        h, cache = self.layer[0](x, h0, *take(p, self.weights), *further)
        return h, None, (initial_cache, cache)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        initial_cache, cache = cache
        dx, dh0, *grads = self.layer[1](dh, cache)
        dstates = dh0, *grads[len(self.weights):]
        return dx, {**self.initial.backward(dstates, initial_cache), **dict(zip(self.weights, grads))}

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        """As the contract says, of a cell whose cache is a list of steps and whose only state is h."""
        from models.gradient_norms import norms_of_h  # a course's copy leaves it out
        return norms_of_h(dh, cache[1], self.one_step[1])


def recurrent_shapes(gates: str) -> dict[str, str]:
    """Shapes of Wx, Wh and b of a layer: H columns for each gate, or H columns where there are no gates."""
    G = f"{len(gates)}H" if gates else "H"
    return {"Wx": f"W {G}", "Wh": f"H {G}", "b": G}
