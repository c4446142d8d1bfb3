"""The catalogue of likely mistakes: functions (evidence, name) that yield (kind, sentence, predicted gradient).

A prediction has the shape (K, *shape of the array): one gradient for each of K upstream gradients.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.factors import FIT, explain

if TYPE_CHECKING:
    from gradcheck.diagnose import Evidence

Predictions = Iterator[tuple[str, str, np.ndarray]]


def zero(e: Evidence, name: str) -> Predictions:
    if not e.analytic[name].any():
        yield "zero", "zero everywhere", e.numeric[name] * 0


def sign_or_factor(e: Evidence, name: str) -> Predictions:
    a, n = e.analytic[name], e.numeric[name]
    factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
    if abs(factor + 1) < FIT:
        yield "sign", "the sign is wrong", -n
    elif factor:
        digits = 6 if abs(factor - 1) > 1e-3 else 12
        yield "factor", f"{factor:.{digits}g} times the gradient everywhere{explain(e, name, factor)}", factor * n


def exchanged(e: Evidence, name: str) -> Predictions:
    for other, n in e.numeric.items():
        if other != name and n.shape == e.numeric[name].shape:
            yield "exchanged", (f"these are the numbers of d{other}: two gradients are exchanged, or one is computed "
                                "from the wrong array"), n


def transposed(e: Evidence, name: str) -> Predictions:
    n = e.numeric[name]
    axes = range(1, n.ndim)
    for i, j in combinations(axes, 2):
        if n.shape[i] == n.shape[j]:
            yield "transpose", "transposed", n.swapaxes(i, j)
    for order in list(permutations(axes))[1:] if n.ndim < 6 else ():
        yield "transpose", "the numbers of the transpose, reshaped", n.transpose(0, *order).reshape(n.shape)


def wrong_order(e: Evidence, name: str) -> Predictions:
    n = e.numeric[name]
    for axis in range(1, n.ndim):
        where = _axis(e, name, axis - 1)
        yield "reversed", f"reversed along {where}", np.flip(n, axis)
        for step in (1, -1):
            shifted = np.roll(n, step, axis)
            yield "shifted", f"shifted by {step} along {where}", shifted
            np.moveaxis(shifted, axis, 0)[0 if step > 0 else -1] = 0
            yield "shifted", f"shifted by {step} along {where}", shifted.copy()


def one_index_missing(e: Evidence, name: str) -> Predictions:
    a, n = e.analytic[name], e.numeric[name]
    for axis in range(1, n.ndim):
        for i in range(n.shape[axis]):
            index: tuple = (*[slice(None)] * axis, i)
            if n.shape[axis] > 1 and not a[index].any() and n[index].any():
                prediction = n.copy()
                prediction[index] = 0
                where = _axis(e, name, axis - 1)
                yield "missing", f"right except at index {i} along {where}, where it is zero", prediction


def blocks(e: Evidence, name: str) -> Predictions:
    a, n = e.analytic[name], e.numeric[name]
    slices = {label: (slice(None), *block) for label, block in e.axes[name].blocks().items()}
    for label, block in slices.items():
        alone, without = n * 0, n.copy()
        alone[block], without[block] = n[block], 0
        yield "block", f"only the block {label} has a gradient", alone
        yield "block", f"the block {label} is zero", without
        square = (n[block] ** 2).sum()
        factor = float((a[block] * n[block]).sum() / square) if square else 0.0
        scaled = n.copy()
        scaled[block] *= factor
        yield "block", f"the block {label} alone is wrong, {factor:.6g} times the gradient", scaled
    yield from _block_orders(e, name)


def _block_orders(e: Evidence, name: str) -> Predictions:
    n = e.numeric[name]
    for k, axis in enumerate(e.axes[name].axes, start=1):
        parts = np.split(n, len(axis.blocks), axis=k) if 1 < len(axis.blocks) < 6 else []
        for order in list(permutations(range(len(parts))))[1:]:
            letters = ", ".join(axis.blocks[j] for j in order)
            yield "block", (f"the blocks of axis {axis.name} come in the order {letters} instead of "
                            f"{', '.join(axis.blocks)}"), np.concatenate([parts[j] for j in order], axis=k)


def padding(e: Evidence, name: str) -> Predictions:
    a, n = e.analytic[name], e.numeric[name]
    masked = any(isinstance(x, np.ndarray) and np.isin(x, (0, 1)).all() for x in e.inputs.values())
    if not masked or n.ndim < 3:
        return
    outside = np.abs(n) <= 1e-12 * np.abs(n).max(initial=0)
    whole_rows = (outside.all(axis=-1) == outside.any(axis=-1)).all()
    if outside.any() and whole_rows and (a[outside] != 0).mean() > 0.9:
        yield ("padding", "right except where the true gradient is zero: padded positions get a gradient, the mask is "
               "missing", np.where(outside, a, n))
        yield "padding", "only padded positions get a gradient: the mask is inverted", np.where(outside, a, 0)


def without_mask(e: Evidence, name: str) -> Predictions:
    """The gradient of a forward without the mask."""
    if e.measure is None or e.analytic[name][0].size > 10_000:
        return
    for key, mask in e.inputs.items():
        if isinstance(mask, np.ndarray) and mask.dtype == bool:
            gradient = e.measure(name, {key: np.ones_like(mask)})
            yield "padding", f"this is the gradient of a forward without {key}", gradient


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
        for axis in range(2, part.ndim) if not ids else ():     # with ids, "assigned" says it better
            along = part.sum(axis=tuple(i for i in range(2, part.ndim) if i != axis))
            for i in range(part.shape[axis]) if part.shape[axis] > 1 else ():
                place = " (the first)" * (i == 0) + " (the last)" * (i == part.shape[axis] - 1)
                word = "time step" if axis == 3 and _has_time(e, part.shape[axis]) else f"axis {axis - 2}, index"
                rest = (total - part.reshape(*part.shape[:2], -1).sum(axis=2)) if len(parts) > 1 else 0
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


def _moved(dout: np.ndarray) -> Predictions:
    axes = range(1, dout.ndim)
    for axis in axes:
        if dout.shape[axis] > 1:
            yield "reversed", f"read in reversed order along its axis {axis - 1}", np.flip(dout, axis)
            for step in (1, -1):
                rolled = np.roll(dout, step, axis)
                yield "shifted", f"read {-step:+d} place along its axis {axis - 1}", rolled
                np.moveaxis(rolled, axis, 0)[0 if step > 0 else -1] = 0
                yield "shifted", f"read {-step:+d} place along its axis {axis - 1}", rolled.copy()
    for order in list(permutations(axes))[1:] if dout.ndim < 6 else ():
        shape, order = dout.shape, (0, *order)
        yield ("transpose", "reshaped where its axes belong transposed",
               dout.reshape([shape[i] for i in order]).transpose(np.argsort(order)))
        yield ("transpose", "transposed, and its numbers reshaped", dout.transpose(order).reshape(shape))


def averaged(e: Evidence, name: str) -> Predictions:
    """Rows of a table divided by how often ids name them."""
    n = e.numeric[name]
    for key, ids in e.inputs.items():
        if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu" and ids.size and n.ndim > 1 and (
                0 <= ids.min() <= ids.max() < n.shape[1]):
            counts = np.maximum(1, np.bincount(ids.ravel(), minlength=n.shape[1]))
            yield ("factor", f"each row is divided by how often {key} names it: a mean where a sum belongs",
                   n / counts.reshape(-1, *[1] * (n.ndim - 2)))


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
                           "steps is dropped (recurrence dropped)", own)


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


def derivative(e: Evidence, name: str) -> Predictions:
    """The gradient of the matrix product, without the derivative of the activation behind it."""
    shape, sentence = e.numeric[name].shape, "the derivative of the activation is missing"
    for dout in e.douts if e.numeric[name].any() else ():
        if dout.shape == shape:
            yield "derivative", "this is the upstream gradient itself: a derivative is missing", dout
        flat = dout.reshape(len(dout), -1, dout.shape[-1]) if dout.ndim > 1 else dout.reshape(len(dout), 1, 1)
        if shape[1:] == flat.shape[2:]:
            yield "derivative", sentence, flat.sum(axis=1)
        for x in _floats(e):
            rows = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
            if len(rows) == flat.shape[1] and (rows.shape[1], flat.shape[2]) == shape[1:]:
                yield "derivative", sentence, rows.T @ flat
            if x.ndim == 2 and x.shape[1] == flat.shape[2] and flat.shape[1] * x.shape[0] == np.prod(shape[1:]):
                yield "derivative", sentence, (flat @ x.T).reshape(shape)


def weights_not_transposed(e: Evidence, name: str) -> Predictions:
    n = e.numeric[name]
    for key, w in e.inputs.items():
        square = isinstance(w, np.ndarray) and w.dtype.kind == "f" and w.ndim == 2 and w.shape[0] == w.shape[1]
        if square and key != name and n.ndim > 2 and n.shape[-1] == len(w) and np.linalg.cond(w) < 1e8:
            yield "transpose", f"{key} is used where its transpose belongs", n @ np.linalg.inv(w.T) @ w


CATALOGUE: list[Callable[[Evidence, str], Predictions]] = [
    zero, sign_or_factor, exchanged, transposed, wrong_order, blocks, one_index_missing, padding, without_mask,
    without_upstream, parts_of_upstream, averaged, recurrence, assigned, derivative, weights_not_transposed,
    scrambled_upstream]
IF_UNKNOWN = [own_output]           # said after the mistakes of known layers, which say more


def _contributions(e: Evidence, name: str) -> list[np.ndarray]:
    """The part of every gradient entry from every entry of dout, for each output (K, size, *shape of dout)."""
    if name not in e.rows or len(e.douts) * e.rows[name].size > 20_000_000:
        return []
    cuts = np.cumsum([out.size for out in e.outs])[:-1]
    jacobians = np.split(e.rows[name], cuts, axis=1)
    return [jacobian.reshape(1, -1, *dout.shape[1:]) * dout[:, None] for jacobian, dout in zip(jacobians, e.douts)]


def _causal(part: np.ndarray, i: int, j: int) -> bool:
    """Whether entries along axis i depend on dout at the same and later indices of axis j alone, as in a recurrence."""
    table = np.abs(part).sum(axis=tuple(k for k in range(part.ndim) if k not in (i, j)))
    return bool(not np.tril(table, -1).any() and np.triu(table, 1).any())


def _has_time(e: Evidence, steps: int) -> bool:
    """Whether the second axis of some input is named t and has this length."""
    return any(array.axis("t") == 1 and array.shape[1] == steps for array in e.axes.values())


def _floats(e: Evidence) -> list[np.ndarray]:
    return [x for x in e.inputs.values() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


def _axis(e: Evidence, name: str, axis: int) -> str:
    named = e.axes[name].axes
    return f"axis {named[axis].name}" if named else f"axis {axis}"
