"""Captions as others publish them: Flickr8k's text files, Karpathy's JSON, COCO's JSON."""
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    name: str
    captions: dict                  # split -> {image name -> [raw caption, ...]}
    left_out: Counter               # reason -> how many captions or images


def read_flickr8k(captions_file, splits_dir):
    """Flickr8k: lines `image.jpg#k<TAB>caption`, and Flickr_8k.{train,dev,test}Images.txt in splits_dir -> Source.

    Flickr's dev split is called val. Raises ValueError or FileNotFoundError that names the file and line.
    """
    by_image, left_out = {}, Counter()
    for number, line in enumerate(_lines(captions_file), 1):
        key, tab, caption = line.partition("\t")
        if not tab or "#" not in key:
            raise ValueError(f"{captions_file}: line {number} is {line[:60]!r}, expected image.jpg#k, a tab, a caption")
        by_image.setdefault(key.rsplit("#", 1)[0], []).append(caption)
    captions = {}
    for split, flickr in (("train", "train"), ("val", "dev"), ("test", "test")):
        names = [name.strip() for name in _lines(Path(splits_dir) / f"Flickr_8k.{flickr}Images.txt")]
        left_out[f"{split} images without a caption"] += sum(name not in by_image for name in names)
        captions[split] = {name: by_image[name] for name in names if name in by_image}
    chosen = {name for names in captions.values() for name in names}
    left_out["captions of images in no split"] += sum(len(by_image[name]) for name in by_image.keys() - chosen)
    return Source("flickr8k", captions, left_out)


def read_karpathy(path):
    """Karpathy's dataset_*.json: images with filename, split and sentences -> Source; restval counts as train."""
    content, captions = _json(path, "images"), {}
    for number, image in enumerate(content["images"]):
        try:
            split = "train" if image["split"] == "restval" else image["split"]
            captions.setdefault(split, {})[image["filename"]] = [s["raw"] for s in image["sentences"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: images[{number}] lacks {error}, "
                             "expected filename, split and sentences with raw") from error
    return Source(str(content.get("dataset", Path(path).stem)), _known_splits(path, captions), Counter())


def read_coco(train, val):
    """COCO's captions_train2014.json and captions_val2014.json -> Source; there is no test split."""
    captions = {"train": _coco_split(train), "val": _coco_split(val)}
    return Source("coco", captions, Counter())


def _coco_split(path):
    content = _json(path, "images", "annotations")
    try:
        names = {image["id"]: image["file_name"] for image in content["images"]}
        captions = {}
        for annotation in content["annotations"]:
            captions.setdefault(names[annotation["image_id"]], []).append(annotation["caption"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error} is missing, expected images with id and file_name, "
                         "annotations with image_id and caption") from error
    return captions


def _known_splits(path, captions):
    unknown = captions.keys() - {"train", "val", "test"}
    if unknown:
        raise ValueError(f"{path}: split {sorted(map(str, unknown))[0]!r}, expected train, restval, val or test")
    return captions


def _json(path, *keys):
    try:
        content = json.loads(_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file: {error}") from error
    missing = [key for key in keys if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise ValueError(f"{path}: no list {missing[0]!r}, expected an object with {' and '.join(keys)}")
    return content


def _lines(path):
    return [line for line in _text(path).split("\n") if line.strip()]


def _text(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file in UTF-8: {error}") from error
