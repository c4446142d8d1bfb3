"""Where a wrong gradient is wrong, in words: "all differing entries of dWx are in gate f", "only t=0 is right"."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gradcheck.judge import Verdict

SAME = 1e-6                         # relative accuracy at which numbers along an axis are the same
FEW = 3                             # wrong entries that need no words, since the report lists them

Group = tuple[str, np.ndarray]      # words, mask of the entries


def where(verdict: Verdict, inputs: Mapping[str, Any]) -> str:
    """The place of the entries that differ, in words, or '' if no words fit. The array is measured completely."""
    measured = verdict.measured
    shape = measured.probe.x.shape
    wrong = np.zeros(measured.probe.x.size, bool)
    wrong[measured.entries[verdict.wrong]] = True
    idle = ~(measured.numeric.any(axis=0) | verdict.analytic.any(axis=0)) & ~wrong      # zero on both sides
    if (wrong | idle).all():
        some = " that is not zero" if idle.any() else ""
        return _everywhere(verdict, f"every entry of {verdict.name}{some}") if wrong.size > 1 else ""
    wrong, idle = wrong.reshape(shape), idle.reshape(shape)                 # type: ignore[assignment]
    return _words(verdict.name, wrong, idle, list(_groups(verdict, inputs, wrong, ~wrong & ~idle)))


def _words(name: str, wrong: np.ndarray, idle: np.ndarray, groups: list[Group]) -> str:
    right, zeros = ~wrong & ~idle, ", apart from zeros" * bool(idle.any())
    for words, mask in sorted(groups, key=lambda group: int(group[1].sum())):       # the smallest that fits
        if (wrong == mask & ~idle).all():
            return f"all differing entries of {name} are {words}, and none of these is right{zeros}"
        if (right == mask & ~idle).all():
            return f"of {name} only {'what is' if right.sum() > 1 else 'the entry'} {words} is right{zeros}"
    if wrong.sum() < FEW:
        return ""                   # the report lists them
    around = [(int(mask.sum()), k) for k, (_, mask) in enumerate(groups) if not (wrong & ~mask).any()]
    if around:
        return f"all differing entries of {name} are {groups[min(around)[1]][0]}"
    return f"{wrong.sum()} of {wrong.size} entries of {name} differ, in no pattern that is known here"


def _groups(verdict: Verdict, inputs: Mapping[str, Any], wrong: np.ndarray, right: np.ndarray) -> Iterator[Group]:
    """Parts of the array that can be said in words: blocks, indices and ranges along an axis, the diagonal, ..."""
    axes, x = verdict.measured.axes, verdict.measured.probe.x
    index = np.indices(x.shape)
    for label, block in axes.blocks().items():
        mask = np.zeros(x.shape, bool)
        mask[block] = True
        yield f"in {label}", mask
    for k in range(x.ndim):
        if not (axes.axes and axes.axes[k].blocks):
            yield from _along(_axis(verdict, k), index[k], wrong)
            yield from _along(_axis(verdict, k), index[k], right)
    for i, j in combinations(range(x.ndim), 2):
        if x.shape[i] == x.shape[j] > 1:
            yield f"on the diagonal of {_axis(verdict, i)} and {_axis(verdict, j)}", index[i] == index[j]
    yield "where the array itself is negative", x < 0
    yield "where the array itself is positive", x > 0
    for key, other in inputs.items():
        yield from _by_other(key, other, x.shape)


def _along(axis: str, index: np.ndarray, chosen: np.ndarray) -> Iterator[Group]:
    """The index of an axis at which all chosen entries are, or the range that begins or ends with the axis."""
    if not chosen.any():
        return
    first, last, end = index[chosen].min(), index[chosen].max(), index.max()
    if first == last and end > 0:
        yield f"at {axis}={first}{', the last' * bool(last == end)}", index == first
    elif (first == 0) != (last == end):
        yield f"at {axis}={first} to {last}", (index >= first) & (index <= last)


def _by_other(key: str, other: Any, shape: tuple[int, ...]) -> Iterator[Group]:
    """Rows of a table that ids name once, twice or never; places that a mask covers."""
    if not isinstance(other, np.ndarray):
        return
    if other.dtype == bool and shape[:other.ndim] == other.shape:
        for words, mask in (("False", ~other), ("True", other)):
            yield f"where {key} is {words}", np.broadcast_to(
                mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)
    elif other.dtype.kind in "iu" and shape and other.size and other.min() >= 0 and other.max() < shape[0]:
        counts = np.bincount(other.ravel(), minlength=shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        for words, mask in ((f"in the rows that {key} names more than once", counts > 1),
                            (f"in the rows that {key} names once", counts == 1),
                            (f"in the rows that {key} does not name", counts == 0)):
            yield words, np.broadcast_to(mask, shape)


def _everywhere(verdict: Verdict, entries: str) -> str:
    """What the differences have in common where every entry differs."""
    shape = (-1, *verdict.measured.probe.x.shape)
    analytic, numeric = verdict.analytic.reshape(shape), verdict.measured.numeric.reshape(shape)
    gap, axes = analytic - numeric, range(1, analytic.ndim)
    constant = [k for k in axes if gap.shape[k] > 1 and _constant(gap, (k,))]
    if constant:
        words = " and ".join(_axis(verdict, k - 1) for k in constant)
        return f"{entries} differs, by the same number all along {words}: a term is missing or too much"
    if (numeric != 0).all():
        ratio = analytic / numeric
        for count in range(len(axes), 0, -1):
            for along in combinations(axes, count):
                if _constant(ratio, (0, *along)) and np.prod([ratio.shape[k] for k in along]) > 1:
                    kept = [_axis(verdict, k - 1) for k in axes if k not in along]
                    return (f"{entries} differs, by a factor that depends on {' and '.join(kept)} alone"
                            if kept else "")
    for k in axes:
        if gap.shape[k] > 1 and np.abs(gap.sum(axis=k)).max() < SAME * np.abs(gap).max():
            return f"{entries} differs, but its sums along {_axis(verdict, k - 1)} are right"
    return f"{entries} differs"


def _constant(a: np.ndarray, axes: tuple[int, ...]) -> bool:
    return bool(np.ptp(a, axis=axes).max() < SAME * np.abs(a).max())


def _axis(verdict: Verdict, k: int) -> str:
    named = verdict.measured.axes.axes
    return named[k].name if named else f"axis {k}"
