"""Named axes of an array: they label its entries, name blocks, and give the strata that a sample is drawn from.

The name of an axis is a word, "h", or a word and one letter for each of its equal blocks, "gate:ifog".
"""
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradcheck.numeric import plain_label


class Axis(NamedTuple):
    name: str
    blocks: str             # one letter for each block, or ""


class Axes:
    """The axes of one array and of its gradient, which is called 'd' + name."""

    def __init__(self, name: str, shape: tuple[int, ...], names: Sequence[str] | None = None) -> None:
        """names: one name for each axis, or None. Raises ValueError if they do not fit the shape."""
        self.name, self.shape, self.named = name, shape, names is not None
        self.axes = [Axis(*str(axis).partition(":")[::2]) for axis in names or ()]
        if names is not None and len(names) != len(shape):
            raise ValueError(f"axes of {name} are {tuple(names)}, expected {len(shape)} names, its shape is {shape}")
        for axis, size in zip(self.axes, shape):
            if axis.blocks and (size % len(axis.blocks) or len(set(axis.blocks)) < len(axis.blocks)):
                raise ValueError(f"axis {axis.name!r} of {name} has {size} entries, which do not divide into the "
                                 f"{len(axis.blocks)} blocks {axis.blocks!r}")

    def label(self, entry: int) -> str:
        """Name of a flat entry of the gradient, such as dWh[h=3, gate f, unit 1]."""
        index = [int(i) for i in np.unravel_index(entry, self.shape)]
        if not self.axes:
            return plain_label(f"d{self.name}", index)
        return f"d{self.name}[{', '.join(map(_part, self.axes, index, self.shape))}]"

    def place(self, entry: int) -> str:
        """Name of a flat entry of the array itself."""
        return self.label(entry)[1:]

    def blocks(self) -> dict[str, tuple[slice, ...]]:
        """Named blocks, as slices into the array -> {'gate i': slices}."""
        return {f"{axis.name} {letter}": (*[slice(None)] * k, slice(j * size, (j + 1) * size))
                for k, axis in enumerate(self.axes) if axis.blocks
                for size in [self.shape[k] // len(axis.blocks)]
                for j, letter in enumerate(axis.blocks)}

    def groups(self) -> dict[str, np.ndarray]:
        """Parts with a tolerance of their own, '' for the whole array and each block -> {name: flat entries}."""
        entries = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        return {"": entries.ravel(), **{name: entries[block].ravel() for name, block in self.blocks().items()}}

    def strata(self) -> np.ndarray:
        """The stratum of every flat entry, a number: entries of the same block and time step share it."""
        stratum = np.zeros(self.shape, int)
        for k, axis in enumerate(self.axes):
            steps = self.shape[k] if axis.name.lower() == "t" else max(1, len(axis.blocks))
            part = np.arange(self.shape[k]) * steps // max(1, self.shape[k])
            stratum = stratum * steps + part.reshape(-1, *[1] * (len(self.shape) - k - 1))
        return stratum.ravel()

    def axis(self, letter: str) -> int | None:
        """Position of the axis with this name, in upper or lower case; None if there is none."""
        names = [axis.name.lower() for axis in self.axes]
        return names.index(letter.lower()) if letter.lower() in names else None


def axes_of(inputs: Mapping[str, Any], axes: Mapping[str, Sequence[str]] | None) -> dict[str, Axes]:
    """Axes of every input. Raises ValueError on names that are no inputs, and on an axis with two different sizes."""
    axes = {} if axes is None else axes
    if not isinstance(axes, dict) or not all(_are_names(names) for names in axes.values()):
        raise ValueError(f"axes is {axes!r}, expected a dict: name of an input -> tuple of names of its axes")
    for name in axes:
        if name not in inputs:
            raise ValueError(f"axes has an entry {name!r}, expected names of inputs: {', '.join(inputs)}")
    found = {name: Axes(name, x.shape if isinstance(x, (np.ndarray, np.generic)) else (), axes.get(name))
             for name, x in inputs.items()}
    sizes: dict[Axis, tuple[str, int]] = {}
    for name, array in found.items():
        for axis, size in zip(array.axes, array.shape):
            first, known = sizes.setdefault(axis, (name, size))
            if size != known:
                raise ValueError(f"axis {axis.name!r} has {size} entries in {name} but {known} in {first}")
    return found


def _are_names(names: object) -> bool:
    return isinstance(names, (tuple, list)) and all(isinstance(name, str) for name in names)


def _part(axis: Axis, i: int, size: int) -> str:
    if not axis.blocks:
        return f"{axis.name}={i}"
    width = size // len(axis.blocks)
    return f"{axis.name} {axis.blocks[i // width]}, unit {i % width}"
