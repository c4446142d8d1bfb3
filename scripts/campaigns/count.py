"""What a campaign found."""
import itertools
import time
from collections.abc import Iterator
from typing import NamedTuple


class Count(NamedTuple):
    """How often one promise was tried, and how often it broke."""
    promise: str                # "corrupted checkpoints that load with other content"
    tried: int
    faults: int
    examples: tuple[str, ...]   # a line for each of the first faults: what was done, what came out

    def line(self) -> str:
        """A row of a Markdown table."""
        return f"| {self.promise} | {self.tried:,} | {self.faults:,} |"


class Tally:
    """Counts the tries and faults of one promise while a campaign runs."""

    def __init__(self, promise: str):
        self.promise, self.tried, self.faults, self._examples = promise, 0, 0, []

    def add(self, fault: str = "") -> None:
        """Count a try; fault: what broke, "" if the promise held."""
        self.tried += 1
        self.faults += bool(fault)
        if fault and len(self._examples) < 5:
            self._examples.append(fault)

    def count(self) -> Count:
        """What was counted so far."""
        return Count(self.promise, self.tried, self.faults, tuple(self._examples))


def until(minutes: float, most: int | None = None) -> Iterator[int]:
    """0, 1, 2, ... until the minutes from now are over, or `most` numbers were given; 0 in any case."""
    end = time.monotonic() + 60 * minutes
    return itertools.takewhile(lambda k: not k or time.monotonic() < end and (most is None or k < most),
                               itertools.count())
