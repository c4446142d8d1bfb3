"""Good JSON and HDF5 files with a part of their content replaced by something else."""
import copy
import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

DEEP = 100_000                          # brackets
MARK = "deep inside"                    # replaced by so many
VALUES = (None, True, False, -1, 0, 1, 7, 1.5, -1e-300, 1e308, float("nan"), float("inf"), 10**30, -2**63, "", "x",
          "nan", "a\x00b", "\ud800", "x" * 10_000, [], {}, [[]], [None], ["x"], [1, "x"], {"x": 1}, {"": {}}, [0] * 999,
          MARK)
KEYS = ("", "x", "a.b", "../x", "train")
ATTRIBUTES = (1, "x", np.nan, b"\xff", [1, 2], "", -1.0, h5py.Empty("f"))
LINKS = {"soft": h5py.SoftLink("/nowhere"), "loop": h5py.SoftLink("/loop"), "outside": h5py.ExternalLink("no.h5", "/x")}
HDF5_CHANGES = ("removed", "group", *LINKS, "huge", "rows", *["value"] * 4)


# --- JSON --------------------------------------------------------------------------------------------------------


def change_json(random: Random, path: Path) -> None:
    """Change a file of JSON."""
    path.write_text(changed_json(random, path.read_text()), errors="surrogatepass")


def changed_json(random: Random, text: str) -> str:
    """The JSON text with one or two values replaced, removed or added."""
    content = json.loads(text)
    for _ in range(random.choice([1, 1, 1, 2])):
        content = _with_change(random, content)
    return json.dumps(content).replace(json.dumps(MARK), "[" * DEEP + "]" * DEEP)


def _with_change(random, content):
    """Walk down to a random place and change it."""
    if not isinstance(content, (dict, list)) or not content or random.random() < 0.15:
        return copy.deepcopy(random.choice(VALUES))         # which may be changed next
    key = random.choice(list(content)) if isinstance(content, dict) else random.randrange(len(content))
    kind = random.random()
    if kind < 0.1:
        del content[key]
    elif kind < 0.15 and isinstance(content, dict):
        content[random.choice(KEYS)] = content.pop(key)
    else:
        content[key] = _with_change(random, content[key])
    return content


# --- HDF5 --------------------------------------------------------------------------------------------------------


def change_hdf5(random: Random, path: Path) -> None:
    """Replace or remove a dataset or an attribute of an HDF5 file; texts of JSON are changed inside."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        texts = [name for name in names if isinstance(file[name], h5py.Dataset) and file[name].shape == ()]
        names = texts if texts and random.random() < 0.6 else names
        for name in random.sample(names, min(len(names), random.choice([1, 1, 2]))):
            if name in file:
                _change_dataset(random, file, name)
        if random.random() < 0.2:
            file.attrs[random.choice([*file.attrs, "x", "rounding_step"])] = random.choice(ATTRIBUTES)
    _seal(path)


def _seal(path):
    """Give a file that carries the SHA-256 of its content that of its new one: what lies behind it is tested here."""
    content, marker = path.read_bytes(), b"rnnlayers sha256 "
    if content.startswith(marker):
        block = marker + hashlib.sha256(content[512:]).hexdigest().encode() + b"\n"
        path.write_bytes(block.ljust(512, b"\0") + content[512:])


def _change_dataset(random, file, name):
    value = file[name][()] if isinstance(file[name], h5py.Dataset) else None
    del file[name]
    if isinstance(value, bytes) and random.random() < 0.7:
        file[name] = changed_json(random, value.decode()).encode("utf-8", "surrogatepass")
        return
    kind = random.choice(HDF5_CHANGES)
    if kind == "group":
        file.create_group(name)
    elif kind in LINKS:
        file[name] = LINKS[kind]
    elif kind == "huge":
        file.create_dataset(name, (10**6, 10**6), random.choice(["f4", "i8", "u1"]), chunks=(1, 1000))
    elif kind == "rows":
        shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", "f4")
        file.create_dataset(name, (10**9, *shape[1:]), dtype, chunks=True)
    elif kind == "value":
        file[name] = random.choice(_others(value))


def _others(value: Any) -> list[Any]:
    """Values of other types, shapes and sizes than an array of numbers."""
    others = [0, -1, 1e300, "x", b"\xff", np.zeros(3), h5py.Empty("f4"), np.zeros((0, 2)), np.float64("nan"),
              np.zeros(2, [("a", "i4"), ("b", "f8")]), np.array(["x", "ä"], h5py.string_dtype())]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        return others
    with np.errstate(all="ignore"):
        real = value.astype(np.float64)
        return [*others, real, value.astype(np.int8), value.astype(bool), value.astype(complex), value.astype(">f8"),
                value[..., None], value.reshape(-1), value[:0], value.sum(), value * 0, -np.abs(real), real + 1e6,
                np.where(real > 1, np.nan, real), np.concatenate([value, value]), value.T, np.full(value.shape, b"x")]
