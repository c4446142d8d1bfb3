"""Shape checks whose messages use the letters of the notation.

N batch, T time, D input, W word vector, H hidden, V vocabulary, M affine output.
"""
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
        found, axes = np.shape(array), letters.split()
        if len(found) == len(axes):
            for size, axis in zip(found, axes):
                known.setdefault(axis, (size, name))
        if found != tuple(_size(axis, known) for axis in axes):
            raise ValueError(_message(function, name, found, axes, known))


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


def _split(axis: str) -> tuple[int, str]:
    letter = axis.lstrip("0123456789")
    return int(axis.removesuffix(letter) or 1), letter


def _size(axis: str, known: Sizes) -> int | None:
    factor, letter = _split(axis)
    return factor * known[letter][0] if letter in known else None


def _message(function: str, name: str, found: tuple[int, ...], axes: list[str], known: Sizes) -> str:
    expected = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
    if len(found) != len(axes):
        return f"{function}: {name} is {found}, expected {len(axes)} axes {expected}"
    letters = dict.fromkeys(_split(axis)[1] for axis in axes)
    sources = ", ".join(f"{k}={known[k][0]} from {known[k][1]}" for k in letters if known[k][1] != name)
    sizes = tuple(_size(axis, known) for axis in axes)
    return f"{function}: {name} is {found}, expected {expected} = {sizes} with {sources}"
