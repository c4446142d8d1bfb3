"""Cells that see the picture once: it initialises the state of a recurrent layer."""
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from models.cells.cell import Cell, Image, Params, State
from models.cells.initial import Initial, ProjectedState, TanhStates
from models.cells.stack import (
    OPTIONS,
    Arrays,
    carried_of,
    grads_of_layer,
    layers_forward,
    of_layer,
    recurrent_shapes,
    states_of,
    upper_shapes,
)
from models.dropout import NO_DROPOUT, Dropout, drop
from rnnlayers.rnn import accumulate

INITIAL: dict[str, Initial] = {"h": ProjectedState(), "both": TanhStates("D")}


class Recurrent(Cell):
    """A recurrent layer of rnnlayers, or a stack of them (models.cells.stack), whose first states the picture makes.

    A subclass names the layer's four functions and its parameters. A step takes (x, h, further states, parameters), a
    sequence (x, h0, parameters, further first states); backward returns gradients in the same order.
    """
    layer: ClassVar[tuple[Callable, Callable]]      # forward and backward of a sequence
    one_step: ClassVar[tuple[Callable, Callable]]   # forward and backward of a step
    weights: ClassVar[tuple[str, ...]] = ("Wx", "Wh", "b")
    further_states: ClassVar[int] = 0               # states besides h
    options: ClassVar[tuple[str, ...]] = OPTIONS
    num_layers: int
    residual: bool

    start = "h"

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.initial = INITIAL[self.start]

    def layer_shapes(self) -> dict[str, str]:
        """Shapes of layer 0's parameters; those of the layers above have the same names after "layer{k}."."""
        return recurrent_shapes(self.gates)

    def shapes(self) -> dict[str, str]:
        layer = self.layer_shapes()
        return {**self.initial.shapes, **layer, **upper_shapes(layer, self.num_layers)}

    def initial_state(self, p: Params, image: Image) -> State:
        (h, *further), _ = self.initial.forward(p, image.vector)
        zeros = [np.zeros_like(h)] * (self.further_states - len(further))
        return State(h, carried_of([(h, *further, *zeros)] * self.num_layers))

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        weights = [self._weights(p, k) for k in range(self.num_layers)]
        y, states, _ = layers_forward(self.one_step[0], x, states_of(state, self.num_layers), weights, self.residual)
        return State(y, carried_of(states))

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, None, Any]:
        (h0, *further), initial_cache = self.initial.forward(p, image.vector)
        y, masks, caches = x, [], []
        for k in range(self.num_layers):
            u, mask = drop(y, dropout.rng, dropout.share) if k else (x, 1)
            h, cache = self.layer[0](u, h0, *self._weights(p, k), *further)
            y = h + u if self.residual and k else h
            masks.append(mask)
            caches.append(cache)
        return y, None, (initial_cache, masks, caches)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        initial_cache, masks, caches = cache
        dy, dstates, grads = dh, [], {}
        for k in reversed(range(self.num_layers)):
            du, dh0, *dlayer = self.layer[1](dy, caches[k])
            if self.residual and k:
                du = du + dy                                # y = h + u
            dy = du * masks[k]                              # u = drop(y of the layer below)
            accumulate(dstates, [dh0, *dlayer[len(self.weights):]])        # all layers start from the same states
            grads.update(grads_of_layer(k, dict(zip(self.weights, dlayer))))
        return dy, {**self.initial.backward(tuple(dstates), initial_cache), **grads}

    def last_layer(self, cache: Any) -> Any:
        """The last layer's part of forward's cache: it is the one that reports show."""
        return cache[2][-1]

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        """As the contract says, of a cell whose cache is a list of steps and whose only state is h.

        Of a stack it is the last layer's h: nothing below depends on it.
        """
        from models.gradient_norms import norms_of_h  # a course's copy leaves it out
        return norms_of_h(dh, self.last_layer(cache), self.one_step[1])

    def _weights(self, p: Params, k: int) -> Arrays:
        return tuple(of_layer(p, k, self.weights).values())
