"""BLEU, ROUGE-L and CIDEr of tokenised captions, equal to those of the COCO caption evaluation.

score_captions computes all of them. Bleu, Rouge and Cider are called as pycocoevalcap's classes: replace the import.

Source of the conventions: X. Chen et al. (2015), "Microsoft COCO Captions: Data collection and evaluation server", and
its code, release 1.2 of pycocoevalcap.
"""
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.bleu import bleu, bleu_counts, length_ratio
from models.cider import SIGMA, cider_d, tf_idf_vectors
from models.ngrams import ORDERS, Grams, count_grams

BLEU = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")
MEASURES = (*BLEU, "ROUGE-L", "CIDEr")
BETA = 1.2                          # ROUGE-L: weight of recall against precision

Listed = Mapping[Hashable, Sequence[str]]       # id -> tokenised captions


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
    _check(candidates, references, "score_captions")
    image, lengths, grams = _count(candidates, references, ORDERS)
    counts = bleu_counts(image, lengths, grams)
    rouge = np.array([rouge_l(candidates[i], references[i]) for i in candidates])
    cider = _cider(image, lengths, grams)
    table = np.column_stack([bleu(counts), rouge, cider]).tolist()
    corpus = [*bleu(counts.sum(axis=0)), rouge.mean(), cider.mean()]
    return CaptionScores({name: float(score) for name, score in zip(MEASURES, corpus)},
                         {i: dict(zip(MEASURES, row)) for i, row in zip(candidates, table)}, counts)


class Bleu:
    """BLEU-1 to BLEU-n, called as pycocoevalcap.bleu.bleu.Bleu, which takes n up to 4."""

    def __init__(self, n: int = 4) -> None:
        self._n = _at_least_1(n, "Bleu")

    def compute_score(self, gts: Listed, res: Listed, verbose: int = 1) -> tuple[list[float], list[list[float]]]:
        """The n scores of the set, and for each of them a list of the images' scores, in the order of gts.

        gts, res: id -> list of tokenised captions, in res of one. verbose: print the counts, unless 0.
        Raises ValueError if the ids differ or captions have another form.
        """
        counts = bleu_counts(*_count(_only(gts, res, "Bleu"), gts, self._n))
        total = counts.sum(axis=0)
        if verbose:
            length, closest, *grams = total.astype(int).tolist()
            print({"testlen": length, "reflen": closest, "guess": grams[:self._n], "correct": grams[self._n:]})
            print("ratio:", float(length_ratio(*total[:2])))
        return bleu(total).tolist(), bleu(counts).T.tolist()

    def method(self) -> str:
        return "Bleu"


class Rouge:
    """ROUGE-L, called as pycocoevalcap.rouge.rouge.Rouge."""

    def compute_score(self, gts: Listed, res: Listed) -> tuple[np.float64, np.ndarray]:
        """The mean, and the score of each image, float64 (images,) in the order of gts.

        gts, res: id -> list of tokenised captions, in res of one.
        Raises ValueError if the ids differ or captions have another form.
        """
        scores = np.array([rouge_l(text, gts[i]) for i, text in _only(gts, res, "Rouge").items()])
        return scores.mean(), scores

    def method(self) -> str:
        return "Rouge"


class Cider:
    """CIDEr-D, called as pycocoevalcap.cider.cider.Cider, whose scores of n other than 4 are errors or not those of n.

    n: words in the longest n-grams; sigma: width of the length penalty; test and refs are ignored, as there.
    """

    def __init__(self, test: object = None, refs: object = None, n: int = 4, sigma: float = SIGMA) -> None:
        if not sigma > 0:
            raise ValueError(f"Cider: sigma is {sigma!r}, expected more than 0")
        self._n, self._sigma = _at_least_1(n, "Cider"), sigma

    def compute_score(self, gts: Listed, res: Listed) -> tuple[np.float64, np.ndarray]:
        """The mean, and the score of each image, float64 (images,) in the order of gts.

        gts, res: id -> list of tokenised captions, in res of one. Document frequencies are those of gts.
        Raises ValueError if the ids differ or captions have another form.
        """
        image, lengths, grams = _count(_only(gts, res, "Cider"), gts, self._n)
        scores = _cider(image, lengths, grams, self._sigma)
        return scores.mean(), scores

    def method(self) -> str:
        return "CIDEr"


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


def _count(candidates: Mapping[Hashable, str], references: Mapping[Hashable, Sequence[str]],
           orders: int) -> tuple[np.ndarray, np.ndarray, list[Grams]]:
    """Image of each reference, (references,); lengths and n-grams of the candidates followed by the references."""
    texts = [*candidates.values(), *(text for i in candidates for text in references[i])]
    image = np.repeat(np.arange(len(candidates)), [len(references[i]) for i in candidates])
    return image, *count_grams([text.split() for text in texts], orders)


def _cider(image: np.ndarray, lengths: np.ndarray, grams: list[Grams], sigma: float = SIGMA) -> np.ndarray:
    """CIDEr-D of each image; the arguments are what `_count` returns -> (images,)."""
    references = np.arange(len(lengths) - len(image), len(lengths))
    return cider_d(tf_idf_vectors(lengths, grams, image), lengths, image, references, sigma)


def _only(gts: Listed, res: Listed, who: str) -> dict[Hashable, str]:
    """The one caption of each image in res, in the order of gts."""
    for i, texts in res.items():
        if not isinstance(texts, list) or len(texts) != 1:
            raise ValueError(f"{who}: res of {i!r:.80} is {texts!r:.80}, expected a list of one caption")
    candidates = {i: text for i, (text,) in res.items()}
    _check(candidates, gts, who)
    return {i: candidates[i] for i in gts}


def _at_least_1(n: int, who: str) -> int:
    if n < 1:
        raise ValueError(f"{who}: n is {n!r}, expected at least 1")
    return n


def _check(candidates: Mapping[Hashable, str], references: Mapping[Hashable, Sequence[str]], who: str) -> None:
    if not candidates:
        raise ValueError(f"{who}: no candidates, expected at least one caption")
    for one, other, lacking in ((candidates, references, "references"), (references, candidates, "candidate")):
        ids = [i for i in one if i not in other]
        if ids:
            some = ", ".join(f"{i!r:.80}" for i in ids[:3])
            raise ValueError(f"{who}: {len(ids)} of {len(one)} images have no {lacking}: {some}")

    for i, caption in candidates.items():
        if not isinstance(caption, str):
            raise ValueError(f"{who}: candidate of {i!r:.80} is {type(caption).__name__}, expected a string")
        texts = references[i]
        if isinstance(texts, str) or not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{who}: references of {i!r:.80} are {texts!r:.60}, expected a list of strings")
