"""A feature file in the making: finished rows are kept in PATH.part, so that an interrupted run can be resumed.

The first line of PATH.part is JSON that describes the features. Each row is a line of JSON, the picture's name, a stamp
of its file and a checksum, followed by the row's float16 numbers. Incomplete and damaged rows are dropped, so a run may
stop at any moment.
"""
from __future__ import annotations

import contextlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.encoder import differences
from data.feature_file import new_feature_file, writing
from data.files import is_full, megabytes


class FeatureRows:
    """The finished rows of a feature file: `rows` is picture's name -> (stamp, offset in PATH.part).

    A context manager. shape: of one picture's features; attributes: of the encoder; total: rows that are expected.
    `damaged` says whether PATH.part had rows that are not as they were written; they are left out. On entering, raises
    ValueError if PATH.part holds features of another encoder or is no such file, or if another run is writing it. On a
    full disk raises OSError that says how much is needed and what to do.
    """

    def __init__(self, path: str | os.PathLike, shape: Sequence[int], attributes: Mapping[str, Any],
                 total: int = 0) -> None:
        self.path, self.part = Path(path), Path(f"{path}.part")
        self.shape, self.attributes, self.total = tuple(shape), attributes, total
        self.bytes = 2 * math.prod(shape)
        self.rows: dict[str, tuple[Any, int]] = {}
        self.damaged = False

    def __enter__(self) -> FeatureRows:
        with contextlib.ExitStack() as stack:
            stack.enter_context(writing(self.path, self.part))
            if self.part.is_symlink():
                raise ValueError(f"{self.part}: is a link, expected an unfinished run: remove it")
            self._file = stack.enter_context(open(self.part, "a+b"))
            self._file.seek(0)
            self._check(self._file.readline())
            self._read()
            self._held = stack.pop_all()
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        try:
            self._held.close()                           # tries again to write what did not fit
        except OSError as again:
            error = again
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError) and not (
                isinstance(error.__cause__, OSError)):   # said already, of another file of the same run
            needed = f", with about {megabytes(self._needed())} free for it" if is_full(error) else ""
            raise OSError(f"{self.path}: {error.strerror or error}: finished rows are kept in {self.part}; run the "
                          f"same command to continue{needed}") from error

    def append(self, name: str, stamp: Any, features: np.ndarray) -> None:
        """Store the features of one picture. Raises ValueError if one is beyond float16's range."""
        largest = np.abs(features).max()
        if largest > np.finfo(np.float16).max:
            raise ValueError(f"its features reach {largest:.3g}, beyond float16's 65504")
        row = features.astype(np.float16).tobytes()
        self._file.seek(0, os.SEEK_END)
        self._write([name, stamp, checksum(name, stamp, row)])
        self.rows[name] = (stamp, self._file.tell())
        self._file.write(row)
        self._file.flush()          # no fsync: what a power cut takes is found by the checksums and encoded again

    def finish(self, names: Sequence[str]) -> None:
        """Write the rows of these pictures, in this order, to PATH as HDF5, and remove PATH.part."""
        with self.finishing(names):
            pass

    @contextlib.contextmanager
    def finishing(self, names: Sequence[str]) -> Iterator[None]:
        """As `finish`, but the file gets its name at the end of the block: several become complete together."""
        with new_feature_file(self.path, (len(names), *self.shape), np.float16, names, self.attributes) as out:
            for name in names:
                self._file.seek(self.rows[name][1])
                out.write(self._file.read(self.bytes))
            out.flush()
            os.fsync(out.fileno())                       # what can fail has to fail before the block
            yield
        self.discard()

    def discard(self) -> None:
        """Remove PATH.part."""
        self._file.close()
        self.part.unlink()

    def _needed(self) -> int:
        """Bytes of the rows that are missing and of the file that is made of all, which PATH.part outlives."""
        total = max(self.total, len(self.rows))
        return (2 * total - len(self.rows)) * (self.bytes + 100)         # 100: name and stamp

    def _write(self, content: Any) -> None:
        self._file.write(json.dumps(content).encode() + b"\n")

    def _check(self, line: bytes) -> None:
        """Compare PATH.part's first line with the encoder, or write it if there is none."""
        ours = {"shape": self.shape, **self.attributes}
        plain = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in ours.items()}
        begun = json.dumps({"shape": self.shape})[:-1].encode()         # shorter beginnings others' files have too
        if not line or line.startswith(begun) and json.dumps(plain).encode().startswith(line):
            self._file.seek(0)                                          # the run stopped in its first line
            self._file.truncate()
            self._write(plain)
            return
        try:
            header = dict(json.loads(line))
            found = differences(header, ours)
            if not (line.endswith(b"\n") and {"shape", "model"} <= header.keys()):
                raise ValueError
        except (ValueError, TypeError):
            raise ValueError(f"{self.part}: expected an unfinished run, found another file: remove it") from None
        if header.get("shape") != list(self.shape):
            found = [f"shape was {header.get('shape')}, is {list(self.shape)}"]
        if found:
            raise ValueError(f"{self.part}: an unfinished run with another encoder ({'; '.join(found)}): remove it, or "
                             "use that encoder")

    def _read(self) -> None:
        """Index the rows that are as they were written, and cut off what is behind the last complete one."""
        end, size = self._file.tell(), self._file.seek(0, os.SEEK_END)
        self._file.seek(end)
        while end + self.bytes < size:
            try:
                name, stamp, stated = json.loads(self._file.readline())
            except (ValueError, TypeError):              # where the next row begins is lost; version 0.1's rows too
                self.damaged = True
                break
            start = self._file.tell()
            if start + self.bytes > size:
                break
            if checksum(name, stamp, self._file.read(self.bytes)) == stated:
                self.rows[name] = (stamp, start)
            else:
                self.damaged = True
            end = start + self.bytes
        self._file.truncate(end)


def checksum(name: Any, stamp: Any, row: bytes) -> int:
    """CRC-32 of a row and of what is said of it."""
    return zlib.crc32(row, zlib.crc32(json.dumps([name, stamp]).encode()))
