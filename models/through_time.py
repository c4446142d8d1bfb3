"""What a cell does at each word of given captions: its gates, and how far back the loss of one word reaches.

By the textbook's layers, whatever the backend, without dropout.
"""
from typing import NamedTuple

import numpy as np

from models.search import log_softmax
from rnnlayers import (
    additive_attention_backward,
    dot_product_attention_backward,
    lstm_step_backward,
    rnn_step_backward,
    word_embedding_forward,
)


class ThroughTime(NamedTuple):
    h: np.ndarray                   # (N, T, H) the hidden state after each word fed
    gates: dict                     # "i", "f", "o" -> (N, T, H), each in (0, 1); an rnn has none
    dh: np.ndarray                  # (N, T) norm of the gradient of one word's loss by h; zero behind that word
    dc: np.ndarray | None           # by the cell state; an rnn has none


def through_time(model, features, captions, targets):
    """Run captions through the cell, and the loss of one word of each, -log p(captions[n, targets[n]]), back.

    features as the model takes them; captions integer (N, T + 1), <START> first; targets integer (N,), 1 to T
    -> ThroughTime. A gradient by h or c at t is that of everything behind it: later steps, and looks at the picture.
    Source: Hochreiter and Schmidhuber (1997), section 3, for the flow of errors; Bengio et al. (1994).
    """
    x, _ = word_embedding_forward(captions[:, :-1], model.params["W_embed"])
    h, _, (_, cache) = model.cell.forward(model.params, model.image(features, len(captions)), x)
    steps = getattr(cache, "steps", cache)                  # an rnn's cache is the list of its steps
    looks = getattr(cache, "attentions", None) or [None] * len(steps)
    is_rnn = model.cell.gates == 1
    gates = {} if is_rnn else {gate: np.stack([getattr(s, gate) for s in steps], axis=1) for gate in "ifo"}
    dh, dc = _norms(_loss_by_h(model, h, captions, targets), targets - 1, steps, looks)
    return ThroughTime(h, gates, dh, None if is_rnn else dc)


def _loss_by_h(model, h, captions, targets):
    """Gradient of the loss of each caption's target by the hidden state that predicts it -> (N, H)."""
    rows, W = np.arange(len(h)), model.params["W_vocab"]
    dscores = np.exp(log_softmax(h[rows, targets - 1] @ W + model.params["b_vocab"]))
    dscores[rows, captions[rows, targets]] -= 1
    return dscores @ W.T


def _norms(dloss, last, steps, looks):
    """Norms of the gradients by h and c after each step, of a loss that enters at step last[n] -> (N, T), (N, T)."""
    dh, dc = np.zeros_like(dloss), np.zeros_like(dloss)
    by_h, by_c = np.zeros((2, len(last), len(steps)), dloss.dtype)
    for t in reversed(range(len(steps))):
        dh = dh + dloss * (last == t)[:, None]
        by_h[:, t] = np.linalg.norm(dh, axis=1)
        by_c[:, t] = np.linalg.norm(_by_cell_state(dh, dc, steps[t]), axis=1)
        dh, dc = _step_back(dh, dc, steps[t], looks[t])
    return by_h, by_c


def _by_cell_state(dh, dc, step):
    """The gradient by c with what flows through h = o tanh(c); an rnn has no c."""
    return dc + dh * step.o * (1 - step.tanh_c**2) if hasattr(step, "tanh_c") else dc


def _step_back(dh, dc, step, look):
    """Gradients by h and c after a step -> by those before it; look: the cache of its attention, or None."""
    if not hasattr(step, "tanh_c"):
        return rnn_step_backward(dh, step)[1], dc
    _, dprev_h, dprev_c, _, _, _, *dattn = lstm_step_backward(dh, dc, step)
    if look is None:
        return dprev_h, dprev_c
    if hasattr(look, "beta"):
        dlook = additive_attention_backward(dattn[0], np.zeros_like(look.weights), look)[0]
    else:
        dlook = dot_product_attention_backward(dattn[0], look)[0]
    return dprev_h + dlook, dprev_c
