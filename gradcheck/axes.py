"""Names for the axes of an array: labels of entries, named blocks, and the strata that a sample is drawn from.

An axis is named by a word, "h", or by a word and the letters of the equal blocks it consists of, "gate:ifog".
"""
from typing import NamedTuple

import numpy as np

from gradcheck.numeric import plain_label


class Axis(NamedTuple):
    name: str
    blocks: str             # a letter for each block, or ""


class Axes:
    """The axes of one array, and of its gradient 'd' + name."""

    def __init__(self, name, shape, names=None):
        """names: a tuple of axis names, or None. Raises ValueError where they do not fit the shape."""
        self.name, self.shape, self.named = name, shape, names is not None
        self.axes = [Axis(*str(axis).partition(":")[::2]) for axis in names or ()]
        if names is not None and len(names) != len(shape):
            raise ValueError(f"axes of {name} are {tuple(names)}, expected {len(shape)} names, its shape is {shape}")
        for axis, size in zip(self.axes, shape):
            if axis.blocks and (size % len(axis.blocks) or len(set(axis.blocks)) < len(axis.blocks)):
                raise ValueError(f"axis {axis.name!r} of {name} has {size} entries, which do not divide into the "
                                 f"{len(axis.blocks)} blocks {axis.blocks!r}")

    def label(self, entry):
        """Name of a flat entry of the gradient: dWh[h=3, gate f, unit 1]."""
        index = np.unravel_index(entry, self.shape)
        if not self.axes:
            return plain_label(f"d{self.name}", index)
        return f"d{self.name}[{', '.join(map(_part, self.axes, index, self.shape))}]"

    def place(self, entry):
        """Name of a flat entry of the array itself."""
        return self.label(entry)[1:]

    def blocks(self):
        """Named blocks -> {'gate i': slices into the array}."""
        return {f"{axis.name} {letter}": (*[slice(None)] * k, slice(j * size, (j + 1) * size))
                for k, axis in enumerate(self.axes) if axis.blocks
                for size in [self.shape[k] // len(axis.blocks)]
                for j, letter in enumerate(axis.blocks)}

    def groups(self):
        """What a tolerance is relative to: the whole array, '', and each named block -> {name: flat entries}."""
        entries = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        return {"": entries.ravel(), **{name: entries[block].ravel() for name, block in self.blocks().items()}}

    def strata(self):
        """A number for every flat entry; entries of one block and one time step have the same."""
        stratum = np.zeros(self.shape, int)
        for k, axis in enumerate(self.axes):
            steps = self.shape[k] if axis.name.lower() == "t" else max(1, len(axis.blocks))
            part = np.arange(self.shape[k]) * steps // max(1, self.shape[k])
            stratum = stratum * steps + part.reshape(-1, *[1] * (len(self.shape) - k - 1))
        return stratum.ravel()

    def axis(self, letter):
        """Position of the axis of that name, in small or capital letters, or None."""
        names = [axis.name.lower() for axis in self.axes]
        return names.index(letter.lower()) if letter.lower() in names else None


def axes_of(inputs, axes):
    """Axes for every array among the inputs. Raises ValueError on names that are not inputs or sizes that differ."""
    axes = {} if axes is None else axes
    if not isinstance(axes, dict) or not all(_are_names(names) for names in axes.values()):
        raise ValueError(f"axes is {axes!r}, expected a dict: name of an input -> tuple of names of its axes")
    for name in axes:
        if name not in inputs:
            raise ValueError(f"axes names {name!r}, which is none of {', '.join(inputs)}")
    found = {name: Axes(name, x.shape if isinstance(x, (np.ndarray, np.generic)) else (), axes.get(name))
             for name, x in inputs.items()}
    sizes = {}
    for name, array in found.items():
        for axis, size in zip(array.axes, array.shape):
            first, known = sizes.setdefault(axis, (name, size))
            if size != known:
                raise ValueError(f"axis {axis.name!r} has {size} entries in {name} but {known} in {first}")
    return found


def _are_names(names):
    return isinstance(names, (tuple, list)) and all(isinstance(name, str) for name in names)


def _part(axis, i, size):
    if not axis.blocks:
        return f"{axis.name}={i}"
    width = size // len(axis.blocks)
    return f"{axis.name} {axis.blocks[i // width]}, unit {i % width}"
