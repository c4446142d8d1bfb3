"""Captions of images in the forms that people have; ids of images are text, so that 7 and "7" are the same.

    {image: caption}, {image: [captions]}           also {image: [{"caption": ...}]}, as pycocoevalcap takes them
    {split: {image: [captions]}}                    references.json of a dataset folder
    [{"image_id" or "image" or "id", "caption"}]    COCO's results; as "annotations" of an object, COCO's captions;
                                                    the caption, also called captions, may be a list
    {"images": [{"filename", "sentences"}]}         Karpathy's
    CSV, TSV, | and JSON lines                      data.tables
"""
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data.files import decode_text, read_text
from data.tables import parse_table

STANDARD_INPUT = Path("-")
SPLITS = ("train", "val", "test")
TEXTS = ("caption", "captions")
IDS = ("image_id", "image", "file_name", "filename", "id")          # keys of an image, the first that is there
FORMS = ("captions as {image: caption}, {image: [captions]}, a list of objects with image_id and caption, Karpathy's "
         "JSON, a table, or COCO's object with annotations")

Captions = dict[str, list[str]]                     # image -> captions as written
Triples = Iterable[tuple[str, Any, Any]]            # where in the file, image, caption


class CaptionFile(NamedTuple):
    """The captions of a file. It has several readings if it has several splits, or several ids of each image."""
    name: str
    readings: dict[str, Captions]           # "the test split", "the id cocoid", or "" for the only or the usual one
    notes: list[str]


def read_captions(path: Path, single: bool = False) -> CaptionFile:
    """Read a file of captions, or standard input for '-'. single: each image has one caption.

    Raises FileNotFoundError, or ValueError that names the entry.
    """
    name = "standard input" if path == STANDARD_INPUT else str(path)
    text = decode_text(_standard_input(), name) if path == STANDARD_INPUT else read_text(path)
    if not text.strip():
        raise ValueError(f"{name}: is empty, expected {FORMS}")
    content = _parse(text, name)
    if content is None:
        readings, notes = _table(text, name, single)
    else:
        readings, notes = _readings(content, name), []
    found = {label: _gather(triples, name, single) for label, triples in readings.items()}
    found = {label: captions for label, captions in found.items() if captions}
    if not found:
        raise ValueError(f"{name}: expected {FORMS}, found {_kind(content)}")
    return CaptionFile(name, found, notes)


def _standard_input() -> bytes:
    if sys.stdin is None:                                   # closed by the caller, `<&-`
        raise OSError("standard input is closed, expected captions")
    return sys.stdin.buffer.read()


def _parse(text: str, name: str) -> Any:
    """The JSON object or list in the text, None if it is a table or JSON lines."""
    if text.lstrip()[0] not in "[{":
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:           # RecursionError: thousands of nested brackets
        try:
            json.loads(text.lstrip().split("\n")[0])
            return None
        except (ValueError, RecursionError):
            raise ValueError(f"{name}: expected JSON in UTF-8, found something else ({error})") from error


def _gather(triples: Triples, name: str, single: bool) -> Captions:
    captions: Captions = {}
    for place, image, text in triples:
        if isinstance(image, bool) or not isinstance(image, (int, str)):
            raise ValueError(f"{name}: {place}: image_id is {image!r:.80}, expected a whole number or text")
        if not isinstance(text, str):
            raise ValueError(f"{name}: {place}: caption is {text!r:.80}, expected text")
        if single and str(image) in captions:
            raise ValueError(f"{name}: {place}: image_id {image!r:.80} occurs twice, expected one caption an image")
        captions.setdefault(str(image), []).append(text)
    return captions


def _table(text: str, name: str, single: bool) -> tuple[dict[str, Triples], list[str]]:
    """Rows without a caption are captions without a word of candidates, and no references."""
    try:
        rows = parse_table(text, name).rows
    except ValueError as error:
        found = str(error).removeprefix(f"{name}: ").partition(": give ")[0]    # the rest is about options elsewhere
        raise ValueError(f"{name}: expected JSON, or a table with an image and a caption in each line, found neither: "
                         f"{found}") from error
    for row in rows:
        if not row.image:
            raise ValueError(f"{name}: {row.where} has no image, expected one before {row.caption!r:.80}")
    kept = [row for row in rows if single or row.caption]
    first = next((row.where for row in rows if not row.caption), "")
    notes = [f"{name}: {len(rows) - len(kept):,} rows have no caption, the first is {first}"] if rows != kept else []
    return {"": [(row.where, row.image, row.caption) for row in kept]}, notes


# --- Forms of JSON -----------------------------------------------------------------------------------------------


def _readings(content: Any, name: str) -> dict[str, Triples]:
    if isinstance(content, list):
        return {"": _listed(content, name, "entry {}")}
    if _key(content, IDS) and _key(content, TEXTS):                     # JSON lines, of one line
        return {"": _listed([content], name, "entry {}")}
    if "annotations" in content:
        return _coco(content, name)
    if isinstance(content.get("images"), list):
        return _karpathy(content["images"], name)
    if content.keys() <= set(SPLITS) and all(isinstance(images, dict) for images in content.values()):
        return {f"the {split} split": _mapped(images, name) for split, images in content.items()}
    return {"": _mapped(content, name)}


def _listed(entries: list[Any], name: str, place: str) -> Iterator[tuple[str, Any, Any]]:
    for number, entry in enumerate(entries):
        where = place.format(number)
        image, texts = (_key(entry, keys) if isinstance(entry, dict) else None for keys in (IDS, TEXTS))
        if image is None or texts is None or entry[texts] == []:
            raise ValueError(f"{name}: {where} is {entry!r:.80}, expected an object with image_id and caption")
        for text in entry[texts] if isinstance(entry[texts], list) else [entry[texts]]:
            yield where, entry[image], text


def _key(entry: dict[str, Any], keys: Iterable[str]) -> str | None:
    return next((key for key in keys if key in entry), None)


def _mapped(images: dict[str, Any], name: str) -> Iterator[tuple[str, Any, Any]]:
    for image, texts in images.items():
        texts = texts if isinstance(texts, list) else [texts]
        texts = [text["caption"] if isinstance(text, dict) and "caption" in text else text for text in texts]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{name}: {image!r:.80} has {images[image]!r:.80}, expected a caption or a list of them")
        yield from ((f"entry {image!r:.80}", image, text) for text in texts)


def _coco(content: dict[str, Any], name: str) -> dict[str, Triples]:
    entries, images = content["annotations"], content.get("images")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{name}: annotations is {_kind(entries)}, expected an object with annotations, a list of "
                         "objects with image_id and caption")
    by_id = [*_listed(entries, name, "annotations[{}]")]
    files = {str(image.get("id")): image.get("file_name") for image in images if isinstance(image, dict)
             } if isinstance(images, list) else {}
    by_file = [(where, files.get(str(image)), text) for where, image, text in by_id]
    named = all(isinstance(file, str) for _, file, _ in by_file)
    return {"": by_id, "the file_name of its images": by_file} if named else {"": by_id}


def _karpathy(images: list[Any], name: str) -> dict[str, Triples]:
    for number, image in enumerate(images):
        sentences = image.get("sentences") if isinstance(image, dict) and "filename" in image else None
        if not isinstance(sentences, list) or not all(isinstance(s, dict) and "raw" in s for s in sentences):
            raise ValueError(f"{name}: images[{number}] is {image!r:.80}, expected filename, and sentences with raw")
    ids = [key for key in ("cocoid", "imgid") if all(key in image for image in images)]
    return {"": _sentences(images, "filename"), **{f"the id {key}": _sentences(images, key) for key in ids}}


def _sentences(images: list[dict[str, Any]], key: str) -> Iterator[tuple[str, Any, Any]]:
    for number, image in enumerate(images):
        yield from ((f"images[{number}]", image[key], sentence["raw"]) for sentence in image["sentences"])


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        return f"an object with {', '.join(f'{key:.40}' for key in list(content)[:5]) or 'nothing'}"
    return f"a list of {len(content)} entries" if isinstance(content, list) else type(content).__name__
