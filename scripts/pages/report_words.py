"""The report's summary in words: what a model does well and badly, derived from its figures."""
from collections import Counter
from typing import Any, NamedTuple

from scripts.diagnosis import bounds
from scripts.evaluation.tables import LABELS

FUNCTION_WORDS = frozenset(
    "a an and are as at be by down for from front has have her his in into is it its near next of off on onto "  # noqa: SIM905
    "one other out over some that the their them there this through to together two under up very while with".split())
GOOD, BAD, NOTE = "good", "bad", "note"


class Finding(NamedTuple):
    kind: str                       # GOOD, BAD or NOTE
    title: str
    text: str


def findings(result, captions, references, known, fading):
    """Sentences about a run's captions of a split -> list of Finding, the most important first.

    result: of scripts.evaluation.run_scores; captions: image -> str; references: image -> list of str; known: the
    training captions, a set; fading: "dh", "dc" and "dx" -> what scripts.pages.report_images.fading says of it.
    What scripts.diagnose tests too is judged by its bounds.
    """
    people = [texts[0] for texts in references.values()]
    every = [text for texts in references.values() for text in texts]
    said = list(captions.values())
    found = [against_baselines(result), against_people(result), variety(said, people), by_heart(said, people, known),
             length(said, every), repetition(said, every), memory(fading)]
    return [finding for finding in found if finding]


def broken(limits, share, said):
    """Whether a share of the captions is out of bounds; never where they are too few for a share to say anything."""
    return len(said) >= bounds.ENOUGH and limits.broken(share)


def against_baselines(result: dict[str, Any]) -> Finding:
    """Whether it is better than captions made without a model."""
    name, baseline = max(result["floors"].items(), key=lambda item: item[1]["CIDEr"])
    cider = result["CIDEr"]
    than = f"the best baseline: {LABELS[name]}, {baseline['CIDEr']:.2f}"
    if cider > 1.1 * baseline["CIDEr"]:
        return Finding(GOOD, "It uses the pictures", f"CIDEr is {cider:.2f}, clearly more than {than}.")
    if cider < baseline["CIDEr"]:
        return Finding(BAD, "A baseline does better", f"CIDEr is {cider:.2f}, less than {than}.")
    return Finding(BAD, "Hardly better than a baseline", f"CIDEr is {cider:.2f}, about the same as {than}.")


def against_people(result: dict[str, Any]) -> Finding | None:
    """How close it comes to the score of one person's caption against the others'."""
    if not result["human"]:
        return None
    cider, human = result["CIDEr"], result["human"]["CIDEr"]
    if cider >= human:
        return Finding(GOOD, "As close to people as they are to each other",
                       f"CIDEr is {cider:.2f}; one person's caption scored against the others' reaches {human:.2f}. "
                       "A model that says what most people would say can exceed a single person.")
    return Finding(GOOD if cider > 0.8 * human else NOTE if cider > 0.4 * human else BAD, "Distance to people",
                   f"Its CIDEr is {_percent(cider / human)} of a person's: one person's caption scored against the "
                   f"others' reaches {human:.2f}.")


def variety(said: list[str], people: list[str]) -> Finding:
    """Whether different pictures get different captions."""
    counts = Counter(said)
    (common, times), share = counts.most_common(1)[0], len(counts) / len(said)
    theirs = len(set(people)) / len(people)
    bad = broken(bounds.SAME_CAPTION, times / len(said), said)
    return Finding(BAD if bad else GOOD if share > 0.8 * theirs else NOTE, "Variety",
                   f"{len(said):,} images got {len(counts):,} different captions ({_percent(share)}; people's "
                   f"captions: {_percent(theirs)}). The most frequent, “{common}”, occurs {times:,} "
                   f"time{'s' * (times > 1)}. Its captions use {_vocabulary(said):,} different words, "
                   f"people's {_vocabulary(people):,} (one caption per image).")


def by_heart(said: list[str], people: list[str], known: set[str]) -> Finding:
    """How many of its captions are training captions, word for word."""
    share, theirs = (sum(text in known for text in texts) / len(texts) for texts in (said, people))
    return Finding(BAD if share > theirs + 0.3 else NOTE, "Memorised captions",
                   f"{_percent(share)} of its captions are identical to a training caption. Of the captions that "
                   f"people wrote for these images, {_percent(theirs)} are.")


def length(said: list[str], people: list[str]) -> Finding:
    """Whether its captions are as long as people's."""
    ours, theirs = (sum(len(text.split()) for text in texts) / len(texts) for texts in (said, people))
    bad = broken(bounds.LENGTH, ours / max(theirs, 1e-9), said)
    return Finding(BAD if bad else NOTE, "Length" if not bad else "Too short" if ours < theirs else "Too long",
                   f"Its captions have {ours:.1f} words on average, people's {theirs:.1f}.")


def repetition(said: list[str], people: list[str]) -> Finding | None:
    """Captions that repeat themselves, more often than people's; None if they do not."""
    share, theirs = (sum(bounds.repeats(text.split()) for text in texts) / len(texts) for texts in (said, people))
    if not broken(bounds.repetition(theirs), share, said):
        return None
    return Finding(BAD, "Repetition", f"{_percent(share)} of its captions contain a word twice in a row or the same "
                   f"three words twice; {_percent(theirs)} of people's captions do.")


STATES = {"dh": "hidden state", "dc": "cell state", "dx": "vector of the word"}


def memory(fading: dict[str, list]) -> Finding | None:
    """How much of the last word's gradient is left some words back; None where captions are too short to tell."""
    key = next((key for key in ("dc", "dx") if fading[key]), "dh")
    medians = [median for _, median, _ in fading[key]]
    if len(medians) < 4:
        return None
    back = min(len(medians) - 1, bounds.STEPS)
    first = 1 if key == "dx" else 0                         # the last word acts through a path of its own
    left = 10 ** (medians[back] - medians[first])
    text = (f"{back} words back, the gradient of the last word's loss with respect to the {STATES[key]} is {left:.2g} "
            f"times that at the {'word before the last' if first else 'last word'}")
    if not bounds.VANISHING.broken(left):
        return Finding(GOOD if left > 0.1 else NOTE, "Memory", text + ".")
    if left > 1:
        return Finding(BAD, "Gradients explode", text + ", so early words get far too large updates.")
    return Finding(BAD, "It forgets", text + ", so early words could hardly learn how they affect late ones.")


class WordRecord(NamedTuple):
    word: str
    said: int                       # images whose caption has it
    right: int                      # of these, images of which a person says it too
    meant: int                      # images of which at least two people say it (one, where there are no two)
    found: int                      # of these, images whose caption has it


def word_records(captions, references):
    """How often each content word is said, right, and missed -> list of WordRecord."""
    said, right, meant, found = Counter(), Counter(), Counter(), Counter()
    for name, texts in references.items():
        ours = set(captions[name].split()) - FUNCTION_WORDS
        people = Counter(word for text in texts for word in set(text.split()) - FUNCTION_WORDS)
        agreed = {word for word, count in people.items() if count >= min(2, len(texts))}
        said.update(ours)
        right.update(ours & people.keys())
        meant.update(agreed)
        found.update(agreed & ours)
    return [WordRecord(word, said[word], right[word], meant[word], found[word]) for word in sorted(said | meant)]


def notable_words(records, images, most=6):
    """Words that are mostly right, mostly wrong, and missed -> three lists of WordRecord, the most frequent first."""
    least = max(3, images // 200)
    often = [r for r in records if r.said >= least]
    right = sorted((r for r in often if r.right >= 0.8 * r.said), key=lambda r: -r.right)
    wrong = sorted((r for r in often if r.right < 0.5 * r.said), key=lambda r: r.right - r.said)
    missed = sorted((r for r in records if r.meant >= least and r.found < 0.3 * r.meant),
                    key=lambda r: r.found - r.meant)
    return right[:most], wrong[:most], missed[:most]


def _vocabulary(texts):
    return len({word for text in texts for word in text.split()})


def _percent(share):
    return f"{100 * share:.0f} %"
