"""Inverted dropout. Source: Srivastava et al. (2014), "Dropout", section 10."""
import math

import numpy as np


def drop(x, rng, share):
    """x times a mask of 0 and 1 / (1 - share), and the mask, which backward needs again."""
    keep = kept(x.shape, rng, share)
    if keep is None:
        return x, 1
    keep = keep * np.asarray(keep_scale(share), x.dtype)
    return x * keep, keep


def kept(shape, rng, share):
    """Which entries dropout keeps, bool; None for all. Draws 16 bits an entry: the share is rounded to 1/65536."""
    if rng is None or share == 0:
        return None
    size = math.prod(shape)
    draws = rng.integers(0, 2**64 - 1, -(-size // 4), np.uint64, endpoint=True).view(np.uint16)
    return (draws[:size] >= round(share * 2**16)).reshape(shape)


def keep_scale(share):
    """One over the share that dropout keeps."""
    return 1 / (1 - round(share * 2**16) / 2**16)
