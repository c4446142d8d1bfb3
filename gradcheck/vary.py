"""Shapes that docstrings give, with other sizes and settings, for functions that refuse the usual ones."""
from collections.abc import Iterator, Mapping

import numpy as np

from gradcheck.notation import Axis, Shape
from gradcheck.shapes import FILE_SIZES, sized

# Sizes to try where the usual ones are refused; "" is any other axis, and None is the next even number
OTHER_SIZES: tuple[dict[str, int | None], ...] = ({"H": 6, "W": 6, "HH": 3, "WW": 3}, {"": None}, {"": 4})
STRIDED = {"H": 7, "F": 6}          # a stride of 2 and a pad of 1 fit filters HH=3, WW=2 and pictures 7, W=8
GROUPED = {"C": 6, "H": 5}          # three groups
MANY = 3000                         # numbers in the inputs from which large axes are made small
SMALL = (8, 14, 10, 16, 18)         # what axes above 16 become, in order of appearance

Shapes = Mapping[str, Shape]


def variants(shapes: Shapes) -> Iterator[tuple[Shapes, str]]:
    """Shapes that may suit a layer, the likeliest first, each with words that say what was changed."""
    small, words = (_small(shapes), ", made small") if numbers_in(shapes) > MANY else (shapes, "")
    known = {axis.word for shape in small.values() for axis in shape.axes}
    if "G" in small:
        yield with_sizes(small, GROUPED), words
    elif "HH" in known and _plain(small) != small:
        yield with_sizes(small, STRIDED), words
    yield small, words
    plain = _plain(small)
    if plain != small:
        yield plain, f"{words}, with a stride or groups of 1"
    for sizes in OTHER_SIZES:
        yield with_sizes(plain, sizes), f"{words}, with other sizes"
    if small is not shapes:
        yield shapes, ""


def on_floats(shapes: Shapes) -> Shapes:
    """Shapes with floats in place of whole numbers, for docstrings in which those were something else."""
    return {name: shape._replace(below=None) for name, shape in shapes.items()}


def numbers_in(shapes: Shapes) -> float:
    return sum(np.prod(shape.sizes, dtype=float) for shape in sized(shapes, FILE_SIZES).values() if not shape.setting)


def with_sizes(shapes: Shapes, sizes: Mapping[str, int | None]) -> dict[str, Shape]:
    """Shapes in which numbers take the place of some letters."""
    words = dict.fromkeys(axis.word for shape in shapes.values() for axis in shape.axes if axis.word)
    number = {word: sizes.get(word, sizes.get("", 0)) or (2 * place + 4 if "" in sizes else 0)
              for place, word in enumerate(words)}

    def put(axis: Axis) -> Axis:
        known = number.get(axis.word)
        return Axis(axis.times * known, "", axis.blocks) if known else axis
    return {name: shape._replace(axes=tuple(map(put, shape.axes)),
                                 below=put(shape.below) if isinstance(shape.below, Axis) else shape.below)
            for name, shape in shapes.items()}


def _small(shapes: Shapes) -> dict[str, Shape]:
    large = dict.fromkeys(axis.times for shape in shapes.values() for axis in shape.axes
                          if not axis.word and axis.times > 16)
    number = dict(zip(large, SMALL))
    return {name: shape._replace(axes=tuple(axis if axis.word else axis._replace(
        times=number.get(axis.times, min(axis.times, 16))) for axis in shape.axes)) for name, shape in shapes.items()}


def _plain(shapes: Shapes) -> dict[str, Shape]:
    """Shapes with a stride of 1, except that of a pool, and one group."""
    def plain(name: str, shape: Shape) -> Shape:
        value = shape.setting[0] if shape.setting else None
        if isinstance(value, dict) and "stride" in value and not {"pool_height", "f"} & set(value):
            return shape._replace(setting=({**value, "stride": 1},))
        return shape._replace(setting=(1,)) if value is not None and name in ("stride", "G") else shape
    return {name: plain(name, shape) for name, shape in shapes.items()}
