"""Files that commands write where the user says: gradcheck.outputs, and kinds of files that only commands know."""
import contextlib
import json
import os
import zipfile
from pathlib import Path

from gradcheck.outputs import (
    FIGURE,
    LARGEST,
    Kind,
    add_force,
    check_folder,
    check_output,
    json_kind,
    text_kind,
    write_output,
    write_whole,
)

__all__ = ["FIGURE", "PAGE", "Kind", "add_force", "check_new", "check_output", "json_kind", "text_kind", "write_output",
           "write_whole", "zip_kind"]

# Version 0.1 did not say what made its pages; the last two are how they began.
PAGE = text_kind("page of rnnlayers", r'<!doctype html>.*<meta name="generator" content="rnnlayers">'
                 r"|<!doctype html>.*<title>Captions by [^<]*</title><style>\n:root \{ color-scheme: light dark; \}"
                 r"|<!doctype html>.*content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
                 r"script-src 'unsafe-inline'\">\n<title>[^<]*: report</title>")


def check_new(option: str, path: str | Path) -> None:
    """Raises FileExistsError or OSError, before any work, where a file that is never replaced cannot be written.

    Its folder may be missing: it is made when the file is.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{path}: already exists, nothing was done: remove it or choose another name")
    check_folder(f"{option} {path}", next(folder for folder in Path(os.path.abspath(path)).parents if folder.exists()))


def zip_kind(words: str, member: str, key: str, value: str) -> Kind:
    """A zip with a JSON object `member` whose `key` is `value`."""
    def holds(path: Path) -> bool:
        with contextlib.suppress(zipfile.BadZipFile, zipfile.zlib.error), zipfile.ZipFile(path) as archive:
            return archive.getinfo(member).file_size < LARGEST and json.loads(archive.read(member))[key] == value
        return False
    return Kind(words, holds)
