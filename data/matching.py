"""Finding the pictures and features of captions' images by their names, which files write in different ways."""
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

ENDINGS = re.compile(r"(\.(jpe?g|jpe|jfif|png|gif|bmp|webp|tiff?|heic|heif|avif|npy|npz))+$", re.IGNORECASE)
CAPTION_NUMBER = re.compile(r"(#[A-Za-z]+)?#\d+$")               # dog.jpg#0, dog.jpg#zhc#0
COCO_NUMBER = re.compile(r"(?:coco_[a-z]+\d{4}_)?0*(\d+)")


class Matches(NamedTuple):
    """Which stored name each wanted name is."""
    row_of: dict[str, int]          # wanted name -> place among the stored names
    by: Counter[str]                # "their base name" -> how many were found so; names that are equal do not count


def match_names(wanted: Iterable[str], stored: Sequence[str]) -> Matches:
    """Find each wanted name among the stored ones: the same name, else the same path, base name, and so on.

    A looser comparison counts only where it is unique among all wanted and all stored names.
    """
    wanted = list(dict.fromkeys(wanted))
    places = {name: row for row, name in enumerate(stored)}
    row_of = {name: places[name] for name in wanted if name in places}
    by: Counter[str] = Counter()
    for words, key in LOOSER.items():
        left = [name for name in wanted if name not in row_of]
        if not left:
            break
        theirs, ours = _unique(key, stored), _unique(key, wanted)
        found = {name: theirs[key(name)] for name in left if key(name) in theirs and key(name) in ours}
        by[words] += len(found)
        row_of |= {name: places[other] for name, other in found.items()}
    return Matches(row_of, +by)


def examples(wanted: Collection[str], stored: Collection[str]) -> str:
    """Two names of each side, for a message."""
    return " and ".join(f"{side} {', '.join(repr(name[:80]) for name in sorted(names)[:2]) or 'none'}"
                        for side, names in (("the captions' images are named", wanted), ("the others", stored)))


def _unique(key: Callable[[str], str], names: Iterable[str]) -> dict[str, str]:
    """Key -> the only name that has it; keys of several names, and empty ones, are left out."""
    found: dict[str, str] = {}
    twice = {""}
    for name in names:
        k = key(name)
        twice |= {k} if k in found else set()
        found[k] = name
    return {k: name for k, name in found.items() if k not in twice}


def _path(name: str) -> str:
    """Slashes forward, no drive, no ./ before it, no number of a caption behind it, in Unicode's composed form."""
    name = CAPTION_NUMBER.sub("", unicodedata.normalize("NFC", name).strip()).replace("\\", "/")
    return re.sub(r"^([A-Za-z]:)?(\.?/)*", "", name)


def _base(name: str) -> str:
    return _path(name).rsplit("/", 1)[-1]


def _stem(name: str) -> str:
    return ENDINGS.sub("", _base(name)).casefold()


def _number(name: str) -> str:
    match = COCO_NUMBER.fullmatch(_stem(name))
    return match[1] if match else ""


LOOSER: dict[str, Callable[[str], str]] = {
    "their path in another spelling": _path, "their base name": _base, "their base name without its ending": _stem,
    "the number in their name": _number,
}
