"""A one-hot matrix times the vectors, forward and backward."""
import numpy as np

TASKS = ["1.2"]


def _one_hot(x, V):
    x = np.asarray(x)
    hot = np.zeros((x.size, V))
    hot[np.arange(x.size), x.ravel()] = 1
    return hot


def word_embedding_forward(x, W):
    V, D = W.shape
    hot = _one_hot(x, V)
    out = np.dot(hot, W).reshape(np.shape(x) + (D,))
    return out, (hot, W.shape)


def word_embedding_backward(dout, cache):
    hot, (V, D) = cache
    return np.dot(hot.T, dout.reshape(-1, D))
