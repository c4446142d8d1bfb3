"""Lengths at which backwards break: a batch of one, a single time step. Tried only if axes are named n and t."""
from collections.abc import Iterator

import numpy as np

from gradcheck.axes import Axes
from gradcheck.pair import Pair

TRAPS = {"n": "a batch of one (axis n cut to length 1)", "t": "a single time step (axis t cut to length 1)"}


def cut_to_one(pair: Pair, axes: dict[str, Axes]) -> Iterator[tuple[str, Pair]]:
    """Yield a description and the pair with each of the axes n and t cut to length 1.

    Nothing is cut unless all arrays among the inputs have named axes, since an array without names may have n or t too.
    """
    arrays = {name: x for name, x in pair.inputs.items() if isinstance(x, np.ndarray) and x.ndim}
    if not all(axes[name].axes for name in arrays):
        return
    for letter, words in TRAPS.items():
        places = {name: axes[name].axis(letter) for name in arrays}
        cut = {name: np.take(arrays[name], [0], axis=place) for name, place in places.items()
               if place is not None and arrays[name].shape[place] > 1}
        if cut:
            yield words, pair.with_inputs(cut)
