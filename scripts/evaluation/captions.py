"""Captions of a split, batch by batch: by beam search, drawn at random, or greedy with attention maps."""
from collections.abc import Callable

import numpy as np

from data.dataset import Dataset, Reader
from models import CaptioningRNN
from models.decoding import Hypothesis, beam_search, sample

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


def caption_split(model: CaptioningRNN, dataset: Dataset, split: str, rows: np.ndarray, beam: int, batch: int = 128,
                  decode: Decoder = beams_of, **options) -> list[list[Hypothesis]]:
    """Captions of some images of a split, given by their rows; options: of the decoder."""
    features = dataset.features[split]
    return [hypotheses for i in range(0, len(rows), batch)
            for hypotheses in decode(model, features[rows[i:i + batch]], beam, **options)]


def caption_images(model: CaptioningRNN, dataset: Dataset, split: str, n: int | None = None,
                   chosen: np.ndarray | None = None):
    """Greedy captions of the first n images of a split, or all -> rows, names, captions; chosen: only of these rows."""
    rows, names = dataset.images(split)
    keep = np.flatnonzero(np.ones(len(rows), bool) if chosen is None else np.isin(rows, chosen))[:n]
    rows, names = rows[keep], [names[k] for k in keep]
    captions = [dataset.vocabulary.text(ids) for ids, _ in _sampled(model, dataset, split, rows)]
    return rows, names, captions


def attend_images(model: CaptioningRNN, dataset: Dataset, split: str, rows: np.ndarray,
                  ) -> tuple[list[list[str]], list[np.ndarray]]:
    """Words of the greedy captions of some images, and the attention map of each word.

    -> list of lists of str, list of arrays (words, height, width); where images differ in their number of regions, a
    map is one row of the image's own
    """
    vocabulary, words, maps = dataset.vocabulary, [], []
    for ids, where in _sampled(model, dataset, split, rows):
        ids = ids.tolist()
        ids = ids[:ids.index(vocabulary.end)] if vocabulary.end in ids else ids
        steps = [t for t, i in enumerate(ids) if i not in (vocabulary.null, vocabulary.start)]
        words.append([vocabulary.idx_to_word[ids[t]] for t in steps])
        maps.append(where[steps])
    return words, own_regions(maps, dataset.features[split], rows)


def own_regions(maps: list[np.ndarray], reader: Reader, rows: np.ndarray) -> list[np.ndarray]:
    """The maps (..., L) of some images without padding, where images differ in their number of regions."""
    counts = getattr(getattr(reader, "grid", reader), "counts", None)
    return maps if counts is None else [found[..., :count] for found, count in zip(maps, counts[rows])]


def _sampled(model, dataset, split, rows, batch=128):
    """Yield ids and maps (None without attention) of each image."""
    for i in range(0, len(rows), batch):
        sampled = model.sample(dataset.features[split][rows[i:i + batch]])
        yield from zip(*sampled) if model.attends else zip(sampled, [None] * len(sampled))


def caption_tiles(model: CaptioningRNN, dataset: Dataset, split: str, n: int, chosen: np.ndarray | None = None):
    """(picture or None, name, greedy caption) of images as in caption_images, for figures.sheet."""
    return [(dataset.picture(row), name, caption)
            for row, name, caption in zip(*caption_images(model, dataset, split, n, chosen))]
