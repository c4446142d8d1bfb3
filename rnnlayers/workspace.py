"""Memory for arrays: on whole cache lines, and new at every call or kept from one training step to the next.

Vector instructions that straddle two cache lines halve the speed at which a core reads and writes its memory.
"""
import math

import numpy as np

LINE = 64                           # bytes of a cache line


def fresh(name, shape, dtype):
    """A new array of undefined contents, on a cache line; the name is for Workspace's sake."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + LINE, np.uint8)
    start = -raw.__array_interface__["data"][0] % LINE
    return raw[start:start + size].view(dtype).reshape(shape)


def aligned(array):
    """The array itself where it starts on a cache line, else a copy that does, in C order."""
    if array.__array_interface__["data"][0] % LINE == 0:
        return array
    copy = fresh("", array.shape, array.dtype)
    copy[...] = array
    return copy


class Workspace:
    """Arrays that live across steps, one for each name: the system clears every fresh page before it hands it out.

    workspace(name, shape, dtype) -> array of undefined contents, the same memory whenever the name is asked for: what
    an earlier call put there is gone. It grows and never shrinks.
    """

    def __init__(self):
        self._flat = {}

    def __call__(self, name, shape, dtype):
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size or flat.dtype != dtype:
            flat = self._flat[name] = fresh(name, (size,), dtype)
        return flat[:size].reshape(shape)
