"""The verdict on one array: which entries differ by more than the tolerance, and by how much."""
from typing import NamedTuple

import numpy as np

from gradcheck.numeric import Trouble

CLOSER = 64                         # doubtful entries that get a closer look at a time
KINKS = 256                         # entries that are looked at for a kink although they agree
FLOAT32 = 1e-5
TOLERANCE = {"complex": 1e-11, "central": 1e-7, "richardson": 1e-7}
ZERO = {"complex": 1e-13, "central": 1e-9, "richardson": 1e-10}     # of the largest gradient: no more than rounding
ILL_CONDITIONED = {4: 5e-2}         # itemsize -> largest error that rounding inside backward can excuse, else 1e-5


class Verdict(NamedTuple):
    """What came of one array."""
    name: str                       # of the gradient, "dWh"
    error: float                    # largest |analytic - numeric| / max |numeric|, over the array and its named blocks
    tolerance: float
    wrong: list                     # columns of measured that differ, worst first
    unexercised: list               # "" for the array, names of blocks: zero on both sides
    remark: str
    measured: object
    analytic: np.ndarray            # (K, size)

    @property
    def ok(self):
        return not self.wrong


def judge(name, measured, analytic, dtype, scale, wobble):
    """Verdict on analytic (K, size). scale (K,): the largest gradient; wobble(): rounding in backward (size,)."""
    tolerance = tolerance_of(measured.method, dtype)
    if measured.method != "complex":
        _closer_look(measured, analytic, dtype, scale)
    allowed, unexercised = _allowed(measured, dtype, scale)
    error = measured.differs(analytic)
    bad = (error > allowed + 3 * measured.spread).any(axis=0)
    remark = ""
    if bad.any():
        limit = ILL_CONDITIONED.get(np.dtype(dtype).itemsize, 1e-5) / tolerance
        if (error <= limit * allowed).all() and error.max() <= 10 * wobble().max():
            bad[:] = False
            remark = "ill-conditioned: backward's own rounding is as large as the difference"
    elif (error > allowed).any():
        remark = _unresolved(measured, error > allowed)
    ratio = (error / np.maximum(allowed, np.finfo(float).tiny)).max(axis=0, initial=0)
    wrong = [int(j) for j in np.argsort(-ratio, kind="stable") if bad[j]]
    return Verdict(f"d{name}", float(tolerance * ratio.max(initial=0)), tolerance, wrong, unexercised, remark, measured,
                   analytic)


def tolerance_of(method, dtype):
    return max(TOLERANCE[method], FLOAT32 if np.dtype(dtype).itemsize < 8 else 0)


def contradicted(verdict):
    """Whether real differences disagree with the complex step at the worst entry: f lost an imaginary part there."""
    measured, j = verdict.measured, verdict.wrong[0]
    if measured.method != "complex" or measured.sure:
        return False
    slope, spread = measured.probe.line(measured.entries[j]).settle(measured.weights)
    gap = np.abs(slope - measured.numeric[:, j])
    own = np.abs(verdict.analytic[:, measured.entries[j]] - measured.numeric[:, j])
    return bool((gap > 0.1 * own + 10 * spread).any())


def _allowed(measured, dtype, scale):
    """What each entry may differ by (K, n): the tolerance of the tightest group it is in; groups that are zero."""
    tolerance, zero = tolerance_of(measured.method, dtype), ZERO[measured.method]
    rounding = max(10 * zero, FLOAT32 if np.dtype(dtype).itemsize < 8 else 0)
    allowed, unexercised = np.full(measured.numeric.shape, np.inf), []
    for name, group in measured.axes.groups().items():
        columns = measured.columns(group)
        largest = np.abs(measured.numeric[:, columns]).max(axis=1, initial=0)
        none = largest <= zero * scale
        if none.all():
            unexercised.append(name)
        limit = np.where(none, rounding * scale, tolerance * largest)
        allowed[:, columns] = np.minimum(allowed[:, columns], limit[:, None])
    return allowed, unexercised


def _closer_look(measured, analytic, dtype, scale):
    """Settle doubtful entries, the worst first, until none is left or some stay wrong."""
    while True:
        allowed, _ = _allowed(measured, dtype, scale)
        ratio = (measured.differs(analytic) / np.maximum(allowed + 3 * measured.spread, np.finfo(float).tiny))
        ratio = ratio.max(axis=0, initial=0)
        settled = sorted(measured.settled)
        if (ratio[settled] > 1).any():
            return
        kinked = measured.widths.max(axis=0, initial=0) > 1e-3 * np.abs(measured.numeric).max(initial=0)
        doubtful = (ratio > 1) | (kinked if len(settled) < KINKS else False)
        doubtful[settled] = False
        if not doubtful.any():
            return
        for j in np.argsort(-ratio * doubtful - doubtful, kind="stable")[:min(CLOSER, doubtful.sum())]:
            measured.settle(int(j))


def _unresolved(measured, columns):
    """Entries pass because the numeric gradient is uncertain there; it may not be too uncertain to say anything."""
    spread = measured.spread[columns].max() / np.abs(measured.numeric).max()
    if spread > 1e-4:
        raise Trouble(f"the numeric gradient of {measured.probe.name} is uncertain by {spread:.0e} of its largest "
                      "entry, whatever the step: forward is too rough, or rounds to float32 inside")
    return f"numeric gradient good to {spread:.0e}"
