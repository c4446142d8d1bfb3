"""The words of a data set: how often one must occur to be learnt, and what the choices cost."""
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.tokenizer import UNSPACED
from data.vocabulary import SPECIAL, Vocabulary

LONG = 5            # letters a word in scripts without blanks, on average: words are shorter, in Thai about 4
WITHOUT_BLANKS = "text without blanks between words: --tokens characters, or segment it and take --tokens blanks"


def default_min_count(captions: int) -> int:
    """How often a word must occur in that many training captions to be learnt."""
    return 4 if captions >= 10_000 else 2 if captions >= 500 else 1


def check_has_words(name: str, vocabulary: Vocabulary, min_count: int, captions: Sequence[str]) -> None:
    """Raises ValueError where no word of the tokenised training captions is in the vocabulary."""
    if len(vocabulary) > len(SPECIAL):
        return
    remedy = "--min-count 1 keeps all words" + (f"; {WITHOUT_BLANKS}" if unspaced_share(captions) > 0.5 else "")
    raise ValueError(f"{name}: a vocabulary without words: no word occurs --min-count {min_count} times in the "
                     f"{len(captions):,} training captions: {remedy}")


def count_words(captions: Sequence[str], ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
    """Figures of the training captions for dataset.json: how many, and shares of words and of captions.

    captions: tokenised, list of str; ids: the same as stored, integer (N, T).
    """
    words = ~np.isin(ids, (vocabulary.null, vocabulary.start, vocabulary.end))
    lengths = np.array([len(caption.split()) for caption in captions])
    written = np.array([_written(caption) for caption in captions])
    letters = np.array([len(UNSPACED.findall(caption)) for caption in captions])
    return {"captions": len(captions),
            "unknown": float((ids[words] == vocabulary.unknown).mean()),
            "cut": float((ids != vocabulary.end).all(axis=1).mean()),
            "one_word": float((written == 1).mean()),
            "unspaced": unspaced_share(captions),                                    # words of scripts without blanks
            "unbroken": float((letters > LONG * written).mean()),               # captions of such words, not segmented
            "words_of_99_percent": int(np.quantile(lengths, 0.99, method="inverted_cdf"))}


def not_cut(caption: str) -> bool:
    """Whether a tokenised caption is one word, or words of such scripts as long as sentences."""
    words = _written(caption)
    return words == 1 or len(UNSPACED.findall(caption)) > LONG * words


def _written(caption: str) -> int:
    """The number of words that are more than punctuation, such as a Chinese full stop, which counts as a word."""
    return sum(any(map(str.isalnum, word)) for word in caption.split())


def unspaced_share(captions: Sequence[str]) -> float:
    """Share of words that have letters of scripts without blanks between words."""
    words = [word for caption in captions for word in caption.split()]
    return sum(UNSPACED.search(word) is not None for word in words) / max(len(words), 1)
