"""Testing all symptoms of a run; findings as text and as JSON."""
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from scripts.diagnosis.evidence import Evidence
from scripts.diagnosis.finding import Finding, not_judged
from scripts.diagnosis.symptoms import SYMPTOMS

MARKS = {True: "FOUND", False: "ok", None: "-"}


def diagnose(evidence: Evidence) -> Iterator[tuple[str, Finding]]:
    """Test every symptom and yield its name and finding.

    A symptom that cannot be computed is not judged if the weights or the features are damaged, else raises ValueError.
    """
    found = set()
    for name, symptom in SYMPTOMS.items():
        try:
            with np.errstate(all="ignore"):                 # NaN counts as found
                finding = not_judged("the weights are damaged") if "weights" in found else symptom(evidence)
        except ValueError as error:
            if not found & {"weights", "features"}:
                raise
            finding = not_judged(str(error))
        found |= {name} if finding.found else set()
        yield name, finding


def lines(name: str, finding: Finding) -> list[str]:
    """A finding as lines of text."""
    bounds = [f"{word} {value:.3g}" for word, value in (("at least", finding.low), ("at most", finding.high))
              if value is not None]
    text = [f"{MARKS[finding.found]:6s}{name:16s}{finding.says}"]
    if finding.found:
        expected = f" (expected {' and '.join(bounds)}, found {finding.figure:.3g})" if bounds else ""
        text = [text[0] + expected, f"{'':22s}likely cause: {finding.cause}", f"{'':22s}what to do: {finding.advice}"]
    return text


def entry(name: str, finding: Finding) -> dict[str, Any]:
    """A finding for JSON, with null for a figure that is not finite."""
    figure = finding.figure if finding.figure is not None and math.isfinite(finding.figure) else None
    return {"name": name, **finding._asdict(), "figure": figure}


def last_line(entries: list[dict[str, Any]]) -> str:
    """What was found, and how many symptoms were not judged."""
    found = [entry["name"] for entry in entries if entry["found"]]
    skipped = sum(entry["found"] is None for entry in entries)
    return (f"found: {', '.join(found)}" if found else "nothing found") + (
        f"; {skipped} of {len(entries)} not judged" if skipped else "")
