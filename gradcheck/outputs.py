"""Files that a command writes where the user says: what may be replaced, and writing them whole.

A new name is written, and a file of the same kind replaced. Any other file, or a link, needs --force. Folders, devices
and pipes are never replaced; /dev/null, /dev/stdout and their like are written to. All commands of the project keep to
this.
"""
import argparse
import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

STREAM = re.compile(r"/dev/(null|tty|stdout|stderr|fd/\d+)")
NUMBERS = {"stdout": 1, "stderr": 2}
LARGEST = 1 << 28               # bytes of a file that is looked at; what we write is smaller


class BadPlace(OSError, ValueError):
    """A path where no file can be."""


class Kind(NamedTuple):
    """A kind of file that a command writes."""
    words: str                              # "table of scripts.score"
    holds: Callable[[Path], bool]           # whether a file is one, by its content


def add_force(parser: argparse._ActionsContainer) -> None:
    """Add --force, for commands that call check_output."""
    parser.add_argument("--force", action="store_true", help="replace the output file even if it is a link or "
                        "another kind of file")


# --- Kinds of files ----------------------------------------------------------------------------------------------


def text_kind(words: str, pattern: str) -> Kind:
    """Text whose first 2,000 bytes begin with a regular expression."""
    return Kind(words, lambda path: re.match(pattern.encode(), _head(path), re.S) is not None)


def json_kind(words: str, *keys: str) -> Kind:
    """A JSON object with these keys."""
    return Kind(words, lambda path: set(keys) <= _object(path).keys())


# `Software`, which every figure of ours states, is in the first bytes of a PNG
FIGURE = text_kind("figure of rnnlayers", r"\x89PNG\r\n\x1a\n.*tEXtSoftware\0rnnlayers")


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(2000)


def _object(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_bytes())
    return content if isinstance(content, dict) else {}


# --- Before the work, and after it -------------------------------------------------------------------------------


def check_output(option: str, path: str | Path | None, kind: Kind, force: bool = False) -> None:
    """Raises ValueError or OSError, before any work, where the file that an option names cannot or must not be written.

    Nothing is changed. path: None if the option was not given.
    """
    if path is None:
        return
    path, where = Path(path), f"{option} {path}"
    if STREAM.fullmatch(os.path.abspath(path)):
        return
    if path.name == "-":
        raise ValueError(f"{where}: expected the name of a file; /dev/stdout is standard output")
    if os.path.islink(path) and not force:
        raise ValueError(f"{where}: is a link to {os.readlink(path)} and no {kind.words}, nothing was done: name that "
                         "file, or --force writes it")
    target = Path(os.path.realpath(path))
    try:
        os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:                                # a name that is too long, say
        raise type(error)(f"{where}: {error.strerror or error}") from error
    else:
        _check_replaced(where, target, kind, force)
    check_folder(where, target.parent)


def write_output(path: str | Path, content: bytes) -> None:
    """Write a file that check_output allowed: whole at any moment, or straight to a stream. Raises OSError."""
    if stream := STREAM.fullmatch(os.path.abspath(path)):
        sys.stdout.flush()
        number = NUMBERS.get(stream[1], int(stream[1][3:]) if stream[1].startswith("fd/") else None)
        with open(path if number is None else os.dup(number), "wb") as file:
            file.write(content)
        return
    write_whole(os.path.realpath(path), content)


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Write bytes beside `path`, then rename: the file is whole at any moment. Raises OSError that names it."""
    path = Path(path)
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(beside, 0o666 & ~mask)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise type(error)(f"{path}: cannot be written: {error.strerror or error}") from error


def _check_replaced(where: str, target: Path, kind: Kind, force: bool) -> None:
    """Raises ValueError or PermissionError where the file that is there must not be replaced."""
    found = "a folder" if target.is_dir() else "no regular file" if not target.is_file() else ""
    if found:
        raise BadPlace(f"{where}: is {found}, expected a file: it is no {kind.words}")
    if not force and not _is_of(kind, target):
        raise ValueError(f"{where}: already exists and holds no {kind.words}, nothing was done: choose another name "
                         "or --force replaces it")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"{where}: cannot be replaced: it is read-only, or not yours to write")


def _is_of(kind: Kind, target: Path) -> bool:
    """Whether a file is of a kind; what cannot be read is not."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError,
                             MemoryError, EOFError):
        return target.stat().st_size < LARGEST and kind.holds(target)
    return False


def check_folder(where: str, folder: Path) -> None:
    """Raises BadPlace where there is no such folder, OSError where it takes no new file: read-only, not yours."""
    if not folder.is_dir():
        raise BadPlace(f"{where}: no such folder, expected a file in a folder that exists; there is no folder "
                       f"{folder}: make it first")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"{where}: cannot be written, the folder {folder} takes no new file: "
                          f"{error.strerror or error}") from error
