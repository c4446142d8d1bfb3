"""Word embedding: a row of a matrix for each word id."""
import numpy as np

from rnnlayers.shapes import Array, check_ids, check_like, check_shapes


def word_embedding_forward(x: Array, W: Array) -> tuple[Array, tuple]:
    """Look up word vectors, out[n, t] = W[x[n, t]].

    x integer (N, T), or of any other shape down to a single id; W (V, D) -> out (N, T, D), cache.
    Raises ValueError on ids outside 0..V-1 (negative ones too: NumPy would count them from the end).
    """
    x = np.asarray(x)
    check_shapes("word_embedding_forward", W=(W, "V D"))
    check_ids("word_embedding_forward", "x", x, len(W))
    # BEGIN SOLUTION 1.2
    return W[x], (x, W.shape)
    # END SOLUTION 1.2


def word_embedding_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of word_embedding_forward: dW[v] = sum of dout[n, t] over all n, t with x[n, t] = v.

    dout (N, T, D) -> dW (V, D), with rows of zeros for words that do not occur. Raises ValueError on dout's shape.
    """
    # BEGIN SOLUTION 1.2
    x, (V, D) = cache
    check_like("word_embedding_backward", dout=(dout, (*x.shape, D)))
    dW = np.zeros((V, D), dout.dtype)
    np.add.at(dW, x, dout)          # unlike dW[x] += dout, this adds once for every repetition of a word
    return dW
    # END SOLUTION 1.2
