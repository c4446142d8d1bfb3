"""Where a factor comes from: the length of an axis, a product of lengths, or the square root of one."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from gradcheck.diagnose import Evidence

FIT = 1e-6                          # relative accuracy at which a number is taken for another


class Length(NamedTuple):
    """The length of an axis, and where it stands in the inputs: array -> number of its axis."""
    label: str
    size: int
    places: dict[str, int]          # empty for an axis of the outputs, which cannot be made shorter


def explain(e: Evidence, name: str, factor: float) -> str:
    """The axes whose lengths explain a factor, in words, or ''.

    Axes of inputs are made one entry shorter: the factor has to follow. Where that cannot be tried, a product that is
    the number of a sum is called a guess.
    """
    guesses = []
    for axes in _products(lengths(e) if e.factor_without else []):
        size = int(np.prod([axis.size for axis in axes]))
        for power, words in ((-1, "a mean where a sum belongs"), (1, "a sum where a mean belongs"),
                             (-0.5, ""), (0.5, "")):
            if abs(factor * float(size) ** -power - 1) < FIT:
                follows = [_follows(e, name, axis, power) for axis in axes]
                text = _text(axes, size, power, words)
                if all(follows):
                    return f": {text}"
                if False not in follows and words and size > 2 and not any(set(axis.places) == {name} for axis in axes):
                    guesses.append(text)
    return f" (perhaps {guesses[0]})" if guesses else ""


def _text(axes: tuple[Length, ...], size: int, power: float, words: str) -> str:
    number = f"{size}" if abs(power) == 1 else f"sqrt({size})"
    labels = " times ".join(axis.label for axis in axes)
    of = f"the length of {labels}" if abs(power) == 1 else f"the root of the length of {labels}"
    return f"{'1/' * (power < 0)}{number}, {of}{', ' * bool(words)}{words}"


def lengths(e: Evidence) -> list[Length]:
    """The lengths of the axes of all arrays, of the named ones first, and of the outputs.

    Axes without names are the same if they have the same length, unless one array has two of them.
    """
    found: dict[str, Length] = {}
    unnamed: dict[int, list[tuple[str, int]]] = {}      # length -> arrays and their axes
    for key, array in e.axes.items():
        for k, size in enumerate(array.shape):
            axis = array.axes[k] if array.axes else None
            if size > 1 and axis and axis.word and not axis.blocks:
                found.setdefault(axis.name, Length(f"axis {axis.name}", size, {})).places[key] = k
            elif size > 1 and not (axis and axis.blocks):
                unnamed.setdefault(size, []).append((key, k))
    for size, places in unnamed.items():
        alone = len(dict(places)) == len(places)
        label = f"axis {places[0][1]} of {places[0][0]}" if alone else f"an axis with {size} entries"
        found[f"{size} entries"] = Length(label, size, dict(places) if alone else {})
    inputs = {(k, size) for array in e.axes.values() for k, size in enumerate(array.shape)}
    outputs = [Length(f"axis {k} of the output", size, {}) for out in e.outs for k, size in enumerate(out.shape)
               if size > 1 and (k, size) not in inputs]                     # else it is an axis of the inputs
    return [*found.values(), *outputs]


def _products(found: list[Length]) -> Iterator[tuple[Length, ...]]:
    for count in (1, 2, 3):
        yield from combinations(found, count)


def _follows(e: Evidence, name: str, axis: Length, power: float) -> bool | None:
    """Whether the factor changes as it should when the axis is one entry shorter; None if that cannot be tried."""
    if e.factor_without is None or not axis.places:
        return None
    factors = e.factor_without(name, {}), e.factor_without(name, axis.places)
    if None in factors:
        return None
    ratio = factors[1] / factors[0]                                         # type: ignore[operator]
    return bool(abs(ratio * ((axis.size - 1) / axis.size) ** -power - 1) < 1e-3)
