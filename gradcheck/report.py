"""The report of a check: verdicts, the worst entries by name, likely causes, and pictures of the errors."""
from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gradcheck.diagnose import Diagnosis
    from gradcheck.judge import Verdict

WORST = 3                           # entries shown of each wrong array


class Report:
    """The outcome of one check: ok says whether it passed, str() gives the details."""

    def __init__(self, name: str, dtype: Any, problem: str | None = None, verdicts: Iterable[Verdict] = (),
                 diagnoses: Iterable[Diagnosis] = (), places: Iterable[str] = (), evaluations: int = 0) -> None:
        """places: where the gradients are wrong that no diagnosis explains, in words."""
        self.name, self.dtype, self.problem = name, str(dtype), problem
        self.verdicts, self.diagnoses, self.evaluations = list(verdicts), list(diagnoses), evaluations
        self.places = list(places)

    @property
    def ok(self) -> bool:
        """Whether no contract is broken and every gradient is right."""
        return self.problem is None and all(verdict.ok for verdict in self.verdicts)

    @property
    def kinks(self) -> int:
        """Number of entries at which forward has a kink."""
        return sum(len(verdict.measured.kinks) for verdict in self.verdicts)

    @property
    def worst(self) -> Verdict | None:
        """The verdict with the largest error relative to its tolerance, or None if there are none."""
        found = [(verdict.error / verdict.tolerance, verdict) for verdict in self.verdicts]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def raise_if_failed(self) -> None:
        """Raise AssertionError with the whole report unless it is ok."""
        if not self.ok:
            raise AssertionError(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The report as numbers, strings and lists, ready for JSON."""
        return {"name": self.name, "dtype": self.dtype, "ok": self.ok, "problem": self.problem, "kinks": self.kinks,
                "evaluations": self.evaluations, "arrays": [_array(verdict) for verdict in self.verdicts],
                "diagnoses": [d._asdict() for d in self.diagnoses], "places": self.places}

    def __str__(self) -> str:
        lines = [f"{self.name}: {'ok' if self.ok else 'WRONG'} ({self.dtype}, {self.evaluations} evaluations)"]
        if self.problem:
            lines.append(f"  {self.problem}")
        for verdict in self.verdicts:
            lines.append(f"  {_line(verdict)}")
            lines += [f"      {entry_line(entry)}" for entry in worst_entries(verdict)]
        lines += [f"  likely cause: {diagnosis.sentence}" for diagnosis in self.diagnoses]
        lines += [f"  where: {place}" for place in self.places]
        return "\n".join(lines)

    def plot(self, path: str | PathLike) -> None:
        """Draw the error of every array, |analytic - numeric| / max |numeric|, as a heat map, and save it.

        Raises ValueError if the check ended before there were numbers.
        """
        if not any(verdict.measured.probe.x.size for verdict in self.verdicts):
            raise ValueError(f"{self.name}: nothing to draw, the check ended before its numbers: {self.problem}")
        from gradcheck.plot import heat_maps  # only this call loads Matplotlib
        heat_maps(self, path)


def worst_entries(verdict: Verdict) -> list[dict[str, Any]]:
    """The worst of the wrong entries of an array, each as a dict: label, yours, numeric, ratio, between (at a kink)."""
    measured, found = verdict.measured, []
    for j in verdict.wrong[:WORST]:
        entry = int(measured.entries[j])
        k = int(measured.differs(verdict.analytic)[:, j].argmax())
        yours, numeric = float(verdict.analytic[k, entry]), float(measured.numeric[k, j])
        ratio = yours / numeric if abs(numeric) > 1e-300 else None
        between = [float(end[k]) for end in measured.interval(j)] if j in measured.kinks else None
        found.append({"label": measured.axes.label(entry), "yours": yours, "numeric": numeric, "ratio": ratio,
                      "between": between})
    return found


def entry_line(entry: dict[str, Any]) -> str:
    """One wrong entry in words."""
    if entry["between"]:
        low, high = entry["between"]
        return f"{entry['label']}  yours {entry['yours']:.4g}  kink, expected {low:.4g} to {high:.4g}"
    ratio = entry["ratio"]
    digits = 4 if ratio is None or abs(ratio - 1) > 1e-2 else 12        # enough to see the difference
    return (f"{entry['label']}  yours {entry['yours']:.{digits}g}  numeric {entry['numeric']:.{digits}g}  "
            f"ratio {'-' if ratio is None else f'{ratio:.{digits}g}'}")


def _line(verdict: Verdict) -> str:
    measured = verdict.measured
    parts = [f"{verdict.name:10s} {verdict.error:8.1e}  {'ok' if verdict.ok else 'WRONG'}",
             f"({verdict.tolerance:.0e} allowed, {measured.method})"]
    if not measured.complete:
        parts.append(f"{len(measured.entries)} of {measured.probe.x.size} entries and random projections")
    if not verdict.ok:
        parts.append(f"{len(verdict.wrong)} of {len(measured.entries)} entries differ")
    if measured.kinks:
        parts.append(f"{len(measured.kinks)} at a kink")
    if verdict.unexercised:
        blocks = [name for name in verdict.unexercised if name]
        parts.append("not exercised (zero on both sides, to rounding)" if "" in verdict.unexercised
                     else f"not exercised: {', '.join(blocks)}")
    return ", ".join([" ".join(parts[:2]), *parts[2:], *([verdict.remark] if verdict.remark else [])])


def _array(verdict: Verdict) -> dict[str, Any]:
    measured = verdict.measured
    return {"name": verdict.name, "ok": verdict.ok, "error": verdict.error, "tolerance": verdict.tolerance,
            "method": measured.method, "entries": len(measured.entries), "size": int(measured.probe.x.size),
            "wrong": len(verdict.wrong), "kinks": len(measured.kinks), "exercised": "" not in verdict.unexercised,
            "blocks_not_exercised": [name for name in verdict.unexercised if name], "remark": verdict.remark,
            "worst": worst_entries(verdict)}


def error_map(verdict: Verdict) -> np.ndarray:
    """The error of each entry, the largest over the upstream gradients, in the array's shape; NaN if not measured."""
    measured = verdict.measured
    error = np.full(measured.probe.x.size, np.nan)
    scale = np.abs(measured.numeric).max(initial=np.finfo(float).tiny)
    error[measured.entries] = measured.differs(verdict.analytic).max(axis=0, initial=0) / scale
    return error.reshape(measured.probe.x.shape)
