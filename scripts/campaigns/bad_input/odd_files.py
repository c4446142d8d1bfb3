"""Files that a command does not expect: damaged, foreign, deep, looped, and good ones with a part changed."""
import os
import shutil
from pathlib import Path
from random import Random

from scripts.campaigns.bad_input.odd_values import DEEP, change_hdf5, change_json

TEXTS = ("", " ", "\n", "null", "[]", "{}", "0", '"x"', "[1", '{"a": ', "NaN", "[[],[]]", '[{"image": 3}]', "[{}]",
         "a,b\n1,2\n", "image,caption\n", "\ufeff", "\x00" * 300, ",,,,\n" * 9, '"', "[" * DEEP,
         "[" * DEEP + "]" * DEEP, '{"a":' * DEEP, '{"images": 3}', '{"images": [3]}', '{"annotations": {}}', "9" * 6000,
         '{"x": [1, {}]}')
HEADS = (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\x93NUMPY\x01\x00",
         b"\x80\x04", b"\xff\xfe", b"\xef\xbb\xbf")
NAMES = ("a\nb", "-", "--", " ", "\udcff", "ä" * 100, "x" * 300, "x" * 5000, "a\tb", "%s%n", "*", "~", "CON")
LINKS = {"dangling": "nowhere", "loop": "loop", "up": ".."}
SPECIAL = ("missing", "folder", "fifo", "device", "round", "under", *LINKS)


def odd_file(random: Random, good: Path | None, world: Path, folder: Path) -> Path:
    """A path to something odd, made in `folder`; good: a file or folder of the kind that is expected, or None."""
    kinds = [_text, _foreign, _special, _bytes, _named]
    if good is not None and good.exists():
        kinds += [_changed] * 9
    return random.choice(kinds)(random, good, world, folder)


def _text(random, good, world, folder):
    path = folder / f"text{good.suffix if good else '.json'}"
    path.write_text(random.choice(TEXTS), errors="surrogatepass")
    return path


def _foreign(random, good, world, folder):
    """A good file, but of some other kind."""
    return random.choice([path for path in sorted(world.rglob("*")) if "precious" not in path.parts])


def _special(random, good, world, folder):
    """What is no plain file."""
    kind = random.choice(SPECIAL)
    path = folder / kind
    if kind in LINKS:
        path.symlink_to(LINKS[kind])
    elif kind in ("folder", "round"):
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    if kind == "round":
        (path / "up").symlink_to("..")
        (path / "dot").symlink_to(".")
    return {"device": Path("/dev/zero"), "under": world / "raw" / "captions.csv" / "x"}.get(kind, path)


def _bytes(random, good, world, folder):
    path = folder / f"bytes{good.suffix if good else '.bin'}"
    path.write_bytes(random.choice(HEADS) + random.randbytes(random.choice([0, 1, 7, 64, 3000])))
    return path


def _named(random, good, world, folder):
    """A good file under an odd name, or only the name."""
    path = folder / random.choice(NAMES)
    if good is not None and good.is_file() and len(os.fsencode(path.name)) < 250 and random.random() < 0.7:
        shutil.copy2(good, path)
    return path


def _changed(random, good, world, folder):
    """A copy of a good file, or of a folder with a file or two in it changed or missing."""
    path = folder / good.name
    if not good.is_dir():
        shutil.copy2(good, path)
        change(random, path)
        return path
    shutil.copytree(good, path)
    inside = [file for file in sorted(path.rglob("*")) if file.is_file()]
    for victim in random.sample(inside, min(len(inside), random.choice([1, 1, 2]))):
        if random.random() < 0.1:
            victim.unlink()
        else:
            change(random, victim)
    return path


def change(random: Random, path: Path) -> None:
    """Change a part of a file: its values where it is JSON or HDF5, else and sometimes its bytes."""
    by_kind = {".json": change_json, ".h5": change_hdf5}.get(path.suffix)
    if by_kind is not None and random.random() < 0.8:
        by_kind(random, path)
    else:
        path.write_bytes(_changed_bytes(random, bytearray(path.read_bytes())))


def _changed_bytes(random, content):
    """The bytes cut, with a bit flipped, zeroed in a place, with something put in between, or twice."""
    kind = random.choice(["cut", "flip", "zero", "twice", "insert"])
    place = random.randrange(max(len(content), 1))
    if kind == "cut":
        del content[place:]
    elif kind == "flip" and content:
        content[place] ^= 1 << random.randrange(8)
    elif kind == "zero":
        content[place:place + 64] = bytes(len(content[place:place + 64]))
    elif kind == "insert":
        content[place:place] = random.choice(TEXTS).encode("utf-8", "surrogatepass")[:4000]
    return content * 2 if kind == "twice" else content
