"""Arguments that test_kernels.py calls each kernel with.

A test file for the kernels of one cell has a subclass of Args: its kernels are then tested with all others.
"""
import importlib
from pathlib import Path

import numpy as np

from rnnlayers import sigmoid
from rnnlayers.softmax import softmax

L, E = 5, 3


class Args:
    """Arguments of a kernel for n rows of a width: what goes in is normal times scale; what comes out is ones.

    A subclass has a method for each kernel, under its name. `inputs` names the places of arguments, of some kernels,
    in which a NaN has to reach what comes out.
    """
    inputs: dict[str, tuple[int, ...]] = {}

    def __init__(self, n, width, scale):
        self.rng, self.n, self.width, self.scale = np.random.default_rng(n + width), n, width, scale

    def normal(self, *shape, scale=1):
        return scale * self.rng.standard_normal(shape)

    def large(self, *shape):
        return self.normal(*shape, scale=self.scale)

    def index(self, n, of):
        return self.rng.integers(0, of, n)

    def rows(self):
        """starts of the rows of a ragged batch of n captions, and how many rows there are."""
        lengths = self.rng.integers(1, 5, self.n)
        starts = np.cumsum([0, *((lengths > t).sum() for t in range(lengths.max()))])
        return starts, starts[-1]

    def regions(self):
        """A number of regions for each of n + 1 images, and weights of n images with zeros behind them."""
        counts = self.rng.integers(1, L + 1, self.n + 1)
        scores = np.where(np.arange(L) < counts[:-1, None], self.large(self.n, L), -np.inf)
        return counts, softmax(scores)

    def greedy(self, gates, states, *further_weights):
        """Of a loop with gates columns of H, some states of H, and the shapes of further recurrent weights."""
        V, W, H = 9, 5, self.width                          # small weights: rounding must not choose another word
        shapes = (V, W), (W, gates * H), (gates * H,), (H, V), (V,), (H, gates * H), *further_weights, *states * [(H,)]
        return *(self.normal(*shape, scale=0.5 / shape[0]**0.5) for shape in shapes), 1, 2, np.zeros(6, np.int64)


class KernelArgs(Args):
    inputs = {"rnn_step": (0, 1), "lstm_step": (0, 1, 3), "attend": (0, 1), "additive_attend": (0, 1, 2, 3, 4)}

    def rnn_step(self):
        n, H = self.n, self.width
        return self.large(n, H), self.large(3, H), self.index(n, 3)

    def lstm_step(self):
        n, H = self.n, self.width
        outs = [np.ones((n, H)) for _ in range(3)]
        return self.large(n, 4 * H), self.large(3, 4 * H), self.index(n, 3), self.normal(n + 2, H), *outs

    def lstm_step_backward(self):
        n, H = self.n, self.width
        a = np.hstack([sigmoid(self.large(n, 3 * H)), np.tanh(self.large(n, H))])
        return a, self.normal(n + 2, H), np.tanh(self.large(n, H)), self.normal(n, H), self.normal(n, H)

    def lstm_loop(self):
        n, H, (starts, M) = self.n, self.width, self.rows()
        outs = [np.ones((M, width)) for width in (4 * H, H, H, H, H)]
        return (self.normal(n, H), self.normal(n, H), self.large(3, 4 * H), self.index(M, 3), starts,
                self.normal(H, 4 * H, scale=H**-0.5), *outs)

    def lstm_loop_backward(self):
        n, H, (starts, M) = self.n, self.width, self.rows()
        gates = np.hstack([sigmoid(self.large(M, 3 * H)), np.tanh(self.large(M, H))])
        return (self.normal(M, H), self.normal(n, H), starts, self.normal(H, 4 * H, scale=H**-0.5), gates,
                self.normal(M, H), np.tanh(self.large(M, H)), self.normal(n, H), np.zeros((n, H)))

    def attend(self):
        n, H = self.n, self.width
        return self.large(n, H), self.normal(n + 1, L, H), self.regions()[0], np.ones((n, L)), np.ones((n, H))

    def attend_backward(self):
        n, H = self.n, self.width
        return (self.normal(n, H), self.normal(n, L), self.normal(n + 1, L, H), *self.regions(), np.ones((n, L)),
                np.ones((n, H)))

    def additive_attend(self):
        n, K = self.n, self.width
        return (self.large(n, K), self.large(n, E), self.large(n + 1, L, K), self.normal(n + 1, L, E), self.normal(K),
                self.regions()[0], np.ones((n, L)), np.ones((n, E)), np.ones((n, E)))

    def additive_attend_backward(self):
        n, K = self.n, self.width
        outs = np.ones((n, K)), np.ones((n, E)), self.normal(n + 1, L, K), self.normal(K)
        return (self.normal(n, E), self.normal(n, L), self.large(n, K), self.large(n + 1, L, K),
                self.normal(n + 1, L, E), self.normal(K), *self.regions(), self.normal(n, E),
                sigmoid(self.large(n, E)), *outs)

    def softmax_loss(self):
        n, V = self.n, self.width
        return self.large(n, V), self.normal(V), self.index(n, V), 3, np.ones(V)

    def scatter_add(self):
        return self.large(self.n, self.width), self.index(self.n, 4), np.ones((4, self.width))

    def greedy_rnn(self):
        return self.greedy(1, 1)

    def greedy_lstm(self):
        return self.greedy(4, 2)


def found():
    """Kernel -> the subclass of Args that has a method of its name: here, or in a test file of this folder."""
    files = [path for path in sorted(Path(__file__).parent.glob("test_*.py")) if "(Args):" in path.read_text("utf-8")]
    modules = [importlib.import_module(f"tests.rnnlayers.{path.stem}") for path in files]
    classes = [cls for module in modules for cls in vars(module).values()
               if isinstance(cls, type) and issubclass(cls, Args) and cls is not Args]
    return {name: cls for cls in (KernelArgs, *classes) for name in vars(cls)
            if not name.startswith("_") and name != "inputs"}
