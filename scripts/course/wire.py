"""Values as bytes, for the pipe between the grader and the process under test. Reading them cannot run code.

A message is the length of the rest, the length of a JSON text, the text, and the bytes of the arrays. Its parts are
counted before any of them is built, so that a message costs its reader no more than these bounds.
"""
import json
import math
import struct
from typing import NamedTuple

import numpy as np

LARGEST = 1 << 26                   # bytes of a message; those of an assignment have up to 20,000
LONGEST = 1 << 20                   # bytes of its text; of an assignment up to 900
PARTS = 20_000                      # values in it, and in the shapes of its arrays; of an assignment up to 90
DEPTH, DIGITS = 50, 4000             # lists in lists; digits of a whole number
CHUNK = 1 << 20                     # bytes that are read at once
KINDS = "biufc"


def encode(value):
    """Bytes of None, booleans, numbers, texts, arrays of numbers, and tuples, lists and dicts of these.

    Anything else is sent as the name of its type: see Unknown. Raises ValueError if the message is too large.
    """
    blobs = []
    text = json.dumps(_pack(value, blobs)).encode()
    _check_parts(text)
    body = struct.pack("<I", len(text)) + text + b"".join(blobs)
    if len(body) > LARGEST:
        raise ValueError(f"arguments or results of {len(body):,} bytes, expected at most {LARGEST:,}")
    return struct.pack("<Q", len(body)) + body


def read(stream, begins=lambda: None):
    """The next value from a binary stream; begins() is called once its length is there.

    Raises EOFError at the end, ValueError on bytes not made by encode().
    """
    size, = struct.unpack("<Q", _exactly(stream, 8))
    begins()
    if not 4 <= size <= LARGEST:
        raise ValueError(f"a message of {size} bytes, expected at most {LARGEST}")
    body = _exactly(stream, size)
    length, = struct.unpack_from("<I", body)
    text = bytes(body[4:4 + length])
    _check_parts(text)
    try:
        return _unpack(json.loads(text, parse_int=_whole), memoryview(body)[4 + length:])
    except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a message: {error}") from error


class Unknown:
    """Stands for an object that cannot be sent."""

    def __init__(self, kind):
        self.kind = kind            # the name of its type

    def __repr__(self):
        return f"an object of type {self.kind}"


class Reference(NamedTuple):
    """Stands for an object that stays in the other process."""
    number: int


def _check_parts(text):
    """Raises ValueError on a text that would make too many values."""
    parts = sum(map(text.count, (b",", b"[", b"{")))
    if len(text) > LONGEST or parts > PARTS:
        raise ValueError(f"arguments or results of {parts:,} values in {len(text):,} characters, expected at most "
                         f"{PARTS:,} in {LONGEST:,}")


def _whole(digits):
    if len(digits) > DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits, expected at most {DIGITS}")
    return int(digits)


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

    def build(node, depth=0):
        nonlocal position
        if isinstance(node, list) or depth > DEPTH:
            raise ValueError("not a message: a list without its kind, or too many in each other")
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
            kind = tuple if "tuple" in node else list
            return kind([build(part, depth + 1) for part in _entries(node[kind.__name__], list)])
        if "dict" in node:
            return {key: build(part, depth + 1) for key, part in _entries(node["dict"], dict).items()}
        if "reference" in node:
            return Reference(int(node["reference"]))
        kind = node["unknown"]
        return Unknown(kind[:60] if isinstance(kind, str) and kind.isidentifier() else "unknown")
    return build(packed)


def _entries(node, kind):
    if not isinstance(node, kind):
        raise ValueError(f"not a message: {type(node).__name__} for {kind.__name__}")
    return node


def _exactly(stream, size):
    """`size` bytes, stored as they arrive: a length that is only claimed takes no memory."""
    data = bytearray()
    while len(data) < size:
        part = stream.read(min(size - len(data), CHUNK))
        if not part:
            raise EOFError("the other side has gone")
        data += part
    return data
