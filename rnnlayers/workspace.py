"""Arrays on whole cache lines: new at every call, or kept from one training step to the next.

A vector instruction that straddles two cache lines halves the speed at which a core reads and writes its memory.
"""
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

LINE = 64                           # bytes of a cache line
Shape = tuple[int, ...]
Allocator = Callable[[str, Shape, DTypeLike], np.ndarray]      # `allocate`, or a Workspace


def allocate(name: str, shape: Shape, dtype: DTypeLike) -> np.ndarray:
    """A new array of undefined contents that starts on a cache line. The name is unused: a Workspace needs it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + LINE, np.uint8)
    start = -raw.__array_interface__["data"][0] % LINE
    return raw[start:start + size].view(dtype).reshape(shape)


def aligned(array: np.ndarray) -> np.ndarray:
    """The array itself if it starts on a cache line, else a copy that does, in C order."""
    if array.__array_interface__["data"][0] % LINE == 0:
        return array
    copy = allocate("", array.shape, array.dtype)
    copy[...] = array
    return copy


class Workspace:
    """Arrays that live across steps, one for each name: the system has to clear every new page that it hands out.

    workspace(name, shape, dtype) -> array of undefined contents. Every call with one name returns the same memory, so
    it overwrites what an earlier call returned. The memory of a name grows and never shrinks.
    """

    def __init__(self) -> None:
        self._flat: dict[str, np.ndarray] = {}

    def __call__(self, name: str, shape: Shape, dtype: DTypeLike) -> np.ndarray:
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size or flat.dtype != dtype:
            flat = self._flat[name] = allocate(name, (size,), dtype)
        return flat[:size].reshape(shape)


def within(workspace: Allocator, prefix: str) -> Allocator:
    """The same workspace, in which every name has a prefix: layers of a stack do not overwrite each other's arrays."""
    def allocator(name: str, shape: Shape, dtype: DTypeLike) -> np.ndarray:
        return workspace(prefix + name, shape, dtype)
    return allocator
