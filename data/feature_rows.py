"""Rows of features while they are made: kept in PATH.part as they come, so that a run that was stopped goes on.

PATH.part begins with a line of JSON, what the rows are; each row is a line of JSON, the picture's name and a stamp of
its file, then its float16 numbers. Only whole rows count, so a run may be stopped at any moment.
"""
import json
import math
import os
from pathlib import Path

import h5py
import numpy as np

from data.encoder import differences

try:
    import fcntl
except ImportError:                                      # Windows: two runs at once are not noticed there
    fcntl = None


class FeatureRows:
    """The rows there are of a feature file to be: `rows` is picture's name -> (stamp, place in PATH.part).

    A context manager. shape: of one picture's features; attributes: of the encoder. Raises ValueError, on entering,
    where PATH.part has other features or another run is writing it; OSError, with what to do, on a full disk.
    """

    def __init__(self, path, shape, attributes):
        self.path, self.part = Path(path), Path(f"{path}.part")
        self.shape, self.attributes = tuple(shape), attributes
        self.bytes = 2 * math.prod(shape)
        self.rows = {}

    def __enter__(self):
        self._file = open(self.part, "a+b")              # noqa: SIM115
        try:
            _lock(self._file, self.part)
            self._file.seek(0)
            self._check(self._file.readline())
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, _, error, __):
        try:
            self._file.close()                           # writes again what did not fit before
        except OSError as again:
            error = again
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise OSError(f"{self.path}: {error.strerror or error}: what was done is kept in {self.part}, the same "
                          "command goes on") from error

    def append(self, name, stamp, features):
        """Keep the features of one picture, of the shape. Raises ValueError for those beyond float16's range."""
        largest = np.abs(features).max()
        if largest > np.finfo(np.float16).max:
            raise ValueError(f"its features reach {largest:.3g}, beyond float16's 65504")
        self._file.seek(0, os.SEEK_END)
        self._write([name, stamp])
        self.rows[name] = (stamp, self._file.tell())
        self._file.write(features.astype(np.float16).tobytes())
        self._file.flush()

    def finish(self, names):
        """Write the rows of these names, in this order, to PATH as HDF5, and remove PATH.part."""
        temporary = self.path.with_name(f".{self.path.name}.h5.part")
        try:
            offset = self._write_frame(temporary, names)
            with open(temporary, "r+b") as out:          # the bulk by plain writes: on a full disk HDF5 would crash
                out.seek(offset)
                for name in names:
                    self._file.seek(self.rows[name][1])
                    out.write(self._file.read(self.bytes))
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
        self.discard()

    def discard(self):
        """Remove PATH.part."""
        self._file.close()
        self.part.unlink()

    def _write_frame(self, path, names):
        """An HDF5 file with all but the numbers -> where they belong in it."""
        with h5py.File(path, "w") as file:
            file.attrs.update(self.attributes)
            file.create_dataset("image_names", data=list(names), dtype=h5py.string_dtype())
            features = file.create_dataset("features", (len(names), *self.shape), np.float16, fill_time="never")
            features[-1] = 0                             # only now is there a place for the rows
            return features.id.get_offset()

    def _write(self, content):
        self._file.write(json.dumps(content).encode() + b"\n")

    def _check(self, line):
        """Compare PATH.part's first line with the encoder, or write it where there is none."""
        ours = {"shape": self.shape, **self.attributes}
        if not line.endswith(b"\n") and line[:8] == b'{"shape"'[:len(line)]:         # stopped before it had begun
            self._file.truncate(0)
            self._write({key: value.tolist() if hasattr(value, "tolist") else value for key, value in ours.items()})
            return
        try:
            header = dict(json.loads(line))
            found = differences(header, ours)
        except (ValueError, TypeError):
            raise ValueError(f"{self.part}: expected an unfinished run, found another file: remove it") from None
        if header.get("shape") != list(self.shape):
            found = [f"shape was {header.get('shape')}, is {list(self.shape)}"]
        if found:
            raise ValueError(f"{self.part}: an unfinished run with another encoder ({'; '.join(found)}): remove it, or "
                             "use that encoder")

    def _read(self):
        """Note the whole rows, and cut off what is left of one that was being written."""
        end, size = self._file.tell(), self._file.seek(0, os.SEEK_END)
        self._file.seek(end)
        while end + self.bytes < size:
            try:
                name, stamp = json.loads(self._file.readline())
            except ValueError:                           # a disk that lost power
                break
            start = self._file.tell()
            if start + self.bytes > size:
                break
            self.rows[name] = (stamp, start)
            end = self._file.seek(start + self.bytes)
        self._file.truncate(end)


def _lock(file, path):
    """Keep the file for this process until it is closed. Raises ValueError where another one has it."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{path}: another run is writing it, expected one at a time: wait for it or stop it") from None
    except OSError:                                      # a file system without locks
        pass
