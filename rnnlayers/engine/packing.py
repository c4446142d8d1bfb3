"""Packed batches: only real words; captions sorted by length; all first words, then all second words, and so on."""
from typing import NamedTuple

import numpy as np

from rnnlayers.lengths import sequence_lengths
from rnnlayers.shapes import Array


class Packed(NamedTuple):
    """M rows, one for each word that is fed. Row starts[t] + k is the word at time t of caption order[k]."""
    order: Array                    # (N,) captions, the longest first; those without a target have no rows
    starts: list[int]               # first row of each time step, and M at the end
    words: Array                    # (M,) ids that are fed
    targets: Array                  # (M,) ids of the words after them
    scored: slice | Array           # rows whose target counts
    lengths: Array                  # (active,) number of rows of each caption that has any
    caption: Array                  # (M,) and time (M,): the place of each row in (N, T)
    time: Array
    shape: tuple[int, int]          # (N, T) of the captions before they were packed

    @property
    def steps(self) -> list[tuple[int, int]]:
        """(start, end) of each time step's rows."""
        return list(zip(self.starts, self.starts[1:]))

    @property
    def active(self) -> int:
        """The number of captions that have any row; they come first in order."""
        return self.starts[1] if len(self.starts) > 1 else 0


def pack(words: Array, targets: Array, null: int) -> Packed:
    """Pack words and targets, integer (N, T), up to the last target of each row that is not null -> Packed.

    A null before that is fed as a word, and its own target is not scored.
    """
    real = targets != null
    lengths = sequence_lengths(targets, null)
    order = np.argsort(-lengths, kind="stable")
    counts = np.searchsorted(-lengths[order], -np.arange(targets.shape[1]), side="left")       # captions longer than t
    counts = counts[counts > 0]
    time = np.repeat(np.arange(len(counts)), counts)
    starts = [0, *np.cumsum(counts).tolist()]
    caption = order[np.arange(starts[-1]) - np.asarray(starts)[time]]
    scored = real[caption, time]
    return Packed(order, starts, words[caption, time], targets[caption, time],
                  slice(None) if scored.all() else np.flatnonzero(scored), lengths[order[:counts.max(initial=0)]],
                  caption, time, targets.shape)
