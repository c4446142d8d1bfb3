"""CIDEr-D: how similar two captions are by the n-grams that they share; rare n-grams count more.

Source: Vedantam et al. (2015), "CIDEr: Consensus-based image description evaluation", section 4, and "CIDEr-D" in
section 6.
"""
from typing import NamedTuple

import numpy as np

from models.ngrams import Grams, find_values

SIGMA = 6.0                         # width of the length penalty, in words


class TfIdfVectors(NamedTuple):
    """Captions as vectors of weighted n-grams of one order. Only the R entries of n-grams that occur are stored."""
    start: np.ndarray               # (captions + 1,) caption k has the entries start[k] to start[k + 1]
    key: np.ndarray                 # (R,) caption * ids + id of the n-gram, increasing
    weight: np.ndarray              # (R,) count of the n-gram * log(images / images whose references have it)
    norm: np.ndarray                # (captions,) Euclidean norm
    ids: int                        # how many different n-grams there are


def tf_idf_vectors(lengths: np.ndarray, grams: list[Grams], image: np.ndarray) -> list[TfIdfVectors]:
    """Vectors for n-grams of 1 word, of 2 words, and so on, of captions that are candidates followed by references.

    lengths (captions,), grams: returned by count_grams; image (references,): which image each reference describes,
    0 to images - 1. The references of one image are one document; candidates count for no document.
    """
    return [_vectors(len(lengths), of_order, image) for of_order in grams]


def _vectors(captions: int, grams: Grams, image: np.ndarray) -> TfIdfVectors:
    images, candidates = image.max() + 1, captions - len(image)
    start = np.append(0, np.cumsum(np.bincount(grams.caption, minlength=captions)))
    caption, gram = (x[start[candidates]:] for x in (grams.caption, grams.gram))
    # with return_counts np.unique sorts; without, it builds a hash table, which is slower here
    in_document, _ = np.unique(image[caption - candidates] * grams.ids + gram, return_counts=True)
    documents = np.bincount(in_document % max(grams.ids, 1), minlength=grams.ids)
    weight = grams.counts * (np.log(images) - np.log(np.maximum(documents, 1)))[grams.gram]
    norm = np.sqrt(np.bincount(grams.caption, weight**2, captions))
    return TfIdfVectors(start, grams.caption * grams.ids + grams.gram, weight, norm, grams.ids)


def cider_d(vectors: list[TfIdfVectors], lengths: np.ndarray, candidate: np.ndarray,
            reference: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """Mean similarity of each candidate with its references, from 0 to 10.

    The similarity is 10 times the mean over orders of sum min(c, r) r / (|c| |r|), for the vectors c of the candidate
    and r of the reference, times exp(-(difference in length)^2 / (2 sigma^2)). Orders with |c| |r| = 0 count as 0.
    candidate, reference (P,): pairs of captions, as places in lengths; the candidates are n captions in a row
    -> float64 (n,), in the order of the captions.
    """
    total = sum(_clipped_cosine(of_order, candidate, reference) for of_order in vectors)
    total *= np.exp(-((lengths[candidate] - lengths[reference]) ** 2) / (2 * sigma**2))
    which = candidate - candidate.min()
    return 10 / len(vectors) * np.bincount(which, total) / np.bincount(which)


def _clipped_cosine(vectors: TfIdfVectors, candidate: np.ndarray, reference: np.ndarray) -> np.ndarray:
    start, key, weight, norm, ids = vectors
    sizes = start[reference + 1] - start[reference]
    pair = np.repeat(np.arange(len(reference)), sizes)                          # one for each entry of its reference
    entry = np.arange(len(pair)) + np.repeat(start[reference] - (np.cumsum(sizes) - sizes), sizes)
    ours = slice(start[candidate.min()], start[candidate.max() + 1])            # entries that may be asked for
    wanted = key[entry] + ((candidate - reference) * ids)[pair]                 # the candidate's key of that n-gram
    theirs = weight[entry]
    dot = np.minimum(find_values(wanted, key[ours], weight[ours]), theirs) * theirs
    product, norms = np.bincount(pair, dot, len(reference)), norm[reference] * norm[candidate]
    return np.divide(product, norms, out=np.zeros_like(norms), where=norms > 0)
