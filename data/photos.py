"""Photographs from files: whatever is wrong with one becomes one line, and the others stand upright in RGB."""
import os
import unicodedata
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from data.pictures import FORMATS, MAX_PIXELS, to_rgb

MIN_SIDE, MAX_SIDE = 8, 16_384
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")


def open_picture(file, side=None):
    """Open a photograph, upright as its EXIF data say, what is transparent as white -> PIL.Image in RGB.

    file: a path or a binary file; side: a large JPEG may come smaller than it is, but at least (side, side).
    Raises ValueError, one line, for what is missing, no picture, damaged, too small or too large.
    """
    where = f"{os.fspath(file)!s}: " if isinstance(file, (str, os.PathLike)) else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # of odd metadata; sizes are checked here
            return _read(file, side)
    except UnidentifiedImageError:
        raise ValueError(f"{where}expected a picture ({', '.join(FORMATS)}), found something else") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{where}would unpack to far more than {MAX_PIXELS / 1e6:g} million pixels") from None
    except Exception as error:                          # damaged files fail in endless ways
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{where}cannot be used: {reason}") from error


def _read(file, side):
    if isinstance(file, (str, os.PathLike)) and (Path(file).is_fifo() or Path(file).is_char_device()):
        raise ValueError("expected a file, found a pipe or a device")       # which might be waited for without end
    with Image.open(file, formats=FORMATS) as image:     # reads the size, not yet the pixels
        width, height = image.size
        if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE or width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels, expected sides of {MIN_SIDE} to {MAX_SIDE:,} and at most "
                             f"{MAX_PIXELS / 1e6:g} million pixels in all")
        if image.format == "TIFF" and image.mode in ("I", "F"):
            raise ValueError("32 bits a pixel, of which white is not known, expected 8 or 16")
        if side is not None:
            image.draft("RGB", (side, side))
        image.load()                                    # before the EXIF data, which damage may make unreadable alone
        return to_rgb(_upright(image))


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except Exception:                                   # a whole picture with damaged EXIF data stays as it lies
        return image


def list_pictures(paths):
    """The pictures in one folder and those below it, or files -> {name: path}, list of what is wrong with others.

    Names are paths relative to the folder, in sorted order; of files, their own names. Raises ValueError where there
    is none.
    """
    paths = [Path(path) for path in paths]
    found, wrong = {}, []
    if any(path.is_dir() for path in paths):
        if len(paths) > 1:
            raise ValueError(f"--images {' '.join(map(str, paths))}: expected one folder, or files")
        named = [(file.relative_to(paths[0]).as_posix(), file) for file in _below(paths[0], wrong)]
    else:
        named = [(path.name, path) for path in paths]
    for name, path in named:
        if name in found:
            wrong.append(f"{path}: has the name of {found[name]}, expected different names: left out")
        elif any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
            wrong.append(f"{str(path)!r}: a name with a control character, a line end or bytes that are no text: left "
                         "out")
        else:
            found[name] = path
    if not found:
        raise ValueError("; ".join(wrong) or f"{paths[0]}: no pictures in it, expected files like "
                         f"{', '.join('*' + suffix for suffix in SUFFIXES)}")
    return dict(sorted(found.items())), wrong


def _below(folder, wrong):
    """What is called a picture in a folder and those below it, hidden ones apart -> sorted list of paths.

    Folders that cannot be looked into are appended to `wrong`, a line each.
    """
    def refused(error):
        wrong.append(f"{error.filename}: cannot be looked into: {error.strerror}")
    found = []
    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names
                  if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    return sorted(found)
