"""Reading files that others wrote, where whatever is wrong becomes one line that names the file; writing HDF5."""
import contextlib
import hashlib
import io
import json
from pathlib import Path

import h5py
import numpy as np


def read_text(path):
    """A text file in UTF-8, with or without a byte order mark, line ends as \\n -> str.

    Raises FileNotFoundError or ValueError.
    """
    try:
        return _existing(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, found something else ({error})") from error


def read_json(path):
    """What a JSON file holds. Raises FileNotFoundError or ValueError."""
    try:
        return json.loads(_existing(path).read_bytes())
    except (ValueError, RecursionError) as error:          # RecursionError: brackets within brackets, thousands deep
        raise ValueError(f"{path}: expected JSON in UTF-8, found something else ({error})") from error


def read_hdf5(path, names=None):
    """The datasets of an HDF5 file, or of these names those that it has -> {name: array}.

    Raises FileNotFoundError or ValueError.
    """
    with hdf5_errors(path), h5py.File(_existing(path), "r") as file:
        wanted = [name for name in file if names is None or name in names]
        return {name: np.asarray(file[name][()]) for name in wanted if isinstance(file.get(name), h5py.Dataset)}


@contextlib.contextmanager
def hdf5_errors(where):
    """Reading HDF5 inside this block raises ValueError that begins with `where`; a missing file is left as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:      # how damaged files fail
        found = " ".join(str(error).split())
        raise ValueError(f"{where}: expected an HDF5 file, found one that is not an HDF5 file or is damaged: "
                         f"{found}") from error


@contextlib.contextmanager
def new_hdf5(path):
    """An HDF5 file to fill, made in memory and written at once: on a full disk HDF5 itself would crash."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        yield file
    try:
        Path(path).write_bytes(buffer.getbuffer())
    except OSError as error:
        raise OSError(f"{path}: {error.strerror or error}") from error


def sha256(path):
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _existing(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return Path(path)
