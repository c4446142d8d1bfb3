"""What the outputs of an image model are: regions, in which layout, or one vector for each picture.

The layout is read from the output itself: a model that takes (n, 3, height, width) may give (n, height, width, D).
"""
from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from data.encoders import completed
from data.onnx_models import ImageInput, image_input, one_line, open_model, output_shapes, stated_layout

if TYPE_CHECKING:
    from data.onnx_models import Session

LAYOUTS = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}        # the axes of features, height and width
SAMPLE = 224                            # side of the pictures that describe a model of any size
Shape = tuple[int, ...]
Grid = tuple[int, int]


class Outputs:
    """The outputs of a model for pictures of `size`, (height, width): `shapes` is name -> shape of one batch.

    asked: a key of LAYOUTS for the outputs of four axes; None reads it from them. Raises ValueError if the model fails.
    """

    def __init__(self, session: Session, model_input: ImageInput, size: Grid, path: str | os.PathLike,
                 asked: str | None = None) -> None:
        if asked not in (None, *LAYOUTS):
            raise ValueError(f"output layout {asked!r:.80}: expected NCHW or NHWC")
        self._session, self._input, self._size, self.path = session, model_input, size, path
        self._stated = asked or stated_layout(session)
        self._declared = {output.name: output.shape for output in session.get_outputs()}
        self.shapes = output_shapes(session, model_input, size, path)
        self._grids = [name for name, shape in self.shapes.items() if len(shape) == 4 and not vector_width(shape)]

    def choose(self, name: str | None) -> str:
        """The output `name`; by default the last with regions, of four axes if there are any, else the last.

        Without regions, one of four axes before others. Raises ValueError that lists the outputs.
        """
        if name is None:
            regions = self._grids or [name for name, shape in self.shapes.items() if square(shape)]
            four_axes = [name for name, shape in self.shapes.items() if len(shape) == 4]
            return (regions or four_axes or list(self.shapes))[-1]
        if name not in self.shapes:
            raise ValueError(f"{self.path}: no output {name!r}, expected --layer with one of {', '.join(self.shapes)}")
        return name

    def layout(self, name: str) -> str | None:
        """The layout of regions, None for vectors and plain (n, L, D). Raises ValueError if both layouts fit."""
        shape = self.shapes[name]
        if name not in self._grids:
            if self._stated is None and may_be_turned(shape):
                raise ValueError(f"{self.path}: {name} is {shape}, which may be {self.told(name)}: expected "
                                 "--output-layout NCHW or NHWC")
            return self._stated if len(shape) == 3 and not vector_width(shape) else None
        layout, *others = self._layouts(name)
        if others:
            raise ValueError(f"{self.path}: {name} is {self.shapes[name]} for pictures of {self._size[1]}x"
                             f"{self._size[0]}, which may be {self.told(name)}: expected --output-layout NCHW or NHWC")
        return layout

    def vectors(self, width: int) -> list[str]:
        """The outputs that give one vector of this width for each picture, those of two axes if there are any."""
        found = [name for name, shape in self.shapes.items() if vector_width(shape) == width]
        return [name for name in found if len(self.shapes[name]) == 2] or found

    def pooled(self) -> str | None:
        """The model's own pooled output: the only vector as wide as the regions of some output, None without it."""
        widths = {self.shapes[name][LAYOUTS[layout][0]] for name in self._grids for layout in self._layouts(name)}
        widths |= {shape[2] for shape in self.shapes.values() if square(shape)}
        found = [name for name, shape in self.shapes.items() if vector_width(shape) in widths]
        return found[0] if len(found) == 1 else None

    def told(self, name: str) -> str:
        """What an output is taken for, in words."""
        shape = self.shapes[name]
        if width := vector_width(shape):
            return f"a vector of {width} numbers"
        if self._stated is None and may_be_turned(shape):
            return (f"{shape[1]} regions of {shape[2]} numbers (NHWC) or {shape[2]} regions of {shape[1]} numbers "
                    "(NCHW)")
        if self._stated == "NCHW" and len(shape) == 3:
            shape = (shape[0], shape[2], shape[1])
        if side := square(shape):
            return f"regions {side}x{side} of {shape[2]} numbers"
        if name not in self._grids:
            return "neither regions nor a vector"
        readings = {layout: "regions {1}x{2} of {0} numbers".format(*(shape[axis] for axis in LAYOUTS[layout]))
                    for layout in self._layouts(name)}
        return " or ".join(f"{text} ({layout})" for layout, text in readings.items())

    def _layouts(self, name: str) -> list[str]:
        """The layouts that fit the regions of an output: what is known better decides first."""
        left = list(LAYOUTS)
        for fits in self._evidence(name):
            left = [layout for layout in left if layout in fits] or left
            if len(left) == 1:
                break
        return left

    def _evidence(self, name: str) -> Iterator[list[str]]:
        shape = self.shapes[name]
        yield [self._stated or ""]
        yield _declared(self._declared[name])
        yield self._growing(name)
        yield _in_proportion(shape, self._size)
        yield _as_wide(shape, {vector_width(other) for other in self.shapes.values()})

    def _growing(self, name: str) -> list[str]:
        """The layouts whose height and width follow those of the pictures, where the model leaves these open."""
        opened = [side is None for side in self._input.size]
        if not any(opened):
            return []
        height, width = (side // 2 if free else side for side, free in zip(self._size, opened))
        try:
            other = output_shapes(self._session, self._input, (height, width), self.path)[name]
        except ValueError:                              # too small for this model
            return []
        changed = {axis for axis, (a, b) in enumerate(zip(self.shapes[name], other)) if a != b}
        return [layout for layout, (_, *sides) in LAYOUTS.items()
                if changed and changed <= {axis for axis, free in zip(sides, opened) if free}]


def describe_model(path: str | os.PathLike, size: Grid | None = None, layout: str | None = None) -> list[str]:
    """Inputs, outputs, what these are taken for, and metadata of a model, as lines of text.

    size: (height, width) of pictures, if the model leaves it open; layout: as `asked` of Outputs; what is None is
    taken from the JSON beside the model, if there is one.
    """
    session, stated = open_model(path), completed(path, {"size": size, "output_layout": layout})
    ports = [("input", port) for port in session.get_inputs()] + [("output", port) for port in session.get_outputs()]
    lines = [f"{kind:6s}  {port.name}  {port.type[7:-1]} ({', '.join(map(str, port.shape))})" for kind, port in ports]
    try:
        lines += _taken(session, path, stated)
    except ValueError as error:
        lines.append(f"what the outputs are is not known: {error}")
    metadata = session.get_modelmeta().custom_metadata_map
    return lines + [f"{key}: {one_line(value)}" for key, value in sorted(metadata.items())]


def _taken(session: Session, path: str | os.PathLike, stated: Mapping[str, Any]) -> list[str]:
    model_input = image_input(session, path)
    height, width = stated.get("size") or (side or SAMPLE for side in model_input.size)
    outputs = Outputs(session, model_input, (height, width), path, stated.get("output_layout"))
    chosen = outputs.choose(stated.get("layer"))
    told = {name: outputs.told(name) + (", the default" if name == chosen else "") for name in outputs.shapes}
    return [f"from pictures of {width}x{height}:", *(f"  {name} is {text}" for name, text in told.items())]


def vector_width(shape: Shape) -> int:
    """D of one vector for each picture, (n, D), (n, 1, D), (n, D, 1, 1) or (n, 1, 1, D); 0 for other shapes."""
    if len(shape) == 2 or len(shape) == 3 and shape[1] == 1:
        return shape[-1]
    if len(shape) == 4 and 1 in (shape[1], shape[3]) and shape[2] == 1:
        return shape[1] * shape[3]
    return 0


def square(shape: Shape) -> int:
    """The side of a transformer's square of patches, (n, L, D), maybe after a token for the whole; 0 without one."""
    side = math.isqrt(shape[1]) if len(shape) == 3 else 0
    return side if side > 1 and shape[1] - side**2 in (0, 1) else 0


def may_be_turned(shape: Shape) -> bool:
    """Whether (n, L, D) may as well be (n, D, L): L and D are squares, and L is the larger, which is rare."""
    return len(shape) == 3 and shape[1] > shape[2] > 1 and all(math.isqrt(size)**2 == size for size in shape[1:])


def as_features(y: np.ndarray, layout: str | None) -> tuple[np.ndarray, Grid | None]:
    """An output as features (n, D), or (n, L, D) with regions row by row; height and width of its grid, or None.

    Raises ValueError for other shapes, without a file's name.
    """
    if width := vector_width(y.shape):
        return y.reshape(len(y), width), None
    if y.ndim == 4 and layout:
        features, height, width = LAYOUTS[layout]
        y = y.transpose(0, height, width, features)
        return y.reshape(len(y), -1, y.shape[3]), (y.shape[1], y.shape[2])
    if y.ndim == 3 and layout == "NCHW":
        y = y.swapaxes(1, 2)
    if side := square(y.shape):
        return y[:, -side**2:], (side, side)
    raise ValueError(f"is {y.shape}, expected (n, D), (n, D, height, width), or (n, L, D) with a square of regions")


def _declared(shape: Iterable[int | str | None]) -> list[str]:
    """The layouts whose number of features is declared, and height and width are left open."""
    fixed = [isinstance(side, int) for side in shape]
    return [layout for layout, (d, h, w) in LAYOUTS.items()
            if len(fixed) == 4 and fixed[d] and not fixed[h] and not fixed[w]]


def _in_proportion(shape: Shape, size: Grid) -> list[str]:
    """The layouts whose height and width are in the pictures' proportions, or equal beside another third.

    If none is exactly in proportion: those that one stride explains, with sides rounded up or down.
    """
    height, width = size
    sides = {layout: (shape[h], shape[w], shape[d]) for layout, (d, h, w) in LAYOUTS.items()}
    exact = [layout for layout, (h, w, _) in sides.items() if h * width == w * height]
    near = [layout for layout, (h, w, _) in sides.items()
            if (h - 1) * width < (w + 1) * height and (w - 1) * height < (h + 1) * width]
    equal = [layout for layout, (h, w, d) in sides.items() if h == w != d]
    return [*(exact or near), *equal]


def _as_wide(shape: Shape, widths: set[int]) -> list[str]:
    """The layouts with as many features as one of the model's vectors has numbers."""
    return [layout for layout, (d, _, _) in LAYOUTS.items() if shape[d] in widths]
