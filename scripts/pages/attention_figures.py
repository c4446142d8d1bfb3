"""Figures of where a model attends for each word: which images, under which names, drawn and written."""
import re
import sys
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.tokenizer import written
from models import CaptioningRNN
from scripts.commandline.command import one_line
from scripts.commandline.outputs import FIGURE, check_output, write_output
from scripts.evaluation.captions import attend_images
from scripts.pages.figures import attention_figure
from scripts.pages.pictures import Pictures


def choose_images(dataset: Dataset, split: str, names: list[str] | None, n: int,
                  pictures: Pictures) -> tuple[list[int], list[str]]:
    """Rows and names of the images to draw: those named, else n of the split, those with pictures first.

    Raises ValueError for names that are not in the split, and where a folder that was asked for has none of its images.
    """
    rows, known = dataset.images(split)
    places = dict(zip(known, rows))
    if names:
        unknown = [name for name in names if name not in places]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not in the {split} split of {dataset.name}, whose images are named "
                             f"like {known[0]!r}")
        return [places[name] for name in names], list(names)
    chosen = pictures.first(rows, known, n)
    if pictures.asked is not None:
        chosen = [image for image in chosen if image[1] in pictures]
        if not chosen:
            raise ValueError(f"{pictures.asked}: has no picture of the {split} split, expected files like {known[0]}")
    return [row for row, _ in chosen], [name for _, name in chosen]


def draw_attention(model: CaptioningRNN, dataset: Dataset, split: str, rows: list[int], names: list[str],
                   pictures: Pictures, out: Path, force: bool = False, **options) -> int:
    """Write a figure for each image into the folder `out`, print its name and caption -> how many pictures failed.

    force: replace also what is no figure of ours; options: of attend_images. Where the folder of pictures was asked
    for, an image whose picture fails is left out; else it is drawn without.
    """
    taken: set[str] = set()
    paths, broken = [out / figure_name(name, taken) for name in names], 0
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        check_output("--out", path, FIGURE, force)
    captions, maps = attend_images(model, dataset, split, np.array(rows), **options)
    for row, name, path, words, weights in zip(rows, names, paths, captions, maps):
        picture = None
        try:
            picture = pictures(row, name)
        except ValueError as error:                                     # the others are drawn all the same
            print(one_line(f"{'note' if pictures.asked is None else 'error'}: {error}"), file=sys.stderr)
            if pictures.asked is not None:
                broken += 1
                continue
        write_output(path, attention_figure(picture, words, weights, name))
        print(f"{path}: {written(' '.join(words), dataset.vocabulary.tokens) or '(no words)'}")
    return broken


def figure_name(name: str, taken: set[str]) -> str:
    """A file name for the figure of an image: the image's, without folders and odd characters, unlike those taken."""
    stem = re.sub(r"[^\w-]+", "_", str(Path(name).with_suffix("")))[-80:].strip("_") or "image"
    path, k = f"{stem}.png", 2
    while path in taken:
        path, k = f"{stem}-{k}.png", k + 1
    taken.add(path)
    return path
