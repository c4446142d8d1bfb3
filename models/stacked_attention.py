"""The time loop of a stack of LSTMs whose first layer is fed a context: the last layer's h decides what to attend to.

It stands apart from the cells because it is a backward pass like those that students have to write: they do not get it.
"""
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.cells.attending import LAYER, AttendingLSTM
from models.cells.bahdanau import ENERGY, KEYS
from models.cells.cell import Params, take
from models.cells.stack import Arrays, States, grads_of_layer, layers_forward
from models.dropout import Dropout
from rnnlayers import (
    additive_attention_forward,
    dot_product_attention_forward,
    lstm_step_backward,
    lstm_step_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)
from rnnlayers.lstm import LSTMStepCache
from rnnlayers.regions import mask_padding, real_regions
from rnnlayers.rnn import accumulate, check_steps

Attend = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, Any]]
AttendBackward = Callable[[np.ndarray, np.ndarray | None, Any], Arrays]


class StackCache(NamedTuple):
    attentions: list[Any]                       # of each step
    layers: list[list[LSTMStepCache]]           # of each step, from layer 0 to the last
    masks: list[Any]                            # dropout masks of the layers' inputs, (N, T, H), or 1 without dropout
    residual: bool
    W: int                                      # width of a word vector; what follows it in layer 0's input is context
    more: Any = None                            # what a cell's backward needs besides

    @property
    def steps(self) -> list[LSTMStepCache]:
        """The last layer's steps: they are the ones that reports show."""
        return [layers[-1] for layers in self.layers]


class Undone(NamedTuple):
    """One step of stack_forward on the way back."""
    t: int
    dlast: Arrays                               # gradients of the last layer's h and c after the step, from later steps
    dbefore: States                             # of all layers' states before it
    dx: np.ndarray                              # of its word vectors
    dlayers: list[list[np.ndarray]]             # of the layers' weights, from this step
    dattended: list[np.ndarray]                 # of what `attend` takes beside h


def dot_product_forward(cell: AttendingLSTM, p: Params, A: np.ndarray, x: np.ndarray, mask: Arrays, dropout: Dropout
                        ) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Cell.forward of a stack of models.cells.attention from projected regions A (N, H, L); mask: Image.mask."""
    real = real_regions("attention", mask[0] if mask else None, len(A), A.shape[2])
    mean = A.mean(axis=2, where=real[:, None])

    def attend(h: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
        return dot_product_attention_forward(h, A, *mask)
    masks = draw_masks(dropout, cell.num_layers, (*x.shape[:2], A.shape[1]), A.dtype)
    y, weights, cache = stack_forward(x, mean, mean, cell.lstm_weights(p), attend, masks, cell.residual)
    return y, weights, cache._replace(more=real)


def dot_product_backward(cell: AttendingLSTM, dh: np.ndarray, dattention: np.ndarray | None, cache: Any
                         ) -> tuple[np.ndarray, np.ndarray, Params]:
    """Its gradients -> dx, dA (N, H, L), {parameter of the LSTMs: gradient}."""
    assert dattention is not None                           # of a cell that attends
    dx, dh0, dc0, dlayers, (dA,) = stack_backward(dh, dattention, cache, cell.attend_backward)
    counts = cache.more.sum(axis=1, keepdims=True, dtype=dh.real.dtype)
    dmean = (dh0 + dc0) / counts                            # all layers start from h0 = c0 = mean of A
    dA = dA + mask_padding(dmean[:, :, None], cache.more[:, None], 0)
    return dx, dA, _named(dlayers, cache.W)


def additive_forward(cell: AttendingLSTM, p: Params, states: Arrays, A: np.ndarray, x: np.ndarray, mask: Arrays,
                     dropout: Dropout) -> tuple[np.ndarray, np.ndarray, StackCache]:
    """Cell.forward of a stack of models.cells.bahdanau; states: h0 and c0 (N, H), A (N, L, D), mask: Image.mask."""
    keys, keys_cache = temporal_affine_forward(A, *take(p, KEYS))

    def attend(h: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
        return additive_attention_forward(h, A, keys, *take(p, ENERGY), *mask)
    h0, c0 = states
    masks = draw_masks(dropout, cell.num_layers, (*x.shape[:2], h0.shape[1]), h0.dtype)
    y, weights, cache = stack_forward(x, h0, c0, cell.lstm_weights(p), attend, masks, cell.residual)
    return y, weights, cache._replace(more=keys_cache)


def additive_backward(cell: AttendingLSTM, dh: np.ndarray, dattention: np.ndarray, cache: Any
                      ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Params]:
    """Its gradients -> dx, dh0, dc0, {parameter of LSTMs and attention: gradient}."""
    dx, dh0, dc0, dlayers, (_, dkeys, *denergy) = stack_backward(dh, dattention, cache, cell.attend_backward)
    _, *dprojection = temporal_affine_backward(dkeys, cache.more)           # keys = A Wa + ba
    return dx, dh0, dc0, {**_named(dlayers, cache.W), **dict(zip(KEYS, dprojection)), **dict(zip(ENERGY, denergy))}


def draw_masks(dropout: Dropout, num_layers: int, shape: tuple[int, ...], dtype: np.dtype) -> list[Any]:
    """Dropout masks of the layers' inputs, one for each layer; 1 for that of layer 0, and without dropout."""
    masks = [dropout.mask(shape, dtype) for _ in range(1, num_layers)]
    return [1, *(1 if mask is None else mask for mask in masks)]


def stack_forward(x: np.ndarray, h0: np.ndarray, c0: np.ndarray, weights: Sequence[Arrays], attend: Attend,
                  masks: list[Any], residual: bool) -> tuple[np.ndarray, np.ndarray, StackCache]:
    """Whole captions through a stack of LSTMs, all of which start from h0 and c0.

    context_t, weights_t = attend(h_{t-1} of the last layer);  layer 0 is fed [x_t, context_t]

    x (N, T, W) with T >= 1, h0 and c0 (N, H); weights: Wx, Wh and b of each layer, the first Wx with W + E rows;
    attend(h) -> context (N, E), attention weights (N, L), cache -> y (N, T, H), attention weights (N, T, L), cache.
    Raises ValueError for T = 0, and what the steps raise.
    """
    check_steps("stack_forward", x)
    states: States = [(h0, c0)] * len(weights)
    ys, maps, attentions, layers = [], [], [], []
    for t in range(x.shape[1]):
        context, seen, attention = attend(states[-1][0])
        y, states, steps = layers_forward(lstm_step_forward, np.hstack([x[:, t], context]), states, weights, residual,
                                          _at(masks, t))
        ys.append(y)
        maps.append(seen)
        attentions.append(attention)
        layers.append(steps)
    return np.stack(ys, axis=1), np.stack(maps, axis=1), StackCache(attentions, layers, masks, residual, x.shape[2])


def stack_backward(dy: np.ndarray, dweights: np.ndarray, cache: StackCache, attend_backward: AttendBackward
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[list[np.ndarray]], list[np.ndarray]]:
    """Gradients of stack_forward, by backpropagation through time.

    dy (N, T, H), dweights (N, T, L); attend_backward(dcontext, dweights, cache) -> dh, gradients of its other inputs
    -> dx (N, T, W), dh0, dc0, dWx, dWh and db of each layer, and the sums over time of those of attend's other inputs.
    """
    dx, dlayers, dattended = [], [[] for _ in cache.layers[0]], []
    for step in _undone(dy, dweights, cache, attend_backward):
        dx.append(step.dx)
        for totals, terms in zip(dlayers, step.dlayers):
            accumulate(totals, terms)
        accumulate(dattended, step.dattended)
    dh0, dc0 = (sum(parts) for parts in zip(*step.dbefore))     # all layers start from the same states
    return np.stack(dx[::-1], axis=1), dh0, dc0, dlayers, dattended


def stack_norms(dy: np.ndarray, cache: StackCache, attend_backward: AttendBackward) -> dict[str, np.ndarray]:
    """Cell.gradient_norms of the last layer's h and c: dy (N, T, H) -> {"h": (N, T), "c": (N, T)}."""
    of_h, of_c = np.zeros((2, *dy.shape[:2]), dy.dtype)
    for t, (back, dc), *_ in _undone(dy, None, cache, attend_backward):
        back, step = back + dy[:, t], cache.steps[t]
        of_h[:, t] = np.linalg.norm(back, axis=1)
        of_c[:, t] = np.linalg.norm(dc + back * step.o * (1 - step.tanh_c**2), axis=1)     # also through h = o tanh(c)
    return {"h": of_h, "c": of_c}


def _named(dlayers: list[list[np.ndarray]], W: int) -> Params:
    """Gradients of the LSTMs' weights by their names in the cell; layer 0's Wx has the rows of Wattn behind its own."""
    grads = {name: dw for k, dlayer in enumerate(dlayers)
             for name, dw in grads_of_layer(k, dict(zip(LAYER, dlayer))).items()}
    return {**grads, "Wx": grads["Wx"][:W], "Wattn": grads["Wx"][W:]}


def _undone(dy: np.ndarray, dweights: np.ndarray | None, cache: StackCache, attend_backward: AttendBackward
            ) -> Iterator[Undone]:
    """The steps of stack_forward from the last to the first, each undone."""
    dstates = _nothing(cache)                               # from beyond the last step
    for t in reversed(range(len(cache.layers))):
        dlast = dstates[-1]
        du, dstates, dlayers = _step_backward(dy[:, t], dstates, cache, t)
        dseen = None if dweights is None else dweights[:, t]
        dh, *dattended = attend_backward(du[:, cache.W:], dseen, cache.attentions[t])
        dstates[-1] = dstates[-1][0] + dh, dstates[-1][1]   # attend(h of the last layer)
        yield Undone(t, dlast, dstates, du[:, :cache.W], dlayers, dattended)       # layer 0 is fed [x, context]


def _step_backward(dy: np.ndarray, dstates: States, cache: StackCache, t: int
                   ) -> tuple[np.ndarray, States, list[list[np.ndarray]]]:
    """Undo layers_forward at step t -> gradients of what layer 0 was fed, of the states before, of the weights."""
    before: States = []
    dlayers, masks = [], _at(cache.masks, t)
    for k in reversed(range(len(dstates))):
        dh, dc = dstates[k]
        du, dprev_h, dprev_c, *dweights = lstm_step_backward(dy + dh, dc, cache.layers[t][k])
        if cache.residual and k:
            du = du + dy                                    # y = h + u
        dy = du * masks[k]                                  # u = y of the layer below * mask
        before.append((dprev_h, dprev_c))
        dlayers.append(dweights)
    return dy, before[::-1], dlayers[::-1]


def _nothing(cache: StackCache) -> States:
    """Gradients of zero of the states of each layer."""
    return [(np.zeros_like(step.i), np.zeros_like(step.i)) for step in cache.layers[0]]


def _at(masks: list[Any], t: int) -> list[Any]:
    """The masks of one step."""
    return [mask[:, t] if np.ndim(mask) else mask for mask in masks]
