"""Counting n-grams of many captions at once."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ORDERS = 4                          # captions are compared by n-grams of 1 to 4 words


class Grams(NamedTuple):
    """Counts of the n-grams of one order: R rows, one for each distinct n-gram of each caption, by caption, then id."""
    caption: np.ndarray             # (R,) which caption
    gram: np.ndarray                # (R,) id of the n-gram, the same in all captions
    counts: np.ndarray              # (R,) how often it occurs in the caption
    ids: int                        # number of distinct n-grams


def count_grams(captions: Sequence[Sequence[str]], orders: int) -> tuple[np.ndarray, list[Grams]]:
    """The 1-grams, 2-grams, ... of captions given as lists of words -> lengths (captions,), a list of Grams."""
    numbers: dict[str, int] = {}
    lengths = np.array([len(words) for words in captions], np.int64)
    ids = np.array([numbers.setdefault(word, len(numbers)) for words in captions for word in words], np.int64)
    caption = np.repeat(np.arange(len(captions)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(ids))         # words from here to the caption's end
    gram, found = ids, []
    for n in range(1, orders + 1):
        start = np.flatnonzero(left >= n)
        if n > 1:                           # an n-gram is an (n-1)-gram and the word after it
            pairs = gram[start] * len(numbers) + ids[start + n - 1]
            gram = np.zeros_like(ids)       # entries where no n-gram starts are never read
            gram[start] = np.unique(pairs, return_inverse=True)[1]
        found.append(_count(caption[start], gram[start]))
    return lengths, found


def find_values(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values[i] where an entry of wanted equals keys[i], 0 where it equals no key; keys (n,) increase."""
    if not len(keys):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def _count(caption: np.ndarray, gram: np.ndarray) -> Grams:
    ids = int(gram.max(initial=-1)) + 1
    keys, count = np.unique(caption * ids + gram, return_counts=True)
    return Grams(keys // max(ids, 1), keys % max(ids, 1), count, ids)
