"""What a cell is: the part of a captioner that turns a picture and the words so far into a hidden state.

A captioner is x = W_embed[words], h = cell(x, picture), scores = h W_vocab + b_vocab. All that captioners differ in
stands in their cells, one file each. Everything else asks the cell, never its name.
"""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

VECTOR, GRID, BOTH = "vector", "grid", "both"       # the features that a cell takes: one vector, a grid, or the pair
Params = dict[str, np.ndarray]
NEAR = 0.01                         # a unit so near to a limit counts as saturated


class Image(NamedTuple):
    """Features of a batch of pictures, standardised."""
    vector: np.ndarray              # (N, D); (N, P) for a cell that takes both
    grid: np.ndarray | None         # (N, L, D); None for a cell that takes the vector alone

    @property
    def regions(self) -> np.ndarray:
        """The grid, for a cell that takes one."""
        assert self.grid is not None, "a cell that takes a vector alone has asked for the grid"
        return self.grid


@dataclass(frozen=True)
class State:
    """What a cell carries from word to word, one row for each caption."""
    output: np.ndarray                          # (n, H) the hidden state that the next word is predicted from
    carried: tuple[np.ndarray, ...] = ()        # what else a caption's own words made: an LSTM's c, keys and values
    memory: tuple[np.ndarray, ...] = ()         # what is attended to: it belongs to the picture
    weights: tuple[np.ndarray, ...] = ()        # parameters in the form that steps want, shared by all rows
    attention: np.ndarray | None = None         # (n, L) weights of the last step

    def __len__(self) -> int:
        return len(self.output)

    def select(self, rows: Any) -> "State":
        """The state of some captions, or of all in another order."""
        return replace(self.reorder(rows), memory=tuple(a[rows] for a in self.memory))

    def reorder(self, rows: Any) -> "State":
        """The state after captions of the same picture took each other's places: what they attend to stays."""
        return replace(self, output=self.output[rows], carried=tuple(a[rows] for a in self.carried),
                       attention=None if self.attention is None else self.attention[rows])


class About(NamedTuple):
    """What a report says about a cell."""
    heading: str = "What its units do"
    labels: dict[str, str] = {}     # names of Cell.activity in words
    activity: str = ""              # what is drawn of each
    memory: str = ""                # what happens to a gradient on its way back through the words
    compare: str = "rnn"            # a cell whose report shows the contrast


class Cell:
    """The contract of a cell. A subclass declares what it is, and `models.cells` registers it under its name."""
    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()         # other names of it
    place: ClassVar[int] = 100                      # where it stands in lists of cells
    features: ClassVar[str] = VECTOR
    attends: ClassVar[bool] = False                 # whether forward and State have attention weights
    gates: ClassVar[str] = ""                       # names of the blocks along the axis of 3H or 4H, in their order
    starts: ClassVar[tuple[str, ...]] = ("h",)      # the states that the picture may initialise, the default first
    options: ClassVar[tuple[str, ...]] = ()         # of models.options, those that only some cells have and this has
    about: ClassVar[About] = About()
    drawn_first: ClassVar[tuple[str, ...]] = ()     # parameters drawn before the others: a seed keeps its weights

    def __init__(self, start: str = "h"):
        self.start = start

    def shapes(self) -> dict[str, str]:
        """Parameter -> its shape in letters, "W 4H". From these it is drawn, checked and counted."""
        raise NotImplementedError

    def initial_state(self, p: Params, image: Image) -> State:
        """The state before the first word."""
        raise NotImplementedError

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        """Feed one word to each caption: x (n, W) word vectors."""
        raise NotImplementedError

    def forward(self, p: Params, image: Image, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, Any]:
        """Whole captions: x (N, T, W) -> h (N, T, H), attention (N, T, L) or None, cache."""
        raise NotImplementedError

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        """Gradients of forward: dh (N, T, H), dattention (N, T, L) or None -> dx (N, T, W), {parameter: gradient}."""
        raise NotImplementedError

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        """What a report draws of the units: name -> (N, T, units) between 0 and 1. From forward's cache."""
        return {}

    def saturated(self, cache: Any) -> np.ndarray | None:
        """Which units are so near to a limit that they pass hardly any gradient, bool (N, T, units); None for none."""
        return None

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        """How far back a loss reaches: norms of its gradients with respect to what is carried, after each word.

        dh (N, T, H), the gradients that arrive at each h from above -> {"h": (N, T)}, and "c" of a cell that has one.
        """
        return {}

    def draw(self, randn: Callable[..., np.ndarray], sizes: dict[str, int]) -> Params:
        """Random parameters: zero biases, whose names begin with b; others normal with variance 1 / fan-in.

        sizes: letter -> size. Source: LeCun et al. (1998), "Efficient BackProp", section 4.6.
        """
        shapes = self.shapes()
        drawn = {name: _draw(name, axis_sizes(shapes[name], sizes), randn)
                 for name in [*self.drawn_first, *(name for name in shapes if name not in self.drawn_first)]}
        return {name: drawn[name] for name in shapes}


def axis_sizes(letters: str, sizes: dict[str, int]) -> tuple[int, ...]:
    """A shape in letters as numbers: "W 4H" -> (W, 4 H)."""
    return tuple(int(axis[:-1] or 1) * sizes[axis[-1]] for axis in letters.split())


def take(p: Params, names: Iterable[str]) -> tuple[np.ndarray, ...]:
    """Some parameters, in the order of their names."""
    return tuple(p[name] for name in names)


def _draw(name: str, shape: tuple[int, ...], randn: Callable[..., np.ndarray]) -> np.ndarray:
    return np.zeros(shape) if name.startswith("b") else randn(*shape) / np.sqrt(shape[0])
