"""Counting n-grams of many captions at once."""
from typing import NamedTuple

import numpy as np


class Grams(NamedTuple):
    """The n-grams of one order: a row for each different one of each caption, in the order of captions and ids."""
    caption: np.ndarray             # (R,) which caption
    gram: np.ndarray                # (R,) id of the n-gram, equal in all captions
    count: np.ndarray               # (R,) how often it stands in the caption
    ids: int                        # how many different n-grams there are


def count_grams(captions, orders):
    """The 1-grams, 2-grams, ... of captions given as lists of words -> lengths (captions,), a list of Grams."""
    numbers = {}
    lengths = np.array([len(words) for words in captions], np.int64)
    ids = np.array([numbers.setdefault(word, len(numbers)) for words in captions for word in words], np.int64)
    caption = np.repeat(np.arange(len(captions)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(ids))         # words from here to the caption's end
    gram, found = ids, []
    for n in range(1, orders + 1):
        start = np.flatnonzero(left >= n)
        if n > 1:                           # an n-gram is an (n-1)-gram and the word behind it
            pairs = gram[start] * len(numbers) + ids[start + n - 1]
            gram = np.zeros_like(ids)       # where no n-gram starts, what stands here is not read
            gram[start] = np.unique(pairs, return_inverse=True)[1]
        found.append(_count(caption[start], gram[start]))
    return lengths, found


def _count(caption, gram):
    ids = int(gram.max(initial=-1)) + 1
    keys, count = np.unique(caption * ids + gram, return_counts=True)
    return Grams(keys // max(ids, 1), keys % max(ids, 1), count, ids)
