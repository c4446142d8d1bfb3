"""Fingerprints of whole contents, in blocks of rows, so that what differs can be named; a cache of those of files."""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.features import FeatureReader

Progress = Callable[[Iterable[int]], Iterable[int]]
CACHE = ".fingerprints.json"        # in a dataset folder
FORMAT = 1                          # of the fingerprints, so that those of another version are not taken for ours
SETTLED = 2                         # seconds: file systems may give two writes within them the same time


def fingerprint(rows: int, pieces: Callable[[int, int], Iterable[Any]], most: int = 32,
                progress: Progress = iter) -> dict[str, Any]:
    """SHA-256 over rows, and the beginnings of those of blocks -> JSON-able dict.

    pieces: (first, end) -> the bytes of these rows; most: blocks at most, of 2^k rows each; progress: wraps the blocks.
    """
    size = 1
    while size * most < rows:
        size *= 2
    whole, blocks = hashlib.sha256(), ""
    for first in progress(range(0, rows, size)):
        block = hashlib.sha256()
        for piece in pieces(first, min(first + size, rows)):
            block.update(piece)
        whole.update(block.digest())
        blocks += block.hexdigest()[:8]
    return {"rows": rows, "block": size, "sha256": whole.hexdigest(), "blocks": blocks}


def first_difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[int, int] | None:
    """The first and last row, in the newer, of the first block that differs; None where that cannot be known."""
    size, blocks = now["block"], len(now["blocks"]) // 8
    if then["block"] != size:
        return None
    differs = (i for i in range(blocks) if now["blocks"][8 * i:8 * i + 8] != then["blocks"][8 * i:8 * i + 8])
    first = next(differs, None)
    return None if first is None else (first * size, min((first + 1) * size, now["rows"]) - 1)


def feature_fingerprint(reader: FeatureReader, progress: Progress = iter,
                        broken: list[int] | None = None) -> dict[str, Any]:
    """The fingerprint of a feature file: all numbers as stored, and what they are. Raises ValueError on damage.

    broken: a list to which the rows with NaN or infinity are appended.
    """
    def pieces(first: int, end: int) -> Iterator[np.ndarray]:
        for row, x in reader.pieces(first, end):
            if broken is not None:
                broken.extend(reader.broken(row, x).tolist())
            yield np.ascontiguousarray(x).reshape(-1).view(np.uint8)

    form = hashlib.sha256(json.dumps([str(reader.dtype), reader.attributes(), reader.image_names()]).encode())
    form.update(b"" if reader.counts is None else reader.counts.tobytes())
    numbers = fingerprint(len(reader), pieces, 64, progress)
    return {**numbers, "shape": list(reader.file_shape), "form": form.hexdigest()}


class Fingerprints:
    """Those of feature files, kept in a dataset folder as long as the files' size and times are the same.

    A cache that cannot be written or was damaged costs reading the files again, nothing else.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)

    def of(self, path: str | os.PathLike, progress: Progress = iter,
           broken: list[int] | None = None) -> dict[str, Any]:
        """feature_fingerprint of a file. It is read if the fingerprint is not known, and to find its broken rows."""
        name, stamp = self._name(path), _stamp(path)
        known = self._read().get(name)
        if broken is None and isinstance(known, dict) and known.get("stamp") == stamp:
            return dict(known["fingerprint"])
        found = feature_fingerprint(FeatureReader(path), progress, broken)
        if _stamp(path) == stamp and time.time() - stamp[1] / 1e9 > SETTLED:
            self._write({**self._read(), name: {"stamp": stamp, "fingerprint": found}})
        return found

    def _name(self, path: str | os.PathLike) -> str:
        """The file's name in the cache; of one inside the folder it stays if the folder moves."""
        path, folder = Path(path).resolve(), self.folder.resolve()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads((self.folder / CACHE).read_bytes())
            return dict(kept["files"]) if kept["sha256"] == _digest(kept["files"]) else {}
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return {}

    def _write(self, entries: Mapping[str, Any]) -> None:
        """Two processes may write at once, and a third read: the digest says whether what is there is whole."""
        text = json.dumps({"sha256": _digest(entries), "files": entries})
        with contextlib.suppress(OSError):                  # a read-only folder, a full disk
            (self.folder / CACHE).write_text(text)


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _stamp(path: str | os.PathLike) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, FORMAT]
