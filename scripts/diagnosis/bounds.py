"""The bounds of each symptom, for scripts.diagnose and for the sentences of scripts.report.

They lie between what healthy and broken models measure: docs/diagnosis.md has both.
"""
import math
from typing import NamedTuple

ENOUGH = 20                         # images; shares of fewer captions are not judged
ENOUGH_WORDS = 100                  # images; with fewer, most rare words do not occur
CUT = 0.1                           # share of training captions cut that explains other lengths
STEPS = 5                           # words back over which gradients are followed
LARGE = 1e4                         # a larger weight counts as damaged, like one that is not finite


class Bounds(NamedTuple):
    """The range of a healthy figure; None for no bound."""
    low: float | None = None
    high: float | None = None

    def broken(self, figure):
        """Whether the figure is out of bounds or NaN."""
        low = -math.inf if self.low is None else self.low
        return not low <= figure <= (math.inf if self.high is None else self.high)


WEIGHTS = Bounds(high=0.0)          # share of a parameter's entries that are not finite or beyond LARGE
FEATURES = Bounds(high=0.5)         # distance from the training features, in standard deviations
SAME_CAPTION = Bounds(high=0.15)    # share of images with the most frequent caption
ATTENTION = Bounds(low=0.01)        # total variation distance of maps
LENGTH = Bounds(0.6, 1.5)           # mean number of words over that of people's captions
UNFINISHED = Bounds(high=0.1)       # share of captions without <END>
FREE_RUNNING = Bounds(low=0.75)     # BLEU-4 on its own words over BLEU-4 with the true words before each
GAP = Bounds(high=1.2)              # loss less that of training captions, nats a word
EXPLODING = Bounds(high=100.0)      # norm of a batch's gradient
VANISHING = Bounds(0.01, 100.0)     # share of the last word's gradient that is left STEPS words back
SATURATED = Bounds(high=0.5)        # share of gates and units
DEAD_VOCABULARY = Bounds(high=0.4)  # share of the words that never get more than 1/V


def blind(images: int) -> Bounds:
    """Bounds of the gain from the right image over a wrong one, in nats per word; wider for few images."""
    return Bounds(low=0.1 + 1.5 / math.sqrt(images))


def repetition(people: float) -> Bounds:
    """Bounds of the share of captions that repeat words; people: the share of people's captions that do."""
    return Bounds(high=people + 0.25)


def unknown_words(people: float) -> Bounds:
    """Bounds of the share of <UNK> among words; people: that share in people's captions."""
    return Bounds(high=min(people + 0.02, 0.1))


def repeats(words: list[str]) -> bool:
    """Whether a caption, a list of str, has a word twice in a row, or three words twice."""
    trigrams = list(zip(words, words[1:], words[2:]))
    return any(a == b for a, b in zip(words, words[1:])) or len(set(trigrams)) < len(trigrams)
