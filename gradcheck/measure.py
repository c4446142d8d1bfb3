"""Numeric gradients of one array, entry by entry, and the closer look that a doubtful entry gets."""
import numpy as np

from gradcheck.numeric import STEP, Trouble

KEPT = 4_000_000                    # numbers of a Jacobian that are kept for the diagnosis
KINK_STEPS = (STEP, 1e-6, 1e-7, 1e-8)
ONE_BY_ONE = 512                    # outputs with a kink that backward is asked for one by one
PROJECTIONS = 3                     # random directions for each array and block that is only sampled


class Measured:
    """Gradients of one array for K upstream gradients; columns belong to the flat entries in .entries."""

    def __init__(self, probe, axes, weights, method, entries, sure=False, one_output=None):
        """sure: the method was asked for, so it stands even against real differences.

        one_output: output -> backward's gradient (size,) for an upstream gradient of 1 at that output alone, or None.
        """
        self.probe, self.axes, self.weights, self.method, self.sure = probe, axes, weights, method, sure
        self.entries = np.asarray(entries, int)
        self.one_output = one_output
        K, n = len(weights), len(self.entries)
        self.complete = n == probe.x.size
        self.numeric = np.empty((K, n))
        self.widths = np.zeros((K, n))          # of the interval between one-sided slopes
        self.kinks = {}                         # column -> slopes of all outputs to the right and to the left
        self.spread = np.zeros((K, n))          # what the numeric gradient itself is uncertain by
        self.remark = ""
        self.settled = set()                    # columns that had the closer look
        self.rows = np.empty((n, weights.shape[1])) if n * weights.shape[1] <= KEPT else None
        for j in range(n):
            self._measure(j)

    def _measure(self, j):
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

    def settle(self, j):
        """A closer look at column j: the best step size, and whether f has a kink there."""
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

    def _settle(self, j, line, largest):
        self.numeric[:, j], self.spread[:, j] = line.settle(self.weights, largest)
        if not np.isfinite(self.spread[:, j]).all():
            raise Trouble(f"forward has no usable values around {line.where()}")

    def differs(self, analytic):
        """|analytic - numeric| (K, n); at a kink the distance from the interval between the one-sided slopes."""
        error = np.abs(analytic[:, self.entries] - self.numeric)
        for j in self.kinks:
            error[:, j] = self._outside(j, analytic[:, self.entries[j]])
        return error

    def interval(self, j):
        """Lowest and highest slope of sum(f * dout) at the kink of column j, each (K,)."""
        right, left = (self.weights * side for side in self.kinks[j])
        return np.minimum(right, left).sum(axis=1), np.maximum(right, left).sum(axis=1)

    def _outside(self, j, slope):
        """How far a slope is outside what the kink allows: each output may have its own slope in between.

        Three upstream gradients cannot tell many outputs apart, so backward is asked for each output that has a kink.
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

    def columns(self, group):
        """Columns that belong to a group of flat entries."""
        return group if self.complete else np.flatnonzero(np.isin(self.entries, group))

    def add(self, entry):
        """Measure one more entry -> its column."""
        self.entries = np.append(self.entries, entry)
        for name in ("numeric", "widths", "spread"):
            setattr(self, name, np.column_stack([getattr(self, name), np.zeros(len(self.weights))]))
        self.rows = None
        self._measure(len(self.entries) - 1)
        return len(self.entries) - 1


def _smooth_from(widths, tiny):
    """The first step from which on f is smooth, its one-sided slopes drawing together as h does; None at a kink."""
    for k in range(len(widths)):
        pairs = zip(widths[k:], widths[k + 1:])
        if all(a <= tiny or 0.05 * a < b < 0.2 * a for a, b in pairs) and (k + 1 < len(widths) or widths[k] <= tiny):
            return k
    return None


def search_by_projections(measured, analytic, tolerance, rng):
    """Compare random projections of a sampled array; where one differs, find an entry that does, and measure it.

    A projection sees every entry at once, so an error outside the sample still shows; halving finds its place. Where
    that place is a kink, the entries behind it stay unseen: then the answer is a remark.
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


def _gap(measured, analytic, entries, direction):
    """How far analytic and numeric slopes along a direction lie apart (K,), and the numeric uncertainty."""
    norm = np.sqrt(len(entries))
    line = measured.probe.projection(entries, direction / norm)
    if measured.method == "complex":
        slope, spread = measured.weights @ line.slope("complex"), 0
    else:
        slope, spread = line.settle(measured.weights)
    return np.abs(analytic[:, entries] @ direction / norm - slope), spread


def _off(measured, analytic, entries, direction, tolerance):
    gap, spread = _gap(measured, analytic, entries, direction)
    scale = np.abs(analytic[:, entries]).max(axis=1, initial=0)
    return bool((gap > 4 * tolerance * scale + 10 * spread).any())


def _halve(measured, analytic, entries, direction):
    while len(entries) > 1:
        half = len(entries) // 2
        gaps = [_gap(measured, analytic, entries[part], direction[part])[0].max() * np.sqrt(len(entries[part]))
                for part in (slice(half), slice(half, None))]
        part = slice(half) if gaps[0] >= gaps[1] else slice(half, None)
        entries, direction = entries[part], direction[part]
    return int(entries[0])


def sample(axes, analytic, count, rng):
    """About `count` flat entries, spread evenly over blocks and time steps, with the largest gradient of each."""
    strata, weight = axes.strata(), np.abs(analytic).max(axis=0)
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(strata[order], prepend=-1))
    each = max(1, count // len(starts))
    chosen = [part[:each] for part in np.split(order, starts[1:])]
    chosen += [part[[weight[part].argmax()]] for part in np.split(order, starts[1:])]
    return np.unique(np.concatenate(chosen))
