"""Random inputs from shapes written in letters (see notation.py): a letter stands for a small size."""
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradcheck import notation
from gradcheck.notation import Axis

# Distinct, so that a swap shows; pictures N,C,H,W, divisible by a pool of 2, and filters F,C,HH,WW
SIZES = {"N": 2, "T": 5, "D": 3, "W": 4, "H": 6, "V": 11, "L": 9, "M": 7, "DW": 12, "C": 5, "F": 7, "HH": 3, "WW": 2}
FILE_SIZES = {**SIZES, "N": 4, "W": 8}      # for layers of other people: two rows hide mistakes of a batch norm
MORE = (8, 10, 13, 17, 19, 23, 29)          # for other letters, in order of appearance


class Shape(NamedTuple):
    sizes: tuple[int, ...]  # of the axes
    axes: tuple[str, ...]   # the axes as they were written, as check_pair takes them
    below: int | str | None     # None for floats, "bool", or a bound for whole numbers
    setting: tuple          # (value,) or ()


def parse_shapes(text: str, sizes: Mapping[str, int] = SIZES) -> dict[str, Shape]:
    """Parse 'name=shape name=shape ...' -> name -> Shape. Raises ValueError that names the part it cannot read."""
    return sized(notation.parse_shapes(text), sizes)


def sized(shapes: Mapping[str, notation.Shape], sizes: Mapping[str, int] = SIZES) -> dict[str, Shape]:
    """Give each letter a size. Raises ValueError on blocks that do not fit."""
    known: dict[str, int] = dict(sizes)
    return {name: _sized(shape, f"--shapes: {name}", known) for name, shape in shapes.items()}


def draw_inputs(shapes: Mapping[str, Shape], dtype: Any, rng: np.random.Generator,
                scale: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Random values for shapes -> name -> value. scale: name -> factor, 1 for names that it lacks."""
    return {name: _draw(shape, dtype, rng, (scale or {}).get(name, 1)) for name, shape in shapes.items()}


def axes_names(shapes: Mapping[str, Shape]) -> dict[str, tuple[str, ...]]:
    """The axes argument of check_pair for shapes."""
    return {name: shape.axes for name, shape in shapes.items() if not shape.setting}


def _sized(shape: notation.Shape, where: str, sizes: dict[str, int]) -> Shape:
    below = _size(shape.below, where, sizes) if isinstance(shape.below, Axis) else shape.below
    return Shape(tuple(_size(axis, where, sizes) for axis in shape.axes), tuple(map(str, shape.axes)), below,
                 shape.setting)


def _size(axis: Axis, where: str, sizes: dict[str, int]) -> int:
    """The size of an axis; an unknown letter is added to sizes."""
    if axis.word and axis.word not in sizes:
        if axis.blocks and axis.times == 1:
            raise ValueError(f"{where}: the axis {axis} has no size, expected one such as "
                             f"{len(axis.blocks)}H:{axis.blocks}")
        unused = [size for size in MORE if size not in sizes.values()]
        sizes[axis.word] = unused[0] if unused else 31 + len(sizes)
    size = axis.times * (sizes[axis.word] if axis.word else 1)
    if axis.blocks and size % len(axis.blocks):
        raise ValueError(f"{where}: the axis {axis} of {size} does not divide into the {len(axis.blocks)} blocks "
                         f"{axis.blocks!r}, expected one such as {len(axis.blocks)}H:{axis.blocks}")
    return size


def _draw(shape: Shape, dtype: Any, rng: np.random.Generator, scale: float) -> Any:
    if shape.setting:
        return shape.setting[0]
    if shape.below == "bool":
        return _mixed(rng.random(shape.sizes) < 0.7, rng)
    if isinstance(shape.below, int):
        return rng.integers(0, shape.below, shape.sizes)
    return np.asarray(scale * rng.standard_normal(shape.sizes), dtype)


def _mixed(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With one entry turned where all are alike: a mask that masks nothing tells no mask from a wrong one."""
    if mask.size > 1 and mask.all() == mask.any():
        mask.flat[rng.integers(mask.size)] ^= True
    return mask
