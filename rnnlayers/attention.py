"""Scaled dot-product attention over image regions, and the LSTM that attends to the image before every step.

The regions are in the axes after H: A is (N, H, 4, 4), or (N, H, L), or any other grid. Where pictures differ in their
number of regions, `regions` (N,) has it: the first regions[n] of picture n count, the others are padding.
"""
import math
from typing import NamedTuple

import numpy as np

from rnnlayers.lstm import LSTMStepCache, lstm_step_backward, lstm_step_forward
from rnnlayers.regions import mask_padding, real_regions, without_padding
from rnnlayers.rnn import accumulate, check_steps
from rnnlayers.shapes import Array, check_like, check_shapes
from rnnlayers.softmax import softmax, softmax_backward


def dot_product_attention(prev_h: Array, A: Array) -> tuple[Array, Array]:
    """The first two outputs of dot_product_attention_forward: attn (N, H) and attn_weights (N, ...)."""
    return dot_product_attention_forward(prev_h, A)[:2]


def dot_product_attention_forward(prev_h: Array, A: Array, regions: Array | None = None) -> tuple[Array, Array, tuple]:
    """Attend to the regions that resemble the hidden state.

    attn_weights = softmax over regions of A . prev_h / sqrt(H);  attn = sum over regions of attn_weights A

    prev_h (N, H), A (N, H, ...) with at least one axis of regions, regions None or integer (N,), 1 to L: only the first
    regions[n] of picture n count -> attn (N, H), attn_weights (N, ...), 0 at padding, cache.
    Raises ValueError on shapes that do not fit, and on regions outside 1..L.
    Source: Vaswani et al. (2017), "Attention is all you need", section 3.2.1, with A as keys and values.
    """
    A, flat, real = _real("dot_product_attention_forward", A, regions)
    check_shapes("dot_product_attention_forward", prev_h=(prev_h, "N H"), A=(flat, "N H L"))
    # BEGIN SOLUTION 4.1: the models read the cache, (prev_h, A, weights); mask_padding(scores, real, -np.inf)
    scores = (prev_h[:, None] @ flat)[:, 0] / math.sqrt(flat.shape[1])
    weights = softmax(mask_padding(scores, real, -np.inf))
    attn = (flat @ weights[:, :, None])[:, :, 0]
    return attn, weights.reshape(_grid(A)), (prev_h, A, weights)
    # END SOLUTION 4.1


def dot_product_attention_backward(dattn: Array, cache: tuple, dweights: Array | None = None) -> tuple[Array, Array]:
    """Gradients of dot_product_attention_forward.

    dattn (N, H), dweights None or (N, ...) as attn_weights -> dprev_h (N, H), dA (N, H, ...).
    Raises ValueError if their shapes are not the outputs'.
    """
    # BEGIN SOLUTION 4.1
    prev_h, A, weights = cache
    flat = _flat("dot_product_attention_backward", A)
    check_like("dot_product_attention_backward", dattn=(dattn, prev_h.shape))
    da = (dattn[:, None] @ flat)[:, 0]                              # attn = A weights
    if dweights is not None:
        check_like("dot_product_attention_backward", dweights=(dweights, _grid(A)))
        da = da + dweights.reshape(weights.shape)
    dscores = softmax_backward(da, weights) / math.sqrt(flat.shape[1])
    dprev_h = (flat @ dscores[:, :, None])[:, :, 0]                 # scores = prev_h A / sqrt(H)
    dA = dattn[:, :, None] * weights[:, None] + prev_h[:, :, None] * dscores[:, None]     # A is used in both lines
    return dprev_h, dA.reshape(np.shape(A))
    # END SOLUTION 4.1


class AttentionCache(NamedTuple):
    attentions: list[tuple]         # the cache of dot_product_attention_forward at each step
    steps: list[LSTMStepCache]
    A: Array
    real: Array                     # (N, L), False at padding


def attention_forward(x: Array, A: Array, Wx: Array, Wh: Array, Wattn: Array, b: Array,
                      regions: Array | None = None) -> tuple[Array, AttentionCache]:
    """An LSTM that attends to A with its last hidden state at every step, from h0 = c0 = mean of A over the regions.

    attn_t = attention(h_{t-1}, A);  h_t, c_t = lstm_step(x_t, h_{t-1}, c_{t-1}) with a = x Wx + h Wh + attn Wattn + b

    x (N, T, D) with T >= 1, A (N, H, ...), Wx (D, 4H), Wh and Wattn (H, 4H), b (4H,), regions None or integer (N,), 1
    to L: only the first regions[n] of picture n count, in the mean too -> h (N, T, H), cache.
    Raises ValueError on shapes that do not fit, and on regions outside 1..L.
    """
    A, flat, real = _real("attention_forward", A, regions)
    check_shapes("attention_forward", x=(x, "N T D"), A=(flat, "N H L"), Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"),
                 Wattn=(Wattn, "H 4H"), b=(b, "4H"))
    check_steps("attention_forward", x)
    # A step that takes no attn and Wattn does as well: with [x, attn] for x and [Wx; Wattn] for Wx.
    # BEGIN SOLUTION 4.2: the cache is an AttentionCache; the mean is over the regions where real (N, L) is True
    h = c = flat.mean(axis=2, where=real[:, None])
    hs, attentions, steps = [], [], []
    for t in range(x.shape[1]):
        attn, _, attention = dot_product_attention_forward(h, A, regions)
        h, c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b, attn, Wattn)
        hs.append(h)
        attentions.append(attention)
        steps.append(step)
    return np.stack(hs, axis=1), AttentionCache(attentions, steps, A, real)
    # END SOLUTION 4.2


def attention_backward(dh: Array, cache: AttentionCache) -> tuple[Array, ...]:
    """Gradients of attention_forward, by backpropagation through time.

    dh (N, T, H) -> dx (N, T, D), dA (N, H, ...), dWx (D, 4H), dWh (H, 4H), dWattn (H, 4H), db (4H,).
    Raises ValueError if the shape of dh is not that of h.
    """
    # BEGIN SOLUTION 4.2
    attentions, steps, A, real = cache
    N, H = steps[0].i.shape
    check_like("attention_backward", dh=(dh, (N, len(steps), H)))
    dx, dinputs, dweights = [], [], []                      # sums over time of what all steps shared
    dprev_h, dprev_c = np.zeros_like(steps[0].i), np.zeros_like(steps[0].i)     # nothing from beyond the last step
    for t in reversed(range(len(steps))):
        dx_t, dprev_h, dprev_c, dWx, dWh, db, dattn, dWattn = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, steps[t])
        dh_attn, dA_t = dot_product_attention_backward(dattn, attentions[t])
        dprev_h = dprev_h + dh_attn                         # h_{t-1} enters the cell and the attention
        dx.append(dx_t)
        accumulate(dinputs, [dA_t])
        accumulate(dweights, [dWx, dWh, dWattn, db])
    counts = real.sum(axis=1, keepdims=True, dtype=dh.real.dtype)
    dmean = (dprev_h + dprev_c) / counts                    # h0 = c0 = mean of A over the real regions
    dA = dinputs[0] + mask_padding(dmean[:, :, None], real[:, None], 0).reshape(A.shape)
    return np.stack(dx[::-1], axis=1), dA, *dweights
    # END SOLUTION 4.2


def _flat(function: str, A: Array) -> Array:
    """A (N, H, ...) as (N, H, L)."""
    A = np.asarray(A)
    if A.ndim < 3:
        raise ValueError(f"{function}: A is {A.shape}, expected (N, H, L) or (N, H, height, width)")
    return A.reshape(*A.shape[:2], math.prod(A.shape[2:]))


def _real(function: str, A: Array, regions: Array | None) -> tuple[Array, Array, Array]:
    """A with zeros as padding, the same as (N, H, L), and which regions are real, bool (N, L)."""
    flat = _flat(function, A)
    real = real_regions(function, regions, len(flat), flat.shape[2])
    flat = without_padding(flat.swapaxes(1, 2), real).swapaxes(1, 2)
    return flat.reshape(np.shape(A)), flat, real


def _grid(A: Array) -> tuple[int, ...]:
    return (np.shape(A)[0], *np.shape(A)[2:])
