"""The feed-forward layers, residuals and layer norms of a transformer on packed rows: rnnlayers.transformer.

Rows, and dropout masks, are as in rnnlayers.engine.transformer_attention.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnlayers.engine import feed_forward_kernels as kernels
from rnnlayers.engine.transformer_attention import Masks, Params, column_sums, times
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator


def relu(x: Array, b: Array, out: Array) -> None:
    """As kernels.gelu; NumPy is fast enough for it."""
    x += b
    np.maximum(x, 0, out=out)


def relu_backward(d: Array, x: Array, out: Array) -> None:
    """As kernels.gelu_backward."""
    d *= x > 0
    np.maximum(x, 0, out=out)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "gelu": (kernels.gelu, kernels.gelu_backward), "relu": (relu, relu_backward)}


def feed_forward_forward(z: Array, p: Params, activation: str, masks: Masks, kept: Allocator, workspace: Allocator
                         ) -> tuple[Array, Any]:
    """z (M, W) -> out (M, W) without the bias b2, cache."""
    hidden = times(z, p["ffn.W1"], "hidden", kept)
    active = workspace("active", hidden.shape, z.dtype)
    ACTIVATIONS[activation][0](hidden, p["ffn.b1"], active)
    _drop_in_place(active, masks)
    return times(active, p["ffn.W2"], "ffn out", workspace), (z, hidden, activation, masks)


def feed_forward_backward(dout: Array, cache: Any, p: Params, grads: Params, workspace: Allocator) -> Array:
    """dout (M, W) -> dz (M, W); gradients of the parameters into grads."""
    z, hidden, activation, masks = cache
    active = workspace("active", hidden.shape, z.dtype)
    dhidden = times(dout, p["ffn.W2"].T, "dhidden", workspace)
    _drop_in_place(dhidden, masks)
    ACTIVATIONS[activation][1](dhidden, hidden, active)
    _drop_in_place(active, masks)
    np.matmul(active.T, dout, out=grads["ffn.W2"])
    np.matmul(z.T, dhidden, out=grads["ffn.W1"])
    grads["ffn.b1"][:] = column_sums(dhidden)
    return times(dhidden, p["ffn.W1"].T, "dz of ffn", workspace)


def add_norm_forward(x: Array, more: Array, b: Array, gamma: Array, beta: Array, keep: Array, scale: float,
                     kept: Allocator) -> tuple[Array, Any]:
    """x = more + dropped(x + b) in place, more (M or 0, W) -> its layer norm (M, W), cache."""
    normal, out = (kept(name, x.shape, x.dtype) for name in ("normal", "z"))
    std = kept("std", (len(x),), x.dtype)
    kernels.add_norm(x, more, b, keep, scale, gamma, beta, normal, std, out)
    return out, (normal, std, gamma)


def norm_backward(d: Array, more: Array, after: bool, cache: Any, dgamma: Array, dbeta: Array) -> None:
    """The gradient of the norm's input in place of d (M, W), that of its output.

    more (M or 0, W) is added, before or, with `after`, when d has become the gradient of the input.
    """
    kernels.norm_backward(d, more, after, *cache, dgamma, dbeta)


def _drop_in_place(hidden: Array, masks: Masks) -> None:
    if len(masks.keep["ffn.hidden"]):
        kernels.drop(hidden, masks.keep["ffn.hidden"], masks.scale)


