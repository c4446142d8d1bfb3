"""The training images most similar to an image: by its features, and by the words that its features predict.

Images with similar features may share little that people would mention, so words are predicted from features too.
Sources: Rasmussen & Williams (2006), "Gaussian processes for machine learning", equation 2.25, for the prediction
(kernel ridge regression); Salton & Buckley (1988), "Term-weighting approaches", for the weights of words.
"""
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from models.ngrams import count_grams

BLOCK = 4096                        # training images compared at a time
SAMPLE = 6000                       # training images from which words are predicted, at most
MIN_IMAGES = 5                      # words that fewer training images have are left out
WIDTH = 4.0                         # of the kernel exp(WIDTH (cosine - 1))
RIDGE = 0.2


def nearest_images(train: Any, train_rows: np.ndarray, features: Any, rows: np.ndarray, k: int = 1,
                   captions: Sequence[Sequence[str]] | None = None, batch: int = 256) -> np.ndarray:
    """The k training images nearest to each image, the nearest first: largest cosine of features minus their mean.

    With captions (for each training image its tokenised captions), that cosine plus the cosine of the image's
    predicted words (KernelRidge) with the training image's words (BagOfWords).
    train, features: one vector per image, indexed by rows, as data.features.FeatureReader; train_rows (n,), rows (m,)
    -> int (m, k), or (m, n) if k > n: places in train_rows.
    """
    blocks = [np.arange(i, min(i + BLOCK, len(train_rows))) for i in range(0, len(train_rows), BLOCK)]
    mean = sum(train[train_rows[block]].sum(axis=0, dtype=np.float64) for block in blocks) / len(train_rows)
    queries = np.concatenate([unit(features[rows[i:i + batch]] - mean) for i in range(0, len(rows), batch)])
    candidates = (unit(train[train_rows[block]] - mean) for block in blocks)
    if captions is not None:
        bags = BagOfWords(captions)
        sample = np.linspace(0, len(train_rows) - 1, min(len(train_rows), SAMPLE)).astype(int)
        predict = KernelRidge(unit(train[train_rows[sample]] - mean), bags[sample])
        queries = np.hstack([queries, predict(queries)])
        candidates = (np.hstack([x, bags[block]]) for x, block in zip(candidates, blocks))
    return _largest(queries, candidates, k)


class BagOfWords:
    """The words of each training image's captions as a tf-idf vector of length 1, minus the mean, of length 1 again.

    A word's weight is its count times log(images / images that have it). Words of fewer than MIN_IMAGES images are
    left out. captions: for each image its tokenised captions.
    """

    def __init__(self, captions: Sequence[Sequence[str]]):
        _, (grams,) = count_grams([" ".join(texts).split() for texts in captions], 1)
        images = np.bincount(grams.gram, minlength=grams.ids)
        kept = (images >= MIN_IMAGES)[grams.gram]
        self.words = int((images >= MIN_IMAGES).sum())
        self._word = (np.cumsum(images >= MIN_IMAGES) - 1)[grams.gram[kept]]
        self._weight = (grams.counts * np.log(len(captions) / images[grams.gram]))[kept]
        self._start = np.searchsorted(grams.caption[kept], np.arange(len(captions) + 1))
        self._mean = sum(self._bags([i])[0] for i in range(len(captions))) / len(captions)

    def __getitem__(self, images: Sequence[int] | np.ndarray) -> np.ndarray:
        """Integers (n,) -> float32 (n, words)."""
        return unit(self._bags(images) - self._mean)

    def _bags(self, images: Sequence[int] | np.ndarray) -> np.ndarray:
        bags = np.zeros((len(images), self.words), np.float32)
        for bag, image in zip(bags, images):
            entries = slice(*self._start[image:image + 2])
            bag[self._word[entries]] = self._weight[entries]
        return unit(bags)


class KernelRidge:
    """Words predicted from features x: K(x, X) (K(X, X) + RIDGE I)^-1 Y, K(a, b) = exp(WIDTH (a . b - 1)).

    features: X (n, D), features minus the mean, of length 1; words: Y (n, V), BagOfWords of the same images.
    """

    def __init__(self, features: np.ndarray, words: np.ndarray):
        self.features = features
        kernel = self._kernel(features).astype(np.float64)
        kernel.flat[::len(kernel) + 1] += RIDGE
        self.coefficients = np.linalg.solve(kernel, words).astype(np.float32)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(m, D), each of length 1 -> float32 (m, V), each of length 1."""
        return unit(self._kernel(features) @ self.coefficients)

    def _kernel(self, features: np.ndarray) -> np.ndarray:
        return np.exp(WIDTH * (features @ self.features.T - 1))


def unit(x: np.ndarray) -> np.ndarray:
    """Rows divided by their length, in float32; rows of zeros stay."""
    x = x.astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _largest(queries: np.ndarray, blocks: Iterable[np.ndarray], k: int) -> np.ndarray:
    """Places of the k rows with the largest dot products with each query: (m, d), blocks of (b, d) -> int (m, k).

    The largest comes first, and of equal ones the first.
    """
    value, place, first = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), int), 0
    for block in blocks:
        value = np.hstack([value, queries @ block.T])
        place = np.hstack([place, np.broadcast_to(first + np.arange(len(block)), (len(queries), len(block)))])
        best = np.argsort(-value, axis=1, kind="stable")[:, :k]
        value, place = np.take_along_axis(value, best, axis=1), np.take_along_axis(place, best, axis=1)
        first += len(block)
    return place
