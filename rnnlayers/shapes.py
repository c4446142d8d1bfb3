"""Shape checks whose messages use the letters of the notation.

N batch, T time, D input, W word vector, H hidden, V vocabulary, M affine output.
"""
import functools
from typing import Any

import numpy as np

Array = np.ndarray                                   # short, for the signatures of the layers
Sizes = dict[str, tuple[int, str]]


def check_shapes(function: str, **arrays: tuple[Any, str]) -> None:
    """Match named arrays against shapes in letters, such as x=(x, "N T D"), Wh=(Wh, "H 4H").

    A letter gets its size from the first array that has it alone on an axis. Raises ValueError that names the array,
    both shapes, and the arrays from which the sizes were read.
    """
    known: Sizes = {}                                # letter -> (size, name of the array it was read from)
    for name, (array, letters) in arrays.items():
        found, axes = np.shape(array), _split(letters)
        if len(found) == len(axes):
            for size, (factor, letter) in zip(found, axes):
                if factor == 1:
                    known.setdefault(letter, (size, name))
        if found != _sizes(axes, known):
            raise ValueError(_message(function, name, found, letters, known))


def check_like(function: str, **pairs: tuple[Any, tuple[int, ...]]) -> None:
    """Match an upstream gradient with the output it belongs to: dh=(dh, h.shape). Raises ValueError."""
    for name, (array, shape) in pairs.items():
        if np.shape(array) != tuple(shape):
            raise ValueError(f"{function}: {name} is {np.shape(array)}, expected {tuple(shape)} as forward's output")


def check_ids(function: str, name: str, ids: Array, V: int) -> None:
    """Require integer ids in 0..V-1. Raises ValueError that names the first bad id and its index."""
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{function}: {name} has dtype {ids.dtype}, expected integer word ids")
    bad = np.argwhere((ids < 0) | (ids >= V))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ValueError(f"{function}: {name}{list(place)} is {ids[place]}, expected word ids in 0..{V - 1} (V={V})")


@functools.cache                                     # layers ask for the same few shapes at every time step
def _split(letters: str) -> tuple[tuple[int, str], ...]:
    """Factor and letter of each axis: "N 4H" -> ((1, "N"), (4, "H"))."""
    pairs = [(axis, axis.lstrip("0123456789")) for axis in letters.split()]
    return tuple((int(axis.removesuffix(letter) or 1), letter) for axis, letter in pairs)


def _sizes(axes: tuple[tuple[int, str], ...], known: Sizes) -> tuple[int | None, ...]:
    return tuple([factor * known[letter][0] if letter in known else None for factor, letter in axes])


def _message(function: str, name: str, found: tuple[int, ...], letters: str, known: Sizes) -> str:
    names, axes = letters.split(), _split(letters)
    expected = f"({', '.join(names)}{',' if len(names) == 1 else ''})"
    if len(found) != len(axes):
        return f"{function}: {name} is {found}, expected {len(axes)} axes {expected}"
    others = dict.fromkeys(letter for _, letter in axes if known[letter][1] != name)
    sources = ", ".join(f"{letter}={known[letter][0]} from {known[letter][1]}" for letter in others)
    return f"{function}: {name} is {found}, expected {expected} = {_sizes(axes, known)} with {sources}"
