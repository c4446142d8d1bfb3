"""Stacks: cells of several layers, one on top of the other.

    u_k = drop(y_{k-1});  h_k = layer_k(u_k);  y_0 = h_0;  y_k = h_k, or with residual h_k + u_k

The output of the last layer is the cell's. All layers start from the states that the picture makes, so the gradients of
these states add up over the layers. The parameters of layer 0 have their plain names, those of layer k "layer{k}.".
Source: Graves (2013), "Generating sequences with recurrent neural networks", section 2; dropout between the layers from
Zaremba et al. (2014), "Recurrent neural network regularization"; residual from Wu et al. (2016), "Google's neural
machine translation system", section 3.1.
"""
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from models.cells.cell import Params, State

OPTIONS = ("num_layers", "residual")
Arrays = tuple[np.ndarray, ...]
States = list[Arrays]               # the states of each layer, h first


def recurrent_shapes(gates: str) -> dict[str, str]:
    """Shapes of Wx, Wh and b of a layer: H columns for each gate, or H columns where there are no gates."""
    G = f"{len(gates)}H" if gates else "H"
    return {"Wx": f"W {G}", "Wh": f"H {G}", "b": G}


def upper_shapes(layer: dict[str, str], num_layers: int) -> dict[str, str]:
    """Shapes of the layers above layer 0, whose shapes are `layer`: their input is an h in place of a word vector."""
    above = {**layer, "Wx": layer["Wx"].replace("W", "H")}
    return {in_layer(k, name): letters for k in range(1, num_layers) for name, letters in above.items()}


def in_layer(k: int, name: str) -> str:
    """The name that a layer's parameter has among the cell's."""
    return f"layer{k}.{name}" if k else name


def of_layer(p: Params, k: int, names: Iterable[str]) -> Params:
    """The parameters of layer k by the names that they have in layer 0."""
    return {name: p[in_layer(k, name)] for name in names}


def grads_of_layer(k: int, grads: Params) -> Params:
    """Gradients of layer k by the names that they have in the cell."""
    return {in_layer(k, name): dw for name, dw in grads.items()}


def states_of(state: State, num_layers: int) -> States:
    """The states of each layer. A stack carries them all: with residual its output is no state."""
    if num_layers == 1:
        return [(state.output, *state.carried)]
    size = len(state.carried) // num_layers
    return [state.carried[k * size:(k + 1) * size] for k in range(num_layers)]


def carried_of(states: Sequence[Arrays]) -> Arrays:
    """What a State carries beside its output, from the states of each layer."""
    return states[0][1:] if len(states) == 1 else tuple(a for layer in states for a in layer)


def layers_forward(one_step: Callable, x: np.ndarray, states: States, weights: Sequence[Arrays], residual: bool,
                   masks: Sequence[Any] | None = None) -> tuple[np.ndarray, States, list[Any]]:
    """One word through all layers: x (n, W), what layer 0 is fed -> y (n, H), the states of each layer, caches.

    one_step(x, *states, *weights) -> (*states, cache) is the step of a layer; masks: dropout masks of the layers'
    inputs, or None for no dropout.
    """
    y, after, caches = x, [], []
    for k, (before, layer) in enumerate(zip(states, weights)):
        u = y if masks is None else y * masks[k]
        *new, cache = one_step(u, *before, *layer)
        y = new[0] + u if residual and k else new[0]
        after.append(tuple(new))
        caches.append(cache)
    return y, after, caches
