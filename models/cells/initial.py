"""How a picture's feature vector initialises the states of a recurrent cell."""
from typing import Any, Protocol

import numpy as np

from models.cells.cell import Params, take
from rnnlayers import affine_backward, affine_forward, initial_state_backward, initial_state_forward


class Initial(Protocol):
    """How a picture's vector becomes the first states of a cell."""
    shapes: dict[str, str]          # of its parameters

    def forward(self, p: Params, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        """vector (N, D) -> states, cache."""

    def backward(self, dstates: tuple[np.ndarray, ...], cache: Any) -> Params:
        """Gradients of the parameters."""


class ProjectedState:
    """h0 = vector W_proj + b_proj; other states start as zeros. Source: Karpathy and Fei-Fei (2015)."""

    def __init__(self) -> None:
        self.shapes = {"W_proj": "D H", "b_proj": "H"}

    def forward(self, p: Params, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        """vector (N, D) -> (h0,), cache."""
        h0, cache = affine_forward(vector, *take(p, self.shapes))
        return (h0,), cache

    def backward(self, dstates: tuple[np.ndarray, ...], cache: Any) -> Params:
        """Gradients of the parameters."""
        (dh0,) = dstates
        _, *grads = affine_backward(dh0, cache)
        return dict(zip(self.shapes, grads))


class TanhStates:
    """h0 = tanh(vector W_init_h + b_init_h), c0 likewise. Source: Xu et al. (2015), section 3.1.2."""

    def __init__(self, width: str):
        """width: letter of the vector's width, D or P."""
        self.shapes = {"W_init_h": f"{width} H", "b_init_h": "H", "W_init_c": f"{width} H", "b_init_c": "H"}

    def forward(self, p: Params, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        """vector (N, D) -> (h0, c0), cache."""
        h0, c0, cache = initial_state_forward(vector, *take(p, self.shapes))
        return (h0, c0), cache

    def backward(self, dstates: tuple[np.ndarray, ...], cache: Any) -> Params:
        """Gradients of the parameters."""
        dh0, dc0 = dstates
        _, *grads = initial_state_backward(dh0, dc0, cache)
        return dict(zip(self.shapes, grads))
