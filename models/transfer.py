"""A trained captioner's weights in a fresh captioner that has other words, and maybe other features."""
from collections.abc import Container

import numpy as np

from models.captioning_rnn import CaptioningRNN
from models.cells.cell import Params
from rnnlayers.workspace import aligned

WIDTHS = "DP"                       # letters of the features' widths in Cell.shapes: of the grid or vector, pooled


def common_words(fresh: CaptioningRNN, source: CaptioningRNN) -> tuple[np.ndarray, np.ndarray]:
    """The words that both vocabularies have -> their ids in each, two integer (words,)."""
    words = [word for word in fresh.word_to_idx if word in source.word_to_idx]
    return (np.array([fresh.word_to_idx[word] for word in words], np.intp),
            np.array([source.word_to_idx[word] for word in words], np.intp))


def transferred(fresh: CaptioningRNN, source: CaptioningRNN, widths: Container[str] = WIDTHS) -> Params:
    """The source's parameters for the fresh model's words -> parameters of the fresh model, new arrays.

    Words of both vocabularies get the source's row of W_embed, column of W_vocab and entry of b_vocab; other words keep
    the fresh model's. widths: those of D and P whose features mean the same in both models; parameters that have
    another such axis stay fresh, and so do the places of regions of other features. All others are the source's. Raises
    ValueError where a shape differs.
    """
    shapes, params = fresh.cell.shapes(), {name: aligned(w.copy()) for name, w in fresh.params.items()}
    for name, letters in shapes.items():
        axes = {axis[-1] for axis in letters.split()}
        if any(axis in WIDTHS and axis not in widths for axis in axes) or "R" in axes and "D" not in widths:
            continue
        weight = "W" + name[1:]                             # of a bias: that of pooled features the source may not have
        if name not in source.params and "P" in shapes.get(weight, "").split() and "P" not in widths:
            continue
        if name not in source.params or source.params[name].shape != params[name].shape:
            found = source.params[name].shape if name in source.params else "missing"
            raise ValueError(f"transferred: {name} of the source is {found}, expected {letters} = {params[name].shape}")
        params[name][...] = source.params[name]
    new, old = common_words(fresh, source)
    params["W_embed"][new] = source.params["W_embed"][old]
    if not fresh.tie:
        params["W_vocab"][:, new] = source.weights()["W_vocab"][:, old]
    params["b_vocab"][new] = source.params["b_vocab"][old]
    return params
