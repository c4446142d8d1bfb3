"""Which axis of somebody's features is what: rows (images), D (features), L (regions), h and w (a grid of regions)."""
import math
from collections.abc import Sequence

import numpy as np

MEANING = {"rows": "images", "D": "features", "L": "regions", "h": "height of the grid", "w": "width of the grid"}
FORMS = {2: ["rows,D", "D,rows"], 3: ["rows,L,D", "rows,D,L"], 4: ["rows,h,w,D", "rows,D,h,w"]}
Layout = tuple[str, ...]


def parse_layout(text: str) -> Layout:
    """A layout like rows,D,h,w -> its letters. Raises ValueError for others."""
    letters = tuple(letter.strip() for letter in text.split(","))
    if sorted(letters) not in ([*"D", "rows"], [*"DL", "rows"], ["D", "h", "rows", "w"]):
        raise ValueError(f"--layout {text:.80}: expected rows and D, with L or with h and w, in the order of the axes, "
                         "for example rows,D,h,w")
    return letters


def find_layout(low: Sequence[int], high: Sequence[int], rows: int, grid: tuple[int, int] | None = None,
                most: int | None = None) -> Layout:
    """The only layout that fits features whose axes have `low` to `high` entries (they differ where images do).

    rows: number of images; grid: (height, width) of the regions, if stated; most: the largest number of regions of an
    image, if stated. Raises ValueError with all layouts that fit if there are several, and if there is none.
    """
    shape = sizes(low, high)
    if len(high) not in FORMS:
        raise ValueError(f"{shape}, expected (images, features), (images, regions, features), (images, height, width, "
                         "features) or the same in another order")
    if high[0] != rows:
        raise ValueError(f"{shape} with the names of {rows} images, expected {rows} on axis 0; if another axis has "
                         "them, --layout with rows in that place")
    layouts = [tuple(text.split(",")) for text in FORMS[len(high)]]
    sized = [layout for layout in layouts if _fits(layout, low, high, rows, grid, None)]
    forms = [layout for layout in sized if _fits(layout, low, high, rows, grid, most)]
    exact = [layout for layout in forms if "L" in layout and high[layout.index("L")] == most]
    if not exact and any(_plain(layout, sized, high) for layout in sized if layout not in forms):
        forms = []                                  # more regions are stated than there are: the file is wrong
    for chosen in (forms, exact, [layout for layout in forms if _plain(layout, forms, high)]):
        if len(chosen) == 1:
            return chosen[0]
    if not forms:
        stated = f"a grid {grid}" if grid else f"up to {most} regions an image"
        raise ValueError(f"{shape} does not go with {stated} that the file states: expected --layout with what "
                         "each axis is, and a file that does not contradict itself")
    readings = " or ".join(f"{_reading(layout, low, high)} (--layout {','.join(layout)})" for layout in forms)
    raise ValueError(f"{shape} can be read in two ways, {readings}: give the one that is right")


def check_layout(layout: Layout, low: Sequence[int], high: Sequence[int], rows: int,
                 grid: tuple[int, int] | None = None, most: int | None = None) -> None:
    """Raise ValueError if features of this form cannot have the layout."""
    text, shape = ",".join(layout), sizes(low, high)
    if len(layout) != len(high):
        raise ValueError(f"{shape} has {len(high)} axes, --layout {text} has {len(layout)}")
    if not _fits(layout, low, high, rows, grid, most):
        stated = "".join([f", a grid {grid}" if grid else "", f", up to {most} regions an image" if most else ""])
        raise ValueError(f"{shape} with {rows} images{stated} does not go with --layout {text}: "
                         f"{_reading(layout, low, high)}")


def sizes(low: Sequence[int], high: Sequence[int]) -> str:
    """A shape as text, with 10..36 for an axis that differs."""
    return f"({', '.join(_size(a, b) for a, b in zip(low, high))})"


def describe_axes(layout: Layout, low: Sequence[int], high: Sequence[int]) -> list[str]:
    """A line on each axis: "axis 1, 2048: D, features"."""
    return [f"axis {axis}, {_size(low[axis], high[axis])}: {letter}, {MEANING[letter]}"
            for axis, letter in enumerate(layout)]


def arrange(x: np.ndarray, layout: Layout) -> np.ndarray:
    """One image's array, without the axis of rows -> (L, D) with regions row by row, or (D,)."""
    letters = [letter for letter in layout if letter != "rows"]
    x = x.transpose([letters.index(letter) for letter in ("L", "h", "w", "D") if letter in letters])
    return x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x


def _fits(layout: Layout, low: Sequence[int], high: Sequence[int], rows: int, grid: tuple[int, int] | None,
          most: int | None) -> bool:
    size = dict(zip(layout, high))
    same = low[layout.index("D")] == size["D"] and size["rows"] == rows
    if "L" in size:
        return same and (grid is None or size["L"] == math.prod(grid)) and size["L"] >= (most or 1)
    return same and ("h" not in size or grid in (None, (size["h"], size["w"])))


def _plain(layout: Layout, forms: list[Layout], high: Sequence[int]) -> bool:
    """Whether the sizes alone leave no doubt: usual ones for this layout, and none that are thinkable for the other."""
    size = dict(zip(layout, high))
    other = dict(zip(next((form for form in forms if form != layout), layout), high))
    if "h" in size:
        square = size["h"] == size["w"] <= 128 and size["h"] != size["D"]
        short, long = sorted((size["h"], size["w"]))
        wide = size["D"] >= 256 > other["D"] and long <= 64 and (long <= 4 * short or short == 1)
        return square or wide
    if "L" in size:
        usual = size["D"] >= 256 and (size["L"] <= 200 or _square(size["L"]))
        thinkable = other["D"] >= 256 and _square(other["L"]) or other["D"] >= 64 and (
            other["L"] <= 200 or other["L"] <= 400 and _square(other["L"]))
        return usual and not thinkable
    return False


def _square(number: int) -> bool:
    """Whether these are the patches of a square, or one more as transformers have it."""
    return number - math.isqrt(number)**2 in (0, 1)


def _size(low: int, high: int) -> str:
    return str(high) if low == high else f"{low}..{high}"


def _reading(layout: Layout, low: Sequence[int], high: Sequence[int]) -> str:
    return ", ".join(f"axis {axis} {_size(low[axis], high[axis])} {MEANING[letter]}"
                     for axis, letter in enumerate(layout) if letter != "rows")
