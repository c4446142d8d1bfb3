"""Captions in COCO's JSON formats, and COCO's image ids."""
import os
import re
from pathlib import Path
from typing import Any

from data.files import read_json
from data.tokenizer import tokenize

# COCO_val2014_000000391895.jpg; since 2017 000000391895.jpg
COCO_NAME = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{12})\.(?:jpg|jpeg|png)", re.IGNORECASE)


def image_id(name: str) -> int | str:
    """COCO's id of an image with a file name of COCO's form; for other images the name itself."""
    match = COCO_NAME.fullmatch(Path(name).name)
    return int(match.group(1)) if match else name


def read_candidates(path: str | os.PathLike) -> dict[int | str, str]:
    """Read a results file, a list of {image_id, caption} with one caption an image -> {image id: tokenised caption}.

    Raises FileNotFoundError, or ValueError that names the entry.
    """
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise ValueError(f"{path}: expected COCO's results format, a list of objects with image_id and caption, found "
                         f"{_kind(content)}")
    captions: dict[int | str, str] = {}
    for number, entry in enumerate(content):
        key, text = _entry(entry, f"{path}: entry {number}")
        if key in captions:
            raise ValueError(f"{path}: entry {number}: image_id {key!r} occurs twice, expected one caption an image")
        captions[key] = text
    return captions


def read_references(path: str | os.PathLike) -> dict[int | str, list[str]]:
    """Read a captions file, an object with annotations [{image_id, caption}] -> {image id: tokenised captions}.

    Raises FileNotFoundError, or ValueError that names the entry.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "annotations" not in content:
        raise ValueError(f"{path}: expected COCO's captions format, an object with annotations, found {_kind(content)}")
    entries = content["annotations"]
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: annotations is {_kind(entries)}, expected a list of objects with image_id and "
                         "caption")
    captions: dict[int | str, list[str]] = {}
    for number, entry in enumerate(entries):
        key, text = _entry(entry, f"{path}: annotations[{number}]")
        captions.setdefault(key, []).append(text)
    return captions


def _entry(entry: Any, where: str) -> tuple[int | str, str]:
    if not isinstance(entry, dict) or not {"image_id", "caption"} <= entry.keys():
        raise ValueError(f"{where} is {entry!r:.80}, expected an object with image_id and caption")
    key, text = entry["image_id"], entry["caption"]
    if isinstance(key, bool) or not isinstance(key, (int, str)):
        raise ValueError(f"{where}: image_id is {key!r:.80}, expected a whole number or text")
    if not isinstance(text, str):
        raise ValueError(f"{where}: caption is {text!r:.80}, expected text")
    return key, tokenize(text)


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        return f"an object with {', '.join(list(content)[:5]) or 'nothing'}"
    return f"a list of {len(content)} entries" if isinstance(content, list) else type(content).__name__
