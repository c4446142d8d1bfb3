"""HDF5 files without a digest: another process opens them first (look.py), and claimed sizes are compared with stored.

The process is started for the first file, and serves all files of this process until one of them ends it.
"""
import atexit
import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SECONDS = 8                         # for a look at a file; it usually takes milliseconds
START = 60                          # for Python and h5py to start, on a slow disk
RATIO = 1100                        # bytes that one stored byte may stand for; 1032 with the best compression of zlib
SMALL = 2**20                       # bytes that need no storage: rows that were never written read as zeros

_lock = threading.Lock()
_lookers: dict[int, "Looker"] = {}  # by process: one that was forked may not use its parent's


class Looker:
    """The other process."""

    def __init__(self) -> None:
        """Raises OSError where it cannot be started."""
        command = [sys.executable, "-I", str(Path(__file__).with_name("look.py")), *map(os.path.abspath, sys.path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
        if not self.answers("", START):
            raise OSError("cannot start Python to look at HDF5 files")

    def answers(self, path: str, seconds: float) -> bool:
        """Whether the process has opened a file and gone on. If not it has ended.

        Raises TimeoutError where it was ended because it took longer than so many seconds.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()
        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(path).encode() + b"\n")
            self._process.stdin.flush()
            if self._process.stdout.readline():
                return True
        except OSError:                                     # the process had ended before
            pass
        finally:
            timer.cancel()
        self.close()
        if late.is_set():
            raise TimeoutError(f"HDF5 did not end within {seconds} s")
        return False

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):              # what it did not read
                pipe.close()                                # type: ignore[union-attr]
        self._process.wait()


def look_at(path: str | os.PathLike) -> None:
    """Have another process open an HDF5 file, once for each state of it.

    Raises ValueError if HDF5 crashes or does not end, OSError if there is no such file.
    """
    path = os.path.abspath(path)
    state = os.stat(path)
    _look_once(path, state.st_ino, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _look_once(path: str, *state: int) -> None:
    expected = f"{path}: expected an HDF5 file, found a damaged one"
    with _lock, contextlib.suppress(PermissionError, BlockingIOError):      # a sandbox that allows no processes
        try:
            # Twice: a process that looked at other files may have been ended by one of those, or from outside.
            if not _survives(path) and not _survives(path):
                raise ValueError(f"{expected}: HDF5 crashed on it")
        except TimeoutError as error:
            raise ValueError(f"{expected}: {error}") from error


def _survives(path: str) -> bool:
    process = os.getpid()
    looker = _lookers.pop(process, None) or Looker()
    if not looker.answers(path, SECONDS):
        return False
    _lookers[process] = looker
    return True


@atexit.register
def _close() -> None:
    looker = _lookers.pop(os.getpid(), None)
    if looker is not None:
        looker.close()


def check_storage(dataset: Any) -> None:
    """Raises ValueError if an h5py dataset claims more than can come from what is stored of it, as in a damaged file.

    Call it before reading: memory is allocated for what is claimed.
    """
    claimed, stored = dataset.nbytes if dataset.shape is not None else 0, dataset.id.get_storage_size()
    if claimed > SMALL and claimed > RATIO * stored:
        raise ValueError(f"{dataset.name} claims {claimed:,} bytes, {dataset.dtype} {dataset.shape}, of which "
                         f"{stored:,} are stored: the file is damaged")
