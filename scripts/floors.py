"""What a captioner has to be better than: captions made without looking, or by looking up."""
import numpy as np

from models.ngrams import count_grams

BLOCK = 4096                        # training images compared at a time


def constant_caption(captions):
    """The most central caption: its word counts have the largest mean cosine with those of all captions -> str.

    captions: tokenised training captions, list of str.
    """
    _, (grams,) = count_grams([caption.split() for caption in captions], 1)
    norm = np.sqrt(np.bincount(grams.caption, grams.count**2, len(captions)))
    share = grams.count / norm[grams.caption]
    mean = np.bincount(grams.gram, share, grams.ids)
    return captions[int(np.bincount(grams.caption, share * mean[grams.gram], len(captions)).argmax())]


def nearest_images(known, known_rows, reader, rows, k=1, batch=256):
    """The k training images nearest to each image, the nearest first: largest cosine of features less the mean.

    known, reader: read by rows, as data.features.FeatureReader, one vector an image; known_rows (n,), rows (m,)
    -> int (m, k), or (m, n) where k > n: places in known_rows.
    """
    mean = sum(known[known_rows[i:i + BLOCK]].sum(axis=0, dtype=np.float64)
               for i in range(0, len(known_rows), BLOCK)) / len(known_rows)
    wanted = np.concatenate([_unit(reader[rows[i:i + batch]] - mean) for i in range(0, len(rows), batch)])
    cosine, place = np.zeros((len(rows), 0), np.float32), np.zeros((len(rows), 0), int)
    for i in range(0, len(known_rows), BLOCK):
        here = wanted @ _unit(known[known_rows[i:i + BLOCK]] - mean).T
        cosine = np.concatenate([cosine, here], axis=1)
        place = np.concatenate([place, np.broadcast_to(i + np.arange(here.shape[1]), here.shape)], axis=1)
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :k]        # of equally near ones the first
        cosine, place = np.take_along_axis(cosine, best, axis=1), np.take_along_axis(place, best, axis=1)
    return place


def _unit(x):
    x = x.astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
