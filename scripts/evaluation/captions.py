"""Captions of a split, batch by batch: by beam search unless another decoder is asked for, with attention maps."""
from collections.abc import Callable

import numpy as np

from data.dataset import Dataset, Reader
from models import CaptioningRNN
from models.decoding import BEAM, Hypothesis, beam_search, sample
from models.images import grid_of

Decoder = Callable[..., list[list[Hypothesis]]]     # (model, features, beam) -> for each image captions, the best first


def beams_of(model, features, beam: int, **options) -> list[list[Hypothesis]]:
    """The captions that a beam search keeps; options of decoding.beam_search."""
    return beam_search(model, features, beam, **options).beams


def draws_of(rng: np.random.Generator, **options) -> Decoder:
    """A decoder that draws captions at random; options of decoding.sample."""
    def draw(model, features, beam, **more):
        draws = zip(*(sample(model, features, rng, **options, **more).beams for _ in range(beam)))
        return [sorted((beam for beam, in drawn), key=lambda h: -h.log_prob) for drawn in draws]
    return draw


def caption_split(model: CaptioningRNN, dataset: Dataset, split: str, rows: np.ndarray, beam: int = BEAM,
                  batch: int = 128, decode: Decoder = beams_of, **options) -> list[list[Hypothesis]]:
    """Captions of some images of a split, given by their rows; options: of the decoder."""
    features = dataset.features[split]
    return [hypotheses for i in range(0, len(rows), batch)
            for hypotheses in decode(model, features[rows[i:i + batch]], beam, **options)]


def caption_images(model: CaptioningRNN, dataset: Dataset, split: str, n: int | None = None):
    """Captions of the first n images of a split, or all -> rows, names, captions."""
    rows, names = dataset.images(split)
    rows, names = rows[:n], names[:n]
    return rows, names, [dataset.vocabulary.text(beam[0].ids) for beam in caption_split(model, dataset, split, rows)]


def attend_images(model: CaptioningRNN, dataset: Dataset, split: str, rows: np.ndarray, beam: int = BEAM,
                  **options) -> tuple[list[list[str]], list[np.ndarray]]:
    """Words of the captions of some images, and the attention map of each word; options: of decoding.beam_search.

    -> list of lists of str, list of arrays (words, height, width); where images differ in their number of regions, a
    map is one row of the image's own
    """
    best = [beams[0] for beams in caption_split(model, dataset, split, rows, beam, **options)]
    grid = grid_of(dataset.features[split][rows[:1]], best[0].maps.shape[1])
    counts = [len(found.ids) - found.finished for found in best]
    words = [[dataset.vocabulary.idx_to_word[i] for i in found.ids[:count]] for found, count in zip(best, counts)]
    maps = [found.maps[:count].reshape(count, *grid) for found, count in zip(best, counts)]
    return words, own_regions(maps, dataset.features[split], rows)


def own_regions(maps: list[np.ndarray], reader: Reader, rows: np.ndarray) -> list[np.ndarray]:
    """The maps (..., L) of some images without padding, where images differ in their number of regions."""
    counts = getattr(getattr(reader, "grid", reader), "counts", None)
    return maps if counts is None else [found[..., :count] for found, count in zip(maps, counts[rows])]
