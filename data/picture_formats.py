"""Which kinds of picture files are read: some depend on how Pillow was built and on whether pillow-heif is there."""
from __future__ import annotations

import functools
from collections import Counter

from PIL import features

from data.pictures import FORMATS

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
AVIF, HEIF = (".avif",), (".heic", ".heif")
REMEDY = {**dict.fromkeys(AVIF, "a newer Pillow: pip install -U pillow, or convert them to JPEG"),
          **dict.fromkeys(HEIF, "pillow-heif: pip install -e \".[heif]\", or convert them to JPEG")}
BRANDS = {b"avif": ".avif", b"avis": ".avif",            # bytes 8 to 12 of a file whose bytes 4 to 8 are "ftyp"
          **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), ".heic")}


@functools.cache
def readable() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of Pillow's formats that are read, and endings of their files in lower case."""
    formats: tuple[str, ...] = FORMATS
    suffixes: tuple[str, ...] = SUFFIXES
    if "avif" in features.modules and features.check("avif"):
        formats, suffixes = (*formats, "AVIF"), suffixes + AVIF
    try:
        import pillow_heif
    except ImportError:
        return formats, suffixes
    pillow_heif.register_heif_opener(thumbnails=False)
    return (*formats, "HEIF"), suffixes + HEIF


def lacking(head: bytes) -> str | None:
    """What is needed to read a picture that begins with these 12 bytes; None if it is of no such kind."""
    suffix = BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None
    return None if suffix is None or suffix in readable()[1] else f"found {suffix}, which needs {REMEDY[suffix]}"


def left_out_line(endings: Counter[str]) -> str | None:
    """A line that counts files left out because of their endings, and says how to read those that are pictures."""
    if not endings:
        return None
    count, most = endings.total(), endings.most_common(8)
    told = [f"{ending or 'without an ending'} {n}" for ending, n in most]
    others = count - sum(n for _, n in most)
    kinds = ", ".join(told + [f"others {others}"] * (others > 0))
    needs = [f"{ending} needs {REMEDY[ending]}" for ending in sorted(endings.keys() & REMEDY.keys())]
    what = "1 file that is not called a picture" if count == 1 else f"{count:,} files that are not called pictures"
    return f"left out: {what} ({'; '.join([kinds, *needs])})"
