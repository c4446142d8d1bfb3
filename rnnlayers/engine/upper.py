"""The layers above the first of a stack of LSTMs, inside the time loop of layers that attend.

    u = keep * (output of the layer below);  h = lstm_step(u);  output = h, or with residual h + u

The products with prev_h and u are one, [prev_h, u] [Wh; Wx]. Where all layers can run one after the other over whole
captions, as those of a plain LSTM can, they need none of this: their inputs are projected before their time loops.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnlayers.engine.kernels import lstm_step, lstm_step_backward
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import times, times_transposed, zeros
from rnnlayers.shapes import Array
from rnnlayers.workspace import Allocator, within


class Layer(NamedTuple):
    """One layer, with what its steps write."""
    W: Array                        # (2H, 4H): Wh, and Wx below it
    b: Array                        # (1, 4H)
    row_of_b: Array                 # (M,) zeros: all rows add the same b
    keep: Array | None              # (M, H): dropout mask of the input, None for no dropout
    h0: Array                       # (>= active, H), c0 too
    c0: Array
    both: Array                     # (M, 2H): prev_h and u side by side
    gates: Array                    # (M, 4H), in backward da
    h: Array                        # (M, H) and the next three
    c: Array
    tanh_c: Array
    output: Array                   # h itself without residual
    dh: Array                       # (active, H): gradient of the h before the step that backward has undone, dc too
    dc: Array
    du: Array                       # (active, H)

    @property
    def residual(self) -> bool:
        return self.output is not self.h


class Above(NamedTuple):
    """What stands above layer 0; nothing, of a single layer."""
    weights: Sequence[tuple[Array, Array, Array]] = ()      # Wx and Wh (H, 4H), b (4H,) of each layer
    keeps: Sequence[Array | None] = ()                      # dropout masks of their inputs, (M, H)
    residual: bool = False


SINGLE = Above()


def make_layers(above: Above, h0: Array, c0: Array, packed: Packed, workspace: Allocator) -> list[Layer]:
    """The layers above layer 0, which start from h0 and c0 (>= active, H) as it does."""
    return [_make(weights, keep, above.residual, h0, c0, packed, within(workspace, f"layer{k}."))
            for k, (weights, keep) in enumerate(zip(above.weights, above.keeps), 1)]


def _make(weights: tuple[Array, Array, Array], keep: Array | None, residual: bool, h0: Array, c0: Array, packed: Packed,
          workspace: Allocator) -> Layer:
    Wx, Wh, b = weights
    (H, G), M, N, dtype = Wh.shape, len(packed.words), packed.active, Wh.dtype
    W = np.concatenate([Wh, Wx], out=workspace("Wh, Wx", (2 * H, G), dtype))
    both, gates = workspace("both", (M, 2 * H), dtype), workspace("gates", (M, G), dtype)
    h, c, tanh_c = (workspace(name, (M, H), dtype) for name in ("h", "c", "tanh_c"))
    output = workspace("output", (M, H), dtype) if residual else h
    dh, dc, du = (zeros(name, (N, H), dtype, workspace) for name in ("dh", "dc", "du"))
    return Layer(W, b[None], np.zeros(M, np.intp), keep, h0, c0, both, gates, h, c, tanh_c, output, dh, dc, du)


def upper_forward(layers: list[Layer], y: Array, t: int, steps: list[tuple[int, int]]) -> Array:
    """One step: y (n, H), the output of layer 0 -> h (n, H) of the last layer; its output is in the layer's array."""
    (s, e), h = steps[t], y
    for layer in layers:
        n, H = y.shape
        h_before, c_before = _before(layer, t, steps)
        both, h, c = layer.both[s:e], layer.h[s:e], layer.c[s:e]
        prev_h, u = both[:, :H], both[:, H:]
        prev_h[:] = h_before[:n]
        if layer.keep is None:
            u[:] = y
        else:
            np.multiply(y, layer.keep[s:e], out=u)
        times(both, layer.W, layer.gates[s:e])
        lstm_step(layer.gates[s:e], layer.b, layer.row_of_b[s:e], c_before, c, layer.tanh_c[s:e], h)
        y = np.add(h, u, out=layer.output[s:e]) if layer.residual else h
    return h


def upper_backward(layers: list[Layer], dy: Array, t: int, steps: list[tuple[int, int]], scratch: Array) -> Array:
    """Undo upper_forward: dy (n, H), of the last layer's output -> that of layer 0's output. scratch: (2 H active,)."""
    s, e = steps[t]
    for layer in reversed(layers):
        n, H = dy.shape
        dh, du, da = layer.dh[:n], layer.du[:n], layer.gates[s:e]
        dh += dy                                            # the output is h, or h + u
        lstm_step_backward(da, _before(layer, t, steps)[1], layer.tanh_c[s:e], dh, layer.dc[:n])
        back = times_transposed(da, layer.W, scratch)       # of [prev_h, u] [Wh; Wx]
        dh[:], du[:] = back[:, :H], back[:, H:]
        if layer.residual:
            du += dy
        if layer.keep is not None:
            du *= layer.keep[s:e]                           # u = keep * y of the layer below
        dy = du
    return dy


def upper_gradients(layers: list[Layer], workspace: Allocator) -> list[tuple[Array, Array, Array]]:
    """dWx, dWh (H, 4H) and db (4H,) of each layer after the last upper_backward, in one product over all rows."""
    found = []
    for k, layer in enumerate(layers, 1):
        dW, H = workspace(f"layer{k}.dW", layer.W.shape, layer.W.dtype), layer.h.shape[1]
        np.matmul(layer.both.T, layer.gates, out=dW)
        found.append((dW[H:], dW[:H], np.ones(len(layer.gates), dW.dtype) @ layer.gates))
    return found


def _before(layer: Layer, t: int, steps: list[tuple[int, int]]) -> tuple[Array, Array]:
    """h and c from which step t starts, (>= n, H)."""
    if t == 0:
        return layer.h0, layer.c0
    s, e = steps[t - 1]
    return layer.h[s:e], layer.c[s:e]
