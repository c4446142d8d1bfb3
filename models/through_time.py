"""What a cell does at each word of given captions: its gates, and how far back the loss of one word reaches.

The textbook cells compute it, whatever the backend, without dropout.
"""
from typing import Any, NamedTuple

import numpy as np

from rnnlayers import temporal_softmax_loss, word_embedding_forward


class ThroughTime(NamedTuple):
    """What a cell reports about some captions."""
    h: np.ndarray                       # (N, T, H) the hidden state after each word fed
    gates: dict[str, np.ndarray]        # name -> (N, T, units) between 0 and 1: Cell.activity
    saturated: np.ndarray | None        # bool (N, T, units): Cell.saturated
    norms: dict[str, np.ndarray]        # "h" (and "c"), or "x" -> (N, T): Cell.gradient_norms; zero after the word
    heads: np.ndarray | None = None     # (N, heads, T, L) attention of each head: Cell.heads


def through_time(model: Any, features: Any, captions: np.ndarray, targets: np.ndarray) -> ThroughTime:
    """Run captions forward, and backward from the loss of one word of each, -log p(captions[n, targets[n]]).

    features as the model takes them; captions integer (N, T + 1), <START> first; targets integer (N,), 1 to T.
    The gradient with respect to h or c after word t includes every path from there: later steps and attention.
    Source: Hochreiter and Schmidhuber (1997), section 3, for the flow of errors; Bengio et al. (1994).
    """
    x, _ = word_embedding_forward(captions[:, :-1], model.params["W_embed"])
    h, _, cache = model.cell.forward(model.params, model.image(features, len(captions)), x)
    dh = gradient_of_one_word(model, h, captions, targets)
    cell = model.cell
    return ThroughTime(h, cell.activity(cache), cell.saturated(cache), cell.gradient_norms(dh, cache),
                       cell.heads(cache))


def gradient_of_one_word(model: Any, h: np.ndarray, captions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Gradient of each caption's -log p(captions[n, targets[n]]) with respect to h (N, T, H), zero but at one step."""
    rows, W, N = np.arange(len(h)), model.weights()["W_vocab"], len(h)
    scores = h[rows, targets - 1] @ W + model.params["b_vocab"]
    _, dscores = temporal_softmax_loss(scores[:, None], captions[rows, targets][:, None], np.ones((N, 1), bool))
    dh = np.zeros_like(h)
    dh[rows, targets - 1] = N * dscores[:, 0] @ W.T             # temporal_softmax_loss averages over the captions
    return dh
