"""What the captioners differ in, on packed rows: the engine's side of models/cells.py.

Whole captions: forward(p, image, x, index, packed, memory) -> h, maps, cache;
backward(p, dh, dmaps, cache, packed, memory) -> da, grads.
One word at a time: start(p, image) -> state; step(p, x, index, state) -> state.
image is (vector, grid), in the packed order; x holds W_embed Wx + b for each distinct word, index names its rows.
"""
from typing import NamedTuple

import numpy as np

from rnnlayers.additive_attention import initial_state_backward, initial_state_forward
from rnnlayers.engine.additive import additive_backward, additive_forward
from rnnlayers.engine.attention import attention_backward, attention_forward
from rnnlayers.engine.kernels import additive_attend, attend
from rnnlayers.engine.products import product as _times
from rnnlayers.engine.recurrent import LOOPS, lstm_backward, lstm_forward
from rnnlayers.engine.recurrent import lstm_update as _lstm
from rnnlayers.shapes import check_shapes
from rnnlayers.workspace import allocate

INITIAL = ("W_init_h", "b_init_h", "W_init_c", "b_init_c")
LOOKING = ("Wh", "Wattn", "Wq", "v", "Wbeta", "bbeta")


class State(NamedTuple):
    """What the network carries from word to word."""
    h: np.ndarray
    c: np.ndarray
    seen: tuple = ()                # what it looks at, arrays with a row for each caption
    weights: tuple = ()             # parameters as the steps want them
    map: np.ndarray | None = None   # where it looked last, (n, L)

    def select(self, rows):
        """The state of some captions alone, or in another order."""
        return State(self.h[rows], self.c[rows], tuple(a[rows] for a in self.seen), self.weights,
                     None if self.map is None else self.map[rows])

    def reorder(self, rows):
        """The state after captions of the same picture took each other's places: what they see stays."""
        return self._replace(h=self.h[rows], c=self.c[rows])


class Plain:
    """An RNN or an LSTM, with the picture as h0."""
    shapes, image, seen = {"W_proj": "D H", "b_proj": "H"}, ("N D", "N L D"), ()

    def __init__(self, gates, loop):
        self.gates, self.loop = gates, loop

    def forward(self, p, image, x, index, packed, memory):
        vector = image[0][:packed.active]
        h0 = vector @ p["W_proj"] + p["b_proj"]
        states0 = (h0, np.zeros_like(h0))[:self.loop.states]
        h, cache = self.loop.forward(x, index, states0, (p["Wh"],), packed, memory)
        return h, None, (vector, cache)

    def backward(self, p, dh, dmaps, cache, packed, memory):
        vector, cache = cache
        da, (dh0, *_), (dWh,) = self.loop.backward(dh, cache, packed, memory)       # an LSTM gives dc0 too
        return da, {**_affine_grads(vector, dh0, "W_proj", "b_proj", memory), "Wh": dWh}

    def start(self, p, image):
        h = image[0] @ p["W_proj"] + p["b_proj"]
        return State(h, np.zeros_like(h))

    def step(self, p, x, index, state):
        states = self.loop.step(x, index, (state.h, state.c)[:self.loop.states], (p["Wh"],))
        return State(*(*states, state.c)[:2])


class Started(Plain):
    """An LSTM with the picture as both its first states, through tanh."""
    shapes = {"W_init_h": "D H", "b_init_h": "H", "W_init_c": "D H", "b_init_c": "H"}

    def forward(self, p, image, x, index, packed, memory):
        h0, c0, cache_init = initial_state_forward(image[0][:packed.active], *[p[name] for name in INITIAL])
        h, cache = lstm_forward(x, index, (h0, c0), (p["Wh"],), packed, memory)
        return h, None, (cache_init, cache)

    def backward(self, p, dh, dmaps, cache, packed, memory):
        cache_init, cache = cache
        da, (dh0, dc0), (dWh,) = lstm_backward(dh, cache, packed, memory)
        _, *dinitial = initial_state_backward(dh0, dc0, cache_init)
        return da, {**dict(zip(INITIAL, dinitial)), "Wh": dWh}

    def start(self, p, image):
        h, c, _ = initial_state_forward(image[0], *[p[name] for name in INITIAL])
        return State(h, c)


class DotProduct:
    """An LSTM that looks at the projected regions by scaled dot products; h0 = c0 = their mean."""
    gates, image, seen = 4, ("N D", "N L D"), ("N L H",)
    shapes = {"W_proj": "D H", "b_proj": "H", "Wattn": "H 4H"}

    @staticmethod
    def forward(p, image, x, index, packed, memory):
        grid = image[1]
        A = _affine(grid, p["W_proj"], p["b_proj"], "A", memory)
        h, maps, cache = attention_forward(x, index, A, p["Wh"], p["Wattn"], packed, memory)
        return h, maps, (grid, cache)

    @staticmethod
    def backward(p, dh, dmaps, cache, packed, memory):
        grid, cache = cache
        da, dA, dWh, dWattn = attention_backward(dh, dmaps, cache, packed, memory)
        return da, {**_affine_grads(grid, dA, "W_proj", "b_proj", memory), "Wh": dWh, "Wattn": dWattn}

    @staticmethod
    def start(p, image):
        A = _affine(image[1], p["W_proj"], p["b_proj"], "A", allocate)
        mean = A.mean(axis=1)
        return State(mean, mean, (A,), (np.concatenate([p["Wh"], p["Wattn"]]),))

    @staticmethod
    def step(p, x, index, state):
        (A,), (W,), (n, H) = state.seen, state.weights, state.h.shape
        both, attn, weights = np.empty((n, 2 * H), A.dtype), np.empty((n, H), A.dtype), np.empty(A.shape[:2], A.dtype)
        attend(state.h, A, weights, attn)
        both[:, :H], both[:, H:] = state.h, attn
        return State(*_lstm(_times(both, W), x, index, state.c), state.seen, state.weights, weights)


class Additive:
    """An LSTM with the attention of Show, Attend and Tell; its first state comes from the whole picture."""
    gates, image, seen = 4, ("N P", "N L D"), ("N L D", "N L K")
    shapes = {"W_init_h": "P H", "b_init_h": "H", "W_init_c": "P H", "b_init_c": "H", "Wattn": "D 4H", "Wa": "D K",
              "ba": "K", "Wq": "H K", "v": "K", "Wbeta": "H D", "bbeta": "D"}

    @staticmethod
    def forward(p, image, x, index, packed, memory):
        vector, grid = image
        h0, c0, cache_init = initial_state_forward(vector[:packed.active], *[p[name] for name in INITIAL])
        keys = _affine(grid, p["Wa"], p["ba"], "keys", memory)
        h, maps, cache = additive_forward(x, index, h0, c0, grid, keys, *[p[name] for name in LOOKING], packed, memory)
        return h, maps, (cache_init, grid, cache)

    @staticmethod
    def backward(p, dh, dmaps, cache, packed, memory):
        cache_init, grid, cache = cache
        da, dh0, dc0, dkeys, *dlook = additive_backward(dh, dmaps, cache, packed, memory)
        _, *dinitial = initial_state_backward(dh0, dc0, cache_init)
        return da, {**dict(zip(INITIAL, dinitial)), **_affine_grads(grid, dkeys, "Wa", "ba", memory),
                    **dict(zip(LOOKING, dlook))}

    @staticmethod
    def start(p, image):
        vector, grid = image
        h, c, _ = initial_state_forward(vector, *[p[name] for name in INITIAL])
        keys = _affine(grid, p["Wa"], p["ba"], "keys", allocate)
        return State(h, c, (grid, keys), (np.concatenate([p["Wh"], p["Wq"], p["Wbeta"]], axis=1),))

    @staticmethod
    def step(p, x, index, state):
        (A, keys), (W,), G, K = state.seen, state.weights, p["Wh"].shape[1], len(p["v"])
        product = _times(state.h, W)
        query, beta = np.ascontiguousarray(product[:, G:G + K]), product[:, G + K:] + p["bbeta"]
        weights, z, context = np.empty(A.shape[:2], A.dtype), np.empty_like(beta), np.empty_like(beta)
        additive_attend(query, beta, keys, A, p["v"], weights, z, context)
        a = _times(context, p["Wattn"])
        a += product[:, :G]
        return State(*_lstm(a, x, index, state.c), state.seen, state.weights, weights)


CELLS = {
    "rnn": Plain(1, LOOPS["rnn"]), "lstm": Plain(4, LOOPS["lstm"]), "lstm both": Started(4, LOOPS["lstm"]),
    "attention": DotProduct, "bahdanau": Additive,
}


def check_state(cell_type, p, state):
    """Require a state that fits the parameters as they are now, for the same reason. Raises ValueError."""
    if not isinstance(state, State) or np.ndim(state.h) != 2 or len(state.seen) != len(CELLS[cell_type].seen):
        raise ValueError(f"CaptioningRNN: state is {type(state).__name__}, expected what start, step or select of this "
                         "model returned")
    seen = {f"state.seen[{k}]": pair for k, pair in enumerate(zip(state.seen, CELLS[cell_type].seen))}
    arrays = {**_letters(cell_type, p), "state.h": (state.h, "N H"), "state.c": (state.c, "N H"), **seen}
    check_shapes("CaptioningRNN", **arrays)


def check_params(cell_type, p, image):
    """Require parameters and features that fit: compiled loops would read past the end of others. Raises ValueError."""
    pairs = zip(("features", "grid"), image, CELLS[cell_type].image)
    pictures = {name: (part, letters) for name, part, letters in pairs if part is not None}
    check_shapes("CaptioningRNN", **_letters(cell_type, p), **pictures)


def _letters(cell_type, p):
    """Name -> (parameter, its shape in letters)."""
    cell, G = CELLS[cell_type], f"{CELLS[cell_type].gates}H".removeprefix("1")
    shapes = {"W_vocab": "H V", "b_vocab": "V", "W_embed": "V W", "Wx": f"W {G}", "Wh": f"H {G}", "b": G, **cell.shapes}
    return {name: (p[name], letters) for name, letters in shapes.items()}


def _affine(x, W, b, name, memory):
    out = memory(name, (*x.shape[:-1], W.shape[1]), W.dtype)
    np.matmul(_flat(x), W, out=_flat(out))
    out += b
    return out


def _affine_grads(x, dout, W, b, memory):
    x, dout = _flat(x), _flat(dout)
    return {W: np.matmul(x.T, dout, out=memory(f"d{W}", (x.shape[1], dout.shape[1]), dout.dtype)), b: column_sums(dout)}


def column_sums(rows):
    """Sum over the rows, as a product that BLAS does with all its threads."""
    return np.ones(len(rows), rows.dtype) @ rows


def _flat(x):
    return x.reshape(-1, x.shape[-1])
