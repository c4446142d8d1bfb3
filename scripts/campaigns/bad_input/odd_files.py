"""Files that a command does not expect: damaged, foreign, deep, looped, and good ones with a part changed."""
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

DEEP = 100_000
MARK = "deep inside"                    # replaced by very many brackets
VALUES = (None, True, False, -1, 0, 1, 7, 1.5, -1e-300, 1e308, float("nan"), float("inf"), 10**30, -2**63, "", "x", "nan",
          "a\x00b", "\ud800", "x" * 10_000, [], {}, [[]], [None], ["x"], [1, "x"], {"x": 1}, {"": {}}, [0] * 1000, MARK)
TEXTS = ("", " ", "\n", "null", "[]", "{}", "0", '"x"', "[1", '{"a": ', "NaN", "[[],[]]", '[{"image": 3}]', "a,b\n1,2\n",
         "image,caption\n", "\ufeff", "\x00" * 300, ",,,,\n" * 9, '"', "[" * DEEP, "[" * DEEP + "]" * DEEP,
         '{"a":' * DEEP, "[{}]", '{"images": 3}', '{"images": [3]}', '{"annotations": {}}', "9" * 6000, '{"x": [1, {}]}')


def odd_file(random: Random, good: Path | None, world: Path, folder: Path) -> Path:
    """A path to something odd, made in `folder`; good: a file or folder of the kind that is expected, or None."""
    makers: list[Callable] = [_text, _foreign, _special, _bytes, _named]
    if good is not None and good.exists():
        makers += [_changed] * 9
    return random.choice(makers)(random, good, world, folder)


def _text(random, good, world, folder):
    path = folder / f"text{good.suffix if good else '.json'}"
    path.write_text(random.choice(TEXTS), errors="surrogatepass")
    return path


def _foreign(random, good, world, folder):
    """A good file, but of some other kind."""
    return random.choice([path for path in sorted(world.rglob("*")) if "precious" not in path.parts])


def _special(random, good, world, folder):
    """What is no plain file."""
    chosen = random.choice(["missing", "folder", "dangling", "loop", "fifo", "device", "link", "round", "under"])
    path = folder / chosen
    if chosen == "folder":
        path.mkdir()
    elif chosen == "link":
        os.symlink(random.choice(["/", "..", str(world)]), path)
    elif chosen in ("dangling", "loop"):
        os.symlink({"dangling": "nowhere", "loop": "loop"}[chosen], path)
    elif chosen == "fifo":
        os.mkfifo(path)
    elif chosen == "round":
        path.mkdir()
        os.symlink("..", path / "up")
        os.symlink(".", path / "dot")
    elif chosen == "under":
        return world / "raw" / "captions.csv" / "x"
    return Path("/dev/zero") if chosen == "device" else path


def _bytes(random, good, world, folder):
    path = folder / f"bytes{good.suffix if good else '.bin'}"
    head = random.choice([b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\x93NUMPY\x01\x00",
                          b"\x80\x04", b"\xff\xfe", b"\xef\xbb\xbf"])
    path.write_bytes(head + random.randbytes(random.choice([0, 1, 7, 64, 3000])))
    return path


def _named(random, good, world, folder):
    """A good file under an odd name, or only the name."""
    name = random.choice(["a\nb", "-", "--", " ", "\udcff", "ä" * 100, "x" * 300, "x" * 5000, "a\tb", "%s%n", "*", "~", "CON"])
    path = folder / name
    if good is not None and good.is_file() and len(os.fsencode(name)) < 250 and random.random() < 0.7:
        shutil.copy2(good, path)
    return path


def _changed(random, good, world, folder):
    """A copy of a good file, or of a folder with one file in it changed."""
    path = folder / good.name
    if not good.is_dir():
        shutil.copy2(good, path)
        change(random, path)
        return path
    shutil.copytree(good, path)
    inside = [p for p in sorted(path.rglob("*")) if p.is_file()]
    for victim in random.sample(inside, min(len(inside), random.choice([1, 1, 2]))):
        if random.random() < 0.1:
            victim.unlink()
            if random.random() < 0.5:
                victim.mkdir()
        else:
            change(random, victim)
    return path


def change(random: Random, path: Path) -> None:
    """Change a part of a file: its values where it is JSON or HDF5, else and sometimes its bytes."""
    by_kind = {".json": change_json, ".h5": change_hdf5}.get(path.suffix)
    if by_kind is not None and random.random() < 0.8:
        by_kind(random, path)
        return
    content = bytearray(path.read_bytes())
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
    else:
        content = content * 2
    path.write_bytes(content)


# --- JSON --------------------------------------------------------------------------------------------------------


def change_json(random: Random, path: Path) -> None:
    path.write_text(changed_json(random, path.read_text()), errors="surrogatepass")


def changed_json(random: Random, text: str) -> str:
    """The JSON text with one or two values replaced, removed or added."""
    content = json.loads(text)
    for _ in range(random.choice([1, 1, 1, 2])):
        content = _with_change(random, content)
    text = json.dumps(content)
    return text.replace(json.dumps(MARK), "[" * DEEP + "]" * DEEP)


def _with_change(random, content):
    """Walk down to a random place, the more likely the deeper, and change it."""
    if isinstance(content, (dict, list)) and content and random.random() < 0.85:
        key = random.choice(list(content)) if isinstance(content, dict) else random.randrange(len(content))
        kind = random.random()
        if kind < 0.1:
            del content[key]
        elif kind < 0.15 and isinstance(content, dict):
            content[random.choice(["", "x", "a.b", "../x", "train"])] = content.pop(key)
        else:
            content[key] = _with_change(random, content[key])
        return content
    return random.choice(VALUES)


# --- HDF5 --------------------------------------------------------------------------------------------------------


def change_hdf5(random: Random, path: Path) -> None:
    """Replace, remove or add a dataset or an attribute; texts of JSON are changed inside."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        texts = [name for name in names if isinstance(file[name], h5py.Dataset) and h5py.check_string_dtype(file[name].dtype)]
        names = texts if texts and random.random() < 0.6 else names
        for name in random.sample(names, min(len(names), random.choice([1, 1, 2]))):
            if name in file:
                _change_dataset(random, file, name)
        if random.random() < 0.2:
            file.attrs[random.choice([*file.attrs, "x", "rounding_step"])] = random.choice(
                [1, "x", np.nan, b"\xff", [1, 2], "", -1.0, h5py.Empty("f")])
    _sealed(path)


def _sealed(path):
    """Give a file that carries the SHA-256 of its content that of its new content: what is behind it is tested here."""
    content, marker = path.read_bytes(), b"rnnlayers sha256 "
    if content.startswith(marker):
        block = marker + hashlib.sha256(content[512:]).hexdigest().encode() + b"\n"
        path.write_bytes(block.ljust(512, b"\0") + content[512:])


def _change_dataset(random, file, name):
    old = file[name]
    value = old[()] if isinstance(old, h5py.Dataset) else None
    del file[name]
    if isinstance(value, bytes) and random.random() < 0.7:
        file[name] = changed_json(random, value.decode()).encode("utf-8", "surrogatepass")
        return
    kind = random.choice(["removed", "group", "soft", "loop", "external", "huge", "huge rows", "value", "value", "value"])
    if kind == "group":
        file.create_group(name)
    elif kind in ("soft", "loop"):
        file[name] = h5py.SoftLink("/nowhere" if kind == "soft" else f"/{name}")
    elif kind == "external":
        file[name] = h5py.ExternalLink("nowhere.h5", "/x")
    elif kind == "huge":
        file.create_dataset(name, (10**6, 10**6), random.choice(["f4", "i8", "u1"]), chunks=(1, 1000))
    elif kind == "huge rows":
        shape = getattr(value, "shape", ())
        file.create_dataset(name, (10**9, *shape[1:]), getattr(value, "dtype", "f4"), chunks=True)
    elif kind == "value":
        file[name] = _other_value(random, value)


def _other_value(random: Random, value: Any) -> Any:
    value = np.asarray(value if isinstance(value, np.ndarray) else 0)
    number = value if value.dtype.kind in "fiub" else np.zeros(value.shape)
    with np.errstate(all="ignore"):
        others = (number.astype(np.float64), number.astype(np.int8), number.astype(bool), number.astype(complex),
                  number[..., None], number.reshape(-1), number[:0], number.sum(), number * 0, -np.abs(number.astype(float)),
                  np.where(number.astype(float) > 1, np.nan, number), number.astype(np.int64) + 10**6, np.concatenate([np.atleast_1d(number)] * 2),
                  np.full(number.shape or 1, b"x"), np.array(["x", "ä"], h5py.string_dtype()), np.float64("nan"), 0, "x", b"\xff",
                  h5py.Empty("f4"), np.zeros(2, [("a", "i4"), ("b", "f8")]), np.asarray(number, ">f8"), number.T) if number.ndim else (
                      0, -1, 1e300, "x", b"\xff", np.zeros(3), h5py.Empty("f4"), np.zeros((0, 2)))
    return random.choice(others)


if sys.getrecursionlimit() >= DEEP:
    raise ImportError(f"a recursion limit of {DEEP} or more: nothing would be deep")
