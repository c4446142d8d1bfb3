"""The sizes at which backwards break: a batch of one, a single time step. Made only from named axes n and t."""
import numpy as np

TRAPS = {"n": "a batch of one (axis n cut to length 1)", "t": "a single time step (axis t cut to length 1)"}


def cut_to_one(pair, axes):
    """Yield (words, pair) with each of the axes n and t cut to length 1.

    Nothing is cut unless every array among the inputs has named axes: an array without names may have that axis too.
    """
    arrays = {name: x for name, x in pair.inputs.items() if isinstance(x, np.ndarray) and x.ndim}
    if not all(axes[name].axes for name in arrays):
        return
    for letter, words in TRAPS.items():
        cut = {name: np.take(x, [0], axis=axes[name].axis(letter)) for name, x in arrays.items()
               if axes[name].axis(letter) is not None and x.shape[axes[name].axis(letter)] > 1}
        if cut:
            yield words, pair.with_inputs(cut)
