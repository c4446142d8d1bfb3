"""Readers of captions: Flickr8k's text files, Karpathy's JSON, COCO's JSON, and tables of one's own."""
import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from data.files import read_json, read_text
from data.matching import CAPTION_NUMBER, match_names
from data.tables import read_table

SPLITS = ("train", "val", "test")
OTHER_NAMES = {"restval": "train", "valid": "val", "validation": "val", "dev": "val"}

Captions = dict[str, list[str]]     # image name -> captions as written


class Source(NamedTuple):
    name: str
    captions: Mapping[str, Captions]        # by split
    left_out: Mapping[str, int]             # reason -> number of captions or images
    notes: tuple[str, ...] = ()             # how it was read, where that is not plain
    where: str = ""                         # the files, for errors


def read_flickr8k(captions_file: str | os.PathLike, splits_dir: str | os.PathLike) -> Source:
    """Read Flickr8k: lines `image.jpg#k<TAB>caption`, and Flickr_8k.{train,dev,test}Images.txt in splits_dir.

    The captions may also be a table, as Kaggle's captions.txt is. The dev split is called val. Raises ValueError or
    FileNotFoundError that names the file and line.
    """
    by_image, left_out, notes = _flickr_captions(captions_file)
    listed = {split: _lines(Path(splits_dir) / f"Flickr_8k.{flickr}Images.txt")
              for split, flickr in zip(SPLITS, ("train", "dev", "test"))}
    images = list(by_image)
    image_of = {name: images[k] for name, k in match_names(sum(listed.values(), []), images).row_of.items()}
    for split, names in listed.items():
        left_out[f"{split} images without a caption"] += len([name for name in names if name not in image_of])
    captions = {split: {image_of[name]: by_image[image_of[name]] for name in names if name in image_of}
                for split, names in listed.items()}
    chosen = set(image_of.values())
    left_out["captions of images in no split"] += sum(len(by_image[name]) for name in by_image.keys() - chosen)
    return Source("flickr8k", captions, left_out, notes, f"{splits_dir}, {captions_file}")


def _flickr_captions(path: str | os.PathLike) -> tuple[Captions, Counter[str], tuple[str, ...]]:
    """The captions of each image, what was left out, and notes."""
    lines = read_text(path).split("\n")
    if "\t" not in next((line for line in lines if line.strip()), "\t"):
        source = read_csv(path)
        return source.captions.get("train", {}), Counter(source.left_out), source.notes
    by_image: Captions = {}
    for number, line in enumerate(lines, 1):
        key, tab, caption = line.partition("\t")
        if line.strip() and not (tab and CAPTION_NUMBER.search(key)):
            raise ValueError(f"{path}: line {number} is {line[:60]!r}, expected image.jpg#k, a tab, a caption")
        if line.strip():
            by_image.setdefault(CAPTION_NUMBER.sub("", key), []).append(caption)
    return by_image, Counter(), ()


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_csv(path: str | os.PathLike, image_column: str | None = None, caption_column: str | None = None,
             delimiter: str | None = None, split_column: str | None = None) -> Source:
    """Read a table of images and captions (data.tables); without a split column all images are in the train split.

    Rows that lack an image or a caption are counted, and the first is named. Raises FileNotFoundError or ValueError.
    """
    table = read_table(path, image_column, caption_column, delimiter, split_column)
    _check_split_names({row.split: row.where for row in reversed(table.rows) if row.split is not None}, path)
    captions: dict[str, Captions] = {}
    lacking: dict[str, list[str]] = {"an image": [], "a caption": []}
    for row in table.rows:
        if row.image and row.caption:
            split = "train" if row.split is None else _split(row.split)
            captions.setdefault(split, {}).setdefault(row.image, []).append(row.caption)
        else:
            lacking["a caption" if row.image else "an image"].append(f"{row.where}: {row.image or row.caption:.60}")
    left_out = {f"rows without {part} ({places[0]})": len(places) for part, places in lacking.items() if places}
    return Source(Path(path).stem, captions, left_out, (f"{path}: {table.how}",), str(path))


def read_karpathy(path: str | os.PathLike) -> Source:
    """Read Karpathy's dataset_*.json: images with filename, split and sentences, and maybe a filepath before filename.

    The split restval counts as train. Raises FileNotFoundError or ValueError.
    """
    content = _read_lists(path, "images")
    captions: dict[str, Captions] = {}
    named: dict[str, str] = {}
    for number, image in enumerate(content["images"]):
        with _naming(f"{path}: images[{number}]", "filename, split and sentences with raw"):
            split = _text(image["split"])
            raws = [_text(sentence["raw"]) for sentence in image["sentences"]]
            name = "/".join(filter(None, (_text(image.get("filepath") or ""), _text(image["filename"]))))
        named[split] = named.get(split, f"images[{number}]")
        captions.setdefault(_split(split), {}).setdefault(name, []).extend(raws)
    _check_split_names(named, path)
    name = Path(str(content.get("dataset") or path)).stem
    return Source(name, captions, Counter(), where=str(path))


def read_coco(train: str | os.PathLike, val: str | os.PathLike) -> Source:
    """Read COCO's captions_train2014.json and captions_val2014.json; there is no test split."""
    captions = {"train": _coco_split(train), "val": _coco_split(val)}
    return Source("coco", captions, Counter(), where=f"{train}, {val}")


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


def _split(name: str) -> str:
    """The project's name of a split."""
    return OTHER_NAMES.get(name.lower(), name.lower())


def _check_split_names(places: Mapping[str, str], path: str | os.PathLike) -> None:
    """Raises ValueError for names that are no split's. places: name -> where it stands first."""
    unknown = [name for name in places if _split(name) not in SPLITS]
    if unknown:
        found = ", ".join(f"{name!r:.40} ({places[name]})" for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise ValueError(f"{path}: splits named {found}{more}, expected {', '.join([*SPLITS, *OTHER_NAMES])}")


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
