"""Tiles of images for figures.sheet: the picture, its name, a caption, and what a person wrote where there is none."""
import contextlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data.dataset import Dataset, read_references
from models import CaptioningRNN
from scripts.commandline.command import one_line
from scripts.evaluation.captions import caption_split
from scripts.pages.pictures import Pictures


class Tile(NamedTuple):
    picture: np.ndarray | None      # uint8 (h, w, 3)
    name: str
    caption: str
    human: str = ""                 # stands in for the picture, if there is none


def caption_tiles(model: CaptioningRNN, dataset: Dataset, split: str, n: int, chosen: np.ndarray | None = None
                  ) -> list[Tile]:
    """Tiles of n images of a split with the model's captions, those with pictures first; chosen: only of these rows."""
    rows, names = dataset.images(split)
    kept = np.flatnonzero(np.ones(len(rows), bool) if chosen is None else np.isin(rows, chosen))
    pictures = Pictures(dataset, split)
    images = pictures.first(rows[kept], [names[k] for k in kept], n)
    beams = caption_split(model, dataset, split, np.array([row for row, _ in images]))
    return _tiles(dataset, split, pictures, images, [dataset.vocabulary.text(beam[0].ids) for beam in beams])


def batch_tiles(dataset: Dataset, split: str, captions: np.ndarray, rows: np.ndarray) -> list[Tile]:
    """A tile of each caption of a training batch, as the model reads it."""
    names, pictures = dataset.names(split), Pictures(dataset, split)
    images = [(int(row), names[row]) for row in rows]
    return [Tile(picture_or_none(pictures, *image), image[1], dataset.vocabulary.text(ids))
            for image, ids in zip(images, captions)]


def picture_or_none(pictures: Pictures, row: int, name: str) -> np.ndarray | None:
    """The picture, None where there is none; what is wrong with a file is printed."""
    try:
        return pictures(row, name) if name in pictures else None
    except ValueError as error:
        tqdm.write(one_line(f"note: {error}"), file=sys.stderr)
        return None


def _tiles(dataset: Dataset, split: str, pictures: Pictures, images: Sequence[tuple[int, str]], captions: list[str]
           ) -> list[Tile]:
    shown = [picture_or_none(pictures, *image) for image in images]
    lacking = [image for image, picture in zip(images, shown) if picture is None]
    human = human_captions(dataset, split, lacking) if lacking else {}
    return [Tile(picture, name, caption, human.get(name, ""))
            for picture, (_, name), caption in zip(shown, images, captions)]


def human_captions(dataset: Dataset, split: str, images: Sequence[tuple[int, str]]) -> dict[str, str]:
    """One caption of each image, given by row and name, as a person wrote it, else as the model learns it."""
    path, stored = dataset.folder / "references.json", {}
    if dataset.uncut:
        with contextlib.suppress(OSError, ValueError):          # damaged: scoring says so, a figure can do without
            stored = read_references(path).get(split, {})
    captions, rows = dataset.captions_of(split)
    return {name: stored[name][0] if name in stored else
            dataset.vocabulary.text(captions[np.argmax(rows == row)]).replace("<UNK>", "...") for row, name in images}
