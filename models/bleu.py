"""BLEU: the share of a caption's n-grams that its references have, times a penalty for short captions.

Source: Papineni et al. (2002), "BLEU: a method for automatic evaluation of machine translation".
"""
import numpy as np

from models.ngrams import Grams, find_values

TINY, SMALL = 1e-15, 1e-9           # added to matches and to guesses, as in pycocoevalcap: nothing is divided by 0


def bleu(counts: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-K: geometric mean of the clipped precisions times min(1, exp(1 - r/c)).

    counts (..., 2 + 2 K): words c of the candidate, words r of the reference closest in length, n-grams of the
    candidate and matching n-grams, for n of 1 to K each -> (..., K). Source: Papineni et al. (2002), section 2.
    """
    counts = np.asarray(counts, np.float64)
    orders = counts.shape[-1] // 2 - 1
    length, closest, guesses, matches = np.split(counts, [1, 2, 2 + orders], axis=-1)
    precision = np.cumprod((matches + TINY) / (guesses + SMALL), axis=-1) ** (1 / np.arange(1, orders + 1))
    with np.errstate(under="ignore"):
        return precision * np.exp(np.minimum(1 - 1 / length_ratio(length, closest), 0))


def length_ratio(length: np.ndarray, closest: np.ndarray) -> np.ndarray:
    """c/r, finite and above 0 for empty captions too."""
    return (length + TINY) / (closest + SMALL)


def bleu_counts(image: np.ndarray, lengths: np.ndarray, grams: list[Grams]) -> np.ndarray:
    """What `bleu` takes, of captions that are candidates followed by references -> (images, 2 + 2 K) for K orders.

    image (references,): which image each reference describes, 0 to images - 1; lengths, grams: of count_grams.
    """
    images = len(lengths) - len(image)
    guesses = [np.maximum(lengths[:images] - n, 0) for n in range(len(grams))]
    of, matches = np.concatenate([np.arange(images), image]), []
    for caption, gram, count, ids in grams:
        key, ours = of[caption] * ids + gram, caption < images
        order = np.argsort(key[~ours], kind="stable")
        keys, first = np.unique(key[~ours][order], return_index=True)
        most = np.maximum.reduceat(count[~ours][order], first) if len(first) else first
        clipped = np.minimum(count[ours], find_values(key[ours], keys, most))
        matches.append(np.bincount(caption[ours], clipped, images))
    return np.column_stack([lengths[:images], _closest(image, lengths[:images], lengths[images:]), *guesses, *matches])


def _closest(image: np.ndarray, candidates: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Length of the reference closest in length to each candidate, the shorter of two equally close -> (images,)."""
    order = np.lexsort((references, abs(references - candidates[image]), image))
    return references[order][np.searchsorted(image[order], np.arange(len(candidates)))]
