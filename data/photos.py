"""Photographs from files, upright and in RGB; every error is one line that names the file."""
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError

from data.picture_formats import lacking, left_out_line, readable
from data.pictures import MAX_DECODED, MAX_PIXELS, check_decoded, rgb_in_strips

MIN_SIDE, MAX_SIDE = 8, 16_384
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90}       # EXIF orientation -> what sets it right


def open_picture(file: str | os.PathLike | BinaryIO, side: int | None = None,
                 most: int = MAX_DECODED) -> Image.Image:
    """Open a photograph, turned upright by its EXIF data, transparent parts white -> PIL.Image in RGB.

    file: a path or a binary file; side: a large picture may be reduced, but to no less than (side, side);
    most: bytes that it may take when it is decoded.
    Raises ValueError, one line, for a file that is missing, not a picture, damaged, too small or too large.
    """
    where = f"{os.fspath(file)!s}: " if isinstance(file, (str, os.PathLike)) else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # about odd metadata; sizes are checked below
            return _read(file, side, most)
    except UnidentifiedImageError:
        found = lacking(_head(file)) or "found something else"
        raise ValueError(f"{where}expected a picture ({', '.join(readable()[0])}), {found}") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{where}would unpack to far more than {MAX_PIXELS / 1e6:g} million pixels") from None
    except Exception as error:                          # damaged files raise all kinds of errors
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{where}cannot be used: {reason}") from error


def _read(file: str | os.PathLike | BinaryIO, side: int | None, most: int) -> Image.Image:
    if isinstance(file, (str, os.PathLike)) and (Path(file).is_fifo() or Path(file).is_char_device()):
        raise ValueError("expected a file, found a pipe or a device")       # reading it might never end
    with Image.open(file, formats=readable()[0]) as image:     # reads the size, not yet the pixels
        width, height = image.size
        if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE or width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels, expected sides of {MIN_SIDE} to {MAX_SIDE:,} and at most "
                             f"{MAX_PIXELS / 1e6:g} million pixels in all")
        if image.format == "TIFF" and image.mode in ("I", "F"):
            raise ValueError("32 bits a pixel with an unknown value for white, expected 8 or 16 bits")
        if side is not None:
            image.draft("RGB", (side, side))
        check_decoded(image, most)
        image.load()                                    # first, since the EXIF data alone may be damaged
        factor = 1 if side is None else max(1, min(image.size) // (side * 3 // 2))      # 3/2: as in a JPEG's steps
        return _upright(rgb_in_strips(image, factor), image)


def _head(file: str | os.PathLike | BinaryIO) -> bytes:
    """The first 12 bytes of a file."""
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:
            return opened.read(12)
    file.seek(0)
    return file.read(12)


def _upright(picture: Image.Image, image: Image.Image) -> Image.Image:
    """The picture turned by the EXIF data of the image that it was made of."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:                                   # damaged EXIF data: the picture stays as it is
        turn = None
    return picture if turn is None else picture.transpose(turn)


class Listing(NamedTuple):
    """Pictures by name, and what is to be said about them."""
    pictures: dict[str, Path]       # sorted by name
    wrong: list[str]                # a line for each file or folder that should have been a picture's
    left_out: str | None            # a line that counts the files whose endings are no picture's


def list_pictures(paths: Iterable[str | os.PathLike]) -> Listing:
    """The pictures of folders and their subfolders, or of a list of files.

    A name is the path relative to the only folder; with several folders, this path behind the folder's own name, as
    train2014/a.jpg, or behind as much of its path as tells them apart; or the name of the file. Raises ValueError if no
    picture is left, if folders and files are mixed, or if folders overlap.
    """
    given = [Path(path) for path in paths]
    found: dict[str, Path] = {}
    wrong: list[str] = []
    endings: Counter[str] = Counter()
    if any(path.is_dir() for path in given):
        named = [(prefix + file.relative_to(folder).as_posix(), file) for folder, prefix in _prefixes(given)
                 for file in _below(folder, wrong, endings)]
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
    left_out = left_out_line(endings)
    if not found:
        expected = f"expected files like {', '.join('*' + suffix for suffix in readable()[1])}"
        raise ValueError("; ".join([*(wrong or [f"{given[0]}: holds no pictures, {expected}"]),
                                    *([left_out] if left_out else [])]))
    return Listing(dict(sorted(found.items())), wrong, left_out)


def _prefixes(folders: list[Path]) -> list[tuple[Path, str]]:
    """Each folder with what its pictures' names begin with: nothing for one folder alone."""
    whole = [Path(os.path.abspath(folder)) for folder in folders]
    for k, folder in enumerate(folders):
        if not folder.is_dir():
            raise ValueError(f"{folder}: is not a folder, expected --images with either folders or files")
        inside = [other for other, place in zip(folders[:k] + folders[k + 1:], whole[:k] + whole[k + 1:])
                  if place in (whole[k], *whole[k].parents)]
        if inside:
            raise ValueError(f"{folder}: lies in {inside[0]} or is the same, expected each picture once: leave it out")
    if len(folders) == 1:
        return [(folders[0], "")]
    depth = 1
    while len({place.parts[-depth:] for place in whole}) < len(whole):
        depth += 1
    return [(folder, "/".join(place.parts[1:][-depth:]) + "/") for folder, place in zip(folders, whole)]


def _below(folder: Path, wrong: list[str], endings: Counter[str]) -> list[Path]:
    """Files with a picture's ending in a folder and its subfolders, without hidden ones, sorted.

    For each folder that cannot be read a line is appended to `wrong`; other endings are counted in `endings`.
    """
    def refused(error: OSError) -> None:
        wrong.append(f"{error.filename}: cannot read this folder: {error.strerror}")
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            ending = Path(name).suffix.lower()
            if ending in readable()[1] and not name.startswith("."):
                found.append(Path(place, name))
            elif not name.startswith("."):
                endings[ending if ending.isprintable() else "others"] += 1
    return sorted(found)
