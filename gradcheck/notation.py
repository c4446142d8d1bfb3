"""Shapes written in letters, for --shapes and for axes=.

    x=N,T,D         an array with the axes N, T, D; a number stands for itself, as in x=N,3
    Wh=H,4H:ifog    4H: four times as long as H. :ifog names its four equal blocks i, f, o, g
    ids=N,T<V       whole numbers from 0 to V-1
    mask=N,T<bool   true or false
    s=              a single number, as an array without axes
    eps=(1e-5)      a setting, passed on as it is: a number, a text, True, False, None, a list or a dict

One text holds them all, "x=N,T,D Wh=H,4H:ifog". In axes= they may also stand in a dict, {"x": "N,T,D"} or
{"x": ("N", "T", "D")}. There the arrays give the sizes, so an axis may have any name, as in Wh=h,gate:ifog.
"""
import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

EXAMPLE = "such as x=N,T,D or Wh=H,4H:ifog"


class Axis(NamedTuple):
    times: int              # 4 of 4H; the size itself where there is no word
    word: str               # H of 4H, "" for a number
    blocks: str             # one letter for each block, or ""

    @property
    def name(self) -> str:
        """What labels of entries call the axis."""
        if self.blocks:
            return self.word if self.word and self.times == 1 else "gate"
        return f"{'' if self.word and self.times == 1 else self.times}{self.word}"

    def __str__(self) -> str:
        return f"{'' if self.word and self.times == 1 else self.times}{self.word}{':' * bool(self.blocks)}{self.blocks}"


class Shape(NamedTuple):
    axes: tuple[Axis, ...]
    below: Axis | str | None    # None for floats, "bool", or a bound for whole numbers
    setting: tuple              # (value,) or ()

    def __str__(self) -> str:
        """The shape as it is written after name=."""
        if self.setting:
            return f"({self.setting[0]!r})"
        return f"{','.join(map(str, self.axes))}{'' if self.below is None else f'<{self.below}'}"


def parse_shapes(text: str, where: str = "--shapes") -> dict[str, Shape]:
    """Parse 'name=shape name=shape ...' -> name -> Shape. Raises ValueError that names the part it cannot read."""
    found: dict[str, Shape] = {}
    for part in words(text):
        name, equals, shape = part.partition("=")
        if not equals or not name.isidentifier() or name in found:
            raise ValueError(f"{where}: cannot read {part!r}, expected name=shape {EXAMPLE}, each name once")
        found[name] = parse_shape(shape, f"{where}: {part!r}")
    if not found:
        raise ValueError(f"{where} is empty, expected one name=shape for each argument of forward, {EXAMPLE}")
    return found


def parse_shape(shape: str, where: str) -> Shape:
    """Parse what follows name=. Raises ValueError that begins with `where`."""
    if shape.startswith("("):
        try:
            return Shape((), None, (ast.literal_eval(shape),))
        except (ValueError, SyntaxError):
            raise ValueError(f"{where}: cannot read the setting {shape}, expected a value such as eps=(1e-5) or "
                             "p=({'stride': 1})") from None
    sizes, less, limit = shape.partition("<")
    axes = tuple(parse_axis(axis, where) for axis in sizes.split(",")) if sizes else ()
    return Shape(axes, None if not less else limit if limit == "bool" else parse_axis(limit, where), ())


def parse_axis(text: str, where: str) -> Axis:
    """Parse N, 7, 4H, 4H:ifog or gate:ifog. Raises ValueError that begins with `where`."""
    match = re.fullmatch(r"([0-9]*)([^\W\d]\w*)?(?::(\w+))?", text.strip())
    if not match or not (match[1] or match[2]) or (match[1] and int(match[1]) == 0):
        raise ValueError(f"{where}: cannot read the axis {text!r}, expected N, 7, 4H or 4H:ifog")
    number, word, blocks = (group or "" for group in match.groups())
    return _axis(int(number or 1), word, blocks, where)


def parse_axes(axes: Any) -> dict[str, tuple[Axis, ...]]:
    """Parse the axes= of a check -> name of an input -> its axes. Raises ValueError."""
    if axes is None:
        return {}
    if isinstance(axes, str):
        return {name: shape.axes for name, shape in parse_shapes(axes, "axes").items() if not shape.setting}
    if not isinstance(axes, Mapping) or not all(_is_shape(shape) for shape in axes.values()):
        raise ValueError(f"axes is {axes!r}, expected a text, {EXAMPLE}, or a dict: name of an input -> its axes, such "
                         "as {'x': 'N,T,D', 'Wh': ('H', '4H:ifog')}")
    return {name: parse_shape(shape, f"axes of {name}").axes if isinstance(shape, str) else
            tuple(_named(axis, f"axes of {name}") for axis in shape) for name, shape in axes.items()}


def words(text: str) -> list[str]:
    """Split at blanks that are not inside brackets or quotes, so that a setting may contain them."""
    return re.findall(r"(?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\S)+", text)


def _named(axis: str, where: str) -> Axis:
    """One axis of a tuple of names, where a name may be any text."""
    word, _, blocks = axis.partition(":")
    return parse_axis(axis, where) if word[:1].isdigit() else _axis(1, word, blocks, where)


def _axis(times: int, word: str, blocks: str, where: str) -> Axis:
    axis = Axis(times, word, blocks)
    if len(set(blocks)) < len(blocks):
        raise ValueError(f"{where}: the blocks {blocks!r} of the axis {axis} need a letter each, as in 4H:ifog")
    return axis


def _is_shape(shape: object) -> bool:
    return isinstance(shape, str) or (
        isinstance(shape, (tuple, list)) and all(isinstance(axis, str) for axis in shape))
