"""Arguments of the transformer's kernels, for test_kernels.py, and what its dropout masks and activations do."""
import numpy as np
import pytest

from rnnlayers import gelu_backward, gelu_forward
from rnnlayers.engine import feed_forward_kernels, transformer_kernels
from rnnlayers.softmax import softmax
from tests.rnnlayers.kernel_args import Args, L

HEADS, LONGEST = 2, 5


class TransformerArgs(Args):
    inputs = {"self_attend": (0, 1), "look": (0,), "gelu": (0, 1), "add_norm": (0, 1)}

    def _captions(self):
        """starts of n captions of 1 to 5 words, how many words there are, and a mask for each."""
        starts = np.concatenate([[0], np.cumsum(self.rng.integers(1, LONGEST + 1, self.n))])
        return starts, starts[-1], self.rng.random((starts[-1], HEADS, LONGEST)) > 0.3

    def _causal(self):
        starts, M, keep = self._captions()
        time = np.arange(M) - np.repeat(starts[:-1], np.diff(starts))
        seen = np.arange(LONGEST) <= time[:, None, None]
        return starts, M, keep, softmax(np.where(seen, self.large(M, HEADS, LONGEST), -np.inf))

    def self_attend(self):
        (starts, M, keep), W = self._captions(), HEADS * self.width
        return self.large(M, 3 * W), self.normal(3 * W), starts, keep, 1.5, np.ones(keep.shape), np.ones((M, W))

    def self_attend_backward(self):
        (starts, M, keep, weights), W = self._causal(), HEADS * self.width
        return self.normal(M, W), self.normal(M, 3 * W), starts, keep, 1.5, weights, np.ones((M, 3 * W))

    def look(self):
        n, W = self.n, HEADS * self.width
        return (self.large(n, W), self.normal(3, L, W), self.normal(3, L, W), self.index(n, 3), self.regions()[0][:n],
                np.ones((n, HEADS, L)), np.ones((n, W)))

    def softmax_rows(self):
        return self.large(self.n, 2, self.width), self.rng.integers(1, self.width + 1, self.n), 0.4

    def softmax_rows_backward(self):
        return self.large(self.n, 2, self.width), softmax(self.large(self.n, 2, self.width)), 0.4

    def gelu(self):
        return self.large(self.n, self.width), self.normal(self.width), np.ones((self.n, self.width))

    def gelu_backward(self):
        return self.normal(self.n, self.width), self.large(self.n, self.width), np.ones((self.n, self.width))

    def add_norm(self):
        shape, W = (self.n, self.width), self.width
        return (self.large(*shape), self.normal(*shape), self.normal(W), self.rng.random(shape) > 0.3, 1.5,
                self.normal(W), self.normal(W), np.ones(shape), np.ones(self.n), np.ones(shape))

    def norm_backward(self):
        shape, W = (self.n, self.width), self.width
        return (self.normal(*shape), self.normal(*shape), bool(self.n % 2), self.normal(*shape),
                1 + self.rng.random(self.n), self.normal(W), np.ones(W), np.ones(W))

    def drop(self):
        return self.large(self.n, self.width), self.rng.random((self.n, self.width)) > 0.3, 1.5


def test_gelu_over_its_range():
    x = np.concatenate([np.linspace(-12, 12, 20001), [-1e30, -200, 200, 1e30]]).astype(np.float32)[None]
    slope, again, value, point = np.ones_like(x), np.empty_like(x), np.empty_like(x), x.copy()
    feed_forward_kernels.gelu(point, np.zeros_like(x[0]), value)
    feed_forward_kernels.gelu_backward(slope, x, again)
    expected, cache = gelu_forward(x.astype(np.float64))
    assert (np.abs(value - expected) / np.maximum(1, np.abs(x))).max() < 1e-6
    assert (np.abs(slope - gelu_backward(np.ones(x.shape), cache)) / np.maximum(1, np.abs(x))).max() < 1e-6
    np.testing.assert_array_equal(again, value)


@pytest.mark.parametrize("module, name, place", [(transformer_kernels, "self_attend", 3),
                                                 (transformer_kernels, "self_attend_backward", 3),
                                                 (feed_forward_kernels, "add_norm", 3),
                                                 (feed_forward_kernels, "add_norm", 1),
                                                 (feed_forward_kernels, "norm_backward", 1)])
@pytest.mark.parametrize("n", [1, 4])
def test_no_rows_say_that_there_is_nothing(module, name, place, n):
    """No mask is a mask of ones with scale 1, and no residual one of zeros."""
    results, kernel = [], getattr(module, name)
    for how in ("empty", "neutral", "reference"):
        args = [np.copy(a) if isinstance(a, np.ndarray) else a for a in getattr(TransformerArgs(n, 6, 1), name)()]
        dtype = np.float64 if how == "reference" else np.float32
        args = [a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args]
        if args[place].dtype == bool:
            args[place + 1] = 1.0
        args[place] = np.full_like(args[place], args[place].dtype == bool) if how == "neutral" else args[place][:0]
        kernel(*args)
        results.append([a for i, a in enumerate(args) if i != place and isinstance(a, np.ndarray)])
    for one, two, exact in zip(*results):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(one, exact, rtol=1e-5, atol=3e-6)
