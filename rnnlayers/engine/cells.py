"""What the captioners differ in, on packed rows: the engine's side of models/cells.py.

forward(p, image, x, index, packed, memory) -> h, maps, cache; backward(p, dh, dmaps, cache, packed, memory) -> da, grads.
image is (vector, grid), in the packed order; x holds W_embed Wx + b for each distinct word, index names its rows.
"""
import numpy as np

from rnnlayers.additive_attention import initial_state_backward, initial_state_forward
from rnnlayers.affine import affine_backward, affine_forward
from rnnlayers.engine.additive import additive_backward, additive_forward
from rnnlayers.engine.attention import attention_backward, attention_forward
from rnnlayers.engine.recurrent import lstm_backward, lstm_forward, rnn_backward, rnn_forward

INITIAL = ("W_init_h", "b_init_h", "W_init_c", "b_init_c")


class RNN:
    @staticmethod
    def forward(p, image, x, index, packed, memory):
        h0, cache_proj = affine_forward(image[0][:packed.active], p["W_proj"], p["b_proj"])
        h, cache = rnn_forward(x, index, h0, p["Wh"], packed, memory)
        return h, None, (cache_proj, cache)

    @staticmethod
    def backward(p, dh, dmaps, cache, packed, memory):
        da, dh0, dWh = rnn_backward(dh, cache[1], p["Wh"], packed, memory)
        _, dW_proj, db_proj = affine_backward(dh0, cache[0])
        return da, {"W_proj": dW_proj, "b_proj": db_proj, "Wh": dWh}


class LSTM:
    @staticmethod
    def forward(p, image, x, index, packed, memory):
        h0, cache_proj = affine_forward(image[0][:packed.active], p["W_proj"], p["b_proj"])
        h, cache = lstm_forward(x, index, h0, np.zeros_like(h0), p["Wh"], packed, memory)
        return h, None, (cache_proj, cache)

    @staticmethod
    def backward(p, dh, dmaps, cache, packed, memory):
        da, dh0, _, dWh = lstm_backward(dh, cache[1], p["Wh"], packed, memory)
        _, dW_proj, db_proj = affine_backward(dh0, cache[0])
        return da, {"W_proj": dW_proj, "b_proj": db_proj, "Wh": dWh}


class DotProduct:
    @staticmethod
    def forward(p, image, x, index, packed, memory):
        grid = image[1]
        A = memory("A", (*grid.shape[:2], len(p["Wh"])), grid.dtype)
        np.matmul(_flat(grid), p["W_proj"], out=_flat(A))
        A += p["b_proj"]
        h, maps, cache = attention_forward(x, index, A, p["Wh"], p["Wattn"], packed, memory)
        return h, maps, (grid, cache)

    @staticmethod
    def backward(p, dh, dmaps, cache, packed, memory):
        grid, cache = cache
        da, dA, dWh, dWattn = attention_backward(dh, dmaps, cache, packed, memory)
        return da, {**_affine_grads(grid, dA, "W_proj", "b_proj", memory), "Wh": dWh, "Wattn": dWattn}


class Additive:
    @staticmethod
    def forward(p, image, x, index, packed, memory):
        vector, grid = image
        h0, c0, cache_init = initial_state_forward(vector[:packed.active], *[p[name] for name in INITIAL])
        keys = memory("keys", (*grid.shape[:2], len(p["v"])), grid.dtype)
        np.matmul(_flat(grid), p["Wa"], out=_flat(keys))
        keys += p["ba"]
        h, maps, cache = additive_forward(x, index, h0, c0, grid, keys, p["Wh"], p["Wattn"], p["Wq"], p["v"], p["Wbeta"],
                                          p["bbeta"], packed, memory)
        return h, maps, (cache_init, grid, cache)

    @staticmethod
    def backward(p, dh, dmaps, cache, packed, memory):
        cache_init, grid, cache = cache
        da, dh0, dc0, dkeys, *dlook = additive_backward(dh, dmaps, cache, packed, memory)
        _, *dinitial = initial_state_backward(dh0, dc0, cache_init)
        return da, {**dict(zip(INITIAL, dinitial)), **_affine_grads(grid, dkeys, "Wa", "ba", memory),
                    **dict(zip(("Wh", "Wattn", "Wq", "v", "Wbeta", "bbeta"), dlook))}


CELLS = {"rnn": RNN, "lstm": LSTM, "attention": DotProduct, "bahdanau": Additive}


def _affine_grads(x, dout, W, b, memory):
    x, dout = _flat(x), _flat(dout)
    return {W: np.matmul(x.T, dout, out=memory(f"d{W}", (x.shape[1], dout.shape[1]), dout.dtype)), b: column_sums(dout)}


def column_sums(rows):
    """Sum over the rows, as a product that BLAS does with all its threads."""
    return np.ones(len(rows), rows.dtype) @ rows


def _flat(x):
    return x.reshape(-1, x.shape[-1])
