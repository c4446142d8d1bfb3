"""Files that commands write where the user says: gradcheck.outputs, and kinds of files that only commands know."""
import contextlib
import json
import zipfile
from pathlib import Path

from gradcheck.outputs import (
    FIGURE,
    LARGEST,
    Kind,
    add_force,
    check_output,
    json_kind,
    text_kind,
    write_output,
    write_whole,
)

__all__ = ["FIGURE", "PAGE", "add_force", "check_output", "json_kind", "text_kind", "write_output", "write_whole",
           "zip_kind"]

# Version 0.1 did not say what made its pages; the last two are how they began.
PAGE = text_kind("a page of rnnlayers", r'<!doctype html>.*<meta name="generator" content="rnnlayers">'
                 r"|<!doctype html>.*<title>Captions by [^<]*</title><style>\n:root \{ color-scheme: light dark; \}"
                 r"|<!doctype html>.*content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
                 r"script-src 'unsafe-inline'\">\n<title>[^<]*: report</title>")


def zip_kind(words: str, member: str, key: str, value: str) -> Kind:
    """A zip with a JSON object `member` whose `key` is `value`."""
    def holds(path: Path) -> bool:
        with contextlib.suppress(zipfile.BadZipFile, zipfile.zlib.error), zipfile.ZipFile(path) as archive:
            return archive.getinfo(member).file_size < LARGEST and json.loads(archive.read(member))[key] == value
        return False
    return Kind(words, holds)
