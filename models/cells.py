"""What the captioners differ in: how the picture starts the network, and what each step sees of it.

A cell has initial(randn, D, W, H, P) -> its parameters; for whole captions forward(p, image, x) -> h, maps, cache and
backward(dh, dmaps, cache) -> dx, grads; for one word at a time start(p, image) -> state and step(p, x, state) -> state.
`image` is an Image, `p` the model's params, `maps` the attention (N, T, L) or None.
"""
from typing import NamedTuple

import numpy as np

from rnnlayers import (
    additive_attention_forward,
    affine_backward,
    affine_forward,
    attention_backward,
    attention_forward,
    bahdanau_backward,
    bahdanau_forward,
    dot_product_attention_forward,
    initial_state_backward,
    initial_state_forward,
    lstm_backward,
    lstm_forward,
    lstm_step_forward,
    rnn_backward,
    rnn_forward,
    rnn_step_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)

RECURRENT = ("Wx", "Wh", "b")
ATTENDING = ("Wx", "Wh", "Wattn", "b")
INITIAL = ("W_init_h", "b_init_h", "W_init_c", "b_init_c")
LOOK = ("Wq", "v", "Wbeta", "bbeta")


class Image(NamedTuple):
    """Features of a batch of pictures, standardised."""
    vector: np.ndarray              # (N, D), or (N, P) for a cell that has both
    grid: np.ndarray | None         # (N, L, D)


class State(NamedTuple):
    """What the network carries from word to word."""
    h: np.ndarray
    c: np.ndarray
    seen: tuple = ()                # what it looks at
    map: np.ndarray | None = None   # where it looked last, (N, L)

    def select(self, rows):
        """The state of some captions alone, or in another order."""
        return State(self.h[rows], self.c[rows], tuple(a[rows] for a in self.seen),
                     None if self.map is None else self.map[rows])

    def reorder(self, rows):
        """The state after captions of the same picture took each other's places: what they see stays."""
        return self._replace(h=self.h[rows], c=self.c[rows])


class Plain:
    """The picture as h0; then it is not seen again. An RNN or an LSTM."""

    def __init__(self, gates, forward, backward):
        self.gates, self._forward, self._backward = gates, forward, backward

    def initial(self, randn, D, W, H, P):
        return {"W_proj": randn(D, H) / np.sqrt(D), "b_proj": np.zeros(H), **_recurrent(randn, W, H, self.gates)}

    def forward(self, p, image, x):
        h0, cache_proj = affine_forward(image.vector, p["W_proj"], p["b_proj"])
        h, cache = self._forward(x, h0, *_take(p, RECURRENT))
        return h, None, (cache_proj, cache)

    def backward(self, dh, dmaps, cache):
        cache_proj, cache = cache
        dx, dh0, *grads = self._backward(dh, cache)
        _, dW_proj, db_proj = affine_backward(dh0, cache_proj)
        return dx, {"W_proj": dW_proj, "b_proj": db_proj, **dict(zip(RECURRENT, grads))}

    def start(self, p, image):
        h, _ = affine_forward(image.vector, p["W_proj"], p["b_proj"])
        return State(h, np.zeros_like(h))

    def step(self, p, x, state):
        if self.gates == 1:
            return state._replace(h=rnn_step_forward(x, state.h, *_take(p, RECURRENT))[0])
        h, c, _ = lstm_step_forward(x, state.h, state.c, *_take(p, RECURRENT))
        return State(h, c)


class Started(Plain):
    """An LSTM with the picture as both its first states, h0 = tanh(image W_init_h + b_init_h), c0 likewise."""

    def initial(self, randn, D, W, H, P):
        return {**_initial_state(randn, D, H), **_recurrent(randn, W, H, self.gates)}

    def forward(self, p, image, x):
        h0, c0, cache_init = initial_state_forward(image.vector, *_take(p, INITIAL))
        h, cache = lstm_forward(x, h0, *_take(p, RECURRENT), c0)
        return h, None, (cache_init, cache)

    def backward(self, dh, dmaps, cache):
        cache_init, cache = cache
        dx, dh0, *grads, dc0 = lstm_backward(dh, cache)
        _, *initial = initial_state_backward(dh0, dc0, cache_init)
        return dx, {**dict(zip(INITIAL, initial)), **dict(zip(RECURRENT, grads))}

    def start(self, p, image):
        h, c, _ = initial_state_forward(image.vector, *_take(p, INITIAL))
        return State(h, c)


class DotProduct:
    """An LSTM that looks at the projected regions by scaled dot products; h0 = c0 = their mean."""
    gates = 4

    def initial(self, randn, D, W, H, P):
        recurrent = _recurrent(randn, W, H, self.gates)
        return {"W_proj": randn(D, H) / np.sqrt(D), "b_proj": np.zeros(H), **recurrent,
                "Wattn": randn(H, 4 * H) / np.sqrt(H)}

    def forward(self, p, image, x):
        A, cache_proj = self._regions(p, image)
        h, cache = attention_forward(x, A, *_take(p, ATTENDING))
        return h, np.stack([weights for _, _, weights in cache.attentions], axis=1), (cache_proj, cache)

    def backward(self, dh, dmaps, cache):
        cache_proj, cache = cache
        dx, dA, *grads = attention_backward(dh, cache)
        _, dW_proj, db_proj = temporal_affine_backward(dA.transpose(0, 2, 1), cache_proj)
        return dx, {"W_proj": dW_proj, "b_proj": db_proj, **dict(zip(ATTENDING, grads))}

    def start(self, p, image):
        A, _ = self._regions(p, image)
        mean = A.mean(axis=2)
        return State(mean, mean, (A,))

    def step(self, p, x, state):
        Wx, Wh, Wattn, b = _take(p, ATTENDING)
        attn, weights, _ = dot_product_attention_forward(state.h, *state.seen)
        h, c, _ = lstm_step_forward(x, state.h, state.c, Wx, Wh, b, attn, Wattn)
        return State(h, c, state.seen, weights)

    @staticmethod
    def _regions(p, image):
        """Projected regions as the layers take them, (N, H, L)."""
        A, cache = temporal_affine_forward(image.grid, p["W_proj"], p["b_proj"])
        return A.transpose(0, 2, 1), cache


class Additive:
    """An LSTM with the attention of Show, Attend and Tell; its first state comes from the whole picture."""
    gates = 4

    def initial(self, randn, D, W, H, P):
        return {**_initial_state(randn, P, H),
                **_recurrent(randn, W, H, self.gates), "Wattn": randn(D, 4 * H) / np.sqrt(D),
                "Wa": randn(D, H) / np.sqrt(D), "ba": np.zeros(H), "Wq": randn(H, H) / np.sqrt(H),
                "v": randn(H) / np.sqrt(H), "Wbeta": randn(H, D) / np.sqrt(H), "bbeta": np.zeros(D)}

    def forward(self, p, image, x):
        h0, c0, cache_init = initial_state_forward(image.vector, *_take(p, INITIAL))
        h, maps, cache = bahdanau_forward(x, h0, c0, image.grid, *_take(p, (*ATTENDING, "Wa", "ba", *LOOK)))
        return h, maps, (cache_init, cache)

    def backward(self, dh, dmaps, cache):
        cache_init, cache = cache
        dx, dh0, dc0, _, *grads = bahdanau_backward(dh, dmaps, cache)
        _, *initial = initial_state_backward(dh0, dc0, cache_init)
        return dx, {**dict(zip(INITIAL, initial)), **dict(zip((*ATTENDING, "Wa", "ba", *LOOK), grads))}

    def start(self, p, image):
        h, c, _ = initial_state_forward(image.vector, *_take(p, INITIAL))
        keys, _ = temporal_affine_forward(image.grid, p["Wa"], p["ba"])
        return State(h, c, (image.grid, keys))

    def step(self, p, x, state):
        Wx, Wh, Wattn, b = _take(p, ATTENDING)
        context, weights, _ = additive_attention_forward(state.h, *state.seen, *_take(p, LOOK))
        h, c, _ = lstm_step_forward(x, state.h, state.c, Wx, Wh, b, context, Wattn)
        return State(h, c, state.seen, weights)


CELLS = {
    "rnn": Plain(1, rnn_forward, rnn_backward), "lstm": Plain(4, lstm_forward, lstm_backward),
    "lstm both": Started(4, lstm_forward, lstm_backward), "attention": DotProduct(), "bahdanau": Additive(),
}
CELL_TYPES = ("rnn", "lstm", "attention", "bahdanau")
ALIASES = {"attn": "attention"}


def _initial_state(randn, P, H):
    return {"W_init_h": randn(P, H) / np.sqrt(P), "b_init_h": np.zeros(H),
            "W_init_c": randn(P, H) / np.sqrt(P), "b_init_c": np.zeros(H)}


def _recurrent(randn, W, H, gates):
    return {"Wx": randn(W, gates * H) / np.sqrt(W), "Wh": randn(H, gates * H) / np.sqrt(H), "b": np.zeros(gates * H)}


def _take(p, names):
    return [p[name] for name in names]
