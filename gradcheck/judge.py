"""The verdict on one array: which entries differ by more than the tolerance, and by how much."""
from typing import NamedTuple

import numpy as np

from gradcheck.numeric import Trouble

CLOSER = 64                         # doubtful entries that get a closer look at a time
KINKS = 256                         # entries that are looked at for a kink although they agree
FLOAT32 = 1e-5
FLOAT32_BLOCK = 1e-6                # of the whole array, for a block: saturated gates keep few digits in float32
EPS = np.finfo(np.float64).eps
TOLERANCE = {"complex": 1e-11, "central": 1e-7, "richardson": 1e-7}


class Scale(NamedTuple):
    """What numbers of a check are large or small beside, (K,) each."""
    gradients: np.ndarray           # the largest gradient
    terms: np.ndarray               # that, or the largest product of output and upstream gradient


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


def judge(name, measured, analytic, dtype, scale, jittered):
    """Verdict on analytic (K, size).

    scale: the Scale of the whole check. jittered(measured, column, eps): how far the numeric gradient moves when the
    inputs do by a few eps of their size.
    """
    tolerance = tolerance_of(measured.method, dtype)
    if measured.method != "complex":
        _closer_look(measured, analytic, dtype)
    allowed, unexercised = _allowed(measured, analytic, dtype, scale)
    error = measured.differs(analytic)
    bad = (error > allowed + 3 * measured.spread).any(axis=0)
    remark = measured.remark
    if bad.any() and _is_rounding(measured, error, allowed, dtype, scale, jittered):
        bad[:] = False
        remark = "ill-conditioned: the difference is rounding"
    elif (error > allowed).any() and not bad.any():
        remark = _unresolved(measured, error > allowed)
    ratio = (error / np.maximum(allowed + 3 * measured.spread, np.finfo(float).tiny)).max(axis=0, initial=0)
    wrong = [int(j) for j in np.argsort(-ratio, kind="stable") if bad[j]]
    size = (error / np.maximum(allowed, np.finfo(float).tiny)).max(initial=0)
    return Verdict(f"d{name}", float(min(tolerance * size, 1e300)), tolerance, wrong, unexercised, remark, measured,
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


def _allowed(measured, analytic, dtype, scale):
    """What each entry may differ by (K, n): the tolerance of the tightest group it is in; groups that are zero."""
    single = np.dtype(dtype).itemsize < 8
    tolerance = tolerance_of(measured.method, dtype)
    allowed, unexercised = np.full(measured.numeric.shape, np.inf), []
    whole = np.abs(measured.numeric).max(axis=1, initial=0)
    for name, group in measured.axes.groups().items():
        columns = measured.columns(group)
        largest = np.abs(measured.numeric[:, columns]).max(axis=1, initial=0)
        limit = tolerance * largest
        if single:                              # sums round to parts of their largest terms, and terms may cancel
            limit = np.maximum(limit, np.maximum(FLOAT32_BLOCK * whole, 2 * np.finfo(np.float32).eps * scale.gradients))
        uncertain = 3 * measured.spread[:, columns].max(axis=1, initial=0)
        rounding = (FLOAT32 if single else 100 * EPS) * scale.terms
        yours = np.abs(analytic[:, measured.entries[columns]]).max(axis=1, initial=0)
        if (largest <= np.maximum(uncertain, 1e-14 * scale.terms)).all() and (yours <= rounding).all():
            unexercised.append(name)            # zero on both sides, but for rounding
            limit = np.maximum(limit, rounding + uncertain)
        allowed[:, columns] = np.minimum(allowed[:, columns], limit[:, None])
    return allowed, unexercised


def _is_rounding(measured, error, allowed, dtype, scale, jittered):
    """Whether differences beyond the tolerance are no more than what the dtype can carry here.

    Either they are rounding errors of the numbers that go through, too small for central differences to show; or the
    slope of forward itself moves as much when the inputs move by a few units in the last place.
    """
    tolerance = tolerance_of(measured.method, dtype)
    if (error <= 1e-7 / tolerance * allowed).all() and (error <= 100 * EPS * scale.terms[:, None]).all():
        return True
    worst = int((error / np.maximum(allowed, np.finfo(float).tiny)).max(axis=0).argmax())
    if (tolerance > TOLERANCE["complex"] and np.dtype(dtype).itemsize == 8) or worst in measured.kinks:
        return False
    largest = np.abs(measured.numeric).max(initial=0)
    return bool(error.max() <= min(10 * jittered(measured, worst, np.finfo(dtype).eps), 1e-2 * largest))


def _closer_look(measured, analytic, dtype):
    """Settle doubtful entries, the worst first, until none is left or some stay wrong."""
    tolerance = tolerance_of(measured.method, dtype)
    while True:
        allowed = np.full(measured.numeric.shape, np.inf)
        for group in measured.axes.groups().values():
            columns = measured.columns(group)
            limit = tolerance * np.abs(measured.numeric[:, columns]).max(axis=1, initial=0)
            allowed[:, columns] = np.minimum(allowed[:, columns], limit[:, None])
        ratio = measured.differs(analytic) / np.maximum(allowed + 3 * measured.spread, np.finfo(float).tiny)
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
    spread, largest = measured.spread[columns].max(), np.abs(measured.numeric).max(initial=0)
    if spread > 1e-2 * largest:
        raise Trouble(f"the gradient of {measured.probe.name} cannot be measured: differences of forward are uncertain "
                      f"by {spread:.0e}, its largest entry is {largest:.0e} (it drowns in other outputs, or forward is "
                      "rough)")
    return f"numeric gradient good to {spread / largest:.0e}"
