"""The verdict on one array: which entries differ by more than the tolerance, and by how much."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck.numeric import Trouble

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from gradcheck.measure import Measured

CLOSER = 64                         # doubtful entries that are measured again at a time
KINKS = 256                         # entries that are tested for a kink although they agree
FLOAT32 = 1e-5
FLOAT32_BLOCK = 1e-6                # of the whole array, for a block: in float32 saturated gates keep few digits
ROUNDED = 30                        # how many times the tolerance float32 may be off if float64 is right
EPS = np.finfo(np.float64).eps
TOLERANCE = {"complex": 1e-11, "central": 1e-7, "richardson": 1e-7}


class Scale(NamedTuple):
    """The magnitudes that the errors of a check are compared with, (K,) each."""
    gradients: np.ndarray           # the largest gradient
    terms: np.ndarray               # that, or the largest product of output and upstream gradient


class Noise(NamedTuple):
    """What rounding does to a check, by (measured, column) of the numeric gradient."""
    jittered: Callable[[Measured, int, float], float]   # how far it moves when inputs move by a few eps, the third
    in_float64: Callable[[Measured], np.ndarray | None]     # the gradient (K, size) of the same code in float64


class Verdict(NamedTuple):
    """The result for one array."""
    name: str                       # of the gradient, "dWh"
    error: float                    # largest |analytic - numeric| / max |numeric|, over the array and its named blocks
    tolerance: float
    wrong: list[int]                # columns of measured that differ, worst first
    unexercised: list[str]          # zero on both sides: "" for the array, names of blocks
    remark: str
    measured: Measured
    analytic: np.ndarray            # (K, size)

    @property
    def ok(self) -> bool:
        return not self.wrong


def judge(name: str, measured: Measured, analytic: np.ndarray, dtype: DTypeLike, scale: Scale,
          noise: Noise) -> Verdict:
    """Verdict on the gradients of one array, analytic (K, size). scale: the Scale of the whole check."""
    tolerance = tolerance_of(measured.method, dtype)
    if measured.method != "complex":
        _closer_look(measured, analytic, dtype)
    allowed, unexercised = _allowed(measured, analytic, dtype, scale)
    error = measured.differs(analytic)
    bad = np.any(error > allowed + 3 * measured.spread, axis=0)
    remark = measured.remark
    if bad.any() and _is_rounding(measured, error, allowed, dtype, scale, noise.jittered):
        bad[:] = False
        remark = "ill-conditioned: the difference is rounding"
    elif bad.any() and _is_right_in_float64(measured, error, allowed, dtype, noise):
        bad[:] = False
        remark = "the difference is rounding: in float64 the same code is right"
    elif (error > allowed).any() and not bad.any():
        remark = _unresolved(measured, error > allowed)
    ratio = (error / np.maximum(allowed + 3 * measured.spread, np.finfo(float).tiny)).max(axis=0, initial=0)
    wrong = [int(j) for j in np.argsort(-ratio, kind="stable") if bad[j]]
    size = (error / np.maximum(allowed, np.finfo(float).tiny)).max(initial=0)
    return Verdict(f"d{name}", float(min(tolerance * size, 1e300)), tolerance, wrong, unexercised, remark, measured,
                   analytic)


def tolerance_of(method: str, dtype: DTypeLike) -> float:
    """Allowed error of a gradient of this dtype, relative to the largest entry, against this numeric method."""
    return max(TOLERANCE[method], FLOAT32 if np.dtype(dtype).itemsize < 8 else 0)


def contradicted(verdict: Verdict) -> bool:
    """Whether real differences disagree with the complex step at the worst entry, since f lost an imaginary part."""
    measured, j = verdict.measured, verdict.wrong[0]
    if measured.method != "complex" or measured.sure:
        return False
    slope, spread = measured.probe.line(measured.entries[j]).settle(measured.weights)
    gap = np.abs(slope - measured.numeric[:, j])
    own = np.abs(verdict.analytic[:, measured.entries[j]] - measured.numeric[:, j])
    return bool((gap > 0.1 * own + 10 * spread).any())


def _allowed(measured: Measured, analytic: np.ndarray, dtype: DTypeLike, scale: Scale) -> tuple[np.ndarray, list[str]]:
    """The allowed error of each entry (K, n), from the tightest group it is in, and the groups that are zero."""
    single = np.dtype(dtype).itemsize < 8
    tolerance = tolerance_of(measured.method, dtype)
    allowed, unexercised = np.full(measured.numeric.shape, np.inf), []
    whole = np.abs(measured.numeric).max(axis=1, initial=0)
    for name, group in measured.axes.groups().items():
        columns = measured.columns(group)
        largest = np.abs(measured.numeric[:, columns]).max(axis=1, initial=0)
        limit = tolerance * largest
        if single:                              # sums are rounded relative to their terms, which may cancel
            limit = np.maximum(limit, np.maximum(FLOAT32_BLOCK * whole, 2 * np.finfo(np.float32).eps * scale.gradients))
        uncertain = 3 * measured.spread[:, columns].max(axis=1, initial=0)
        rounding = (FLOAT32 if single else 100 * EPS) * scale.terms
        yours = np.abs(analytic[:, measured.entries[columns]]).max(axis=1, initial=0)
        if (largest <= np.maximum(uncertain, 1e-14 * scale.terms)).all() and (yours <= rounding).all():
            unexercised.append(name)            # zero on both sides, to rounding
            limit = np.maximum(limit, rounding + uncertain)
        allowed[:, columns] = np.minimum(allowed[:, columns], limit[:, None])
    return allowed, unexercised


def _is_rounding(measured: Measured, error: np.ndarray, allowed: np.ndarray, dtype: DTypeLike, scale: Scale,
                 jittered: Callable[[Measured, int, float], float]) -> bool:
    """Whether errors beyond the tolerance are only rounding that this dtype cannot avoid.

    Either they are rounding errors of the terms, too small for central differences to show; or the slope of forward
    itself moves as much when the inputs move by a few units in the last place.
    """
    tolerance = tolerance_of(measured.method, dtype)
    if (error <= 1e-7 / tolerance * allowed).all() and (error <= 100 * EPS * scale.terms[:, None]).all():
        return True
    worst = int((error / np.maximum(allowed, np.finfo(float).tiny)).max(axis=0).argmax())
    if (tolerance > TOLERANCE["complex"] and np.dtype(dtype).itemsize == 8) or worst in measured.kinks:
        return False
    largest = np.abs(measured.numeric).max(initial=0)
    return bool(error.max() <= min(10 * jittered(measured, worst, np.finfo(dtype).eps), 1e-2 * largest))


def _is_right_in_float64(measured: Measured, error: np.ndarray, allowed: np.ndarray, dtype: DTypeLike,
                         noise: Noise) -> bool:
    """Whether small errors in float32 vanish if the same code computes in float64, as those of a mistake do not."""
    if np.dtype(dtype).itemsize == 8 or (error > ROUNDED * allowed).any():
        return False
    exact = noise.in_float64(measured)
    if exact is None:
        return False
    limit = 10 * tolerance_of(measured.method, np.float64) * np.abs(measured.numeric).max(axis=1, initial=0)
    return bool((measured.differs(exact) <= limit[:, None]).all())


def _closer_look(measured: Measured, analytic: np.ndarray, dtype: DTypeLike) -> None:
    """Measure doubtful entries again, the worst first, until none is left or one is confirmed as wrong."""
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


def _unresolved(measured: Measured, columns: np.ndarray) -> str:
    """Remark on entries that pass because their numeric gradient is uncertain. Raises Trouble if it is useless."""
    spread, largest = measured.spread[columns].max(), np.abs(measured.numeric).max(initial=0)
    if spread > 1e-2 * largest:
        raise Trouble(f"the gradient of {measured.probe.name} cannot be measured: differences of forward are uncertain "
                      f"by {spread:.0e}, its largest entry is {largest:.0e} (it drowns in other outputs, or forward is "
                      "rough)")
    return f"numeric gradient good to {spread / largest:.0e}"
