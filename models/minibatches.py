"""The minibatches of training: which captions each step takes, and the features of their images."""
import math
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np

from models.batches import epoch_batches
from models.read_ahead import on_disk, read_ahead
from rnnlayers.lengths import sequence_lengths


class Minibatches:
    """Minibatches of a dict with train_captions, train_image_idxs and train_features.

    sampling: 'replacement' draws `size` captions for each step, as the course does; 'epochs' takes every caption once
    an epoch, in batches of similar length. null: id of <NULL>. Where `seeded` is False, 'replacement' draws from
    NumPy's global state.
    """

    def __init__(self, data: Mapping[str, Any], null: int, size: int, sampling: str, seeded: bool):
        self.captions, self.rows, self.features = (data[key] for key in _keys("train"))
        self.null, self.size, self.sampling = null, size, sampling
        self._seeded, self._epoch = seeded, -1
        self._batches: list[np.ndarray] = []                # of that epoch
        self._reader: Generator[np.ndarray, None, None] | None = None

    @property
    def per_epoch(self) -> int:
        """Training steps in an epoch."""
        if self.sampling == "epochs":
            return math.ceil(len(self.captions) / self.size)
        return max(len(self.captions) // self.size, 1)

    def chosen(self, iteration: int, generator: Callable[[str, int], np.random.Generator]) -> np.ndarray:
        """The captions of a step: indices into train_captions, (size,) or fewer in one batch of an epoch.

        generator: makes the random numbers for a step, ("batch", iteration), or for an epoch, ("epoch", its number).
        """
        if self.sampling == "replacement":
            choice = generator("batch", iteration).choice if self._seeded else np.random.choice
            return choice(len(self.captions), self.size)
        epoch, k = divmod(iteration, self.per_epoch)
        if self._epoch != epoch:
            lengths = sequence_lengths(self.captions, self.null)
            self._batches = epoch_batches(lengths, self.size, generator("epoch", epoch))
            self.stop_reading()
            self._epoch = epoch
        return self._batches[k]

    def read(self, chosen: np.ndarray, iteration: int) -> Any:
        """Features of a step's captions. Where they are on disk, a thread reads ahead to the end of the epoch."""
        if self.sampling != "epochs" or not on_disk(self.features, self.rows):
            return self.features[self.rows[chosen]]
        if self._reader is None:
            rest = self._batches[iteration % self.per_epoch:]
            self._reader = read_ahead(self.features, [self.rows[batch] for batch in rest])
        return next(self._reader)

    def stop_reading(self) -> None:
        """End the thread that reads ahead, if there is one."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def check_data(data: Mapping[str, Any], split: str) -> None:
    """Raises ValueError where a split's captions, image indices and features are missing or do not fit together."""
    keys = _keys(split)
    missing = ", ".join(key for key in keys if key not in data)
    if missing:
        raise ValueError(f"data has no {missing}, expected {', '.join(keys)}")
    captions, rows, features = (data[key] for key in keys)
    if not hasattr(features, "shape"):
        raise ValueError(f"{keys[2]} is a {type(features).__name__}, expected an array, or a reader whose reader[rows] "
                         "gives the features of these rows, such as data.features.PairReader of a grid and pooled ones")
    if len(captions) != len(rows):
        raise ValueError(f"{keys[0]} has {len(captions)} rows and {keys[1]} {len(rows)}, expected as many")
    if not len(captions):
        raise ValueError(f"{keys[0]} is empty, expected at least one caption")
    if np.min(rows) < 0 or np.max(rows) >= features.shape[0]:
        raise ValueError(f"{keys[1]} has rows {np.min(rows)}..{np.max(rows)}, "
                         f"expected 0..{features.shape[0] - 1}, the rows of {keys[2]}")


def _keys(split: str) -> list[str]:
    return [f"{split}_{name}" for name in ("captions", "image_idxs", "features")]
