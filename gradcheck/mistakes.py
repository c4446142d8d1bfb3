"""The catalogue of likely mistakes: functions (evidence, name) that yield (kind, sentence, predicted gradient).

A prediction has the shape (K, *shape of the array): one gradient for each of K upstream gradients.
"""
from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.factors import FIT, explain
from gradcheck.upstream import (
    Predictions,
    assigned,
    displaced,
    own_output,
    parts_of_upstream,
    recurrence,
    scrambled_upstream,
    without_upstream,
)

if TYPE_CHECKING:
    from gradcheck.diagnose import Evidence


def zero(e: Evidence, name: str) -> Predictions:
    if not e.analytic[name].any():
        yield "zero", "zero everywhere", e.numeric[name] * 0


def sign_or_factor(e: Evidence, name: str) -> Predictions:
    a, n = e.analytic[name], e.numeric[name]
    factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
    if abs(factor + 1) < FIT:
        yield "sign", "the sign is wrong", -n
    elif factor and not _one_number(e, name) and (why := explain(e, name, factor)):
        yield "factor", f"{_number(factor)} times the gradient everywhere{why}", factor * n


def unexplained_factor(e: Evidence, name: str) -> Predictions:
    a, n = e.analytic[name], e.numeric[name]
    factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
    if factor and not _one_number(e, name) and abs(factor + 1) >= FIT:
        yield "factor", f"{_number(factor)} times the gradient everywhere", factor * n


def _number(factor: float) -> str:
    """A factor with enough digits to be told from 1."""
    return f"{factor:.{6 if abs(factor - 1) > 1e-3 else 12}g}"


def _one_number(e: Evidence, name: str) -> bool:
    """Whether the gradient is one number from one number of dout: then anything is a factor times it."""
    return name in e.rows and np.count_nonzero(e.rows[name]) == 1 < e.rows[name].shape[0]


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
        for kind, words, moved in displaced(n, axis):
            yield kind, f"{words} along {_axis(e, name, axis - 1)}", moved


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
    outside = np.abs(n) <= 1e-12 * np.abs(n).max(initial=0)
    masked = any(_covers(x, outside) for x in e.inputs.values())
    if masked and outside.any() and (a[outside] != 0).mean() > 0.9:
        yield ("padding", "right except where the true gradient is zero: padded positions get a gradient, the mask is "
               "missing", np.where(outside, a, n))
        yield "padding", "only padded positions get a gradient: the mask is inverted", np.where(outside, a, 0)


def _covers(mask: Any, outside: np.ndarray) -> bool:
    """Whether a mask of 0 and 1 is 0 exactly where the gradient (K, ...) is zero."""
    if not isinstance(mask, np.ndarray) or mask.dtype.kind not in "biuf" or not 0 < mask.ndim < outside.ndim:
        return False
    if not np.isin(mask, (0, 1)).all() or mask.shape != outside.shape[1:1 + mask.ndim]:
        return False
    return bool((outside == (mask == 0).reshape(mask.shape + (1,) * (outside.ndim - 1 - mask.ndim))).all())


def without_mask(e: Evidence, name: str) -> Predictions:
    """The gradient of a forward without the mask."""
    if e.measure is None or e.analytic[name][0].size > 10_000:
        return
    for key, mask in e.inputs.items():
        if isinstance(mask, np.ndarray) and mask.dtype == bool:
            gradient = e.measure(name, {key: np.ones_like(mask)})
            yield "padding", f"this is the gradient of a forward without {key}", gradient


def averaged(e: Evidence, name: str) -> Predictions:
    """Rows of a table divided by how often ids name them."""
    n = e.numeric[name]
    for key, ids in e.inputs.items():
        if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu" and ids.size and n.ndim > 1 and (
                0 <= ids.min() <= ids.max() < n.shape[1]):
            counts = np.maximum(1, np.bincount(ids.ravel(), minlength=n.shape[1]))
            yield ("factor", f"each row is divided by how often {key} names it: a mean where a sum belongs",
                   n / counts.reshape(-1, *[1] * (n.ndim - 2)))


def derivative(e: Evidence, name: str) -> Predictions:
    """The gradient of the matrix product, without the derivative of the activation behind it."""
    shape = e.numeric[name].shape
    sentence = ("this is the gradient of the matrix product alone: the derivative of the activation, or another factor "
                "behind the product, is missing")
    for dout in e.douts if e.numeric[name].any() else ():
        if dout.shape == shape:
            yield ("derivative",
                   "this is the upstream gradient itself: a derivative, another factor or a path is missing", dout)
        flat = dout.reshape(len(dout), -1, dout.shape[-1]) if dout.ndim > 1 else dout.reshape(len(dout), 1, 1)
        if shape[1:] == flat.shape[2:]:
            yield "derivative", sentence, flat.sum(axis=1)
        for x in _floats(e):
            rows = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
            if len(rows) == flat.shape[1] and (rows.shape[1], flat.shape[2]) == shape[1:]:
                yield "derivative", sentence, rows.T @ flat
            rows_stay = len(shape) > 1 and (shape[1] == flat.shape[1] or shape[-1] == len(x)) if x.ndim else False
            if x.ndim == 2 and rows_stay and x.shape[1] == flat.shape[2] and (
                    flat.shape[1] * x.shape[0] == np.prod(shape[1:])):
                yield "derivative", sentence, (flat @ x.T).reshape(shape)


def residual(e: Evidence, name: str) -> Predictions:
    """One of the two paths of a sum out = x + f(x) forgotten or taken twice."""
    n = e.numeric[name]
    for dout in e.douts:
        if dout.shape == n.shape:
            path = f"of a residual sum {name} + f({name})"
            yield "residual", f"the upstream gradient is missing in it, the path {path} that passes f by", n - dout
            yield "residual", f"the upstream gradient is added twice, the path {path} that passes f by", n + dout


def weights_not_transposed(e: Evidence, name: str) -> Predictions:
    n = e.numeric[name]
    for key, w in e.inputs.items():
        square = isinstance(w, np.ndarray) and w.dtype.kind == "f" and w.ndim == 2 and w.shape[0] == w.shape[1]
        if square and key != name and n.ndim > 2 and n.shape[-1] == len(w) and np.linalg.cond(w) < 1e8:
            yield "transpose", f"{key} is used where its transpose belongs", n @ np.linalg.inv(w.T) @ w


CATALOGUE: list[Callable[[Evidence, str], Predictions]] = [
    zero, sign_or_factor, exchanged, transposed, wrong_order, blocks, one_index_missing, padding, without_upstream,
    parts_of_upstream, averaged, recurrence, assigned, derivative, weights_not_transposed, scrambled_upstream]
# Said after the mistakes of known layers, which say more
IF_UNKNOWN = [unexplained_factor, without_mask, residual, own_output]


def _floats(e: Evidence) -> list[np.ndarray]:
    return [x for x in e.inputs.values() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


def _axis(e: Evidence, name: str, axis: int) -> str:
    named = e.axes[name].axes
    return f"axis {named[axis].name}" if named else f"axis {axis}"
