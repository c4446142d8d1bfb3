"""What a captioner has to be better than: captions made without looking, or by looking up."""
import numpy as np

from models.ngrams import count_grams


def constant_caption(captions):
    """The most central caption: its word counts have the largest mean cosine with those of all captions -> str.

    captions: tokenised training captions, list of str.
    """
    _, (grams,) = count_grams([caption.split() for caption in captions], 1)
    norm = np.sqrt(np.bincount(grams.caption, grams.count**2, len(captions)))
    share = grams.count / norm[grams.caption]
    mean = np.bincount(grams.gram, share, grams.ids)
    return captions[int(np.bincount(grams.caption, share * mean[grams.gram], len(captions)).argmax())]
