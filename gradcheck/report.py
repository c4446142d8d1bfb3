"""What a check found: a verdict, the worst entries by name, a likely cause, and pictures of the error."""
import numpy as np

WORST = 3                           # entries shown of each wrong array


class Report:
    """The outcome of one check. ok says whether everything holds; str() tells the rest."""

    def __init__(self, name, dtype, problem=None, verdicts=(), diagnoses=(), evaluations=0):
        self.name, self.dtype, self.problem = name, str(dtype), problem
        self.verdicts, self.diagnoses, self.evaluations = list(verdicts), list(diagnoses), evaluations

    @property
    def ok(self):
        return self.problem is None and all(verdict.ok for verdict in self.verdicts)

    @property
    def kinks(self):
        """Number of entries at which forward has a kink."""
        return sum(len(verdict.measured.kinks) for verdict in self.verdicts)

    @property
    def worst(self):
        """Name of the array with the largest error and that error, or None."""
        found = [(verdict.error / verdict.tolerance, verdict) for verdict in self.verdicts]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def raise_if_failed(self):
        """Raise AssertionError with the whole report unless everything holds."""
        if not self.ok:
            raise AssertionError(str(self))

    def to_dict(self):
        """The report in numbers, strings and lists, fit for JSON."""
        return {"name": self.name, "dtype": self.dtype, "ok": self.ok, "problem": self.problem, "kinks": self.kinks,
                "evaluations": self.evaluations, "arrays": [_array(verdict) for verdict in self.verdicts],
                "diagnoses": [d._asdict() for d in self.diagnoses]}

    def __str__(self):
        lines = [f"{self.name}: {'ok' if self.ok else 'WRONG'} ({self.dtype}, {self.evaluations} evaluations)"]
        if self.problem:
            lines.append(f"  {self.problem}")
        for verdict in self.verdicts:
            lines.append(f"  {_line(verdict)}")
            lines += [f"      {entry_line(entry)}" for entry in worst_entries(verdict)]
        lines += [f"  likely cause: {diagnosis.sentence}" for diagnosis in self.diagnoses]
        return "\n".join(lines)

    def plot(self, path):
        """Draw the error of every array, |analytic - numeric| / max |numeric|, as a heat map, and save it.

        Raises ValueError where the check ended before there were numbers.
        """
        if not any(verdict.measured.probe.x.size for verdict in self.verdicts):
            raise ValueError(f"{self.name}: nothing to draw, the check ended before its numbers: {self.problem}")
        from gradcheck.plot import heat_maps  # Matplotlib is loaded by this call alone
        heat_maps(self, path)


def worst_entries(verdict):
    """The worst wrong entries of an array, as dicts of label, yours, numeric, ratio."""
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


def entry_line(entry):
    """One wrong entry in words."""
    if entry["between"]:
        low, high = entry["between"]
        return f"{entry['label']}  yours {entry['yours']:.4g}  kink, expected {low:.4g} to {high:.4g}"
    ratio = entry["ratio"]
    digits = 4 if ratio is None or abs(ratio - 1) > 1e-2 else 12        # what differs is to be seen
    return (f"{entry['label']}  yours {entry['yours']:.{digits}g}  numeric {entry['numeric']:.{digits}g}  "
            f"ratio {'-' if ratio is None else f'{ratio:.{digits}g}'}")


def _line(verdict):
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


def _array(verdict):
    measured = verdict.measured
    return {"name": verdict.name, "ok": verdict.ok, "error": verdict.error, "tolerance": verdict.tolerance,
            "method": measured.method, "entries": len(measured.entries), "size": int(measured.probe.x.size),
            "wrong": len(verdict.wrong), "kinks": len(measured.kinks), "exercised": "" not in verdict.unexercised,
            "blocks_not_exercised": [name for name in verdict.unexercised if name], "remark": verdict.remark,
            "worst": worst_entries(verdict)}


def error_map(verdict):
    """The error of each entry, the largest of the upstream gradients, as an array; NaN where it was not measured."""
    measured = verdict.measured
    error = np.full(measured.probe.x.size, np.nan)
    scale = np.abs(measured.numeric).max(initial=np.finfo(float).tiny)
    error[measured.entries] = measured.differs(verdict.analytic).max(axis=0, initial=0) / scale
    return error.reshape(measured.probe.x.shape)
