"""How every compiled function of the engine is compiled, and where its machine code is kept."""
import atexit
import functools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numba

# cache: the machine code is kept in __pycache__, and only the first process has to wait for the compiler.
# nogil: other threads, such as the reader of features, run beside a kernel.
# error_model: a division by zero gives inf or nan, as in NumPy; a check in every loop would keep it from vectorising.
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}

config: Any = numba.config


def compiled(**options: Any) -> Callable[[Callable], Callable]:
    """Decorator: numba.njit with OPTIONS and these. Where no cache can be written, a temporary one takes its place."""
    def decorate(function: Callable) -> Callable:
        try:
            return numba.njit(**OPTIONS, **options)(function)
        except RuntimeError:            # neither NUMBA_CACHE_DIR nor __pycache__ nor the user's cache can be written
            return numba.njit(**{**OPTIONS, **options, "cache": use_temporary_cache()})(function)
    return decorate


@functools.cache
def use_temporary_cache() -> bool:
    """Make Numba keep machine code in a temporary folder and say so, in one line -> False if there is none either."""
    try:
        config.CACHE_DIR = folder = private_folder()
        kept = f"kept in {folder}"
    except OSError:
        folder, kept = "", "compiled again by every process, about 11 s"
    print(f"no folder for compiled kernels can be written, they are {kept}: set NUMBA_CACHE_DIR to a folder of yours",
          file=sys.stderr)
    return bool(folder)


def private_folder() -> str:
    """A folder for temporary files that no other user can write to, because the code in it will be run -> its path.

    The same one for all processes of a user, where the system has user ids; else one for this process, removed at its
    end. Raises OSError where nothing can be written.
    """
    if hasattr(os, "geteuid"):
        folder = os.path.join(tempfile.gettempdir(), f"rnnlayers-numba-{os.geteuid()}")
        if _is_private(folder):
            return folder
    folder = tempfile.mkdtemp(prefix="rnnlayers-numba-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_private(folder: str) -> bool:
    """Whether this is a folder, made now if there is nothing, that belongs to this user, who alone may enter it."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass                            # made by an earlier process, or planted: a link, say, or somebody else's
    except OSError:
        return False
    found = os.lstat(folder)
    return (stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
            and os.access(folder, os.W_OK))
