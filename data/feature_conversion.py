"""Writing the features of others as a feature file: what each axis is, which regions are real, the type of numbers."""
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.feature_axes import Layout, arrange, check_layout, describe_axes, find_layout, parse_layout, sizes
from data.feature_file import grid_attributes, new_feature_file, stated_grid, trailing_zeros, writing
from data.files import is_full, megabytes
from data.foreign_features import Foreign

Progress = Callable[[Iterable[np.ndarray]], Iterable[np.ndarray]]


class Conversion(NamedTuple):
    """What will be written. regions: (rows,) real ones, None if all are; shape: (rows, D) or (rows, L, D)."""
    foreign: Foreign
    layout: Layout
    shape: tuple[int, ...]
    dtype: np.dtype
    regions: np.ndarray | None
    attributes: dict[str, Any]


def layout_of(foreign: Foreign, path: Path, text: str | None = None) -> Layout:
    """What each axis is: given as text, else found. Raises ValueError if it is not plain, or the text does not fit."""
    grid = stated_grid(foreign.attributes)
    most = None if foreign.counts is None else int(foreign.counts.max())
    form = foreign.low, foreign.high, len(foreign.names), grid, most
    given = parse_layout(text) if text else None
    try:
        if given is None:
            return find_layout(*form)
        check_layout(given, *form)
        return given
    except ValueError as error:
        raise ValueError(f"{path}: {foreign.key} is {foreign.dtype.name} {error}") from error


def axes(foreign: Foreign, layout: Layout) -> list[str]:
    """A line on each axis."""
    return describe_axes(layout, foreign.low, foreign.high)


def survey(foreign: Foreign, layout: Layout, path: Path, half: bool = False, progress: Progress = iter) -> Conversion:
    """Read all features once -> what to write.

    half: float16 in any case; otherwise float16 where that changes no number, else float32. progress: wraps the images.
    Raises ValueError that names the image if its features are not finite, or beyond float16's range with `half`, or if
    it has fewer regions than stated.
    """
    stated = foreign.counts if "L" in layout else None
    trim = "L" in layout and stated is None and not stated_grid(foreign.attributes)
    counts, exact = [], True
    for row, x in enumerate(_images(foreign, layout, progress)):
        where = f"{path}: {foreign.names[row]}"
        counts.append(_real(x, None if stated is None else int(stated[row]), trim, where))
        exact = _check_numbers(x[:counts[-1]] if x.ndim == 2 else x, half, where) and exact
    regions, width = np.array(counts), foreign.high[layout.index("D")]
    most = int(regions.max())
    shape = (len(regions), most, width) if most > 1 else (len(regions), width)
    return Conversion(foreign, layout, shape, np.dtype(np.float16 if exact or half else np.float32),
                      None if (regions == most).all() else regions, _attributes(foreign, layout, most))


def write(conversion: Conversion, out: Path, progress: Progress = iter) -> None:
    """Write the feature file, row by row. Raises OSError, or ValueError if another run writes it; it is then absent."""
    foreign, shape = conversion.foreign, conversion.shape
    out.parent.mkdir(parents=True, exist_ok=True)
    regions = conversion.regions
    try:
        with writing(out, out), new_feature_file(out, shape, conversion.dtype, foreign.names, conversion.attributes,
                                                 regions) as file:
            for row, x in enumerate(_images(foreign, conversion.layout, progress)):
                full = np.zeros(shape[1:], conversion.dtype)
                if len(shape) == 2:
                    full[:] = x.reshape(-1, shape[-1])[0]
                else:
                    count = shape[1] if regions is None else regions[row]
                    full[:count] = x[:count]
                file.write(full.tobytes())
    except OSError as error:
        needed = f", {megabytes(math.prod(shape) * conversion.dtype.itemsize)} are needed" if is_full(error) else ""
        raise OSError(f"{out}: {error.strerror or error}: nothing was written{needed}") from error


def _attributes(foreign: Foreign, layout: Layout, regions: int) -> dict[str, Any]:
    """Those of the input and what it was taken for; the grid only if all of it is written."""
    size = dict(zip(layout, foreign.high))
    grid = (size["h"], size["w"]) if "h" in size and foreign.low == foreign.high else None
    stated = stated_grid(foreign.attributes)
    keep = stated is not None and math.prod(stated) == regions and "L" in size
    kept = {key: value for key, value in foreign.attributes.items() if key not in ("grid", "region_order") or keep}
    return {**kept, **(grid_attributes(grid) if grid and regions > 1 else {}),
            "layout": f"{','.join(layout)} of {foreign.dtype.name} {sizes(foreign.low, foreign.high)}"}


def _images(foreign: Foreign, layout: Layout, progress: Progress) -> Iterator[np.ndarray]:
    for x in progress(foreign.read(layout.index("rows"))):
        yield arrange(x, layout)


def _real(x: np.ndarray, stated: int | None, trim: bool, where: str) -> int:
    """How many regions of an image are real, at least one."""
    if x.ndim == 1:
        return 1
    if stated is not None and not 1 <= stated <= len(x):
        raise ValueError(f"{where}: {stated} regions are stated, expected 1 to {len(x)}, as many as there are at most")
    return int(stated) if stated is not None else max(1, len(x) - int(trailing_zeros(x[None])[0]) if trim else len(x))


def _check_numbers(x: np.ndarray, half: bool, where: str) -> bool:
    """Whether float16 has the same numbers. Raises ValueError if float32, or float16 with `half`, cannot hold them."""
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
        narrow = x.astype(np.float16)
    if not np.isfinite(x).all():
        raise ValueError(f"{where}: NaN or infinity, expected finite numbers: extract that image's features again")
    if half and not np.isfinite(narrow).all():
        raise ValueError(f"{where}: its features reach {np.abs(x).max():.3g}, beyond float16's 65504: leave out "
                         "--float16")
    return bool((narrow == x).all())
