"""Packed batches: only real words, the captions sorted by length, all first words before all second ones."""
from typing import NamedTuple

import numpy as np

from rnnlayers.lengths import sequence_lengths


class Packed(NamedTuple):
    """M rows, one for each word that is fed. Row starts[t] + k is the word at time t of caption order[k]."""
    order: np.ndarray               # (N,) captions, the longest first; those without a target are in no row
    starts: list                    # of the rows of each time step, and M behind the last
    words: np.ndarray               # (M,) ids that are fed
    targets: np.ndarray             # (M,) ids of the words behind them
    scored: slice | np.ndarray      # rows whose target counts
    lengths: np.ndarray             # (active,) rows of each caption that has any
    caption: np.ndarray             # (M,) and time (M,): where each row stands in (N, T)
    time: np.ndarray

    @property
    def steps(self):
        """(start, end) of each time step's rows."""
        return list(zip(self.starts, self.starts[1:]))

    @property
    def active(self):
        """Captions that have any row: the first so many of order."""
        return self.starts[1] if len(self.starts) > 1 else 0


def pack(words, targets, null):
    """Pack words and targets, integer (N, T). A row's length ends at its last target that is not null -> Packed.

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
                  caption, time)
