"""Choosing among an image's captions by what people wrote about the training images nearest to it.

Sources: Devlin et al. (2015), "Exploring nearest neighbor approaches for image captioning", section 3.2, for the
consensus; Mao et al. (2015), "Deep captioning with multimodal recurrent neural networks", section 8, for ranking a
model's captions by it.
"""
from collections.abc import Iterable, Sequence

import numpy as np

from models.cider import cider_d, tf_idf_vectors
from models.ngrams import ORDERS, count_grams
from models.search import Hypothesis

WEIGHT = 1.0                        # of the consensus, in nats per word for each point of CIDEr


def rank_by_consensus(beams: Sequence[Sequence[Hypothesis]], texts: Sequence[Sequence[str]],
                      neighbours: Iterable[Sequence[int]], captions: Sequence[Sequence[str]],
                      normalisation: float = 1.0) -> list[list[Hypothesis]]:
    """Each image's hypotheses, the largest log p / length**normalisation + WEIGHT * consensus first.

    The consensus is the mean CIDEr-D with all captions of the neighbours. Unfinished captions come after finished ones.
    beams: the hypotheses of each image; texts: the same as tokenised captions; neighbours: for each image, places of
    similar training images in captions; captions: for each training image its tokenised captions.
    """
    words = [text.split() for lists in (texts, captions) for of_image in lists for text in of_image]
    sizes = np.array([len(of_image) for of_image in captions])
    lengths, grams = count_grams(words, ORDERS)
    vectors = tf_idf_vectors(lengths, grams, np.repeat(np.arange(len(captions)), sizes))
    ends = len(words) - sizes.sum() + np.cumsum(sizes)      # where each training image's captions end in words
    ranked, first = [], 0
    for beam, near in zip(beams, neighbours):
        candidates = np.arange(first, first + len(beam))
        references = np.concatenate([np.arange(ends[i] - sizes[i], ends[i]) for i in near])
        pairs = np.repeat(candidates, len(references)), np.tile(references, len(candidates))
        ranked.append(_rank(beam, cider_d(vectors, lengths, *pairs).tolist(), normalisation))
        first += len(beam)
    return ranked


def _rank(beam: Sequence[Hypothesis], consensus: Sequence[float], normalisation: float) -> list[Hypothesis]:
    def value(pair: tuple[Hypothesis, float]) -> tuple[bool, float]:
        hypothesis, similarity = pair
        return hypothesis.finished, hypothesis.log_prob / len(hypothesis.ids)**normalisation + WEIGHT * similarity
    return [hypothesis for hypothesis, _ in sorted(zip(beam, consensus), key=value, reverse=True)]
