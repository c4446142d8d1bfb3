"""Captions made without a model: the baselines that a model has to beat."""
import numpy as np

from models.ngrams import count_grams
from models.retrieval import nearest_images


def constant_caption(captions):
    """The most central caption: its word counts have the largest mean cosine with those of all captions -> str.

    captions: tokenised training captions, list of str.
    """
    _, (grams,) = count_grams([caption.split() for caption in captions], 1)
    norm = np.sqrt(np.bincount(grams.caption, grams.counts**2, len(captions)))
    share = grams.counts / norm[grams.caption]
    mean = np.bincount(grams.gram, share, grams.ids)
    return captions[int(np.bincount(grams.caption, share * mean[grams.gram], len(captions)).argmax())]


def nearest_training_images(vectors, split, k, captions=None):
    """The k training images nearest to each image of a split -> int (images, k), places among the training images.

    vectors: the dataset, opened with one feature vector an image. With captions, a list of texts for each training
    image, the distance counts their words too.
    """
    return nearest_images(vectors.features["train"], vectors.images("train")[0], vectors.features[split],
                          vectors.images(split)[0], k, captions)


def baseline_captions(vectors, split, references):
    """Baseline -> image name -> str, for the images of a split: constant, random and nearest.

    vectors: the dataset, opened with one feature vector an image; references: image name -> list of str.
    """
    train = vectors.references("train")
    every, first = [text for texts in train.values() for text in texts], [texts[0] for texts in train.values()]
    drawn = np.random.default_rng(0).integers(len(every), size=len(references))
    near = nearest_training_images(vectors, split, 1)[:, 0]
    return {"constant": dict.fromkeys(references, constant_caption(every)),
            "random": {name: every[k] for name, k in zip(references, drawn)},
            "nearest": {name: first[k] for name, k in zip(references, near)}}
