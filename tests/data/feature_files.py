"""Small feature files in every layout that HDF5 offers, for the tests of data/features.py."""
import h5py
import numpy as np

ROWS, L, D = 23, 5, 7
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": 4},
    "compressed": {"chunks": 4, "compression": "gzip"},
    "one row a chunk": {"chunks": 1, "compression": "lzf"},
    "columns": {"chunks": ROWS, "columns": 2, "compression": "gzip"},
}
NAMES = [f"bild_{i}_ü.jpg" for i in range(ROWS)]


def make(rng, dtype=np.float32, rank=2, rows=ROWS):
    """Random features: (rows, D), or (rows, L, D) for rank 3."""
    return (3 + rng.standard_normal((rows, L, D) if rank == 3 else (rows, D))).astype(dtype)


def write(path, values, layout="contiguous", names=None, **attributes):
    """Write a feature file -> its path."""
    options = dict(LAYOUTS[layout])
    if options:
        options["chunks"] = (options["chunks"], *values.shape[1:-1], options.pop("columns", values.shape[-1]))
    with h5py.File(path, "w") as f:
        f.create_dataset("features", data=values, **options)
        if names is not None:
            f["image_names"] = names
        f.attrs.update(attributes)
    return path


def expected(values, rows):
    """What a reader without regions gives for these rows, in float64."""
    values = values[rows].astype(np.float64)
    return values.mean(axis=-2) if values.ndim == 3 else values
