"""Photographs from files, upright and in RGB; every error is one line that names the file."""
import os
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from data.pictures import FORMATS, MAX_PIXELS, to_rgb

MIN_SIDE, MAX_SIDE = 8, 16_384
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")


def open_picture(file: str | os.PathLike | BinaryIO, side: int | None = None) -> Image.Image:
    """Open a photograph, turned upright by its EXIF data, transparent parts white -> PIL.Image in RGB.

    file: a path or a binary file; side: a large JPEG may be reduced, but to no less than (side, side).
    Raises ValueError, one line, for a file that is missing, not a picture, damaged, too small or too large.
    """
    where = f"{os.fspath(file)!s}: " if isinstance(file, (str, os.PathLike)) else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # about odd metadata; sizes are checked below
            return _read(file, side)
    except UnidentifiedImageError:
        raise ValueError(f"{where}expected a picture ({', '.join(FORMATS)}), found something else") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{where}would unpack to far more than {MAX_PIXELS / 1e6:g} million pixels") from None
    except Exception as error:                          # damaged files raise all kinds of errors
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{where}cannot be used: {reason}") from error


def _read(file: str | os.PathLike | BinaryIO, side: int | None) -> Image.Image:
    if isinstance(file, (str, os.PathLike)) and (Path(file).is_fifo() or Path(file).is_char_device()):
        raise ValueError("expected a file, found a pipe or a device")       # reading it might never end
    with Image.open(file, formats=FORMATS) as image:     # reads the size, not yet the pixels
        width, height = image.size
        if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE or width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels, expected sides of {MIN_SIDE} to {MAX_SIDE:,} and at most "
                             f"{MAX_PIXELS / 1e6:g} million pixels in all")
        if image.format == "TIFF" and image.mode in ("I", "F"):
            raise ValueError("32 bits a pixel with an unknown value for white, expected 8 or 16 bits")
        if side is not None:
            image.draft("RGB", (side, side))
        image.load()                                    # first, since the EXIF data alone may be damaged
        return to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:                                   # damaged EXIF data: the picture stays as it is
        return image


def list_pictures(paths: Iterable[str | os.PathLike]) -> tuple[dict[str, Path], list[str]]:
    """The pictures of one folder and its subfolders, or of a list of files -> {name: path}, lines on files left out.

    A name is the path relative to the folder, or the name of the file; names are sorted. Raises ValueError if no
    picture is left.
    """
    given = [Path(path) for path in paths]
    found: dict[str, Path] = {}
    wrong: list[str] = []
    if any(path.is_dir() for path in given):
        if len(given) > 1:
            raise ValueError(f"--images {' '.join(map(str, given))}: expected one folder, or files")
        named = [(file.relative_to(given[0]).as_posix(), file) for file in _below(given[0], wrong)]
    else:
        named = [(path.name, path) for path in given]
    for name, path in named:
        if name in found:
            wrong.append(f"{path}: has the same name as {found[name]}, expected different names: left out")
        elif any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
            wrong.append(f"{str(path)!r}: its name has a control character, a line break or bytes that are not text: "
                         "left out")
        else:
            found[name] = path
    if not found:
        raise ValueError("; ".join(wrong) or f"{given[0]}: holds no pictures, expected files like "
                         f"{', '.join('*' + suffix for suffix in SUFFIXES)}")
    return dict(sorted(found.items())), wrong


def _below(folder: Path, wrong: list[str]) -> list[Path]:
    """Files with a picture's suffix in a folder and its subfolders, without hidden ones, sorted.

    For each folder that cannot be read a line is appended to `wrong`.
    """
    def refused(error: OSError) -> None:
        wrong.append(f"{error.filename}: cannot read this folder: {error.strerror}")
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names
                  if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    return sorted(found)
