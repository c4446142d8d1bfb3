"""The result of testing a symptom, and when it is not judged."""
import functools
from typing import NamedTuple


class Finding(NamedTuple):
    found: bool | None              # None: not judged
    figure: float | None
    low: float | None               # bounds of the figure, None for no bound
    high: float | None
    says: str                       # what was measured
    cause: str = ""                 # the likely one, if found
    advice: str = ""


def judge(figure, bounds, says, cause, advice):
    """A Finding, which is found if the figure is out of bounds or NaN."""
    return Finding(bounds.broken(figure), float(figure), *bounds, says, cause, advice)


def not_judged(why: str) -> Finding:
    return Finding(None, None, None, None, why)


def needs(images):
    """A symptom that is not judged on fewer images."""
    def decorate(symptom):
        @functools.wraps(symptom)
        def checked(e):
            if len(e.rows) < images:
                return not_judged(f"needs at least {images} images, has {len(e.rows)}")
            return symptom(e)
        return checked
    return decorate
