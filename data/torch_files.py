"""Files that torch.save wrote, read without torch: a zip of a pickle and raw tensors.

A pickle is a program, so this one is looked through before it runs: only the instructions that make numbers, text,
lists, tuples and dicts are let through, and of everything that it may call by name only what makes tensors.
"""
import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

STORAGES = {"DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4",
            "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"}
OPCODES = """PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE
    SHORT_BINUNICODE EMPTY_LIST EMPTY_DICT EMPTY_TUPLE APPEND APPENDS SETITEM SETITEMS TUPLE TUPLE1 TUPLE2 TUPLE3
    BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BINPERSID"""
MAX_PICKLE = 2**26                  # bytes: a vocabulary of a million words


def read_torch(path):
    """What torch.save wrote of tensors and plain containers -> the same with arrays, read-only, for tensors.

    Raises FileNotFoundError, or ValueError for another kind of file, a damaged one, and one that holds anything else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as file:
            return _Reader(file).read()
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: {error}, expected tensors and plain containers alone: nothing was read") from error
    except Exception as error:                           # damaged zips and pickles fail in endless ways
        raise ValueError(f"{path}: expected a zip that torch.save wrote (torch 1.6 or newer), found another kind of "
                         f"file or a damaged one: {' '.join(str(error).split()) or type(error).__name__}") from error


class Storage(NamedTuple):
    """Numbers from the file, one after the other. No tensor passes for one: its own may lie anywhere in another's."""
    numbers: np.ndarray


class _Reader:
    def __init__(self, file):
        self.file, self.arrays = file, {}
        self.folder, = {name.rpartition("/")[0] for name in file.namelist() if name.endswith("data.pkl")}
        self.left = sum(entry.file_size for entry in file.infolist())
        names = file.namelist()
        order = self._entry("byteorder") if f"{self.folder}/byteorder" in names else b"little"
        self.order = {b"little": "<", b"big": ">"}[order.strip()]

    def read(self):
        content = self._entry("data.pkl", MAX_PICKLE)
        allowed = set(OPCODES.split())
        for opcode, _, _ in pickletools.genops(content):
            if opcode.name not in allowed:
                raise pickle.UnpicklingError(f"holds the instruction {opcode.name}")
        return _Unpickler(self, content).load()

    def storage(self, kind, key, count):
        """The numbers that one tensor or several are made of -> Storage of (count,), read once."""
        if (key, kind) not in self.arrays:
            size = count * kind.itemsize
            content = self._entry(f"data/{int(key)}", size)
            if len(content) != size:
                raise ValueError(f"data/{key} has {len(content)} bytes, expected {size}")
            self.arrays[key, kind] = Storage(np.frombuffer(content, kind))
        return self.arrays[key, kind]

    def _entry(self, name, limit=64):
        """An entry of the zip; torch compresses none, so that none is larger than the file."""
        entry = self.file.getinfo(f"{self.folder}/{name}")
        self.left -= entry.file_size
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit or self.left < 0:
            raise ValueError(f"{name} is compressed, or larger than it should be")
        return self.file.read(entry)


class _Unpickler(pickle._Unpickler):                     # in Python: the one in C can be told to allocate gigabytes
    def __init__(self, reader, content):
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self.reader = reader

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return np.dtype(STORAGES[name]).newbyteorder(self.reader.order)
        known = {("torch._utils", "_rebuild_tensor_v2"): _tensor, ("collections", "OrderedDict"): OrderedDict}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"asks for {f'{module}.{name}'[:100]!r}")
        return known[module, name]

    def persistent_load(self, key):
        kind, dtype, name, _, count = key
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("has something else than tensors outside of the pickle")
        return self.reader.storage(dtype, name, count)


def _tensor(storage, offset, shape, strides, *_):
    """A view of a storage, (*shape). Raises ValueError where it would reach outside."""
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError(f"has a tensor made of {type(storage).__name__}")
    storage, numbers = storage.numbers, (offset, *shape, *strides)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
    inside = all(type(n) is int and n >= 0 for n in numbers) and len(shape) == len(strides) and last < len(storage)
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    if not inside or np.prod(shape, dtype=object) > len(storage):
        raise ValueError(f"a tensor of {shape} does not fit into {len(storage)} numbers")
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, [step * storage.itemsize for step in strides],
                                           writeable=False)
    return view.astype(storage.dtype.newbyteorder("="), copy=False)
