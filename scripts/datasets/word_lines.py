"""What scripts.prepare_data says about the words of a data set: what was chosen, and what that costs."""
from typing import Any

from data.word_counts import WITHOUT_BLANKS

MUCH = 0.1                          # share of unknown words, or of captions cut, to warn of


def word_lines(info: dict[str, Any], chosen: bool) -> list[str]:
    """Lines about the words of a data set. info: the content of its dataset.json; chosen: no --min-count was given."""
    counts, least = info["training_words"], info["vocabulary"]["min_count"]
    words = (f"  vocabulary {info['vocabulary']['words']:,} words; {_percent(counts['unknown'])} of the training words "
             "became <UNK>")
    if least is None:                                       # a file of captions that are ids already
        return [words]
    why = f" (chosen for {counts['captions']:,} training captions; --min-count sets it)" if chosen else ""
    markers = ", ".join(f"{count:,} {marker}" for marker, count in info["markers"].items())
    return [*([f"  stripped around captions: {markers}"] if markers else []), f"  min count {least}{why}",
            f"{words}; {_percent(counts['cut'])} of the training captions were cut at --max-words {info['max_words']}",
            *(f"  warning: {line}" for line in _warnings(counts, info["max_words"], info["tokens"]))]


def _warnings(counts: dict[str, Any], longest: int, tokens: str) -> list[str]:
    lines, cut = [], "" if tokens == "characters" else f"; {WITHOUT_BLANKS}"
    if counts["unknown"] > MUCH:
        lines.append(f"{_percent(counts['unknown'])} of the training words became <UNK>: --min-count 1 keeps all words"
                     + (cut if counts["unspaced"] > 0.5 else ""))
    if counts["cut"] > MUCH:
        lines.append(f"{_percent(counts['cut'])} of the training captions were cut at --max-words {longest}: "
                     f"--max-words {counts['words_of_99_percent']} holds 99 % of them whole")
    for key, found in (("one_word", "are one word"), ("unbroken", "seem not to be cut into words")):
        if counts[key] > 0.5:
            return [*lines, f"{_percent(counts[key])} of the training captions {found} (--tokens {tokens}){cut}"]
    return lines


def _percent(share: float) -> str:
    """A share in percent; one that is not zero, or not all, never reads as if it were."""
    return "100 %" if share == 1 else "0 %" if share == 0 else f"{min(max(100 * share, 0.1), 99.9):.1f} %"
