"""A run as a notebook sees it: captions, curves, and pictures of where the model attends."""
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.dataset import Dataset
from data.photos import open_picture
from models import CaptioningSolver
from models.checkpoint import Checkpoint
from models.decoding import BEAM
from scripts.evaluation.captions import attend_images, beams_of, caption_split
from scripts.pages.figures import Drawing, draw_curves, draw_maps, draw_sheet
from scripts.pages.pictures import Pictures
from scripts.runs import vocabulary_of
from scripts.runs.photos import picture_features
from scripts.runs.training_files import say

BATCH = 16                          # pictures that are captioned at a time


class Run:
    """A trained captioner with its data, as scripts.notebook.train and open_run return it.

    model: the CaptioningRNN with the weights of the best epoch. history: a list of dicts, one an epoch, losses in nats
    a word; pandas.DataFrame(run.history) makes a table. folder: where the run's files are. dataset, solver, checkpoint:
    what it was trained on and with.
    """

    def __init__(self, checkpoint: Checkpoint, dataset: Dataset, solver: CaptioningSolver, folder: Path):
        self.checkpoint, self.dataset, self.solver, self.folder = checkpoint, dataset, solver, folder
        self.model, self.history = checkpoint.model, solver.history
        self.vocabulary = vocabulary_of(checkpoint)

    def __repr__(self) -> str:
        try:
            epochs, steps = f"{len(self.history)} epochs (best {self.solver.best_epoch})", self.solver.iteration
            losses = ", ".join(f"{key} {value:.4g}" for key, value in (self.history or [{}])[-1].items()
                               if key not in ("epoch", "seconds"))
            weights = sum(w.size for w in self.model.params.values())
            V, W = self.model.params["W_embed"].shape
            return (f"Run {self.folder}: {epochs}, {steps:,} steps, {self.solver.seconds:.0f} s\n"
                    f"  {self.model.cell_type}, {weights:,} weights, V={V}, D={self.model.input_dim}, W={W}, "
                    f"H={self.model.weights()['W_vocab'].shape[0]}\n"
                    f"  {losses or 'no epoch was finished'}\n"
                    f"  trained on {self.dataset.name}, {len(self.dataset.captions['train']):,} captions")
        except Exception:                               # of a run that is not complete
            return "<Run, not complete>"

    def rows(self, split: str = "val") -> np.ndarray:
        """The rows of the features of a split's images, integer (images,), in the order of the data set."""
        return self.dataset.images(split)[0]

    def caption(self, images: Any, split: str = "val", encoder: str | os.PathLike | None = None) -> str | list[str]:
        """Captions by beam search (beam 3): a list of str; a str for a single image.

        images: rows of the split's features, such as run.rows()[:8]; or pictures: PIL images, uint8 arrays
        (height, width, 3) or paths. encoder: for photographs, the ONNX model that made the run's training features.
        Raises ValueError for a row that is not in the split, or for what is no picture.
        """
        single = isinstance(images, (int, np.integer, str, os.PathLike, Image.Image)) or (
            isinstance(images, np.ndarray) and images.ndim == 3)
        items = [images] if single else list(images)
        if items and all(isinstance(item, (int, np.integer)) for item in items):
            beams = caption_split(self.model, self.dataset, split, self._checked(items, split))
        else:
            beams = self._caption_pictures([_picture(item) for item in items], encoder) if items else []
        captions = [self.vocabulary.text(hypotheses[0].ids) for hypotheses in beams]
        return captions[0] if single else captions

    def plot(self) -> Drawing:
        """The curves of training, in nats a word -> matplotlib Figure, which a notebook shows."""
        return draw_curves(self.solver.word_losses, self.history, self.solver.iterations_per_epoch)

    def show(self, row: int, split: str = "val", images: str | os.PathLike | None = None) -> Drawing:
        """The image in a row of the features with its caption, of a model that attends word by word -> Figure.

        images: the folder of the photographs, in place of those that the data set remembers. Raises ValueError for a
        row that is not in the split, or a picture that cannot be read.
        """
        rows, name = self._checked([row], split), self.dataset.names(split)[row]
        picture = Pictures(self.dataset, split, None if images is None else Path(images))(row, name)
        if not self.model.attends:
            return draw_sheet({name: [(picture, name, self.caption(row, split))]}, columns=1)
        words, maps = attend_images(self.model, self.dataset, split, rows)
        return draw_maps(picture, words[0], maps[0], name)

    def _checked(self, rows: Iterable, split: str) -> np.ndarray:
        rows, known = np.array(rows, int), self.rows(split)
        for row in rows[~np.isin(rows, known)]:
            raise ValueError(f"row {row}: no image of the {split} split, whose {len(known):,} images are in rows from "
                             f"{known.min()} to {known.max()}: run.rows({split!r}) lists them")
        return rows

    def _caption_pictures(self, pictures, encoder):
        features = picture_features(self.checkpoint, encoder)
        if features.note:
            say(features.note)
        return [hypotheses for i in range(0, len(pictures), BATCH)
                for hypotheses in beams_of(self.model, features(pictures[i:i + BATCH]), BEAM)]


def _picture(item: Any) -> Image.Image:
    """A picture in RGB, from a path, a PIL.Image or an array. Raises ValueError."""
    if isinstance(item, (str, os.PathLike)):
        return open_picture(item)
    if isinstance(item, Image.Image):
        return item.convert("RGB")
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim == 3 and item.shape[2] == 3:
        return Image.fromarray(item)
    found = f"{item.dtype} {item.shape}" if isinstance(item, np.ndarray) else f"{type(item).__name__} {item!r:.40}"
    raise ValueError(f"images: found {found}, expected rows of features (integers), or pictures: PIL images, uint8 "
                     "arrays (height, width, 3) or paths")
