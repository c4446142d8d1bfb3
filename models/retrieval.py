"""The training images that an image is most like: by its features, and by the words that its features let expect.

Images that look alike may have little in common that people would mention, so words are predicted from features too.
Sources: Rasmussen & Williams (2006), "Gaussian processes for machine learning", equation 2.25, for the prediction
(kernel ridge regression); Salton & Buckley (1988), "Term-weighting approaches", for the weights of words.
"""
import numpy as np

from models.ngrams import count_grams

BLOCK = 4096                        # training images compared at a time
SAMPLE = 6000                       # training images that words are predicted from, at most
MIN_IMAGES = 5                      # words of fewer training images are not predicted
WIDTH = 4.0                         # of the kernel exp(WIDTH (cosine - 1))
RIDGE = 0.2


def nearest_images(known, known_rows, reader, rows, k=1, captions=None, batch=256):
    """The k training images nearest to each image, the nearest first: largest cosine of features less the mean.

    With captions, for each training image the list of its tokenised ones: largest sum of that cosine and the cosine of
    the words predicted with the training image's (Expected, Bags).
    known, reader: read by rows, as data.features.FeatureReader, one vector an image; known_rows (n,), rows (m,)
    -> int (m, k), or (m, n) where k > n: places in known_rows.
    """
    blocks = [np.arange(i, min(i + BLOCK, len(known_rows))) for i in range(0, len(known_rows), BLOCK)]
    mean = sum(known[known_rows[block]].sum(axis=0, dtype=np.float64) for block in blocks) / len(known_rows)
    wanted = np.concatenate([unit(reader[rows[i:i + batch]] - mean) for i in range(0, len(rows), batch)])
    every = (unit(known[known_rows[block]] - mean) for block in blocks)
    if captions is not None:
        bags = Bags(captions)
        some = np.linspace(0, len(known_rows) - 1, min(len(known_rows), SAMPLE)).astype(int)
        expected = Expected(unit(known[known_rows[some]] - mean), bags[some])
        wanted = np.hstack([wanted, expected(wanted)])
        every = (np.hstack([x, bags[block]]) for x, block in zip(every, blocks))
    return _largest(wanted, every, k)


class Bags:
    """What people say of each training image: its words as a vector, the rarer the heavier, less the mean, of length 1.

    captions: for each image the list of its tokenised captions. A word's weight is its count times log(images / images
    that have it).
    """

    def __init__(self, captions):
        _, (grams,) = count_grams([" ".join(texts).split() for texts in captions], 1)
        images = np.bincount(grams.gram, minlength=grams.ids)
        kept = (images >= MIN_IMAGES)[grams.gram]
        self.words = int((images >= MIN_IMAGES).sum())
        self._word = (np.cumsum(images >= MIN_IMAGES) - 1)[grams.gram[kept]]
        self._weight = (grams.count * np.log(len(captions) / images[grams.gram]))[kept]
        self._start = np.searchsorted(grams.caption[kept], np.arange(len(captions) + 1))
        self._mean = sum(self._bags([i])[0] for i in range(len(captions))) / len(captions)

    def __getitem__(self, images):
        """Integers (n,) -> float32 (n, words)."""
        return unit(self._bags(images) - self._mean)

    def _bags(self, images):
        bags = np.zeros((len(images), self.words), np.float32)
        for bag, image in zip(bags, images):
            here = slice(*self._start[image:image + 2])
            bag[self._word[here]] = self._weight[here]
        return unit(bags)


class Expected:
    """Words expected from looks x, of length 1: K(x, X) (K(X, X) + RIDGE I)^-1 Y, K(a, b) = exp(WIDTH (a . b - 1)).

    looks: X (n, D), features less the mean, of length 1; words: Y (n, V), their Bags.
    """

    def __init__(self, looks, words):
        self.looks = looks
        kernel = self._kernel(looks).astype(np.float64)
        kernel.flat[::len(kernel) + 1] += RIDGE
        self.coefficients = np.linalg.solve(kernel, words).astype(np.float32)

    def __call__(self, looks):
        """(m, D) -> float32 (m, V)."""
        return unit(self._kernel(looks) @ self.coefficients)

    def _kernel(self, looks):
        return np.exp(WIDTH * (looks @ self.looks.T - 1))


def unit(x):
    """Rows of length 1 in float32; zeros stay."""
    x = x.astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _largest(wanted, blocks, k):
    """Where the k largest dot products are, the largest first and of equal ones the first: (m, d), blocks of (b, d)."""
    value, place, first = np.zeros((len(wanted), 0), np.float32), np.zeros((len(wanted), 0), int), 0
    for block in blocks:
        value = np.hstack([value, wanted @ block.T])
        place = np.hstack([place, np.broadcast_to(first + np.arange(len(block)), (len(wanted), len(block)))])
        best = np.argsort(-value, axis=1, kind="stable")[:, :k]
        value, place = np.take_along_axis(value, best, axis=1), np.take_along_axis(place, best, axis=1)
        first += len(block)
    return place
