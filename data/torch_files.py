"""Reading files of torch.save without torch: a zip of a pickle and raw tensors.

A pickle is a program, so it is inspected before it runs: allowed are the instructions that make numbers, text, lists,
tuples and dicts; of all functions that a pickle may call by name, only those that make tensors are allowed.
"""
from __future__ import annotations

import io
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

STORAGES = {"DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4",
            "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"}
OPCODES = """PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE
    SHORT_BINUNICODE EMPTY_LIST EMPTY_DICT EMPTY_TUPLE APPEND APPENDS SETITEM SETITEMS TUPLE TUPLE1 TUPLE2 TUPLE3
    BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BINPERSID"""
MAX_PICKLE = 2**26                  # bytes: a vocabulary of a million words


def read_torch(path: str | os.PathLike) -> Any:
    """Read tensors and plain containers that torch.save wrote; tensors become read-only arrays.

    Raises FileNotFoundError, or ValueError for another kind of file, a damaged file, or other contents.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as file:
            return _Reader(file).read()
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: {error}, expected only tensors and plain containers: nothing was read") from error
    except Exception as error:                           # damaged zips and pickles raise all kinds of errors
        raise ValueError(f"{path}: expected a zip that torch.save wrote (torch 1.6 or newer), found another kind of "
                         f"file or a damaged one: {' '.join(str(error).split()) or type(error).__name__}") from error


class Storage(NamedTuple):
    """The numbers of a file's entry, in one row. A type of its own, so that a tensor cannot pass for a storage."""
    numbers: np.ndarray


class _Reader:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file = file
        self.arrays: dict[tuple[Any, np.dtype], Storage] = {}
        self.folder, = {name.rpartition("/")[0] for name in file.namelist() if name.endswith("data.pkl")}
        self.left = sum(entry.file_size for entry in file.infolist())
        names = file.namelist()
        order = self._entry("byteorder") if f"{self.folder}/byteorder" in names else b"little"
        orders: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}
        self.order = orders[order.strip()]

    def read(self) -> Any:
        content = self._entry("data.pkl", MAX_PICKLE)
        allowed = set(OPCODES.split())
        for opcode, _, _ in pickletools.genops(content):
            if opcode.name not in allowed:
                raise pickle.UnpicklingError(f"holds the instruction {opcode.name}")
        return _Unpickler(self, content).load()

    def storage(self, kind: np.dtype, key: Any, count: int) -> Storage:
        """The numbers (count,) that one or several tensors use, read once."""
        if (key, kind) not in self.arrays:
            size = count * kind.itemsize
            content = self._entry(f"data/{int(key)}", size)
            if len(content) != size:
                raise ValueError(f"data/{key} has {len(content)} bytes, expected {size}")
            self.arrays[key, kind] = Storage(np.frombuffer(content, kind))
        return self.arrays[key, kind]

    def _entry(self, name: str, limit: int = 64) -> bytes:
        """An entry of the zip. Torch does not compress entries, so none may be larger than the file."""
        entry = self.file.getinfo(f"{self.folder}/{name}")
        self.left -= entry.file_size
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit or self.left < 0:
            raise ValueError(f"{name} is compressed, or larger than it should be")
        return self.file.read(entry)


class _Unpickler(pickle._Unpickler):                     # in Python: a pickle can make the one in C allocate gigabytes
    def __init__(self, reader: _Reader, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self.reader = reader

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return np.dtype(STORAGES[name]).newbyteorder(self.reader.order)
        known = {("torch._utils", "_rebuild_tensor_v2"): _tensor, ("collections", "OrderedDict"): OrderedDict}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"asks for {f'{module}.{name}'[:100]!r}")
        return known[module, name]

    def persistent_load(self, key: Any) -> Storage:
        kind, dtype, name, _, count = key
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("holds something other than tensors outside of the pickle")
        return self.reader.storage(dtype, name, count)


def _tensor(stored: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    """A view of a storage, (*shape). Raises ValueError if it would reach outside."""
    if not isinstance(stored, Storage):
        raise pickle.UnpicklingError(f"holds a tensor made of {type(stored).__name__}")
    storage, numbers = stored.numbers, (offset, *shape, *strides)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
    inside = all(type(n) is int and n >= 0 for n in numbers) and len(shape) == len(strides) and last < len(storage)
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    if not inside or np.prod(shape, dtype=object) > len(storage):
        raise ValueError(f"a tensor of {shape} does not fit into {len(storage)} numbers")
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, [step * storage.itemsize for step in strides],
                                           writeable=False)
    return view.astype(storage.dtype.newbyteorder("="), copy=False)
