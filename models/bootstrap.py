"""Whether one captioner's score is really above another's, or might be chance of which images were scored."""
from typing import NamedTuple

import numpy as np

from models.metrics import bleu

MEASURES = ("CIDEr", "BLEU-4")


class Difference(NamedTuple):
    difference: float               # of the scores on all images, the first's minus the second's
    low: float                      # 95 % of the differences on resampled images lie between low and high
    high: float


def paired_bootstrap(a, b, rng, resamples=1000):
    """Bootstrap interval of the difference of two captioners' scores on the same images.

    a, b: CaptionScores of the same ids; rng: Generator. Each resample draws as many images with replacement, the same
    ones for both; document frequencies of CIDEr stay those of all images -> {measure: Difference}.
    Raises ValueError where the ids differ. Source: Koehn (2004), "Statistical significance tests", section 4.
    """
    if list(a.per_image) != list(b.per_image):
        raise ValueError("paired_bootstrap: the scores are of different images, expected the same in the same order")
    n = len(a.per_image)
    weights = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(resamples))
    tables = [np.column_stack([[row["CIDEr"] for row in s.per_image.values()], s.bleu_counts]) for s in (a, b)]
    drawn = np.array([[_scores(w @ table, n) for table in tables] for w in weights])        # (resamples, 2, measures)
    low, high = np.percentile(drawn[:, 0] - drawn[:, 1], [2.5, 97.5], axis=0).tolist()
    return {name: Difference(a.corpus[name] - b.corpus[name], low[k], high[k]) for k, name in enumerate(MEASURES)}


def _scores(sums, n):
    """CIDEr and BLEU-4 from the sums over n images of their CIDEr and BLEU counts."""
    return sums[0] / n, bleu(sums[1:])[3]
