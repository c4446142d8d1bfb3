"""Values as bytes, for the pipe between the grader and the process under test. Reading them cannot run code.

A message is the length of the rest, the length of a JSON text, the text, and the bytes of the arrays.
"""
import json
import math
import struct
from typing import NamedTuple

import numpy as np

LARGEST = 1 << 26                   # bytes of a message
KINDS = "biufc"


def encode(value):
    """Bytes of None, booleans, numbers, texts, arrays of numbers, and tuples, lists and dicts of these.

    Anything else is sent as the name of its type: see Unknown. Raises ValueError if the message is too large.
    """
    blobs = []
    text = json.dumps(_pack(value, blobs)).encode()
    body = struct.pack("<I", len(text)) + text + b"".join(blobs)
    if len(body) > LARGEST:
        raise ValueError(f"arguments or results of {len(body):,} bytes, expected at most {LARGEST:,}")
    return struct.pack("<Q", len(body)) + body


def read(stream):
    """The next value from a binary stream. Raises EOFError at the end, ValueError on bytes not made by encode()."""
    size, = struct.unpack("<Q", _exactly(stream, 8))
    if not 4 <= size <= LARGEST:
        raise ValueError(f"a message of {size} bytes, expected at most {LARGEST}")
    body = _exactly(stream, size)
    length, = struct.unpack_from("<I", body)
    try:
        return _unpack(json.loads(body[4:4 + length]), memoryview(body)[4 + length:])
    except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a message: {error}") from error


class Unknown:
    """Stands for an object that cannot be sent; subclasses carry the name of its type."""

    def __repr__(self):
        return f"an object of type {type(self).__name__}"


class Reference(NamedTuple):
    """Stands for an object that stays in the other process."""
    number: int


def _pack(value, blobs):
    if isinstance(value, Reference):
        return {"reference": value.number}
    if value is None or isinstance(value, (bool, str)) or type(value) in (int, float):
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in KINDS:
        array = np.asarray(value)
        blobs.append(array.tobytes())
        return {"array": array.dtype.str, "shape": array.shape, "scalar": not isinstance(value, np.ndarray)}
    if isinstance(value, (tuple, list)):
        return {"tuple" if isinstance(value, tuple) else "list": [_pack(part, blobs) for part in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _pack(part, blobs) for key, part in value.items()}}
    return {"unknown": type(value).__name__}


def _unpack(packed, blobs):
    position = 0

    def build(node):
        nonlocal position
        if not isinstance(node, dict):
            return node
        if "array" in node:
            dtype = np.dtype(str(node["array"]))
            shape = tuple(int(n) for n in node["shape"])
            size = math.prod(shape) * dtype.itemsize
            if dtype.kind not in KINDS or min(shape, default=0) < 0 or position + size > len(blobs):
                raise ValueError("not a message: an array that is not there")
            array = np.frombuffer(blobs[position:position + size], dtype).reshape(shape).copy()
            position += size
            return array[()] if node["scalar"] else array
        if "tuple" in node or "list" in node:
            return tuple(map(build, node["tuple"])) if "tuple" in node else [build(part) for part in node["list"]]
        if "dict" in node:
            return {key: build(part) for key, part in node["dict"].items()}
        if "reference" in node:
            return Reference(int(node["reference"]))
        kind = str(node["unknown"])[:60]
        return type(kind if kind.isidentifier() else "unknown", (Unknown,), {})()
    return build(packed)


def _exactly(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the other side has gone")
    return data
