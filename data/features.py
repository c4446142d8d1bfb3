"""Image features in HDF5 files, read by rows, and never as a whole beyond a stated budget."""
import hashlib
import itertools
import json
import os

import h5py
import numpy as np


class FeatureReader:
    """Rows of an HDF5 file with `features` (rows, D) or (rows, L, D), float16 or float32, and maybe `image_names`.

    reader[rows] with integer rows (n,) gives float32 (n, D), the mean over the regions where the file has a grid.
    Rows are checked for NaN and infinity as they are read. Raises ValueError that names the file and the row.
    """

    def __init__(self, path):
        self.path = str(path)
        self._dataset = _open(self.path)
        self.file_shape, self.dtype = self._dataset.shape, self._dataset.dtype
        self.shape = (self.file_shape[0], self.file_shape[-1])          # as reader[...] gives them
        self._block = self._dataset.chunks[0] if self._dataset.chunks else 1
        self._slot = np.full(len(self), -1)                             # row -> place in the cache, or -1
        self._cache = np.empty((0, self.shape[1]), np.float32)

    def __len__(self):
        return self.file_shape[0]

    def __getitem__(self, rows):
        rows = np.asarray(rows)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise ValueError(f"{self.path}: rows {rows.min()}..{rows.max()} asked for, expected 0..{len(self) - 1}")
        if (self._slot[rows] >= 0).all():
            return self._cache[self._slot[rows]]
        distinct, places = np.unique(rows, return_inverse=True)
        return self._read(distinct)[places.reshape(rows.shape)]

    def preload(self, rows, budget):
        """Keep these rows in memory if they fit into `budget` bytes -> the bytes used, 0 if they do not fit."""
        rows = np.unique(rows)
        size = len(rows) * self.shape[1] * 4
        if size > budget:
            return 0
        self._cache = self._read(rows)
        self._slot[rows] = np.arange(len(rows))
        return size

    def statistics(self, rows, limit=4096):
        """Mean and standard deviation of each feature over the distinct rows given -> two float32 (D,).

        Rows in memory all count; of rows on disk `limit`, evenly spaced. Constant features get a deviation of 1.
        """
        rows = np.unique(rows)
        if (self._slot[rows] < 0).any() and len(rows) > limit:
            rows = rows[np.linspace(0, len(rows) - 1, limit).astype(int)]
        total, square = np.zeros(self.shape[1]), np.zeros(self.shape[1])
        for i in range(0, len(rows), 256):
            x = self[rows[i:i + 256]].astype(np.float64)
            total, square = total + x.sum(axis=0), square + (x**2).sum(axis=0)
        mean = total / len(rows)
        std = np.sqrt(np.maximum(square / len(rows) - mean**2, 0))
        std[std <= 1e-6 * np.abs(mean)] = 1
        std[std == 0] = 1
        return mean.astype(np.float32), std.astype(np.float32)

    def image_names(self):
        """Names of the rows' images -> list of str, None where there are none. Raises ValueError on duplicates."""
        if "image_names" not in self._dataset.parent:
            return None
        names = [n.decode() if isinstance(n, bytes) else str(n) for n in self._dataset.parent["image_names"][()]]
        if len(names) != len(self):
            raise ValueError(f"{self.path}: {len(names)} image_names for {len(self)} rows of features")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.path}: an image name occurs twice in image_names, expected one row an image")
        return names

    def attributes(self):
        """The file's attributes as strings: which model and layer the features are from, where the file says so."""
        return {key: str(value) for key, value in sorted(self._dataset.parent.attrs.items())}

    def fingerprint(self):
        """SHA-256 over shape, dtype, attributes, names and 16 evenly spaced rows: cheap for a file of any size."""
        digest = hashlib.sha256(json.dumps([self.file_shape, str(self.dtype), self.attributes()]).encode())
        digest.update("\n".join(self.image_names() or []).encode())
        for row in np.unique(np.linspace(0, len(self) - 1, 16).astype(int)):
            digest.update(self._dataset[row].tobytes())
        return digest.hexdigest()

    def _read(self, rows):
        """Rows in rising order from disk -> float32 (n, D)."""
        out = np.empty((len(rows), self.shape[1]), np.float32)
        for _, group in itertools.groupby(range(len(rows)), key=lambda i: rows[i] // self._block):
            group = list(group)                                         # rows that share a chunk are read together
            out[group] = self._read_block(rows[group])
        return out

    def _read_block(self, rows):
        first, last = int(rows[0]), int(rows[-1])
        try:
            x = self._dataset[first:last + 1][rows - first]
        except OSError as error:
            raise ValueError(f"{self.path}: rows {first}..{last} cannot be read (damaged file?): {error}") from error
        finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
        if not finite.all():
            raise ValueError(f"{self.path}: row {rows[finite.argmin()]} of features has NaN or infinity, "
                             "expected finite numbers: extract that image's features again")
        return x.mean(axis=1, dtype=np.float32) if x.ndim == 3 else x


def _open(path):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such feature file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not an HDF5 file, or a truncated one: {error}") from error
    if not isinstance(file.get("features"), h5py.Dataset):
        raise ValueError(f"{path}: no dataset 'features', found {', '.join(file) or 'nothing'}")
    features = file["features"]
    if features.dtype not in (np.float16, np.float32) or features.ndim not in (2, 3) or 0 in features.shape:
        raise ValueError(f"{path}: features is {features.dtype} {features.shape}, "
                         "expected float16 or float32 (rows, D) or (rows, L, D) with at least one row")
    return features


def write_features(path, features, image_names, **attributes):
    """Write features, float16 or float32 (rows, D) or (rows, L, D), with their images' names."""
    with h5py.File(path, "w") as f:
        f.create_dataset("features", data=features, chunks=(1, *features.shape[1:]) if features.ndim == 3 else None)
        f.create_dataset("image_names", data=list(image_names), dtype=h5py.string_dtype())
        f.attrs.update(attributes)
