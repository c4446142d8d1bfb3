"""Whether one captioner scores above another, or the difference may be due to which images were scored."""
from typing import NamedTuple

import numpy as np

from models.metrics import CaptionScores, bleu

MEASURES = ("CIDEr", "BLEU-4")


class Difference(NamedTuple):
    """The first captioner's score minus the second's."""
    difference: float               # on all images
    low: float                      # 95 % of the differences on resampled images lie between low and high
    high: float


def paired_bootstrap(a: CaptionScores, b: CaptionScores, rng: np.random.Generator,
                     resamples: int = 1000) -> dict[str, Difference]:
    """Bootstrap interval of the difference of two captioners' scores on the same images, for each of MEASURES.

    Each resample draws as many images as there are, with replacement, the same for both captioners. CIDEr keeps the
    document frequencies of all images.
    Raises ValueError if the ids differ. Source: Koehn (2004), "Statistical significance tests", section 4.
    """
    if list(a.per_image) != list(b.per_image):
        raise ValueError("paired_bootstrap: the scores are of different images, expected the same in the same order")
    n = len(a.per_image)
    weights = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(resamples))
    tables = [np.column_stack([[row["CIDEr"] for row in s.per_image.values()], s.bleu_counts]) for s in (a, b)]
    drawn = np.array([[_scores(w @ table, n) for table in tables] for w in weights])        # (resamples, 2, measures)
    low, high = np.percentile(drawn[:, 0] - drawn[:, 1], [2.5, 97.5], axis=0).tolist()
    return {name: Difference(a.corpus[name] - b.corpus[name], low[k], high[k]) for k, name in enumerate(MEASURES)}


def _scores(sums: np.ndarray, n: int) -> tuple[float, float]:
    """CIDEr and BLEU-4 of n images, from the sums of their CIDEr and their BLEU counts."""
    return sums[0] / n, bleu(sums[1:])[3]
