"""Captions of scenes, compared with the objects in the pictures."""
from pathlib import Path

from data.files import read_json
from data.scenes import COLOURS, SHAPES, shape_words

SHAPE_OF = {word: shape for shape in SHAPES for word in shape_words(shape)}


def pairs_named(caption: str) -> set[tuple[str, str]]:
    """The (colour, shape) pairs of a caption: a colour word directly before a shape noun."""
    words = caption.split()
    return {(a, SHAPE_OF[b]) for a, b in zip(words, words[1:]) if a in COLOURS and b in SHAPE_OF}


def grade(captions: list[str], objects: list[list[dict]]) -> tuple[float, float]:
    """The share of captions that name a pair, and the share of these pairs that are in the picture."""
    named = [pairs_named(caption) for caption in captions]
    there = [{(item["colour"], item["shape"]) for item in items} for items in objects]
    total = sum(map(len, named))
    return sum(map(bool, named)) / len(captions), sum(len(a & b) for a, b in zip(named, there)) / max(total, 1)


def read_objects(path: Path, rows: int) -> list[list[dict]]:
    """The objects of each picture of a scenes folder, one list for each of so many rows. Raises ValueError."""
    objects = read_json(path)
    keys = {"shape", "colour", "box"}
    if not isinstance(objects, list) or len(objects) != rows or not all(
            isinstance(items, list) and all(isinstance(item, dict) and keys <= set(item) for item in items)
            for items in objects):
        raise ValueError(f"{path}: not a list of the objects of {rows} pictures, make the scenes again")
    return objects
