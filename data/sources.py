"""Readers of published captions: Flickr8k's text files, Karpathy's JSON, COCO's JSON."""
import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from data.files import read_json, read_text

SPLITS = ("train", "val", "test")

Captions = dict[str, list[str]]     # image name -> captions as written


class Source(NamedTuple):
    name: str
    captions: Mapping[str, Captions]        # by split
    left_out: Mapping[str, int]             # reason -> number of captions or images


def read_flickr8k(captions_file: str | os.PathLike, splits_dir: str | os.PathLike) -> Source:
    """Read Flickr8k: lines `image.jpg#k<TAB>caption`, and Flickr_8k.{train,dev,test}Images.txt in splits_dir.

    The dev split is called val. Raises ValueError or FileNotFoundError that names the file and line.
    """
    by_image: Captions = {}
    captions: dict[str, Captions] = {}
    left_out: Counter[str] = Counter()
    for number, line in enumerate(read_text(captions_file).split("\n"), 1):
        if not line.strip():
            continue
        key, tab, caption = line.partition("\t")
        if not tab or "#" not in key:
            raise ValueError(f"{captions_file}: line {number} is {line[:60]!r}, expected image.jpg#k, a tab, a caption")
        by_image.setdefault(key.rsplit("#", 1)[0], []).append(caption)
    for split, flickr in zip(SPLITS, ("train", "dev", "test")):
        lines = read_text(Path(splits_dir) / f"Flickr_8k.{flickr}Images.txt").split("\n")
        names = [line.strip() for line in lines if line.strip()]
        left_out[f"{split} images without a caption"] += len([name for name in names if name not in by_image])
        captions[split] = {name: by_image[name] for name in names if name in by_image}
    chosen = {name for names in captions.values() for name in names}
    left_out["captions of images in no split"] += sum(len(by_image[name]) for name in by_image.keys() - chosen)
    return Source("flickr8k", _checked(f"{splits_dir}, {captions_file}", captions), left_out)


def read_karpathy(path: str | os.PathLike) -> Source:
    """Read Karpathy's dataset_*.json: images with filename, split and sentences. The split restval counts as train."""
    content = _read_lists(path, "images")
    captions: dict[str, Captions] = {}
    for number, image in enumerate(content["images"]):
        with _naming(f"{path}: images[{number}]", "filename, split and sentences with raw"):
            split = "train" if image["split"] == "restval" else image["split"]
            raws = [_text(sentence["raw"]) for sentence in image["sentences"]]
            captions.setdefault(_text(split), {}).setdefault(_text(image["filename"]), []).extend(raws)
    name = Path(str(content.get("dataset") or path)).stem   # it becomes part of a folder's name
    return Source(name, _checked(path, captions), Counter())


def read_coco(train: str | os.PathLike, val: str | os.PathLike) -> Source:
    """Read COCO's captions_train2014.json and captions_val2014.json; there is no test split."""
    captions = {"train": _coco_split(train), "val": _coco_split(val)}
    return Source("coco", _checked(f"{train}, {val}", captions), Counter())


def _coco_split(path: str | os.PathLike) -> Captions:
    content = _read_lists(path, "images", "annotations")
    names: dict[Any, str] = {}
    captions: Captions = {}
    for number, image in enumerate(content["images"]):
        with _naming(f"{path}: images[{number}]", "id and file_name"):
            names[image["id"]] = _text(image["file_name"])
            captions[names[image["id"]]] = []
    for number, annotation in enumerate(content["annotations"]):
        with _naming(f"{path}: annotations[{number}]", "caption, and image_id, the id of one of the images"):
            captions[names[annotation["image_id"]]].append(_text(annotation["caption"]))
    return captions


def _checked(where: object, captions: dict[str, Captions]) -> dict[str, Captions]:
    """The same captions. Raises ValueError for unknown, missing and empty splits, and if two splits share an image."""
    unknown = [split for split in captions if split not in SPLITS]
    if unknown:
        raise ValueError(f"{where}: split {unknown[0]!r}, expected train, restval, val or test")
    empty = [split for split in {"train": None, **captions} if not any(captions.get(split, {}).values())]
    if empty:
        raise ValueError(f"{where}: no image of the {empty[0]} split has a caption, expected at least one")
    for one, other in itertools.combinations(captions, 2):
        both = captions[one].keys() & captions[other].keys()
        if both:
            raise ValueError(f"{where}: image {min(both)!r} is in the splits {one} and {other}, expected in one only")
    return captions


def _read_lists(path: str | os.PathLike, *keys: str) -> dict[str, Any]:
    content = read_json(path)
    missing = [key for key in keys if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise ValueError(f"{path}: no list {missing[0]!r}, expected an object with {' and '.join(keys)}")
    return content


@contextlib.contextmanager
def _naming(where: str, expected: str) -> Iterator[None]:
    """Turn missing keys and wrong types, inside this block, into ValueError that begins with `where`."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise ValueError(f"{where}: expected {expected}, found {type(error).__name__}: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is not text")
    return value
