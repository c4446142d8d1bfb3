"""Loops over captions and words, a dict as cache, int64 captions cast on the way."""
import numpy as np

TASKS = ["1.2"]


def word_embedding_forward(x, W):
    cache = {}
    cache["words"] = np.array(x).astype("int64")
    cache["V"], cache["D"] = W.shape
    return np.take(W, cache["words"], axis=0), cache


def word_embedding_backward(dout, cache):
    dW = np.zeros((cache["V"], cache["D"]), dtype=dout.dtype)
    N, T = cache["words"].shape
    for n in range(N):
        for t in range(T):
            word = cache["words"][n][t]
            dW[word] = dW[word] + dout[n, t]
    return dW
