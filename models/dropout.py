"""Inverted dropout. Source: Srivastava et al. (2014), "Dropout", section 10."""
import math
from typing import NamedTuple

import numpy as np


def drop(x: np.ndarray, rng: np.random.Generator | None, share: float) -> tuple[np.ndarray, np.ndarray | int]:
    """x times a mask of 0 and 1 / (1 - share), and the mask, which backward needs.

    Without rng, or with share 0, nothing is dropped and the mask is the number 1.
    """
    keep = kept(x.shape, rng, share)
    if keep is None:
        return x, 1
    mask = keep * np.asarray(keep_scale(share), x.dtype)
    return x * mask, mask


def kept(shape: tuple[int, ...], rng: np.random.Generator | None, share: float) -> np.ndarray | None:
    """Which entries dropout keeps, bool; None where it keeps all.

    An entry takes 16 random bits, so the share is rounded to a multiple of 1/65536.
    """
    if rng is None or share == 0:
        return None
    size = math.prod(shape)
    draws = rng.integers(0, 2**64 - 1, -(-size // 4), np.uint64, endpoint=True).view(np.uint16)
    return (draws[:size] >= round(share * 2**16)).reshape(shape)


def keep_scale(share: float) -> float:
    """One over the share of entries that dropout keeps."""
    return 1 / (1 - round(share * 2**16) / 2**16)


class Dropout(NamedTuple):
    """What drops entries inside a cell in a training step: masks are drawn from rng in the order of the calls."""
    rng: np.random.Generator | None = None      # None: nothing is dropped
    share: float = 0.0                          # of the model's option dropout
    input_share: float = 0.0                    # of its option input_dropout

    def mask(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
        """A mask of 0 and 1 / (1 - share), or None where nothing is dropped."""
        keep = kept(shape, self.rng, self.share)
        return None if keep is None else keep * np.asarray(keep_scale(self.share), dtype)


NO_DROPOUT = Dropout()
