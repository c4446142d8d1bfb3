"""Markers that other programs wrote around captions, such as <start> ... <end>: recognised and stripped."""
import re
from collections import Counter
from collections.abc import Mapping, Sequence

MOST = 0.5          # a marker is one if more than this share of all captions carries it

# In brackets of any kind, or bare where they can hardly be a word of a caption.
_OPENING = "startseq|startofseq|seqstart|sos|bos"
_CLOSING = "endseq|endofseq|seqend|eos"
_IN_BRACKETS = r"[<\[{{][|/]?(?:{})[|/]?[>\]}}]"
_OPENINGS = _IN_BRACKETS.format(_OPENING + "|start|s|go|cls|startoftext")
_CLOSINGS = _IN_BRACKETS.format(_CLOSING + "|end|s|sep|endoftext|pad|null")
_START = re.compile(rf"\A({_OPENINGS}|(?:{_OPENING})(?!\S))", re.IGNORECASE)
_END = re.compile(rf"({_CLOSINGS}|(?<!\S)(?:{_CLOSING}))[ .]*\Z", re.IGNORECASE)


def strip_markers(captions: Sequence[str]) -> tuple[list[str], Counter[str]]:
    """Captions without the markers that most begin or end with -> captions, marker -> how often it was stripped.

    Markers are recognised whatever their case. Where at most half of the captions carry one, nothing is stripped: it
    may be a word.
    """
    stripped, counts = list(captions), Counter[str]()
    for marker in (_START, _END):
        if sum(marker.search(caption.strip()) is not None for caption in captions) > MOST * len(captions):
            stripped = [_without(marker, caption, counts) for caption in stripped]
    return stripped, counts


def strip_source(captions: Mapping[str, Mapping[str, Sequence[str]]],
                 ) -> tuple[dict[str, dict[str, list[str]]], Counter[str]]:
    """The same for the captions of all splits together: split -> image name -> captions, and the counts."""
    stripped, counts = strip_markers([text for images in captions.values() for texts in images.values()
                                      for text in texts])
    rest = iter(stripped)
    return {split: {name: [next(rest) for _ in texts] for name, texts in images.items()}
            for split, images in captions.items()}, counts


def _without(marker: re.Pattern[str], caption: str, counts: Counter[str]) -> str:
    while match := marker.search(caption.strip()):          # again: padding is repeated
        counts[match[1].lower()] += 1
        caption = marker.sub("", caption.strip()).strip()
    return caption
