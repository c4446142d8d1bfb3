"""Numeric gradients of one array, entry by entry; a doubtful entry is measured again with the best of many steps."""
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.axes import Axes
from gradcheck.numeric import STEP, Line, Probe, Trouble

KEPT = 4_000_000                    # size up to which a Jacobian is kept for the diagnosis
KINK_STEPS = (STEP, 1e-6, 1e-7, 1e-8)
ONE_BY_ONE = 512                    # up to this number, outputs with a kink are checked one by one
PROJECTIONS = 3                     # random directions for each sampled array and block


class Measured:
    """Numeric gradients of one array for K upstream gradients; column j belongs to the flat entry .entries[j]."""

    def __init__(self, probe: Probe, axes: Axes, weights: np.ndarray, method: str, entries: Sequence[int] | np.ndarray,
                 sure: bool = False, one_output: Callable[[int], np.ndarray] | None = None) -> None:
        """sure: the caller chose the method, so its result stands even if real differences disagree.

        one_output: output -> backward's gradient (size,) for an upstream gradient of 1 at that output alone, or None.
        """
        self.probe, self.axes, self.weights, self.method, self.sure = probe, axes, weights, method, sure
        self.entries = np.asarray(entries, int)
        self.one_output = one_output
        K, n = len(weights), len(self.entries)
        self.complete = n == probe.x.size
        self.numeric = np.empty((K, n))
        self.widths = np.zeros((K, n))          # of the interval between one-sided slopes
        self.kinks: dict[int, tuple[np.ndarray, np.ndarray]] = {}   # column -> right and left slopes of all outputs
        self.spread = np.zeros((K, n))          # uncertainty of the numeric gradient itself
        self.remark = ""
        self.settled: set[int] = set()          # columns that were measured again
        self.rows: np.ndarray | None = np.empty((n, weights.shape[1])) if n * weights.shape[1] <= KEPT else None
        for j in range(n):
            self._measure(j)

    def __getstate__(self) -> dict[str, Any]:
        """What a report shows, without backward."""
        return {**self.__dict__, "one_output": None}

    def _measure(self, j: int) -> None:
        line = self.probe.line(self.entries[j])
        if self.method == "central":
            right, left = line.sides(STEP)
            row = (right + left) / 2
            self.widths[:, j] = np.abs(self.weights * (right - left)).sum(axis=1)
        else:
            row = line.slope(self.method)
        self.numeric[:, j] = self.weights @ row
        if self.rows is not None:
            self.rows[j] = row

    def settle(self, j: int) -> None:
        """Measure column j again with the best step size, and find out whether f has a kink there."""
        if j in self.settled:
            return
        self.settled.add(j)
        line, w = self.probe.line(self.entries[j]), self.weights
        for unit in (1.0, self.probe.size)[:1 + (self.probe.size < 1e-3)]:      # the second where all of x is tiny
            sides = [line.sides(unit * h) for h in KINK_STEPS]
            widths = [np.abs(w * (right - left)).sum() for right, left in sides]
            size = np.abs(w * self.probe.base).sum() + np.abs(w * sides[0][0]).sum()
            smooth = _smooth_from(widths, 1e-6 * size)
            if smooth is not None:
                self._settle(j, line, unit * KINK_STEPS[smooth] if smooth else np.inf)
                return
        if max(widths) > 3 * widths[0] > 3e-6 * size:
            raise Trouble(f"forward jumps at {line.where()} (a step, or rounding to float32 inside): "
                          "there is no gradient to measure")
        self.kinks[j] = sides[-1]

    def _settle(self, j: int, line: Line, largest: float) -> None:
        self.numeric[:, j], self.spread[:, j] = line.settle(self.weights, largest)
        if not np.isfinite(self.spread[:, j]).all():
            raise Trouble(f"forward has no usable values around {line.where()}")

    def differs(self, analytic: np.ndarray) -> np.ndarray:
        """|analytic - numeric| (K, n); at a kink the distance from the interval between the one-sided slopes."""
        error = np.abs(analytic[:, self.entries] - self.numeric)
        for j in self.kinks:
            error[:, j] = self._outside(j, analytic[:, self.entries[j]])
        return error

    def interval(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest slope of sum(f * dout) at the kink of column j, each (K,)."""
        right, left = (self.weights * side for side in self.kinks[j])
        return np.minimum(right, left).sum(axis=1), np.maximum(right, left).sum(axis=1)

    def _outside(self, j: int, slope: np.ndarray) -> np.ndarray:
        """How far a slope lies outside the interval that the kink allows; each output has an interval of its own.

        Three upstream gradients cannot tell many outputs apart, so backward is called for each output with a kink.
        """
        right, left = self.kinks[j]
        bent = np.flatnonzero(np.abs(right - left) > 1e-6 * np.maximum(np.abs(right), np.abs(left)))
        low, high = self.interval(j)
        far = np.maximum(0, np.maximum(low - slope, slope - high))
        if self.one_output is None or len(bent) > ONE_BY_ONE:
            return far
        own = np.array([self.one_output(int(m))[self.entries[j]] for m in bent])
        lower, upper = np.minimum(right, left)[bent], np.maximum(right, left)[bent]
        outside = np.maximum(0, np.maximum(lower - own, own - upper))
        rest = slope - self.weights[:, bent] @ own              # of the outputs that are smooth
        smooth = np.delete(self.weights * (right + left) / 2, bent, axis=1).sum(axis=1)
        gap = np.abs(rest - smooth)
        return outside.max(initial=0) + np.where(gap > 1e-6 * np.abs(self.weights * right).sum(axis=1), gap, 0)

    def columns(self, group: np.ndarray) -> np.ndarray:
        """Columns that belong to a group of flat entries."""
        return group if self.complete else np.flatnonzero(np.isin(self.entries, group))

    def add(self, entry: int) -> int:
        """Measure one more entry -> its column."""
        self.entries = np.append(self.entries, entry)
        for name in ("numeric", "widths", "spread"):
            setattr(self, name, np.column_stack([getattr(self, name), np.zeros(len(self.weights))]))
        self.rows = None
        self._measure(len(self.entries) - 1)
        return len(self.entries) - 1


def _smooth_from(widths: Sequence[float], tiny: float) -> int | None:
    """The first step from which f is smooth: its one-sided slopes approach each other as h shrinks; None at a kink."""
    for k in range(len(widths)):
        pairs = zip(widths[k:], widths[k + 1:])
        if all(a <= tiny or 0.05 * a < b < 0.2 * a for a, b in pairs) and (k + 1 < len(widths) or widths[k] <= tiny):
            return k
    return None


def search_by_projections(measured: Measured, analytic: np.ndarray, tolerance: float,
                          rng: np.random.Generator) -> None:
    """Compare random projections of a sampled array; if one differs, find an entry that differs, and measure it.

    A projection sees every entry at once, so it shows an error outside the sample too; halving finds the entry. If
    that entry is at a kink, the kink may hide other errors: then a remark says so.
    """
    for group in measured.axes.groups().values():
        for _ in range(PROJECTIONS):
            direction = rng.choice([-1.0, 1.0], len(group))
            if _off(measured, analytic, group, direction, tolerance):
                entry = _halve(measured, analytic, group, direction)
                column = measured.add(entry) if entry not in measured.entries else None
                if column is not None and measured.method != "complex":
                    measured.settle(column)
                if column is None or column in measured.kinks:
                    measured.remark = "kinks hide the rest from the random projections"


def _gap(measured: Measured, analytic: np.ndarray, entries: np.ndarray,
         direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the analytic and the numeric slope along a direction (K,), and the numeric uncertainty (K,)."""
    norm = np.sqrt(len(entries))
    line = measured.probe.projection(entries, direction / norm)
    if measured.method == "complex":
        slope = measured.weights @ line.slope("complex")
        spread = np.zeros_like(slope)
    else:
        slope, spread = line.settle(measured.weights)
    return np.abs(analytic[:, entries] @ direction / norm - slope), spread


def _off(measured: Measured, analytic: np.ndarray, entries: np.ndarray, direction: np.ndarray,
         tolerance: float) -> bool:
    gap, spread = _gap(measured, analytic, entries, direction)
    scale = np.abs(analytic[:, entries]).max(axis=1, initial=0)
    return bool((gap > 4 * tolerance * scale + 10 * spread).any())


def _halve(measured: Measured, analytic: np.ndarray, entries: np.ndarray, direction: np.ndarray) -> int:
    """The entry that is left after choosing, again and again, the half with the larger gap."""
    while len(entries) > 1:
        half = len(entries) // 2
        gaps = [_gap(measured, analytic, entries[part], direction[part])[0].max() * np.sqrt(len(entries[part]))
                for part in (slice(half), slice(half, None))]
        part = slice(half) if gaps[0] >= gaps[1] else slice(half, None)
        entries, direction = entries[part], direction[part]
    return int(entries[0])


def sample(axes: Axes, analytic: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """About `count` flat entries, spread evenly over blocks and time steps, and the largest gradient of each."""
    strata, weight = axes.strata(), np.abs(analytic).max(axis=0)
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(strata[order], prepend=-1))
    each = max(1, count // len(starts))
    chosen = [part[:each] for part in np.split(order, starts[1:])]
    chosen += [part[[weight[part].argmax()]] for part in np.split(order, starts[1:])]
    return np.unique(np.concatenate(chosen))
