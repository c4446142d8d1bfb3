"""Image features in HDF5 files, read by rows; a copy in memory is kept only within a given budget."""
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from data.feature_file import open_features, read_counts, read_names, stated_grid, trailing_zeros, unread_counts
from data.files import hdf5_errors, new_hdf5

MODEL_KEYS = ("model", "model_sha256", "layer", "onnx_output", "input", "resize")   # attributes: what made the features
BLOCK_BYTES = 2**24          # the most read at once, even if the file's chunks are larger


class FeatureReader:
    """Rows of an HDF5 file with `features` (rows, D) or (rows, L, D), maybe names and `regions` (data/feature_file.py).

    reader[rows] with integer rows (n,), or a slice, gives float32 (n, D), for a grid the mean over its regions; or with
    `regions` the grid itself, (n, L, D). If the file says how many of an image's regions are real, means and statistics
    are those of the real ones, and the grid comes as (grid, None, counts): float32 with zeros as padding, and int64
    (n,).
    Features may be float16, float32, float64 or int8; a copy in memory is float16 or float32.
    Rows are checked for NaN and infinity as they are read. Raises ValueError that names the file and the row.
    """

    def __init__(self, path: str | os.PathLike, regions: bool = False) -> None:
        self.path, self.regions = str(path), regions
        self._dataset = open_features(self.path)
        self.file_shape, self.dtype = self._dataset.shape, self._dataset.dtype
        self.counts = read_counts(self._dataset, self.path)
        if regions and len(self.file_shape) != 3:
            raise ValueError(f"{self.path}: features is {self.file_shape}, one vector an image, expected a grid "
                             "(rows, L, D) for a model with attention")
        self.shape: tuple[int, ...] = self.file_shape if regions else (self.file_shape[0], self.file_shape[-1])
        row_bytes = math.prod(self.file_shape[1:]) * self.dtype.itemsize
        self._block = min(self._dataset.chunks[0] if self._dataset.chunks else 1, max(1, BLOCK_BYTES // row_bytes))
        self._slot = np.full(len(self), -1)                             # row -> place in the cache, or -1
        half = regions and self.dtype.itemsize <= 2                     # float16 holds int8 exactly
        self._cache = np.empty((0, *self.shape[1:]), np.float16 if half else np.float32)

    def __len__(self) -> int:
        return self.file_shape[0]

    def __repr__(self) -> str:
        return f"FeatureReader {self.shape} of {self.path}"

    def __getitem__(self, rows: Any) -> Any:
        rows = self._checked(rows)
        x = self._numbers(rows)
        return (x, None, self.counts[rows]) if self.regions and self.counts is not None else x

    def _numbers(self, rows: np.ndarray) -> np.ndarray:
        """Rows as float32 (n, D) or (n, L, D)."""
        if (self._slot[rows] >= 0).all():
            return self._cache[self._slot[rows]].astype(np.float32, copy=False)
        distinct, places = np.unique(rows, return_inverse=True)
        return self._read(distinct)[places.reshape(rows.shape)].astype(np.float32, copy=False)

    def in_memory(self, rows: np.ndarray) -> bool:
        """Whether all of these rows are kept in memory."""
        return bool((self._slot[rows] >= 0).all())

    def preload(self, rows: Any, budget: float) -> int:
        """Keep these rows in memory if they fit into `budget` bytes -> the bytes used, 0 if they do not fit."""
        rows = np.unique(self._checked(rows))
        self._slot[:] = -1                                              # forget what an earlier call kept
        size = len(rows) * math.prod(self.shape[1:]) * self._cache.itemsize
        if size > budget:
            return 0
        self._cache = self._read(rows)
        self._slot[rows] = np.arange(len(rows))
        return size

    def statistics(self, rows: Any, limit: int = 4096) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each feature over the distinct rows given -> two float32 (D,).

        All rows count if they are in memory; otherwise `limit` evenly spaced ones. Of a grid all real regions count. A
        constant feature has deviation 1.
        """
        rows = np.unique(self._checked(rows))
        if (self._slot[rows] < 0).any() and len(rows) > limit:
            rows = rows[np.linspace(0, len(rows) - 1, limit).astype(int)]
        total, square = np.zeros(self.shape[-1]), np.zeros(self.shape[-1])
        for i in range(0, len(rows), 256):
            x = self._numbers(rows[i:i + 256]).reshape(-1, self.shape[-1]).astype(np.float64)
            total, square = total + x.sum(axis=0), square + (x**2).sum(axis=0)
        count = len(rows) * math.prod(self.shape[1:-1])
        if self.regions and self.counts is not None:
            count = int(self.counts[rows].sum())                        # padding is zero in the sums
        mean = total / count
        std = np.sqrt(np.maximum(square / count - mean**2, 0))
        std[std <= 1e-6 * np.abs(mean)] = 1                             # only rounding of the sums
        return mean.astype(np.float32), std.astype(np.float32)

    def image_names(self) -> list[str] | None:
        """Names or ids of the rows' images as text, None if the file has none. Raises ValueError on duplicates."""
        return read_names(self._dataset, self.path)

    def attributes(self) -> dict[str, str]:
        """The file's attributes as strings: the model and layer that the features are from, if the file states them."""
        with hdf5_errors(self.path):
            attributes = sorted(self._dataset.parent.attrs.items())
        # Arrays as lists: NumPy's print options would shorten and round the text of an array.
        return {key: str(value.tolist() if hasattr(value, "tolist") else value) for key, value in attributes}

    def fingerprint(self) -> str:
        """SHA-256 over shape, dtype, attributes, names, `regions` and 16 evenly spaced rows: cheap for any file."""
        digest = hashlib.sha256(json.dumps([self.file_shape, str(self.dtype), self.attributes()]).encode())
        digest.update("\n".join(self.image_names() or []).encode())
        if self.counts is not None:
            digest.update(self.counts.tobytes())
        for row in self._sample(16):
            digest.update(self._load(row, row).tobytes())
        return digest.hexdigest()

    def notes(self) -> list[str]:
        """What a user should know about these features: their type if it is unusual, regions that look like padding."""
        notes = []
        if self.dtype.itemsize == 8 or self.dtype == np.int8:
            notes.append(f"{self.path}: features is {self.dtype.name}, read as float32")
        # A grid has the same regions in every image: zeros at its end are what the image model found there.
        if len(self.file_shape) == 3 and self.counts is None and not stated_grid(self.attributes()):
            zero = np.mean([trailing_zeros(self._load(row, row)) for row in self._sample(64)]) / self.file_shape[1]
            if zero:
                notes.append(f"{self.path}: {round(100 * zero) or 'less than 1'} % of the regions are zero: they look "
                             "like padding, but count in means, statistics and attention; convert it with python -m "
                             f"scripts.convert_features {self.path} --out NEW.h5, which states which ones are real")
            elif key := unread_counts(self._dataset, self.path):
                notes.append(f"{self.path}: {key} is not read, all regions count; if some are padding, convert the "
                             f"file with python -m scripts.convert_features {self.path} --out NEW.h5")
        return notes

    def pieces(self, first: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
        """Rows first..end-1 as stored, in pieces that fit into memory: (row, the numbers from that row on)."""
        row_bytes = math.prod(self.file_shape[1:]) * self.dtype.itemsize
        size = max(1, BLOCK_BYTES // row_bytes // self._block) * self._block
        for row in range(first, end, size):
            yield row, self._load(row, min(row + size, end) - 1)

    def broken(self, first: int, x: np.ndarray) -> np.ndarray:
        """Which rows have NaN or infinity, padding aside. x: numbers as stored, from row `first` on."""
        with np.errstate(over="ignore"):
            finite = np.isfinite(x if x.dtype.itemsize <= 4 else x.astype(np.float32))
        if self.counts is not None:
            finite |= (np.arange(x.shape[1]) >= self.counts[first:first + len(x), None])[..., None]
        return first + np.flatnonzero(~finite.reshape(len(x), -1).all(axis=1))

    def _sample(self, limit: int) -> np.ndarray:
        """Up to `limit` evenly spaced rows."""
        return np.unique(np.linspace(0, len(self) - 1, limit).astype(int))

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Rows in rising order from disk, in the form and dtype of the cache."""
        out = np.empty((len(rows), *self.shape[1:]), self._cache.dtype)
        for _, indices in itertools.groupby(range(len(rows)), key=lambda i: rows[i] // self._block):
            group = list(indices)                                       # rows that share a chunk are read together
            out[group] = self._read_block(rows[group])
        return out

    def _read_block(self, rows: np.ndarray) -> np.ndarray:
        x = self._load(rows[0], rows[-1])[rows - rows[0]]
        counts = None if self.counts is None else self.counts[rows]
        if counts is not None:
            x[np.arange(x.shape[1]) >= counts[:, None]] = 0
        with np.errstate(over="ignore", invalid="ignore"):              # infinities are found below
            if x.ndim == 3 and not self.regions:
                x = x.mean(axis=1, dtype=np.float32) if counts is None else (
                    x.sum(axis=1, dtype=np.float32) / counts[:, None].astype(np.float32))
            x = x.astype(self._cache.dtype, copy=False)
        finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
        if not finite.all():
            raise ValueError(f"{self.path}: row {rows[finite.argmin()]} of features has NaN or infinity, "
                             "expected finite numbers: extract that image's features again")
        return x

    def _load(self, first: int, last: int) -> np.ndarray:
        """Rows first..last as stored."""
        with hdf5_errors(f"{self.path}: rows {first}..{last}"):
            return self._dataset[first:last + 1]

    def _checked(self, rows: Any) -> np.ndarray:
        rows = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        if rows.size and rows.dtype.kind not in "iu":
            raise ValueError(f"{self.path}: rows {rows.dtype} asked for, expected integers")
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise ValueError(f"{self.path}: rows {rows.min()}..{rows.max()} asked for, expected 0..{len(self) - 1}")
        return rows.astype(np.intp)


class PairReader:
    """Grid and pooled features of the same images: reader[rows] gives (grid, pooled), or (grid, pooled, counts)."""

    def __init__(self, grid: FeatureReader, pooled: FeatureReader) -> None:
        if len(grid) != len(pooled):
            raise ValueError(f"{pooled.path}: has {len(pooled)} rows, expected {len(grid)} as in {grid.path}")
        self.grid, self.pooled, self.path, self.shape, self.file_shape = (
            grid, pooled, grid.path, grid.shape, grid.file_shape)

    def __len__(self) -> int:
        return len(self.grid)

    def __getitem__(self, rows: Any) -> tuple[np.ndarray, ...]:
        if self.grid.counts is None:
            return self.grid[rows], self.pooled[rows]
        grid, _, counts = self.grid[rows]
        return grid, self.pooled[rows], counts

    def in_memory(self, rows: np.ndarray) -> bool:
        """Whether all of these rows of both are kept in memory."""
        return self.grid.in_memory(rows) and self.pooled.in_memory(rows)

    def preload(self, rows: Any, budget: float) -> int:
        """Keep the pooled rows in memory, and the grid's if both fit into `budget` bytes -> the bytes used."""
        used = self.pooled.preload(rows, budget)
        return used + self.grid.preload(rows, budget - used)

    def image_names(self) -> list[str] | None:
        """Names of the rows' images, as in the grid's file."""
        return self.grid.image_names()

    def attributes(self) -> dict[str, str]:
        """The attributes of the grid, and those of the pooled features with pooled_ before their names."""
        pooled = {f"pooled_{key}": value for key, value in self.pooled.attributes().items()}
        return {**self.grid.attributes(), **pooled}

    def fingerprint(self) -> str:
        """SHA-256 over both fingerprints."""
        return hashlib.sha256((self.grid.fingerprint() + self.pooled.fingerprint()).encode()).hexdigest()


def check_same_kind(readers: Mapping[str, FeatureReader]) -> None:
    """Require features of one width, model and layer for all splits. Raises ValueError."""
    first, *others = readers.values()
    for other in others:
        kinds = [{"width": str(r.shape[-1]), **{k: v for k, v in r.attributes().items() if k in MODEL_KEYS}}
                 for r in (first, other)]
        for key in kinds[0].keys() & kinds[1].keys():
            if kinds[0][key] != kinds[1][key]:
                raise ValueError(f"{other.path}: {key} {kinds[1][key]}, but {first.path} has {key} {kinds[0][key]}: "
                                 "expected features of one model and layer for all splits")


def write_features(path: str | os.PathLike, features: np.ndarray, image_names: Iterable[str],
                   **attributes: Any) -> None:
    """Write features, float16 or float32 (rows, D) or (rows, L, D), with their images' names."""
    with new_hdf5(path) as f:
        f.create_dataset("features", data=features, chunks=(1, *features.shape[1:]) if features.ndim == 3 else None)
        f.create_dataset("image_names", data=list(image_names), dtype=h5py.string_dtype())
        f.attrs.update(attributes)
