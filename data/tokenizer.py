"""Cut a caption into the words that the caption metrics count."""

import re
from collections.abc import Callable
from unicodedata import category

from data.treebank import cut


def tokenize(caption: str) -> str:
    """Return the words of a caption in lower case, without punctuation, joined by single blanks.

    Rule: clitics are cut off ("don't" -> "do n't", "dog's" -> "dog 's", "cannot" -> "can not"); hyphenated words,
    numbers and abbreviations stay whole; brackets become words, "(" -> "-lrb-"; other marks, and signs unknown to the
    Treebank, are dropped. A number of several parts, such as "1 1/2", is one word with a no-break space in it.
    Source: Penn Treebank tokenisation (Marcus et al. 1993), as the COCO caption evaluation uses it (Chen et al. 2015).
    """
    _check_text(caption)
    return " ".join(cut(caption)).lower().rstrip()


def _check_text(caption: str) -> None:
    if not isinstance(caption, str):
        raise TypeError(f"caption must be a str, found {type(caption).__name__}: {caption!r:.80}")


# Letters of scripts without blanks between words: Thai, Lao, Tibetan and Burmese; Khmer; other Tai scripts; radicals,
# kana and bopomofo; kana of half width; then the large blocks of Chinese characters and Yi. Digits are not among them.
_BLOCKS = ((0xe00, 0x10a0), (0x1780, 0x1800), (0x1950, 0x1ab0), (0x2e80, 0x3200), (0xa9e0, 0xaa00), (0xaa60, 0xaae0),
           (0xff66, 0xff9e))
_LETTERS = "".join(chr(c) for block in _BLOCKS for c in range(*block) if category(chr(c)) in ("Lo", "Lm", "Nl")) + (
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uf900-\ufaff\U00020000-\U000323af")
_MARKS = "".join(chr(c) for block in _BLOCKS for c in range(*block) if category(chr(c))[0] == "M") + (
    "\u0300-\u036f\uff9e\uff9f\ufe00-\ufe0f\U000e0100-\U000e01ef")     # the last two: which form of a character
UNSPACED = re.compile(f"[{_LETTERS}]")
_CHARACTER = re.compile(f"([{_LETTERS}][{_MARKS}]*)")
_BLANKS_MADE = re.compile(f"([{_LETTERS}][{_MARKS}]*) | (?=[{_LETTERS}])")

# Marks of these scripts that are words for `tokenize`: 、 and 。, the dot between katakana, marks of full width.
_STOPS = re.compile("[\u3001\u3002\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]")


def characters(caption: str) -> str:
    """As `tokenize`, but each character of a script without blanks between words is a word of its own.

    Such scripts are Chinese, Japanese, Thai, Lao, Khmer, Burmese and the like; Latin letters, digits and all else are
    cut as `tokenize` cuts them. A character keeps its combining marks; all its script's punctuation is dropped.
    """
    _check_text(caption)
    pieces = _CHARACTER.split(_STOPS.sub(" ", caption))
    return " ".join(filter(None, (piece if i % 2 else tokenize(piece) for i, piece in enumerate(pieces))))


def blanks(caption: str) -> str:
    """The words of a caption that is segmented already: what stands between blanks, in lower case.

    Words of punctuation alone, of which `characters` leaves nothing, are dropped. U+200B, of no width, is a blank.
    """
    _check_text(caption)
    caption = caption.encode("utf-8", "ignore").decode().replace("\u200b", " ")          # without halves of emoji
    return " ".join(word for word in caption.lower().split()
                    if any(map(str.isalnum, word)) or characters(word.strip("(){}")))


# Name -> caption to its words, joined by single blanks; dataset.json says which one cut a data set's captions.
TOKENS: dict[str, Callable[[str], str]] = {"treebank": tokenize, "characters": characters, "blanks": blanks}


_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}


def written(words: str, tokens: str) -> str:
    """The words of a caption, joined by blanks, as people write them.

    Words that stand for brackets become brackets again; `characters` loses the blanks that it made.
    """
    if tokens != "blanks":
        words = " ".join(_BRACKETS.get(word, word) for word in words.split(" "))
    return _BLANKS_MADE.sub(r"\1", words) if tokens == "characters" else words
