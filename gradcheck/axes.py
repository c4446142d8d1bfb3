"""Named axes of an array: they label its entries, name blocks, and give the strata that a sample is drawn from.

How axes are written is described in notation.py.
"""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.notation import Axis, parse_axes
from gradcheck.numeric import plain_label

AxisNames = str | Mapping[str, str | Sequence[str]] | None


class Axes:
    """The axes of one array and of its gradient, which is called 'd' + name."""

    def __init__(self, name: str, shape: tuple[int, ...], axes: Sequence[Axis] | None = None) -> None:
        """axes: one for each axis, or None. Raises ValueError if they do not fit the shape."""
        self.name, self.shape, self.named = name, shape, axes is not None
        self.axes = list(axes or ())
        if axes is not None and len(axes) != len(shape):
            raise ValueError(f"axes of {name} are {tuple(map(str, axes))}, expected {len(shape)} names, its shape is "
                             f"{shape}")
        for axis, size in zip(self.axes, shape):
            if axis.blocks and size % len(axis.blocks):
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


def axes_of(inputs: Mapping[str, Any], axes: AxisNames) -> dict[str, Axes]:
    """Axes of every input. Raises ValueError on names that are no inputs, and where a letter has two sizes."""
    parsed = parse_axes(axes)
    for name in parsed:
        if name not in inputs:
            raise ValueError(f"axes has an entry {name!r}, expected names of inputs: {', '.join(inputs)}")
    found = {name: Axes(name, x.shape if isinstance(x, (np.ndarray, np.generic)) else (), parsed.get(name))
             for name, x in inputs.items()}
    known: dict[str, tuple[int, str]] = {}
    for name, array in found.items():
        for axis, size in zip(array.axes, array.shape):
            _consistent(axis, size, name, known)
    return found


def _consistent(axis: Axis, size: int, name: str, known: dict[str, tuple[int, str]]) -> None:
    """Require that a letter has one size in all arrays. known: letter -> its size, and the array that gave it."""
    has = f"the axis {axis} of {name} has {size} entries"
    if not axis.word and size != axis.times:
        raise ValueError(f"axes: {has}, expected {axis.times}")
    letter = str(axis) if axis.blocks and axis.times == 1 else axis.word    # gate:ifog, whatever gate:rzn is elsewhere
    if letter in known and size != axis.times * known[letter][0]:
        one, first = known[letter]
        product = f"{axis.times} * {one} = " if axis.times > 1 else ""
        raise ValueError(f"axes: {has}, expected {product}{axis.times * one}, since {letter} is {one} in {first}")
    if size % axis.times:
        raise ValueError(f"axes: {has}, expected a multiple of {axis.times}")
    known.setdefault(letter, (size // axis.times, name))


def _part(axis: Axis, i: int, size: int) -> str:
    if not axis.blocks:
        return f"{axis.name}={i}" if axis.word else str(i)
    width = size // len(axis.blocks)
    return f"{axis.name} {axis.blocks[i // width]}, unit {i % width}"
