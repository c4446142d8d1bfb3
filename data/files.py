"""Reading text, JSON and HDF5 files with one-line errors that name the file; writing HDF5."""
import codecs
import contextlib
import errno
import hashlib
import io
import json
import math
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data.looking import check_storage, look_at
from data.sealed import new_sealed, open_sealed


def read_text(path: str | os.PathLike) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark -> str with line ends \\n.

    Raises FileNotFoundError or ValueError.
    """
    return decode_text(_existing(path).read_bytes(), path)


def decode_text(content: bytes, where: object) -> str:
    """The same from the bytes of a file; where: its name, for errors."""
    utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: expected text in UTF-8, found something else ({error}): save it as UTF-8"
                         ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file. Raises FileNotFoundError or ValueError."""
    try:
        return json.loads(_existing(path).read_bytes())
    except (ValueError, RecursionError) as error:          # RecursionError: thousands of nested brackets
        raise ValueError(f"{path}: expected JSON in UTF-8, found something else ({error})") from error


def read_hdf5(path: str | os.PathLike, names: Collection[str] | None = None, sealed: str = "") -> dict[str, np.ndarray]:
    """Read the datasets of an HDF5 file, all or those of these names that exist -> {name: array}.

    sealed: the kind of a file that new_hdf5 wrote with a digest, which is verified; "" for files without one.
    Raises FileNotFoundError or ValueError.
    """
    remedy = "python -m scripts.prepare_data writes one that has it"
    with hdf5_errors(path), (
            open_sealed(_existing(path), sealed, remedy) if sealed else open_hdf5(path)) as file:
        found = {name: file.get(name) for name in file if names is None or name in names}
        return {name: _read(dataset) for name, dataset in found.items() if isinstance(dataset, h5py.Dataset)}


def open_hdf5(path: str | os.PathLike) -> h5py.File:
    """Open an HDF5 file to read, after another process has done so. Raises what hdf5_errors turns into ValueError."""
    look_at(_existing(path))
    return h5py.File(path, "r")


@contextlib.contextmanager
def hdf5_errors(where: object) -> Iterator[None]:
    """Turn the errors of a damaged HDF5 file, inside this block, into ValueError; all ValueError begin with `where`.

    FileNotFoundError passes unchanged, and PermissionError says so.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise PermissionError(f"{where}: cannot be read: permission denied") from error
    except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:      # what damaged files raise
        found = " ".join(str(error).split())
        raise ValueError(f"{where}: expected an HDF5 file, found one that is not an HDF5 file or is damaged: "
                         f"{found}") from error
    except ValueError as error:
        raise error if str(error).startswith(str(where)) else ValueError(f"{where}: {error}") from error


@contextlib.contextmanager
def new_hdf5(path: str | os.PathLike, sealed: str = "") -> Iterator[h5py.File]:
    """A new HDF5 file, filled in memory and written at the end, because HDF5 itself crashes on a full disk.

    sealed: its kind, such as "captions", if it shall carry a digest (data/sealed.py).
    """
    buffer = io.BytesIO()
    with new_sealed(buffer, sealed) if sealed else h5py.File(buffer, "w") as file:
        yield file
    try:
        Path(path).write_bytes(buffer.getbuffer())
    except OSError as error:
        raise OSError(f"{path}: {error.strerror or error}") from error


def is_full(error: OSError) -> bool:
    """Whether a disk, or a user's share of it, is full."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))


def megabytes(size: float) -> str:
    """Bytes in words, rounded up."""
    return f"{math.ceil(size / 1e5) / 10:,} MB"


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _read(dataset: h5py.Dataset) -> np.ndarray:
    check_storage(dataset)
    return np.asarray(dataset[()])


def _existing(path: str | os.PathLike) -> Path:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file" + (", that is a folder" if Path(path).is_dir() else ""))
    return Path(path)
