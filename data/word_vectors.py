"""Pretrained word vectors in the text form of GloVe: on each line a word and its numbers, between single spaces.

Source: Pennington, Socher and Manning (2014), "GloVe: global vectors for word representation".
"""
import os
from collections.abc import Container

import numpy as np


def read_word_vectors(path: str | os.PathLike, words: Container[str], width: int) -> dict[str, np.ndarray]:
    """The vectors of some words -> word -> float32 (width,), for those that the file has.

    A first line of two whole numbers, as word2vec writes it, is passed over. Raises FileNotFoundError, or ValueError
    that names the line, where the file is no text, has vectors of another width or numbers that are none.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such file, expected word vectors in the text form of GloVe, unpacked")
    found: dict[str, np.ndarray] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                word, *parts = line.split() or [""]
                if number == 1:
                    if word.isdigit() and len(parts) == 1 and parts[0].isdigit():
                        continue
                    _numbers(path, number, parts, width)            # also if nobody asks for the word
                if word in words and word not in found and (vector := _numbers(path, number, parts, width)) is not None:
                    found[word] = vector
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8, expected word vectors in the text form of GloVe, unpacked"
                         ) from error
    return found


def _numbers(path: str | os.PathLike, line: int, parts: list[str], width: int) -> np.ndarray | None:
    """The numbers behind a word; None where the word itself has spaces, as a few of GloVe's have. Raises ValueError."""
    if len(parts) > width and not _is_number(parts[0]):
        return None
    if len(parts) != width:
        raise ValueError(f"{path}, line {line}: {len(parts)} numbers behind the word, expected {width}, the size of "
                         "the word vectors (--wordvec)")
    try:
        with np.errstate(over="ignore"):                    # infinite, which is refused below
            vector = np.array(parts, np.float64).astype(np.float32)
    except ValueError as error:
        found = " ".join(parts)[:40]
        raise ValueError(f"{path}, line {line}: {found!r}, expected {width} numbers behind the word") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{path}, line {line}: has numbers that are not finite")
    return vector


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
