"""What a feature file holds beside numbers, checked: the form of `features`, names, regions, attributes; writing one.

    features      (rows, D) or (rows, L, D)
    image_names   (rows,) text; or image_id, image_ids, ids, integers or text
    regions       (rows,) integers 1..L, optional: so many of an image's L regions are real, those after them padding
"""
import contextlib
import io
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from data.files import hdf5_errors, open_hdf5
from data.locks import Lock
from data.looking import check_storage

NAME_KEYS = ("image_names", "image_id", "image_ids", "ids")
COUNT_KEYS = ("num_boxes", "num_bbox", "num_bboxes", "num_regions")       # others' names for `regions`
CONVERT = "python -m scripts.convert_features reads other layouts"


def open_features(path: str) -> h5py.Dataset:
    """The dataset `features` of a file. Raises FileNotFoundError or ValueError."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such feature file")
    with hdf5_errors(path):
        file = open_hdf5(path)
        features = file.get("features")
        if not isinstance(features, h5py.Dataset):
            raise ValueError(f"{path}: no dataset 'features', found {few(list(map(str, file)))}: {CONVERT}")
        if not readable(features.dtype) or features.ndim not in (2, 3) or 0 in features.shape:
            raise ValueError(f"{path}: features is {features.dtype} {features.shape}, expected float16, float32, "
                             f"float64 or int8 (rows, D) or (rows, L, D) with at least one row: {CONVERT}")
        check_storage(features)
        _check_grid(path, features)
        return features


def readable(dtype: np.dtype) -> bool:
    """Whether features may have this type: float16, float32 or float64 of any byte order, or int8."""
    return dtype.kind == "f" and dtype.itemsize in (2, 4, 8) or dtype == np.int8


def few(names: Sequence[str]) -> str:
    """At most five names and the number of the others, for a message."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(f"{name:.80}" for name in names[:5]) + more if names else "nothing"


def stated_grid(attributes: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) of the regions as the attribute `grid` states it, None without it."""
    sides = re.findall(r"\d+", str(attributes.get("grid", "")))
    return (int(sides[0]), int(sides[1])) if len(sides) == 2 else None


def grid_attributes(grid: Sequence[int]) -> dict[str, Any]:
    """The attributes of features whose regions are a grid (height, width), row by row."""
    return {"grid": np.array(grid, np.int32),
            "region_order": f"row-major: region = {grid[1]}*row + column, row 0 at the top"}


def _check_grid(path: str, features: h5py.Dataset) -> None:
    """Raise ValueError if (rows, L, D) contradicts the attribute `grid`, or `grid` the attribute `input`."""
    attributes = features.parent.attrs
    grid = stated_grid(attributes)
    if grid is None or features.ndim != 3:
        return
    found = f"{path}: features is {features.shape}, and its attribute grid is {grid}"
    if math.prod(grid) != features.shape[1]:
        raise ValueError(f"{found}, expected {math.prod(grid)} regions, (rows, {math.prod(grid)}, D): {CONVERT}")
    picture = re.match(r"(\d+)x(\d+) ", str(attributes.get("input", "")))
    if picture and max(grid) > features.shape[2] and 0 not in grid:
        width, height = int(picture[1]), int(picture[2])
        if not 0.5 <= grid[1] * height / (grid[0] * width) <= 2:
            raise ValueError(f"{found}, out of proportion to the input, {width}x{height}: the axes h, w and D were "
                             "mixed up when it was written: extract the features again")


def read_names(features: h5py.Dataset, path: str) -> list[str] | None:
    """The names of the rows' images as text, None if the file has none. Raises ValueError."""
    with hdf5_errors(path):
        key = next((key for key in NAME_KEYS if key in features.parent), None)
        if key is None:
            return None
        stored = features.parent[key]
        shape = getattr(stored, "shape", "a group")
        if shape != features.shape[:1]:
            raise ValueError(f"{path}: {key} is {shape}, expected {features.shape[:1]}, one name for each row of "
                             "features")
        check_storage(stored)
        names = as_text(stored[()])
    check_distinct(names, f"{path}: {{}} in {key}")
    return names


def as_text(names: np.ndarray) -> list[str]:
    """Names stored as bytes, text or numbers -> list of str. Raises UnicodeDecodeError."""
    names = names.astype(np.int64) if names.dtype.kind == "f" and (names == np.floor(names)).all() else names
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]


def check_distinct(names: Sequence[str], message: str = "{}") -> None:
    """Raise ValueError if a name occurs twice; `{}` in the message becomes what was found."""
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise ValueError(f"{message.format(f'{twice!r} occurs twice')}, expected one row an image")


def read_counts(features: h5py.Dataset, path: str) -> np.ndarray | None:
    """`regions`, the numbers of real regions, int64 (rows,); None without it or for (rows, D). Raises ValueError."""
    with hdf5_errors(path):
        if features.ndim == 2 or "regions" not in features.parent:
            return None
        stored = features.parent["regions"]
        found = f"{stored.dtype} {stored.shape}" if isinstance(stored, h5py.Dataset) else "a group"
        if found == "a group" or stored.dtype.kind not in "iu" or stored.shape != features.shape[:1]:
            raise ValueError(f"{path}: regions is {found}, expected integers {features.shape[:1]}, the number of real "
                             "regions in each row of features")
        check_storage(stored)
        counts = stored[()]
    wrong = (counts < 1) | (counts > features.shape[1])
    if wrong.any():
        row = wrong.argmax()
        raise ValueError(f"{path}: row {row} of regions is {counts[row]}, expected 1 to {features.shape[1]}")
    return counts.astype(np.int64)


def unread_counts(features: h5py.Dataset, path: str) -> str | None:
    """The dataset of (rows, L, D) without `regions` that states fewer than L regions in its stead; None without one."""
    with hdf5_errors(path):
        for key in COUNT_KEYS:
            stored = features.parent.get(key)
            if isinstance(stored, h5py.Dataset) and stored.size == len(features) and stored.dtype.kind in "iuf" and (
                    stored[()] < features.shape[1]).any():
                return key
    return None


def trailing_zeros(x: np.ndarray) -> np.ndarray:
    """How many regions at the end of each image are all zero: (n, L, D) -> int (n,)."""
    used = (x != 0).any(axis=-1)                                        # NaN counts as used
    return np.where(used.any(axis=1), used[:, ::-1].argmax(axis=1), x.shape[1])


def writing(path: str | os.PathLike, where: object) -> Lock:
    """The lock on writing a feature file. where: what is written, for the others' message."""
    path = Path(path)
    return Lock(path.with_name(f".{path.name}.lock"), f"{where}: another run is writing it, expected one at a time")


def _frame(shape: Sequence[int], dtype: Any, names: Sequence[str], attributes: Mapping[str, Any],
           regions: np.ndarray | None = None) -> tuple[memoryview, int]:
    """A feature file that lacks only the numbers -> its bytes, the offset at which the numbers belong.

    It is made in memory, because HDF5 crashes on a full disk. HDF5 allocates the numbers' space last, so that it
    neither writes nor stores it.
    """
    buffer, early = io.BytesIO(), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    with h5py.File(buffer, "w") as file:
        file.attrs.update(attributes)
        file.create_dataset("image_names", data=list(names), dtype=h5py.string_dtype())
        if regions is not None:
            file["regions"] = regions
        features = file.create_dataset("features", shape, dtype, fill_time="never", dcpl=early)
        offset = features.id.get_offset()
    return buffer.getbuffer(), offset


@contextlib.contextmanager
def new_feature_file(path: str | os.PathLike, *frame: Any) -> Iterator[BinaryIO]:
    """A new feature file, open where the numbers of its rows belong: write their bytes, one row after the other.

    frame: what _frame takes. The file is complete at the end of the block; if the block fails there is none.
    Raises OSError on a full disk.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.h5.part")
    try:
        content, offset = _frame(*frame)
        with open(temporary, "wb") as out:
            out.write(content)
            out.seek(offset)
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
