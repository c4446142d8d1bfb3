"""The nearest known word to a misspelt one."""
import difflib


def nearest(word, words):
    """The word of `words` that is most similar to `word` -> str, or None if none is similar."""
    return next(iter(difflib.get_close_matches(word, words, 1)), None)
