"""The vocabulary: words and their ids, and captions as rows of ids."""
from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.files import read_json
from data.tokenizer import TOKENS, written

SPECIAL = ("<NULL>", "<START>", "<END>", "<UNK>")


class Vocabulary:
    """Words and their ids; `idx_to_word` is a list, `word_to_idx` a dict, as in the course's vocabulary file."""

    def __init__(self, words: Iterable[str], tokens: str = "treebank") -> None:
        """words: in the order of their ids, all different, the four special words included; else ValueError.

        tokens: the name in data.tokenizer.TOKENS of how captions are cut into these words; else ValueError.
        """
        if tokens not in TOKENS:
            raise ValueError(f"tokens {tokens!r}: expected one of {', '.join(TOKENS)}")
        self.idx_to_word, self.tokens = list(words), tokens
        self.word_to_idx = {word: i for i, word in enumerate(self.idx_to_word)}
        missing = [word for word in SPECIAL if word not in self.word_to_idx]
        if missing or len(self.word_to_idx) != len(self.idx_to_word):
            raise ValueError(f"vocabulary lacks {missing}" if missing else "vocabulary has a word twice")
        self.null, self.start, self.end, self.unknown = (self.word_to_idx[word] for word in SPECIAL)

    @classmethod
    def build(cls, captions: Sequence[str], min_count: int = 1, tokens: str = "treebank") -> Vocabulary:
        """From tokenised captions: the special words have ids 0..3, then words by falling count, ties by name."""
        counts = Counter(word for caption in captions for word in caption.split())
        words = [word for word, count in counts.items() if count >= min_count and word not in SPECIAL]
        return cls([*SPECIAL, *sorted(words, key=lambda word: (-counts[word], word))], tokens)

    def __len__(self) -> int:
        return len(self.idx_to_word)

    def encode(self, caption: str, max_words: int | None = None) -> list[int]:
        """Ids of a tokenised caption: <START>, at most max_words words, <END>; <UNK> for unknown words.

        A caption that is cut has no <END>: it does not end there.
        """
        words = caption.split()
        ids = [self.start, *(self.word_to_idx.get(word, self.unknown) for word in words[:max_words])]
        return ids if max_words is not None and len(words) > max_words else [*ids, self.end]

    def encode_all(self, captions: Sequence[str], max_words: int | None = None) -> np.ndarray:
        """Ids of tokenised captions -> int32 (N, T), padded with <NULL> to the longest."""
        rows = [self.encode(caption, max_words) for caption in captions]
        ids = np.full((len(rows), max(map(len, rows), default=2)), self.null, np.int32)
        for target, row in zip(ids, rows):
            target[:len(row)] = row
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The words of one row of ids before <END>, without <START> and <NULL>, joined by blanks."""
        words = []
        for i in ids:
            if i == self.end:
                break
            if i not in (self.start, self.null):
                words.append(self.idx_to_word[i])
        return " ".join(words)

    def text(self, ids: Iterable[int]) -> str:
        """The words of one row of ids, as people write them: see data.tokenizer.written."""
        return written(self.decode(ids), self.tokens)

    def fingerprint(self) -> str:
        """SHA-256 of the words in the order of their ids, in hexadecimal."""
        return hashlib.sha256("\n".join(self.idx_to_word).encode()).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Write the course's JSON format: idx_to_word, a list, and word_to_idx, a dict."""
        text = json.dumps({"idx_to_word": self.idx_to_word, "word_to_idx": self.word_to_idx}, ensure_ascii=False)
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike, tokens: str = "treebank") -> Vocabulary:
        """Read the course's JSON format. Raises FileNotFoundError, or ValueError for another format."""
        content = read_vocabulary(path)
        try:
            vocabulary = cls(content["idx_to_word"], tokens)
            vocabulary.fingerprint()                        # fails if a word is not text
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: not a vocabulary: {error}") from error
        if content["word_to_idx"] != vocabulary.word_to_idx:
            raise ValueError(f"{path}: not a vocabulary: idx_to_word and word_to_idx disagree")
        return vocabulary


def read_vocabulary(path: str | os.PathLike) -> dict[str, Any]:
    """Read the course's JSON format unchanged: a dict with idx_to_word, a list, and word_to_idx, a dict of its length.

    Raises FileNotFoundError or ValueError.
    """
    content = read_json(path)
    forms = {"idx_to_word": list, "word_to_idx": dict}
    for key, form in forms.items():
        if not (isinstance(content, dict) and isinstance(content.get(key), form)):
            raise ValueError(f"{path}: not a vocabulary: expected a JSON object with {key}, a {form.__name__}, "
                             f"found no such {key}")
    words, ids = (len(content[key]) for key in forms)
    if words != ids:
        raise ValueError(f"{path}: not a vocabulary: expected idx_to_word and word_to_idx of the same length, "
                         f"found {words} and {ids}")
    return content
