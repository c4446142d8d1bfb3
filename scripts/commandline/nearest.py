"""Misspelt words."""
import difflib


def nearest(word, words):
    """The one of some words that a word is most like -> str, or None where none is near."""
    return next(iter(difflib.get_close_matches(word, words, 1)), None)
