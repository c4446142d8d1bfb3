"""Locks on files: of several processes one at a time holds a lock, and it ends with its process, however that ends.

The file says who holds the lock, for the others' messages. That it exists means nothing: a killed process leaves it.
"""
from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
BEHIND = 2**30              # Windows locks bytes and lets nobody read them: one behind the text is locked


class Lock:
    """A lock on the file `path`, which is made and removed. A context manager.

    `works` is False where the file system has no locks, so that a second process goes unnoticed. Locks of another
    computer are noticed on file systems that pass them on, as NFS does with its lock service. On entering, raises
    ValueError with `message` and who holds the lock, and OSError if the file cannot be made.
    """

    def __init__(self, path: str | os.PathLike, message: str) -> None:
        self.path, self.message, self.works = Path(path), message, True

    def __enter__(self) -> Lock:
        while True:
            self._file = os.open(self.path, FLAGS, 0o666)
            try:
                self._take()
                if self._is_at_path():
                    break
            except BaseException:
                os.close(self._file)
                raise
            os.close(self._file)                         # its holder removed it after it was opened here
        self._sign()
        return self

    def __exit__(self, *_: object) -> None:
        if sys.platform != "win32":
            self._remove()                               # before others can lock it
        os.close(self._file)
        if sys.platform == "win32":
            self._remove()                               # Windows removes no open files, so none that others hold

    def _take(self) -> None:
        try:
            if sys.platform == "win32":
                os.lseek(self._file, BEHIND, os.SEEK_SET)
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise ValueError(f"{self.message} ({self._holder()}): wait for it or stop it") from None
        except OSError:                                  # this file system has no locks
            self.works = False

    def _is_at_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        """Write who holds the lock; without it, on a full disk for example, the lock holds as well."""
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S"),
               "command": " ".join(["python", *sys.orig_argv[1:]])[:200]}
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, json.dumps(who).encode())

    def _holder(self) -> str:
        """Who holds the lock, as the file says."""
        try:
            os.lseek(self._file, 0, os.SEEK_SET)
            who = json.loads(os.read(self._file, 4096))
            return f"process {who['pid']} on {who['host']} since {who['since']}: {who['command']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "a process that has not said who it is"

    def _remove(self) -> None:
        with contextlib.suppress(OSError):               # gone with its folder, or open in another process
            self.path.unlink()
