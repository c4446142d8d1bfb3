"""The attention of Show, Attend and Tell: additive energies, a gated context, and a doubly stochastic penalty.

A region is a row: A is (N, L, E), with E the width of a region's feature vector. Where pictures differ in their number
of regions, `regions` (N,) has it: the first regions[n] of picture n count, the others are padding.
"""
from typing import NamedTuple

import numpy as np

from rnnlayers.activations import sigmoid
from rnnlayers.affine import affine_backward, affine_forward, temporal_affine_backward, temporal_affine_forward
from rnnlayers.lstm import LSTMStepCache, lstm_step_backward, lstm_step_forward
from rnnlayers.regions import mask_padding, real_regions, without_padding
from rnnlayers.rnn import accumulate, check_steps
from rnnlayers.shapes import Array, check_like, check_shapes
from rnnlayers.softmax import softmax, softmax_backward


class AdditiveAttentionCache(NamedTuple):
    prev_h: Array
    A: Array
    Wq: Array
    v: Array
    Wbeta: Array
    s: Array                        # tanh(keys + query), (N, L, K)
    weights: Array
    z: Array                        # weighted mean of the regions, before the gate
    beta: Array


def additive_attention_forward(prev_h: Array, A: Array, keys: Array, Wq: Array, v: Array, Wbeta: Array,
                               bbeta: Array, regions: Array | None = None
                               ) -> tuple[Array, Array, AdditiveAttentionCache]:
    """Attend to the regions whose keys match the hidden state; a gate scales the context.

    energies = v . tanh(keys + prev_h Wq);  weights = softmax over regions of the energies
    context = sigmoid(prev_h Wbeta + bbeta) * sum over regions of weights A

    prev_h (N, H), A (N, L, E), keys (N, L, K), Wq (H, K), v (K,), Wbeta (H, E), bbeta (E,), regions None or integer
    (N,), 1 to L: only the first regions[n] of picture n count -> context (N, E), weights (N, L), 0 at padding, cache.
    Raises ValueError on shapes that do not fit, and on regions outside 1..L.
    Source: Bahdanau, Cho and Bengio (2015), appendix A.1.2; the gate from Xu et al. (2015), "Show, attend and tell",
    section 4.2.1, with one gate for each feature.
    """
    check_shapes("additive_attention_forward", prev_h=(prev_h, "N H"), A=(A, "N L E"), keys=(keys, "N L K"),
                 Wq=(Wq, "H K"), v=(v, "K"), Wbeta=(Wbeta, "H E"), bbeta=(bbeta, "E"))
    real = real_regions("additive_attention_forward", regions, *np.shape(A)[:2])
    A, keys = (without_padding(np.asarray(array), real) for array in (A, keys))
    # BEGIN SOLUTION 5.1: mask_padding(energies, real, -np.inf) before the softmax
    s = np.tanh(keys + (prev_h @ Wq)[:, None])
    weights = softmax(mask_padding(s @ v, real, -np.inf))
    z = (weights[:, None] @ A)[:, 0]
    beta = sigmoid(prev_h @ Wbeta + bbeta)
    return beta * z, weights, AdditiveAttentionCache(prev_h, A, Wq, v, Wbeta, s, weights, z, beta)
    # END SOLUTION 5.1


def additive_attention_backward(dcontext: Array, dweights: Array, cache: AdditiveAttentionCache) -> tuple[Array, ...]:
    """Gradients of additive_attention_forward.

    dcontext (N, E), dweights (N, L) -> dprev_h (N, H), dA (N, L, E), dkeys (N, L, K), dWq (H, K), dv (K,),
    dWbeta (H, E), dbbeta (E,). Raises ValueError if their shapes are not the outputs'.
    """
    # BEGIN SOLUTION 5.1
    prev_h, A, Wq, v, Wbeta, s, weights, z, beta = cache
    check_like("additive_attention_backward", dcontext=(dcontext, z.shape), dweights=(dweights, weights.shape))
    dgate = dcontext * z * beta * (1 - beta)                            # context = sigmoid(gate) * z
    dz = dcontext * beta
    dA = weights[:, :, None] * dz[:, None]                              # z = weights A
    de = softmax_backward(dweights + (A @ dz[:, :, None])[:, :, 0], weights)
    dkeys = de[:, :, None] * v * (1 - s**2)                             # energies = tanh(keys + query) v
    dv = np.tensordot(de, s, 2)
    dquery = dkeys.sum(axis=1)                                          # one query for all regions
    dprev_h = dquery @ Wq.T + dgate @ Wbeta.T
    return dprev_h, dA, dkeys, prev_h.T @ dquery, dv, prev_h.T @ dgate, dgate.sum(axis=0)
    # END SOLUTION 5.1


class BahdanauCache(NamedTuple):
    keys: tuple                     # of temporal_affine_forward
    attentions: list[AdditiveAttentionCache]
    steps: list[LSTMStepCache]
    A: Array


def bahdanau_forward(x: Array, h0: Array, c0: Array, A: Array, Wx: Array, Wh: Array, Wattn: Array, b: Array, Wa: Array,
                     ba: Array, Wq: Array, v: Array, Wbeta: Array, bbeta: Array, regions: Array | None = None
                     ) -> tuple[Array, Array, BahdanauCache]:
    """An LSTM with additive attention to A at every step.

    keys = A Wa + ba, once for all steps;  context_t, weights_t = additive_attention(h_{t-1}, A, keys)
    h_t, c_t = lstm_step(x_t, h_{t-1}, c_{t-1}) with a = x Wx + h Wh + context Wattn + b

    x (N, T, D) with T >= 1, h0 and c0 (N, H), A (N, L, E), Wx (D, 4H), Wh (H, 4H), Wattn (E, 4H), b (4H,), Wa (E, K),
    ba (K,), Wq (H, K), v (K,), Wbeta (H, E), bbeta (E,), regions as in additive_attention_forward -> h (N, T, H),
    weights (N, T, L), cache. Raises ValueError on shapes that do not fit, and on regions outside 1..L.
    Source: Xu et al. (2015), "Show, attend and tell: neural image caption generation with visual attention", 3.1.2.
    """
    check_shapes("bahdanau_forward", x=(x, "N T D"), h0=(h0, "N H"), c0=(c0, "N H"), A=(A, "N L E"), Wx=(Wx, "D 4H"),
                 Wh=(Wh, "H 4H"), Wattn=(Wattn, "E 4H"), b=(b, "4H"), Wa=(Wa, "E K"), ba=(ba, "K"))
    check_steps("bahdanau_forward", x)
    A = without_padding(np.asarray(A), real_regions("bahdanau_forward", regions, *np.shape(A)[:2]))
    # A step that takes no attn and Wattn does as well: with [x, context] for x and [Wx; Wattn] for Wx.
    # BEGIN SOLUTION 5.2
    keys, keys_cache = temporal_affine_forward(A, Wa, ba)
    h, c, hs, maps, attentions, steps = h0, c0, [], [], [], []
    for t in range(x.shape[1]):
        context, weights, attention = additive_attention_forward(h, A, keys, Wq, v, Wbeta, bbeta, regions)
        h, c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b, context, Wattn)
        hs.append(h)
        maps.append(weights)
        attentions.append(attention)
        steps.append(step)
    return np.stack(hs, axis=1), np.stack(maps, axis=1), BahdanauCache(keys_cache, attentions, steps, A)
    # END SOLUTION 5.2


def bahdanau_backward(dh: Array, dweights: Array, cache: BahdanauCache) -> tuple[Array, ...]:
    """Gradients of bahdanau_forward, by backpropagation through time.

    dh (N, T, H), dweights (N, T, L) -> dx (N, T, D), dh0 (N, H), dc0 (N, H), dA (N, L, E), dWx (D, 4H), dWh (H, 4H),
    dWattn (E, 4H), db (4H,), dWa (E, K), dba (K,), dWq (H, K), dv (K,), dWbeta (H, E), dbbeta (E,).
    Raises ValueError if their shapes are not the outputs'.
    """
    # BEGIN SOLUTION 5.2
    keys_cache, attentions, steps, A = cache
    N, H = steps[0].i.shape
    check_like("bahdanau_backward", dh=(dh, (N, len(steps), H)), dweights=(dweights, (N, len(steps), A.shape[1])))
    dx, inputs, cell, attention = [], [], [], []            # sums over time of what all steps shared
    dprev_h, dprev_c = np.zeros_like(steps[0].i), np.zeros_like(steps[0].i)     # nothing from beyond the last step
    for t in reversed(range(len(steps))):
        dx_t, dprev_h, dprev_c, dWx, dWh, db, dcontext, dWattn = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, steps[t])
        dh_attn, dA, dkeys, *dparams = additive_attention_backward(dcontext, dweights[:, t], attentions[t])
        dprev_h = dprev_h + dh_attn                         # h_{t-1} enters the cell and the attention
        dx.append(dx_t)
        accumulate(inputs, [dA, dkeys])
        accumulate(cell, [dWx, dWh, dWattn, db])
        accumulate(attention, dparams)
    dA, dkeys = inputs
    dA_keys, dWa, dba = temporal_affine_backward(dkeys, keys_cache)     # keys = A Wa + ba
    return np.stack(dx[::-1], axis=1), dprev_h, dprev_c, dA + dA_keys, *cell, dWa, dba, *attention
    # END SOLUTION 5.2


def initial_state_forward(features: Array, Wh0: Array, bh0: Array, Wc0: Array,
                          bc0: Array) -> tuple[Array, Array, tuple]:
    """First hidden and cell state from a picture's feature vector, h0 = tanh(f Wh0 + bh0), c0 = tanh(f Wc0 + bc0).

    features (N, P), Wh0 and Wc0 (P, H), bh0 and bc0 (H,) -> h0 (N, H), c0 (N, H), cache.
    Raises ValueError on shapes that do not fit. Source: Xu et al. (2015), 3.1.2.
    """
    check_shapes("initial_state_forward", features=(features, "N P"), Wh0=(Wh0, "P H"), bh0=(bh0, "H"),
                 Wc0=(Wc0, "P H"), bc0=(bc0, "H"))
    # BEGIN SOLUTION 5.3
    h, cache_h = affine_forward(features, Wh0, bh0)
    c, cache_c = affine_forward(features, Wc0, bc0)
    h0, c0 = np.tanh(h), np.tanh(c)
    return h0, c0, ((cache_h, h0), (cache_c, c0))
    # END SOLUTION 5.3


def initial_state_backward(dh0: Array, dc0: Array, cache: tuple) -> tuple[Array, ...]:
    """Gradients of initial_state_forward.

    dh0, dc0 (N, H) -> dfeatures (N, P), dWh0 (P, H), dbh0 (H,), dWc0 (P, H), dbc0 (H,).
    Raises ValueError if their shapes are not the outputs'.
    """
    # BEGIN SOLUTION 5.3
    (cache_h, h0), (cache_c, c0) = cache
    check_like("initial_state_backward", dh0=(dh0, h0.shape), dc0=(dc0, c0.shape))
    dfeatures_h, dWh0, dbh0 = affine_backward(dh0 * (1 - h0**2), cache_h)       # h0 = tanh(h)
    dfeatures_c, dWc0, dbc0 = affine_backward(dc0 * (1 - c0**2), cache_c)
    return dfeatures_h + dfeatures_c, dWh0, dbh0, dWc0, dbc0
    # END SOLUTION 5.3


def doubly_stochastic_penalty(weights: Array, mask: Array, regions: Array | None = None) -> tuple[np.floating, Array]:
    """How far the attention to each region is from adding up to one over a caption.

    penalty = 1/N sum over n, l of (1 - sum over t of mask[n, t] weights[n, t, l])^2

    weights (N, T, L), mask bool (N, T): which steps count, regions None or integer (N,), 1 to L: l goes up to
    regions[n] -> penalty, dweights (N, T, L). Raises ValueError on shapes, and on regions outside 1..L.
    Source: Xu et al. (2015), equation 14.
    """
    mask = np.asarray(mask)
    check_shapes("doubly_stochastic_penalty", weights=(weights, "N T L"), mask=(mask, "N T"))
    real = real_regions("doubly_stochastic_penalty", regions, len(weights), weights.shape[2])
    # BEGIN SOLUTION 5.4: mask_padding(rest, real, 0), since padding does not count
    used = mask.astype(weights.real.dtype)[:, :, None]
    rest = mask_padding(1 - (used * weights).sum(axis=1), real, 0)      # what is left to attend to, (N, L)
    N = len(weights)
    return (rest**2).sum() / N, -2 * used * rest[:, None] / N
    # END SOLUTION 5.4
