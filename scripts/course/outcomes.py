"""The result of checking one property of a task, and the comparisons that decide it."""
import re
from typing import NamedTuple

import numpy as np

from scripts.course.channel import Gone, SubmissionError

STRANGE = (Gone, SubmissionError, AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError,
           MemoryError)
# ... what calls of a submission and looks at its results may raise; the results may be anything
CLOSE = 1e-8                        # relative to the largest entry: far above the rounding of sums in another order


LATE = "right at first, and wrong when it is called again"


class Outcome(NamedTuple):
    """A property of a task. The others count only if at least one `essential` property holds."""
    name: str
    weight: float
    problem: str                    # "" where the property holds
    essential: bool = False
    report: str = ""                # of the gradient checker
    hint: str = ""                  # what could be better; costs nothing


def judged(name, weight, check, essential=False):
    """The Outcome of check(), which returns what is wrong, or "". An exception of the submission is wrong too."""
    try:
        problem = check()
    except STRANGE as error:
        problem = described(error)
    return Outcome(name, weight, problem, essential)


def judged_again(outcomes, check):
    """The outcomes of a property, the first of some, and of what depends on it; all lost if it no longer holds."""
    try:
        late = "" if outcomes[0].problem else check()
    except Gone:                    # what ended the process has lost its points already
        return outcomes
    except STRANGE as error:
        late = described(error)
    return [outcome._replace(problem=outcome.problem or late and f"{LATE}: {late}") for outcome in outcomes]


def judged_dtypes(name, weight, results):
    """The Outcome of results(), which yields (what, value) for inputs of float32. More precise ones earn a hint."""
    hint = ""

    def check():
        nonlocal hint
        odd = [(what, value) for what, value in results()
               if type(value) is not float and np.asarray(value).dtype != np.float32]
        wider = [np.asarray(value).dtype == np.float64 for _, value in odd]
        words = [f"{what} is {kind_of(value)} for inputs of float32" for what, value in odd]
        hint = f"{words[0]}: let buffers take the dtype of the inputs" if odd and all(wider) else ""
        return "" if all(wider) else f"{words[wider.index(False)]}: it is less precise than the inputs"
    outcome = judged(name, weight, check)
    return outcome._replace(hint=hint)


def described(error):
    """An exception in a sentence."""
    if isinstance(error, SubmissionError):
        text = " ".join(str(error).split())
        plain = type(error).__name__ in ("NotImplementedError", "CacheForm") and text
        return text if plain else f"{type(error).__name__}: {text}"
    return str(error) if isinstance(error, (Gone, AttributeError)) else f"what is returned does not fit: {error}"


def judgements(report):
    """The verdict of a gradient report on each array: name -> "wrong" or ""."""
    return {verdict.name[1:]: "" if verdict.ok else "wrong" for verdict in report.verdicts}


def problem_of(report):
    """Why a gradient check stopped before it compared numbers, in a line, or ""."""
    text = " ".join((report.problem or "").split())
    return re.sub(r"^(forward|backward|loss\(\)) raised NotImplementedError: ", "", text)


def compared_all(found, expected, names):
    """How gradients differ from the expected ones -> a sentence or "" for each.

    Errors are relative to the largest entry of all, as one may be zero but for rounding: that of attention's bk.
    """
    largest = max((np.abs(right).max(initial=0.0) for right in expected), default=0.0)
    return [compared(*pair, largest) for pair in zip(found, expected, names)]


def compared(found, expected, what, scale=0.0):
    """How a value differs from the `expected` numbers, as a sentence, or "". scale: a size beside which it is small."""
    if not isinstance(found, (np.ndarray, np.generic, int, float)) or isinstance(found, bool):
        return f"{what} is {kind_of(found)}, expected an array {np.shape(expected)}"
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return f"{what} has the shape {found.shape}, expected {expected.shape}"
    with np.errstate(all="ignore"):
        error = np.abs(found - expected)
        wrong = ~(error <= CLOSE * np.abs(expected).max(initial=max(scale, 1e-300)))       # NaN is wrong too
        if not wrong.any():
            return ""
        worst = np.unravel_index(np.where(np.isfinite(error), error, np.inf).argmax(), error.shape)
    place = f"[{', '.join(str(int(i)) for i in worst)}]" if worst else ""
    return (f"{what}{place} is {found[worst]:.8g}, expected {expected[worst]:.8g} "
            f"({int(wrong.sum())} of {wrong.size} entries differ)")


def kind_of(value):
    """A value in two words."""
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    return "None" if value is None else repr(value)[:60] if not isinstance(value, (tuple, list, dict)) else (
        f"a {type(value).__name__} of {len(value)}")


def first(problems):
    """The first sentence that is not empty, or ""."""
    return next((problem for problem in problems if problem), "")
