"""HDF5 files that carry the SHA-256 of their content, which is verified before HDF5 parses a byte.

HDF5 leaves the first 512 bytes of a file to its user, the user block. There stands

    rnnlayers sha256 HEX            and a line end, then zero bytes up to 512

where HEX is the SHA-256 of all bytes behind the block. Inside, the attribute `format` of the root group is "rnnlayers
KIND 2". Other programs open such a file by its name as any HDF5 file.

Files of format 1, which version 0.1 wrote, have neither: HDF5 content begins at their first byte. A file counts as one
of these only if it says so in all respects: its HDF5 header counts addresses from the first byte, the size that HDF5
noted is the file's, and there is no attribute `format`. So a sealed file that lost its block, or part of it, is damaged
and not old.
"""
import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Iterator

import h5py

from data.looking import look_at

BLOCK = 512
MARKER = b"rnnlayers sha256 "
HDF5 = b"\x89HDF\r\n\x1a\n"
FORMAT = 2

_noted: set[str] = set()            # files of which this process has said that they carry no digest


@contextlib.contextmanager
def new_sealed(buffer: io.BytesIO, kind: str) -> Iterator[h5py.File]:
    """An HDF5 file to be filled; at the end of the block `buffer` holds its bytes with their digest."""
    with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
        file.attrs["format"] = _format(kind)
        yield file
    with buffer.getbuffer() as content:
        content[:BLOCK] = block(content)


@contextlib.contextmanager
def open_sealed(path: str | os.PathLike, kind: str, remedy: str) -> Iterator[h5py.File]:
    """The HDF5 file at `path`, read into memory and verified. remedy: what gives a file of format 1 a digest.

    That a file has format 1 is noted on standard error, once, and after the block: not of one that proves damaged.
    Raises OSError, or ValueError for a damaged file.
    """
    with open(path, "rb") as stream:
        content = stream.read()
    sealed = is_sealed(content)
    if sealed and content[:BLOCK] != block(content):
        raise ValueError("the file is damaged, or was changed after it was written: its SHA-256 is of other content")
    if not sealed:
        _check_old(content)
        look_at(path)
    with h5py.File(io.BytesIO(content), "r") as file:       # shares the bytes
        _check_format(file, kind, sealed)
        yield file
    if not sealed:
        _note(f"note: {path} is of an old format without a digest, so damage may go unnoticed: {remedy}")


def is_sealed(content: bytes | memoryview) -> bool:
    """Whether a file has a block for a digest, whole or not."""
    return content[:len(MARKER)] == MARKER or content[BLOCK:BLOCK + len(HDF5)] == HDF5


def block(content: bytes | memoryview) -> bytes:
    """The first 512 bytes that belong to the bytes behind them."""
    with memoryview(content) as view:
        return (MARKER + hashlib.sha256(view[BLOCK:]).hexdigest().encode() + b"\n").ljust(BLOCK, b"\0")


def _check_old(content: bytes) -> None:
    if content[:len(HDF5)] != HDF5:
        raise ValueError("expected an HDF5 file, found one that is not an HDF5 file or is damaged")
    # The header of version 0 has the address from which others count at byte 24, and the end of the file at byte 40.
    base, end = int.from_bytes(content[24:32], "little"), int.from_bytes(content[40:48], "little")
    if content[8] or base or end != len(content):
        raise ValueError("it has no digest, and its HDF5 header is not of a whole file: it was damaged")


def _check_format(file: h5py.File, kind: str, sealed: bool) -> None:
    found = file.attrs.get("format")
    if not sealed and found is not None:
        raise ValueError(f"it was written with a digest (format {found!r:.60}) and has none: it was damaged")
    if sealed and not (isinstance(found, str) and found == _format(kind)):
        raise ValueError(f"its format is {found!r:.60}, expected {_format(kind)!r}")


def _format(kind: str) -> str:
    return f"rnnlayers {kind} {FORMAT}"


def _note(text: str) -> None:
    if text not in _noted:
        _noted.add(text)
        print(text, file=sys.stderr)
