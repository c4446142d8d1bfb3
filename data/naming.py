"""The name of a data set: of its folder unless another is given. It becomes part of the names of runs' folders."""
import os
import unicodedata
from pathlib import Path

LONGEST = 100                           # bytes: the names of folders are longer than it, and have at most 255


def check_name(name: str) -> str:
    """The name. Raises ValueError if it cannot be part of a folder's name."""
    odd = [letter for letter in name if not _fits(letter)]
    if odd or not name.strip("-._") or name[0] in "-." or len(name.encode(errors="replace")) > LONGEST:
        found = f"{odd[0]!r} in it" if odd else "one that is empty, too long or begins with a dot or a dash"
        raise ValueError(f"--name {name!r:.60}: expected letters, digits, dots, dashes and underscores, as for a "
                         f"folder, at most {LONGEST} bytes; found {found}")
    return name


def name_of(folder: str | os.PathLike) -> str:
    """The name of a data set in this folder: the folder's, with dashes for what does not fit in a name."""
    name = "".join(letter if _fits(letter) else "-" for letter in Path(os.path.abspath(folder)).name)
    return name.encode(errors="replace")[:LONGEST].decode(errors="ignore").lstrip("-.") or "data"


def _fits(letter: str) -> bool:
    return letter in "-._" or unicodedata.category(letter)[0] in "LMN"
