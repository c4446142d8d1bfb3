"""BLEU, ROUGE-L and CIDEr of tokenised captions, equal to those of the COCO caption evaluation.

Source of the conventions: X. Chen et al. (2015), "Microsoft COCO Captions: Data collection and evaluation server", and
its code, release 1.2 of pycocoevalcap.
"""
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.cider import cider_d, tf_idf_vectors
from models.ngrams import ORDERS, Grams, count_grams, find_values

BLEU = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")
MEASURES = (*BLEU, "ROUGE-L", "CIDEr")
TINY, SMALL = 1e-15, 1e-9           # added to matches and to guesses, as in pycocoevalcap: nothing is divided by 0
BETA = 1.2                          # ROUGE-L: weight of recall against precision


class CaptionScores(NamedTuple):
    corpus: dict[str, float]                            # measure -> score of the whole set
    per_image: dict[Hashable, dict[str, float]]         # id -> measure -> score
    bleu_counts: np.ndarray         # (images, 10) argument of `bleu`; BLEU of the set is bleu of their sum over images


def score_captions(candidates: Mapping[Hashable, str], references: Mapping[Hashable, Sequence[str]]) -> CaptionScores:
    """Score one caption per image against the image's references.

    candidates: id -> tokenised caption; references: id -> list of tokenised captions (strings of words separated by
    blanks, as data.tokenize makes them) -> CaptionScores with the keys of MEASURES. CIDEr is on its usual scale of 0 to
    10, the others are from 0 to 1. CIDEr takes document frequencies from these references, so it is 0 for one image.
    Raises ValueError if the ids differ, an image has no reference, or a caption is not a string.
    """
    _check(candidates, references)
    ids = list(candidates)
    texts = [candidates[i] for i in ids] + [text for i in ids for text in references[i]]
    image = np.repeat(np.arange(len(ids)), [len(references[i]) for i in ids])           # of each reference
    lengths, grams = count_grams([text.split() for text in texts], ORDERS)
    counts = _bleu_counts(image, lengths, grams)
    rouge = np.array([rouge_l(candidates[i], references[i]) for i in ids])
    cider = cider_d(tf_idf_vectors(lengths, grams, image), lengths, image, np.arange(len(ids), len(texts)))
    table = np.column_stack([bleu(counts), rouge, cider]).tolist()
    corpus = [*bleu(counts.sum(axis=0)), rouge.mean(), cider.mean()]
    return CaptionScores({name: float(score) for name, score in zip(MEASURES, corpus)},
                         {i: dict(zip(MEASURES, row)) for i, row in zip(ids, table)}, counts)


def bleu(counts: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4: geometric mean of the clipped precisions times min(1, exp(1 - r/c)).

    counts (..., 10): words c of the candidate, words r of the reference closest in length, n-grams of the candidate
    and matching n-grams, for n of 1 to 4 each -> (..., 4). Source: Papineni et al. (2002), section 2.
    """
    counts = np.asarray(counts, np.float64)
    length, closest, guesses, matches = counts[..., :1], counts[..., 1:2], counts[..., 2:6], counts[..., 6:]
    precision = np.cumprod((matches + TINY) / (guesses + SMALL), axis=-1) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (length + TINY) / (closest + SMALL)
    with np.errstate(under="ignore"):
        return precision * np.exp(np.minimum(1 - 1 / ratio, 0))


def rouge_l(candidate: str, references: Sequence[str]) -> float:
    """F-measure of the longest common subsequence, from the best precision and the best recall over the references.

    Source: Lin (2004), "ROUGE", section 3.
    """
    words = candidate.split(" ")                # as pycocoevalcap does: an empty caption is one empty word
    others = [reference.split(" ") for reference in references]
    common = longest_common_subsequences(words, others)
    precision = max(common) / len(words)
    recall = max(length / len(other) for length, other in zip(common, others))
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision) if precision else 0.0


def longest_common_subsequences(words: Sequence[str], others: Sequence[Sequence[str]]) -> list[int]:
    """Length of the longest common subsequence of `words` with each of `others`.

    In the table of dynamic programming, neighbouring cells of a row differ by 0 or 1. An integer holds a row: bit i is
    0 where the row grows at words[i]. One addition, whose carries run through the blocks of ones, makes the next row.
    Source: Hyyro (2004), "Bit-parallel LCS-length computation revisited".
    """
    ones, found = (1 << len(words)) - 1, []
    places: dict[str, int] = {}             # word -> bits of where it occurs
    for i, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << i
    for other in others:
        row = ones
        for word in other:
            here = row & places.get(word, 0)
            row = (row + here | row - here) & ones
        found.append(len(words) - row.bit_count())
    return found


def _bleu_counts(image: np.ndarray, lengths: np.ndarray, grams: list[Grams]) -> np.ndarray:
    """Arguments of `bleu`: the captions are candidates and then references, of the images `image` -> (images, 10)."""
    images = len(lengths) - len(image)
    guesses = [np.maximum(lengths[:images] - n, 0) for n in range(ORDERS)]
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


def _check(candidates: Mapping[Hashable, str], references: Mapping[Hashable, Sequence[str]]) -> None:
    if not candidates:
        raise ValueError("score_captions: no candidates, expected at least one caption")
    for one, other, lacking in ((candidates, references, "references"), (references, candidates, "candidate")):
        ids = [i for i in one if i not in other]
        if ids:
            some = ", ".join(map(repr, ids[:3]))
            raise ValueError(f"score_captions: {len(ids)} of {len(one)} images have no {lacking}: {some}")
    for i, caption in candidates.items():
        if not isinstance(caption, str):
            raise ValueError(f"score_captions: candidate of {i!r} is {type(caption).__name__}, expected a string")
        texts = references[i]
        if isinstance(texts, str) or not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"score_captions: references of {i!r} are {texts!r:.60}, expected a list of strings")
