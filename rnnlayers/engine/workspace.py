"""Memory for intermediate arrays: new at every call, or kept from one training step to the next."""
import math

import numpy as np


def fresh(name, shape, dtype):
    """A new array, of undefined contents."""
    return np.empty(shape, dtype)


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
            flat = self._flat[name] = np.empty(size, dtype)
        return flat[:size].reshape(shape)
