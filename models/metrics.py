"""BLEU, ROUGE-L and CIDEr of tokenised captions, equal to those of the COCO caption evaluation.

Source of the conventions: X. Chen et al. (2015), "Microsoft COCO Captions: Data collection and evaluation server", and
its code, release 1.2 of pycocoevalcap.
"""
from typing import NamedTuple

import numpy as np

from models.ngrams import count_grams

BLEU = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")
MEASURES = (*BLEU, "ROUGE-L", "CIDEr")
ORDERS = 4                          # n-grams of 1 to 4 words
TINY, SMALL = 1e-15, 1e-9           # added to matches and to guesses: an image without a match keeps a logarithm
BETA = 1.2                          # ROUGE-L: weight of recall against precision
SIGMA = 6.0                         # CIDEr-D: width of the length penalty, in bigrams


class CaptionScores(NamedTuple):
    corpus: dict                    # measure -> score of the whole set
    per_image: dict                 # id -> measure -> score
    bleu_counts: np.ndarray         # (images, 10): what `bleu` takes; their sum over images gives the corpus' BLEU


def score_captions(candidates, references):
    """Score one caption an image against the image's references.

    candidates: id -> tokenised caption; references: id -> list of tokenised captions (strings of words separated by
    blanks, as data.tokenize makes them) -> CaptionScores with the keys of MEASURES; CIDEr is on its usual scale of 0 to
    10, the others are shares. CIDEr counts document frequencies in these references: with one image it is 0.
    Raises ValueError where the ids differ, an image has no reference, or a caption is not a string.
    """
    _check(candidates, references)
    ids = list(candidates)
    texts = [candidates[i] for i in ids] + [text for i in ids for text in references[i]]
    image = np.concatenate([np.arange(len(ids)), np.repeat(np.arange(len(ids)), [len(references[i]) for i in ids])])
    lengths, grams = count_grams([text.split() for text in texts], ORDERS)
    counts = _bleu_counts(len(ids), image, lengths, grams)
    rouge = np.array([rouge_l(candidates[i], references[i]) for i in ids])
    cider = _cider(len(ids), image, lengths, grams)
    table = np.column_stack([bleu(counts), rouge, cider]).tolist()
    corpus = [*bleu(counts.sum(axis=0)), rouge.mean(), cider.mean()]
    return CaptionScores({name: float(score) for name, score in zip(MEASURES, corpus)},
                         {i: dict(zip(MEASURES, row)) for i, row in zip(ids, table)}, counts)


def bleu(counts):
    """BLEU-1 to BLEU-4: geometric mean of the clipped precisions times min(1, exp(1 - r/c)).

    counts (..., 10): words of the candidate c, of the closest reference r, its n-grams, those of them that match
    -> (..., 4). Source: Papineni et al. (2002), section 2.
    """
    counts = np.asarray(counts, np.float64)
    length, closest, guesses, matches = counts[..., :1], counts[..., 1:2], counts[..., 2:6], counts[..., 6:]
    precision = np.cumprod((matches + TINY) / (guesses + SMALL), axis=-1) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (length + TINY) / (closest + SMALL)
    with np.errstate(under="ignore"):
        return precision * np.exp(np.minimum(1 - 1 / ratio, 0))


def rouge_l(candidate, references):
    """F-measure of the longest common subsequence; the best precision and the best recall may be of two references.

    Source: Lin (2004), "ROUGE", section 3.
    """
    words = candidate.split(" ")                # not split(): the reference takes an empty caption for one empty word
    others = [reference.split(" ") for reference in references]
    common = longest_common_subsequences(words, others)
    precision = max(common) / len(words)
    recall = max(length / len(other) for length, other in zip(common, others))
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision) if precision else 0.0


def longest_common_subsequences(words, others):
    """Length of the longest common subsequence of `words` with each of `others`, all lists of words -> list of int.

    A row of the textbook's table grows by 0 or 1 from cell to cell. Bit i of `row` is 0 where it grows at words[i], and
    one addition, whose carries run through the blocks of ones, makes the next row.
    Source: Hyyro (2004), "Bit-parallel LCS-length computation revisited".
    """
    ones, places, found = (1 << len(words)) - 1, {}, []
    for i, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << i
    for other in others:
        row = ones
        for word in other:
            here = row & places.get(word, 0)
            row = (row + here | row - here) & ones
        found.append(len(words) - row.bit_count())
    return found


def _bleu_counts(images, image, lengths, grams):
    """The first `images` captions are the candidates; image (captions,): which picture each is of -> (images, 10)."""
    guesses = [np.maximum(lengths[:images] - n, 0) for n in range(ORDERS)]
    matches = []
    for caption, gram, count, ids in grams:
        key, ours = image[caption] * ids + gram, caption < images
        order = np.argsort(key[~ours], kind="stable")
        keys, first = np.unique(key[~ours][order], return_index=True)
        most = np.maximum.reduceat(count[~ours][order], first) if len(first) else first
        clipped = np.minimum(count[ours], _look_up(key[ours], keys, most))
        matches.append(np.bincount(caption[ours], clipped, images))
    return np.column_stack([lengths[:images], _closest(images, image, lengths), *guesses, *matches])


def _closest(images, image, lengths):
    """Length of the reference nearest to the candidate's, the shorter of two that are as near -> (images,)."""
    of, length = image[images:], lengths[images:]
    order = np.lexsort((length, abs(length - lengths[of]), of))
    return length[order][np.searchsorted(of[order], np.arange(images))]


def _cider(images, image, lengths, grams):
    """CIDEr-D: mean over references and orders of the cosine of tf-idf vectors, clipped, with a penalty on length.

    Source: Vedantam et al. (2015), section 4 and "CIDEr-D" in section 6 -> (images,), times 10.
    """
    total = np.zeros(len(image))
    for caption, gram, count, ids in grams:
        key, ours = image[caption] * ids + gram, caption < images
        documents = np.bincount(np.unique(key[~ours]) % max(ids, 1), minlength=ids)
        weight = count * (np.log(images) - np.log(np.maximum(documents, 1)))[gram]
        norm = np.sqrt(np.bincount(caption, weight**2, len(image)))
        theirs = weight[~ours]
        dot = np.minimum(_look_up(key[~ours], key[ours], weight[ours]), theirs) * theirs
        product = np.bincount(caption[~ours], dot, len(image))
        norms = norm * norm[image]
        total += np.divide(product, norms, out=np.zeros_like(norms), where=norms > 0)
    bigrams = np.maximum(lengths - 1, 0)
    total *= np.exp(-((bigrams - bigrams[image]) ** 2) / (2 * SIGMA**2))
    of = image[images:]
    return 10 / ORDERS * np.bincount(of, total[images:], images) / np.bincount(of, minlength=images)


def _look_up(wanted, keys, values):
    """values of the wanted keys, 0 for those that are not among the rising `keys`."""
    if not len(keys):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def _check(candidates, references):
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
