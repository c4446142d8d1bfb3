"""Random inputs from shapes written in letters.

    x=N,T,D         random normal numbers; the axes are named N, T, D
    Wh=H,4H:ifog    an axis of four equal blocks named i, f, o, g
    ids=N,T<V       whole numbers from 0 to V-1
    mask=N,T<bool   true or false
    s=              a single number, as an array without axes
    eps=(1e-5)      a setting, passed on as it is: a number, True, False or None
"""
import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

SIZES = {"N": 2, "T": 5, "D": 3, "W": 4, "H": 6, "V": 11, "L": 9, "M": 7, "DW": 12}   # distinct, so that a swap shows
MORE = (8, 10, 13, 17, 19, 23, 29)          # for other letters, in order of appearance


class Shape(NamedTuple):
    sizes: tuple[int, ...]  # of the axes
    axes: tuple[str, ...]   # their names, as check_pair takes them
    below: int | str | None     # None for floats, "bool", or a bound for whole numbers
    setting: tuple          # (value,) or ()


def parse_shapes(text: str, sizes: Mapping[str, int] = SIZES) -> dict[str, Shape]:
    """Parse 'name=shape name=shape ...' -> name -> Shape. Raises ValueError that names the part it cannot read."""
    known: dict[str, int] = dict(sizes)
    found: dict[str, Shape] = {}
    for part in text.split():
        name, equals, shape = part.partition("=")
        if not equals or not name.isidentifier() or name in found:
            raise ValueError(f"--shapes: cannot read {part!r}, expected name=shape such as x=N,T,D, each name once")
        found[name] = _parse(shape, part, known)
    if not found:
        raise ValueError("--shapes is empty, expected one name=shape for each argument of forward")
    return found


def draw_inputs(shapes: Mapping[str, Shape], dtype: Any, rng: np.random.Generator,
                scale: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Random values for shapes -> name -> value. scale: name -> factor, 1 for names that it lacks."""
    return {name: _draw(shape, dtype, rng, (scale or {}).get(name, 1)) for name, shape in shapes.items()}


def axes_names(shapes: Mapping[str, Shape]) -> dict[str, tuple[str, ...]]:
    """The axes argument of check_pair for shapes."""
    return {name: shape.axes for name, shape in shapes.items() if not shape.setting}


def _parse(shape: str, part: str, sizes: dict[str, int]) -> Shape:
    if shape.startswith("("):
        try:
            return Shape((), (), None, (ast.literal_eval(shape),))
        except (ValueError, SyntaxError):
            raise ValueError(f"--shapes: cannot read the setting in {part!r}") from None
    dims, less, limit = shape.partition("<")
    axes = [_axis(dim, part, sizes) for dim in dims.split(",")] if dims else []
    below = None if not less else limit if limit == "bool" else _axis(limit, part, sizes)[0]
    return Shape(tuple(size for size, _ in axes), tuple(name for _, name in axes), below, ())


def _axis(dim: str, part: str, sizes: dict[str, int]) -> tuple[int, str]:
    """Size and name of one axis; an unknown letter is added to sizes."""
    match = re.fullmatch(r"([0-9]*)([A-Za-z]\w*)?(?::(\w+))?", dim)
    if not match or not (match[1] or match[2]) or match[1] == "0":
        raise ValueError(f"--shapes: cannot read the axis {dim!r} in {part!r}, expected N, 7, 4H or 4H:ifog")
    number, letter, blocks = match.groups()
    if letter and letter not in sizes:
        unused = [size for size in MORE if size not in sizes.values()]
        sizes[letter] = unused[0] if unused else 31 + len(sizes)
    size = int(number or 1) * (sizes[letter] if letter else 1)
    if blocks and (size % len(blocks) or len(set(blocks)) < len(blocks)):
        raise ValueError(f"--shapes: an axis of {size} in {part!r} does not divide into the blocks {blocks!r}")
    return size, f"gate:{blocks}" if blocks else dim


def _draw(shape: Shape, dtype: Any, rng: np.random.Generator, scale: float) -> Any:
    if shape.setting:
        return shape.setting[0]
    if shape.below == "bool":
        return rng.random(shape.sizes) < 0.7
    if isinstance(shape.below, int):
        return rng.integers(0, shape.below, shape.sizes)
    return np.asarray(scale * rng.standard_normal(shape.sizes), dtype)
