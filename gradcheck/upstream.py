"""Mistakes in what is made of the upstream gradient, predicted from the Jacobian of forward."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gradcheck.diagnose import Evidence

LONG = 64                           # an axis of dout of which not every index is tried
Predictions = Iterator[tuple[str, str, np.ndarray]]


def parts_of_upstream(e: Evidence, name: str) -> Predictions:
    """Only a part of dout is used: one index along an axis, or one of several outputs."""
    parts = _contributions(e, name)
    ids = any(isinstance(x, np.ndarray) and x.dtype.kind in "iu" for x in e.inputs.values())
    total = sum(part.reshape(*part.shape[:2], -1).sum(axis=2) for part in parts)
    shape = e.numeric[name].shape
    for k, part in enumerate(parts):
        dout = "dout" if len(parts) == 1 else f"upstream gradient {k + 1} of {len(parts)}"
        if len(parts) > 1:
            own = part.reshape(*part.shape[:2], -1).sum(axis=2)
            yield "upstream", f"{dout} is ignored", (total - own).reshape(shape)
        rest = total - part.reshape(*part.shape[:2], -1).sum(axis=2)        # of the other outputs
        for axis in range(2, part.ndim) if not ids else ():     # with ids, "assigned" says it better
            along, size = part.sum(axis=tuple(i for i in range(2, part.ndim) if i != axis)), part.shape[axis]
            for i in range(size) if 1 < size <= LONG else {0, size - 1} if size > LONG else ():
                place = " (the first)" * (i == 0) + " (the last)" * (i == size - 1)
                word = "time step" if axis == 3 and _has_time(e, size) else f"axis {axis - 2}, index"
                yield ("one step", f"only {word} {i}{place} of {dout} counts", (along[:, :, i] + rest).reshape(shape))


def scrambled_upstream(e: Evidence, name: str) -> Predictions:
    """The right gradient of a dout whose numbers stand in other places."""
    if name not in e.rows:
        return
    for k, dout in enumerate(e.douts):
        word = "dout" if len(e.douts) == 1 else f"upstream gradient {k + 1} of {len(e.douts)}"
        for kind, words, moved in _moved(dout):
            flat = [other.reshape(len(other), -1) for other in (*e.douts[:k], moved, *e.douts[k + 1:])]
            yield kind, f"{word} is {words}", (np.hstack(flat) @ e.rows[name].T).reshape(e.numeric[name].shape)


def displaced(a: np.ndarray, axis: int) -> Predictions:
    """An array reversed along an axis, or shifted by one place, with the last one first or with zeros."""
    yield "reversed", "reversed", np.flip(a, axis)
    for step in (1, -1):
        rolled = np.roll(a, step, axis)
        yield "shifted", f"shifted by {step}", rolled
        np.moveaxis(rolled, axis, 0)[0 if step > 0 else -1] = 0
        yield "shifted", f"shifted by {step}", rolled.copy()


def _moved(dout: np.ndarray) -> Predictions:
    axes = range(1, dout.ndim)
    for axis in axes:
        for kind, words, moved in displaced(dout, axis) if dout.shape[axis] > 1 else ():
            yield kind, f"{words} along its axis {axis - 1}", moved
    for order in list(permutations(axes))[1:] if dout.ndim < 6 else ():
        shape, order = dout.shape, (0, *order)
        yield ("transpose", "reshaped where its axes belong transposed",
               dout.reshape([shape[i] for i in order]).transpose(np.argsort(order)))
        yield ("transpose", "transposed, and its numbers reshaped", dout.transpose(order).reshape(shape))


def recurrence(e: Evidence, name: str) -> Predictions:
    """Each step of x gets only its own upstream gradient."""
    for part in _contributions(e, name):
        shape = e.numeric[name].shape
        part = part.reshape(len(part), *shape[1:], *part.shape[2:])
        for i in range(1, len(shape)):
            for j in range(len(shape), part.ndim):
                if part.shape[i] == part.shape[j] > 1 and _causal(part, i, j):
                    shape_of_keep = [part.shape[k] if k in (i, j) else 1 for k in range(part.ndim)]
                    keep = np.eye(part.shape[i], dtype=bool).reshape(shape_of_keep)
                    own = (part * keep).sum(axis=tuple(range(len(shape), part.ndim)))
                    yield ("recurrence", "each step gets only its own upstream gradient: the gradient from later "
                           "steps is dropped", own)


def assigned(e: Evidence, name: str) -> Predictions:
    """Only one of several contributions to an entry is kept, in a loop over some axes of dout."""
    for part in _contributions(e, name):
        axes = range(2, part.ndim)
        for inside in (inside for k in range(len(axes)) for inside in combinations(axes, k)):
            terms = part.sum(axis=inside).reshape(*part.shape[:2], -1)      # what one pass of the loop adds
            touched = (terms != 0).any(axis=0)
            for word, place in _one_kept(touched):
                kept = np.take_along_axis(terms, np.broadcast_to(place[None, :, None], (len(terms), len(place), 1)), 2)
                yield ("assigned", f"only the {word} of several contributions to an entry is kept: "
                       "assigned instead of accumulated", kept[:, :, 0].reshape(e.numeric[name].shape))


def _one_kept(touched: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Which contribution to each entry (size, count) stays if the last or the first one is kept; [] if all have one."""
    if not (touched.sum(axis=1) > 1).any():
        return []
    return [("last", touched.shape[1] - 1 - touched[:, ::-1].argmax(axis=1)), ("first", touched.argmax(axis=1))]


def own_output(e: Evidence, name: str) -> Predictions:
    """Only the diagonal of the Jacobian of an output of the same shape."""
    for part, dout in zip(_contributions(e, name), e.douts):
        if dout.shape == e.numeric[name].shape and dout[0].size > 1:
            flat = part.reshape(len(part), part.shape[1], -1)
            yield ("diagonal", "each entry gets only its part from the output at the same place: only the diagonal of "
                   "the Jacobian is used", np.einsum("kii->ki", flat).reshape(dout.shape))


def without_upstream(e: Evidence, name: str) -> Predictions:
    """The gradient of the sum of all outputs."""
    if name in e.rows:
        ones = e.rows[name].sum(axis=1).reshape(e.numeric[name].shape[1:])
        yield ("upstream", "the upstream gradient is ignored: this is the gradient of the sum of the outputs",
               np.broadcast_to(ones, e.numeric[name].shape))


def _contributions(e: Evidence, name: str) -> list[np.ndarray]:
    """The part of every gradient entry from every entry of dout, for each output (K, size, *shape of dout)."""
    if name not in e.rows or len(e.douts) * e.rows[name].size > 20_000_000:
        return []
    cuts = np.cumsum([out.size for out in e.outs])[:-1]
    jacobians = np.split(e.rows[name], cuts, axis=1)
    return [jacobian.reshape(1, len(jacobian), *dout.shape[1:]) * dout[:, None]
            for jacobian, dout in zip(jacobians, e.douts)]


def _causal(part: np.ndarray, i: int, j: int) -> bool:
    """Whether entries along axis i depend on dout at the same and later indices of axis j alone, as in a recurrence."""
    table = np.abs(part).sum(axis=tuple(k for k in range(part.ndim) if k not in (i, j)))
    return bool(not np.tril(table, -1).any() and np.triu(table, 1).any())


def _has_time(e: Evidence, steps: int) -> bool:
    """Whether the second axis of some input is named t and has this length."""
    return any(array.axis("t") == 1 and array.shape[1] == steps for array in e.axes.values())
