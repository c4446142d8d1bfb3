"""np.add.at on zeros without a dtype, the matrix itself in the cache."""
import numpy as np

TASKS = ["1.2"]


def word_embedding_forward(x, W):
    out = W[x, :]
    cache = x, W
    return out, cache


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros(W.shape)
    np.add.at(dW, x, dout)
    return dW
