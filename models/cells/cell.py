"""What a cell is: the part of a captioner that turns a picture and the words so far into a hidden state.

A captioner is x = W_embed[words], h = cell(x, picture), scores = h W_vocab + b_vocab. Captioners differ only in their
cells, which have one file each. The rest of the code asks the cell what it needs to know and never compares names.
"""
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from models.decoding import LENGTH
from models.dropout import NO_DROPOUT, Dropout
from models.options import default

VECTOR, GRID, BOTH = "vector", "grid", "both"       # what features a cell takes: one vector, a grid, or both
ANY = "any"                                         # a grid, with a vector beside it or not, or a vector alone
Params = dict[str, np.ndarray]
NEAR = 0.01                         # a unit within this distance of a limit counts as saturated


class Image(NamedTuple):
    """Features of a batch of pictures, standardised."""
    vector: np.ndarray              # (N, D); (N, P) for a cell that takes both
    grid: np.ndarray | None         # (N, L, D); None for a cell that takes the vector alone
    counts: np.ndarray | None = None    # int64 (N,): regions of each picture, zeros behind them; None where all have L

    @property
    def regions(self) -> np.ndarray:
        """The grid, for a cell that takes one."""
        assert self.grid is not None, "a cell that takes a vector alone has asked for the grid"
        return self.grid

    @property
    def mask(self) -> tuple[np.ndarray, ...]:
        """The counts as a layer's last argument, `regions`; nothing where all pictures have L."""
        return () if self.counts is None else (self.counts,)


@dataclass(frozen=True)
class State:
    """What a cell carries from word to word, one row for each caption.

    What a step makes of a caption's own words belongs into `carried`, also if it grows with every word, as the keys and
    values of a transformer do. What stays the same for all captions of a picture belongs into `memory`.
    """
    output: np.ndarray                          # (n, H) the hidden state, from which the next word is predicted
    carried: tuple[np.ndarray, ...] = ()        # what else a caption's own words make: an LSTM's c; keys and values
    memory: tuple[np.ndarray, ...] = ()         # what is attended to in the picture
    weights: tuple[np.ndarray, ...] = ()        # parameters in the layout that a step needs, shared by all rows
    attention: np.ndarray | None = None         # (n, L) attention weights of the last step

    def __len__(self) -> int:
        return len(self.output)

    def select(self, rows: Any) -> "State":
        """The state of some captions, or of all in another order. rows: an index of the first axis."""
        return replace(self.reorder(rows), memory=tuple(a[rows] for a in self.memory))

    def reorder(self, rows: Any) -> "State":
        """The state when captions of one picture change places: `carried` moves with them, `memory` stays."""
        return replace(self, output=self.output[rows], carried=tuple(a[rows] for a in self.carried),
                       attention=None if self.attention is None else self.attention[rows])


class About(NamedTuple):
    """What a report says about a cell."""
    heading: str = "What its units do"
    labels: dict[str, str] = {}     # name in Cell.activity -> what a reader calls it
    activity: str = ""              # what the drawing of each shows
    saturation: str = ""            # what is drawn of saturated units; nothing is if this is empty
    memory: str = ""                # how a gradient changes on its way back through the words
    path: str = "passes back through every step in between"     # how it comes to an early word
    forgetting: str = "the state forgets what was said: too little training, or closed forget gates"
    fading: str = "the recurrent weights multiply it by less (or more) than 1 at each word, or units are saturated"
    nearest: int = 0                # how many words back the gradient starts to be compared: 1 past a word's own path
    remedy: str = "--model lstm with --forget-bias 1 in place of rnn; a smaller --lr"   # where it fades
    compare: str = "rnn"            # a cell to compare it with


class Cell:
    """The contract of a cell. A subclass declares what it is, and `models.cells` registers it under its name."""
    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()         # other names of it
    place: ClassVar[int] = 100                      # position in lists of cells
    features: str = VECTOR                          # of the class; an instance may ask for less
    attends: bool = False                           # whether forward and State have attention weights
    gates: ClassVar[str] = ""                       # a letter for each block along the 3H or 4H axis, in order
    forget_gate: ClassVar[str] = ""                 # the gate whose bias the option forget_bias raises, if there is one
    starts: ClassVar[tuple[str, ...]] = ("h",)      # the states that the picture may initialise, the default first
    options: ClassVar[tuple[str, ...]] = ()         # the cell-specific options of models.options that it has
    output: ClassVar[str] = "H"                     # letter of the width of its output, which may be that of a word, W
    defaults: ClassVar[dict[str, Any]] = {}         # of options, where they are not those of models.options
    drops_inside: ClassVar[bool] = False            # whether it drops its input and output itself, or the captioner
    drawn_small: ClassVar[bool] = False             # whether weights begin so small that its attention is uniform
    about: ClassVar[About] = About()
    drawn_first: ClassVar[tuple[str, ...]] = ()     # parameters drawn first: old seeds keep their weights

    def __init__(self, **options: Any):
        """options: of the model; those in `options` become attributes, and stay their defaults where not given."""
        for name in self.options:
            setattr(self, name, options.get(name, default(name)))

    def sizes(self) -> dict[str, int]:
        """Letter -> size, for letters in `shapes` that are the cell's own."""
        return {}

    def shapes(self) -> dict[str, str]:
        """Parameter -> its shape in letters, such as "W 4H": used to draw, check and count the parameters.

        The first is the one that multiplies the features. Letters: V, D, P, W, H of the captioner, and K = H. Those
        with an axis D or P fit only features of the encoder that they were trained with (models/transfer.py).
        """
        raise NotImplementedError

    def check_length(self, words: int) -> None:
        """Raises ValueError where captions of so many words are longer than the cell can take."""

    @property
    def usual_length(self) -> int:
        """Most words of a caption where nothing else is asked for."""
        return LENGTH

    def initial_state(self, p: Params, image: Image) -> State:
        """The state before the first word."""
        raise NotImplementedError

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        """Feed one word to each caption: x (n, W) word vectors."""
        raise NotImplementedError

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray | None, Any]:
        """Whole captions: x (N, T, W) -> h (N, T, H), attention (N, T, L) or None, cache."""
        raise NotImplementedError

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        """Gradients of forward: dh (N, T, H), dattention (N, T, L) or None -> dx (N, T, W), {parameter: gradient}."""
        raise NotImplementedError

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        """What a report draws, from forward's cache: name -> (N, T, units), between 0 and 1."""
        return {}

    def saturated(self, cache: Any) -> np.ndarray | None:
        """Which units are so near to a limit that they pass hardly any gradient, bool (N, T, units), or None."""
        return None

    def heads(self, cache: Any) -> np.ndarray | None:
        """The attention of each head that `forward`'s is the mean of, (N, heads, T, L); None where there are none."""
        return None

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        """How far back a loss reaches: norms of its gradients with respect to the states after each word.

        dh (N, T, H): the gradient of each h from above -> {"h": (N, T)}, and "c" for a cell that has one; of a cell
        whose words act by themselves, {"x": (N, T)}, with respect to each word's vector.
        """
        return {}

    def draw(self, rng: Any, sizes: dict[str, int]) -> Params:
        """Random parameters: zeros for biases, whose names begin with b; normal with variance 1 / fan-in for others.

        In layer1.b, the name is what stands behind the point.

        rng: a Generator, or numpy.random; sizes: letter -> size.
        Source: LeCun et al. (1998), "Efficient BackProp", section 4.6.
        """
        shapes = self.shapes()
        drawn = {name: _draw(name, axis_sizes(shapes[name], sizes), rng)
                 for name in [*self.drawn_first, *(name for name in shapes if name not in self.drawn_first)]}
        return {name: drawn[name] for name in shapes}

    def draw_words(self, rng: Any, V: int, W: int, tied: bool) -> np.ndarray:
        """Random word vectors, (V, W). rng: a Generator, or numpy.random; tied: whether they are W_vocab too."""
        return rng.standard_normal((V, W)) / 100

    def draw_scores(self, rng: Any, H: int, V: int) -> tuple[np.ndarray, np.ndarray]:
        """Random W_vocab (H, V) and b_vocab (V,)."""
        return rng.standard_normal((H, V)) / np.sqrt(H), np.zeros(V)


def axis_sizes(letters: str, sizes: dict[str, int]) -> tuple[int, ...]:
    """A shape in letters as numbers: "W 4H" -> (W, 4 H)."""
    return tuple(int(axis[:-1] or 1) * sizes[axis[-1]] for axis in letters.split())


def captioner_shapes(cell: Cell, tied: bool = False) -> dict[str, str]:
    """Parameter of a whole captioner -> its shape in letters; without W_vocab where it is W_embed's transpose."""
    scores = {"b_vocab": "V"} if tied else {"W_vocab": f"{cell.output} V", "b_vocab": "V"}
    return {"W_embed": "V W", **cell.shapes(), **scores}


def letter_sizes(cell: Cell, V: int, D: int, pooled_dim: int | None, W: int, H: int) -> dict[str, int]:
    """Letter -> size, of all letters in the shapes of a captioner's parameters."""
    return {"V": V, "D": D, "P": pooled_dim or D, "W": W, "H": H, "K": H, **cell.sizes()}


def take(p: Params, names: Iterable[str]) -> tuple[np.ndarray, ...]:
    """Some parameters, in the order of their names."""
    return tuple(p[name] for name in names)


def _draw(name: str, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    bias = name.rpartition(".")[2].startswith("b")
    return np.zeros(shape) if bias else rng.standard_normal(shape) / np.sqrt(shape[0])
