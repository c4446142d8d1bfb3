"""Features in the files of others: HDF5, .npy, .npz, a folder of these, Anderson's .tsv; image by image.

A file with names of images has one array for all images; a file without has one array an image, whose key is the
image's name: 391895, 391895_features or 391895/features.
"""
import base64
import contextlib
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from data.feature_file import COUNT_KEYS, NAME_KEYS, as_text, check_distinct, few, readable
from data.files import hdf5_errors, open_hdf5, read_json, read_text
from data.looking import check_storage

BLOCK_BYTES = 2**24
NAMES = (*NAME_KEYS, "names", "filenames")
FEATURES = ("features", "feature", "feats", "feat", "image_features", "att_feats")
COUNTS = ("regions", *COUNT_KEYS)
OTHERS = (*COUNTS, *NAMES, "boxes", "bbox", "bboxes", "image_bb", "spatial_features", "cls_prob", "size", "mask")
SPLITS = ("train", "training", "trainval", "restval", "val", "valid", "validation", "dev", "test")
PART = f"{'|'.join([*FEATURES, *OTHERS])}|grids?"


class Entry(NamedTuple):
    """An array that is read when it is needed: load() gives something to index."""
    shape: tuple[int, ...]
    dtype: np.dtype
    load: Callable[[], Any]


class Foreign(NamedTuple):
    """Features of others. Axis k has low[k] to high[k] entries: they differ where there is one array an image."""
    key: str                                        # where in the file, for messages
    names: list[str]
    dtype: np.dtype
    low: tuple[int, ...]
    high: tuple[int, ...]
    read: Callable[[int], Iterator[np.ndarray]]     # axis of the rows -> the image's arrays in the order of names
    counts: np.ndarray | None                       # stated numbers of regions (rows,)
    attributes: dict[str, Any]


def open_foreign(path: Path, names: Path | None = None, dataset: str | None = None) -> Foreign:
    """Open features of others.

    names: a text file with one name a line or a JSON list, for an array without names; dataset: which of several
    arrays, or kinds of arrays, has the features. Raises FileNotFoundError, or ValueError that says what is missing.
    """
    listed = None if names is None else _listed(names)
    if path.is_dir():
        return _one_each(path, _folder(path), listed, dataset)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if re.search(r"\.tsv(\.\d+)?$", path.name):                         # large ones come as .tsv.0, .tsv.1
        return _one_each(path, {"": _tsv(path)}, listed, dataset)
    if path.suffix == ".npy":
        return _one_array(path, {"the array": _npy(path)}, listed, "the array", {})
    if path.suffix == ".npz":
        return _one_file(path, _npz(path, keep=True), listed, dataset, {})
    entries, attributes = _hdf5(path)
    return _one_file(path, entries, listed, dataset, attributes)


def _one_file(path: Path, entries: dict[str, Entry], names: list[str] | None, dataset: str | None,
              attributes: dict[str, Any]) -> Foreign:
    key = next((key for key in NAMES if key in entries and len(entries[key].shape) == 1), None)
    if names is None and key:
        with hdf5_errors(path):
            names = as_text(entries[key].load()[()])
    if names is None and not any(key in entries for key in (*FEATURES, "arr_0")):
        kinds: dict[str, dict[str, Entry]] = {}
        for key, entry in entries.items():
            image, part = _image_and_part(key)
            other = key in OTHERS or entry.dtype.kind not in "fiu"       # not an image's features: a kind of its own
            kinds.setdefault(key if other else part, {})[image] = entry
        if len({image for part in kinds if part not in OTHERS for image in kinds[part]}) == 1:
            raise _many_images(path, list(entries))
        return _one_each(path, kinds, None, dataset, attributes)
    return _one_array(path, entries, names, dataset, attributes)


def _one_array(path: Path, entries: dict[str, Entry], names: list[str] | None, dataset: str | None,
               attributes: dict[str, Any]) -> Foreign:
    if names is None:
        raise ValueError(f"{path}: no names of images, found {few(list(entries))}; expected {', '.join(NAME_KEYS)} in "
                         "the file, or --names FILE with one name a line or a JSON list")
    likely = [key for key, entry in entries.items() if readable(entry.dtype) and len(entry.shape) > 1]
    chosen = dataset or _only(path, "array", [key for key in FEATURES if key in likely][:1] or [
        key for key in likely if key not in OTHERS], list(entries))
    if chosen not in likely:
        raise ValueError(f"{path}: {chosen} is not an array of features, expected one of {few(likely)}: float16, "
                         "float32, float64 or int8 with two or more axes")
    check_distinct(names, f"{path}: {{}} among the names of images")
    entry = entries[chosen]
    if 0 in entry.shape:
        raise ValueError(f"{path}: {chosen} is {entry.shape}, expected at least one number")
    counts = next((entries[key] for key in COUNTS if key in entries), None)
    return Foreign(chosen, names, entry.dtype, entry.shape, entry.shape, lambda axis: _rows(path, entry, axis),
                   None if counts is None else _counts(path, np.asarray(counts.load()[()]), len(names)), attributes)


def _one_each(path: Path, kinds: Mapping[str, dict[str, Entry]], names: list[str] | None, dataset: str | None,
              attributes: Mapping[str, Any] | None = None) -> Foreign:
    if names is not None:
        raise ValueError(f"{path}: has one array an image, with names of its own: leave out --names")
    likely = {part: images for part, images in kinds.items() if part not in OTHERS
              and images and all(readable(entry.dtype) and entry.shape for entry in images.values())}
    part = dataset or _only(path, "kind of arrays", list(likely), [key for images in kinds.values() for key in images])
    if part not in likely:
        raise ValueError(f"{path}: no arrays {part}, expected one of {few(list(likely))}")
    images = likely[part]
    first, *_ = images
    if any(image.lower() in SPLITS for image in images):
        raise _many_images(path, list(images))
    for image, entry in images.items():
        if len(entry.shape) != len(images[first].shape) or 0 in entry.shape:
            raise ValueError(f"{path}: {image} is {entry.shape} and {first} {images[first].shape}, expected as many "
                             "axes and at least one number for each image")
    single = len(images[first].shape) > 1 and all(entry.shape[0] == 1 for entry in images.values())
    shapes = [entry.shape[1:] if single else entry.shape for entry in images.values()]       # without a batch of one
    counts = next((kinds[key] for key in COUNTS if key in kinds), {})
    stated = None
    if {*images} <= {*counts}:
        stated = _counts(path, np.concatenate([np.ravel(counts[image].load()[()]) for image in images]), len(images))
    return Foreign(
        part or "one array an image", list(images), np.result_type(*{entry.dtype for entry in images.values()}),
        (len(images), *map(min, zip(*shapes))), (len(images), *map(max, zip(*shapes))),
        lambda axis: _each(path, images, single), stated, dict(attributes or {}))


def _many_images(path: Path, found: list[str]) -> ValueError:
    """The error for arrays that seem to have a row for each of many images, and no names of these."""
    return ValueError(f"{path}: no names of images for {few(found)}; expected one array an image under the image's "
                      "name, or names: --names FILE with one name a line or a JSON list (--dataset chooses an array)")


def _only(path: Path, what: str, found: list[str], everything: list[str]) -> str:
    """The only name in the list. Raises ValueError if there is none, or several."""
    if not found:
        raise ValueError(f"{path}: no features, float16, float32, float64 or int8, found {few(everything)}")
    if len(found) > 1:
        raise ValueError(f"{path}: more than one {what} may have the features, "
                         f"{few([name or 'a name alone' for name in found])}: choose with --dataset")
    return found[0]


def _counts(path: Path, counts: np.ndarray, rows: int) -> np.ndarray:
    if counts.dtype.kind not in "iu" and not (counts.dtype.kind == "f" and (counts == np.floor(counts)).all()) or (
            counts.size != rows):
        raise ValueError(f"{path}: the numbers of regions are {counts.dtype} {counts.shape}, expected integers "
                         f"({rows},)")
    return counts.reshape(-1).astype(np.int64)


def _image_and_part(key: str) -> tuple[str, str]:
    """391895_features, 391895/features or features/391895 -> 391895, features; other keys are the image's name."""
    if match := re.fullmatch(rf"(.+?)[_/]({PART})", key):
        return match[1], match[2]
    if match := re.fullmatch(rf"({PART})/(.+)", key):
        return match[2], match[1]
    return key, ""


def _rows(path: Path, entry: Entry, axis: int) -> Iterator[np.ndarray]:
    array, rows = entry.load(), entry.shape[axis]
    step = max(1, BLOCK_BYTES * rows // (int(np.prod(entry.shape)) * entry.dtype.itemsize))
    for start in range(0, rows, step):
        with hdf5_errors(f"{path}: rows {start}..{min(start + step, rows) - 1}"):
            block = array[(slice(None),) * axis + (slice(start, start + step),)]
        yield from np.moveaxis(block, axis, 0)


def _each(path: Path, images: Mapping[str, Entry], single: bool) -> Iterator[np.ndarray]:
    for image, entry in images.items():
        with hdf5_errors(f"{path}: {image}"):
            x = np.asarray(entry.load()[()])
        yield x[0] if single else x


def _listed(path: Path) -> list[str]:
    if path.suffix != ".json":
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    content = read_json(path)
    if not isinstance(content, list) or not all(type(name) in (str, int) for name in content):
        raise ValueError(f"{path}: expected a JSON list of names or numbers")
    return list(map(str, content))


def _hdf5(path: Path) -> tuple[dict[str, Entry], dict[str, Any]]:
    entries = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            # Opened anew to be read: each open dataset keeps what it read last.
            entries[name] = Entry(item.shape, item.dtype, lambda: _whole(file[name]))
    with hdf5_errors(path):
        file = open_hdf5(path)
        file.visititems(visit)
        return entries, dict(file.attrs)


def _whole(dataset: h5py.Dataset) -> h5py.Dataset:
    check_storage(dataset)
    return dataset


def _npy(path: Path) -> Entry:
    with _numpy_errors(path):
        array = np.load(path, mmap_mode="r")
        if not isinstance(array, np.ndarray):
            raise ValueError("several arrays in a zip file, which should end in .npz")
        return Entry(array.shape, array.dtype, lambda: np.load(path, mmap_mode="r"))


def _npz(path: Path, keep: bool = False) -> dict[str, Entry]:
    """keep: hold the file open, as opening one of thousands of arrays for each of them takes long."""
    def opened() -> Any:
        if isinstance(file := np.load(path), np.ndarray):
            raise ValueError("one array, whose file should end in .npy")
        return file

    def member(key: str) -> np.ndarray:
        with _numpy_errors(path), contextlib.nullcontext(kept) if kept else opened() as file:
            return file[key]
    with _numpy_errors(path), opened() as file:
        keys = list(file)
    kept, entries = opened() if keep else None, {}
    for key in keys:
        form: tuple[tuple[int, ...], np.dtype] = (), np.dtype(object)
        with contextlib.suppress(ValueError):       # Python objects are not read
            form = (array := member(key)).shape, array.dtype
        entries[key] = Entry(*form, lambda key=key: member(key))        # type: ignore[misc]
    return entries


def _folder(folder: Path) -> dict[str, dict[str, Entry]]:
    kinds: dict[str, dict[str, Entry]] = {}
    for path in sorted(folder.rglob("[!.]*.np[yz]")):
        image = path.relative_to(folder).with_suffix("").as_posix()
        for part, entry in (_npz(path) if path.suffix == ".npz" else {"": _npy(path)}).items():
            if entry.shape or part in COUNTS:
                kinds.setdefault(part, {})[image] = entry
    return kinds


def _tsv(path: Path) -> dict[str, Entry]:
    """Anderson's bottom-up features: lines of image_id ... num_boxes, boxes, features, the last two in base64."""
    entries: dict[str, Entry] = {}
    with open(path, "rb") as file:
        for number in range(10**9):
            start, line = file.tell(), file.readline()
            if not line:
                return entries
            image, x = _tsv_line(line, f"{path}: line {number + 1}")
            if image in entries:
                raise ValueError(f"{path}: line {number + 1}: {image} occurs twice, expected one line an image")
            entries[image] = Entry(x.shape, x.dtype, lambda start=start: _tsv_at(path, start))      # type: ignore[misc]
    return entries


def _tsv_at(path: Path, start: int) -> np.ndarray:
    with open(path, "rb") as file:
        file.seek(start)
        return _tsv_line(file.readline(), f"{path}: byte {start}")[1]


def _tsv_line(line: bytes, where: str) -> tuple[str, np.ndarray]:
    try:
        image, *_, count, _, features = line.rstrip(b"\r\n").split(b"\t")
        return image.decode(), np.frombuffer(base64.b64decode(features, validate=True), "<f4").reshape(int(count), -1)
    except ValueError as error:
        raise ValueError(f"{where}: expected image_id, ..., num_boxes, boxes and features, the last two in base64 "
                         f"({error})") from error


@contextlib.contextmanager
def _numpy_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, EOFError, KeyError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
            zlib.error) as error:
        found = " ".join(str(error).split())
        raise ValueError(f"{path}: expected arrays of numbers that NumPy wrote, found {found}") from error
