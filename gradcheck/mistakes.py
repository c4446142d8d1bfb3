"""The catalogue of likely mistakes: functions (evidence, name) that yield (kind, sentence, predicted gradient).

A prediction has the shape (K, *shape of the array): one gradient for each of K upstream gradients.
"""
from itertools import combinations, permutations

import numpy as np


def zero(e, name):
    if not e.analytic[name].any():
        yield "zero", "zero everywhere", e.numeric[name] * 0


def sign_or_factor(e, name):
    a, n = e.analytic[name], e.numeric[name]
    factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
    if abs(factor + 1) < 1e-6:
        yield "sign", "the sign is wrong", -n
    elif factor:
        yield "factor", f"{factor:.6g} times the gradient everywhere{_size(e, factor)}", factor * n


def exchanged(e, name):
    for other, n in e.numeric.items():
        if other != name and n.shape == e.numeric[name].shape:
            yield "exchanged", (f"these are the numbers of d{other}: two gradients are exchanged, or one is made from "
                                "the wrong array"), n


def transposed(e, name):
    n = e.numeric[name]
    axes = range(1, n.ndim)
    for i, j in combinations(axes, 2):
        if n.shape[i] == n.shape[j]:
            yield "transpose", "transposed", n.swapaxes(i, j)
    for order in list(permutations(axes))[1:] if n.ndim < 6 else ():
        yield "transpose", "the numbers of the transpose, reshaped", n.transpose(0, *order).reshape(n.shape)


def wrong_order(e, name):
    n = e.numeric[name]
    for axis in range(1, n.ndim):
        where = _axis(e, name, axis - 1)
        yield "reversed", f"reversed along {where}", np.flip(n, axis)
        for step in (1, -1):
            shifted = np.roll(n, step, axis)
            yield "shifted", f"shifted by {step} along {where}", shifted
            np.moveaxis(shifted, axis, 0)[0 if step > 0 else -1] = 0
            yield "shifted", f"shifted by {step} along {where}", shifted.copy()


def one_index_missing(e, name):
    a, n = e.analytic[name], e.numeric[name]
    for axis in range(1, n.ndim):
        for i in range(n.shape[axis]):
            index = (*[slice(None)] * axis, i)
            if n.shape[axis] > 1 and not a[index].any() and n[index].any():
                prediction = n.copy()
                prediction[index] = 0
                where = _axis(e, name, axis - 1)
                yield "missing", f"right but for index {i} along {where}, where it is zero", prediction


def blocks(e, name):
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


def _block_orders(e, name):
    n = e.numeric[name]
    for k, axis in enumerate(e.axes[name].axes, start=1):
        parts = np.split(n, len(axis.blocks), axis=k) if 1 < len(axis.blocks) < 6 else []
        for order in list(permutations(range(len(parts))))[1:]:
            letters = ", ".join(axis.blocks[j] for j in order)
            yield "block", (f"the blocks of axis {axis.name} come in the order {letters} instead of "
                            f"{', '.join(axis.blocks)}"), np.concatenate([parts[j] for j in order], axis=k)


def padding(e, name):
    a, n = e.analytic[name], e.numeric[name]
    outside = np.abs(n) <= 1e-12 * np.abs(n).max(initial=0)
    if n.ndim > 2 and outside.any() and (a[outside] != 0).mean() > 0.9 and (outside.all(-1) == outside.any(-1)).all():
        yield ("padding", "right wherever the true gradient is not zero, but not zero where it is: padded positions "
               "get a gradient, the mask is missing", np.where(outside, a, n))
        yield "padding", "only padded positions get a gradient: the mask is inverted", np.where(outside, a, 0)


def without_mask(e, name):
    """What the gradient would be with a mask left out of forward too."""
    for key, mask in e.inputs.items():
        if isinstance(mask, np.ndarray) and mask.dtype == bool and e.analytic[name][0].size <= 10_000:
            yield "padding", f"the gradient without {key}", e.measure(name, {key: np.ones_like(mask)})


def parts_of_upstream(e, name):
    """Only a part of dout arrives: one index along an axis, or one of several outputs."""
    parts = _contributions(e, name)
    total = sum(part.reshape(*part.shape[:2], -1).sum(axis=2) for part in parts)
    shape = e.numeric[name].shape
    for k, part in enumerate(parts):
        dout = "dout" if len(parts) == 1 else f"upstream gradient {k + 1} of {len(parts)}"
        if len(parts) > 1:
            own = part.reshape(*part.shape[:2], -1).sum(axis=2)
            yield "upstream", f"{dout} is ignored", (total - own).reshape(shape)
        for axis in range(2, part.ndim):
            along = part.sum(axis=tuple(i for i in range(2, part.ndim) if i != axis))
            for i in range(part.shape[axis]) if part.shape[axis] > 1 else ():
                place = " (the first)" * (i == 0) + " (the last)" * (i == part.shape[axis] - 1)
                word = "time step" if axis == 3 and part.ndim == 5 else f"axis {axis - 2}, index"
                rest = (total - part.reshape(*part.shape[:2], -1).sum(axis=2)) if len(parts) > 1 else 0
                yield ("one step", f"only {word} {i}{place} of {dout} counts", (along[:, :, i] + rest).reshape(shape))


def recurrence(e, name):
    """Each step of x sees its own upstream gradient alone."""
    for part in _contributions(e, name):
        shape = e.numeric[name].shape
        part = part.reshape(len(part), *shape[1:], *part.shape[2:])
        for i in range(1, len(shape)):
            for j in range(len(shape), part.ndim):
                if part.shape[i] == part.shape[j] > 1:
                    keep = np.eye(part.shape[i], dtype=bool)
                    keep = keep.reshape([part.shape[k] if k in (i, j) else 1 for k in range(part.ndim)])
                    own = (part * keep).sum(axis=tuple(range(len(shape), part.ndim)))
                    yield ("recurrence", "each step has its own upstream gradient alone: what comes back from the "
                           "later steps is dropped (recurrence dropped)", own)


def assigned(e, name):
    """Of several contributions to an entry only one is kept."""
    for part in _contributions(e, name):
        terms = part.reshape(*part.shape[:2], -1)
        touched = (terms != 0).any(axis=0)
        if (touched.sum(axis=1) > 1).any():
            last = touched.shape[1] - 1 - touched[:, ::-1].argmax(axis=1)
            for word, place in (("last", last), ("first", touched.argmax(axis=1))):
                kept = np.take_along_axis(terms, np.broadcast_to(place[None, :, None], (len(terms), len(place), 1)), 2)
                yield ("assigned", f"only the {word} of several contributions to an entry is kept: "
                       "assigned instead of accumulated", kept[:, :, 0].reshape(e.numeric[name].shape))


def derivative(e, name):
    """The gradient of the matrix product alone, without what follows it."""
    shape, sentence = e.numeric[name].shape, "the derivative of the activation is missing"
    for dout in e.douts:
        if dout.shape == shape:
            yield "derivative", f"{sentence}: this is the upstream gradient itself", dout
        flat = dout.reshape(len(dout), -1, dout.shape[-1]) if dout.ndim > 1 else dout.reshape(len(dout), 1, 1)
        if shape[1:] == flat.shape[2:]:
            yield "derivative", sentence, flat.sum(axis=1)
        for x in _floats(e):
            rows = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
            if len(rows) == flat.shape[1] and (rows.shape[1], flat.shape[2]) == shape[1:]:
                yield "derivative", sentence, rows.T @ flat
            if x.ndim == 2 and x.shape[1] == flat.shape[2] and flat.shape[1] * x.shape[0] == np.prod(shape[1:]):
                yield "derivative", sentence, (flat @ x.T).reshape(shape)


def weights_not_transposed(e, name):
    n = e.numeric[name]
    for key, w in e.inputs.items():
        square = isinstance(w, np.ndarray) and w.dtype.kind == "f" and w.ndim == 2 and w.shape[0] == w.shape[1]
        if square and key != name and n.ndim > 2 and n.shape[-1] == len(w) and np.linalg.cond(w) < 1e8:
            yield "transpose", f"{key} is used where its transpose belongs", n @ np.linalg.inv(w.T) @ w


CATALOGUE = [zero, sign_or_factor, exchanged, transposed, wrong_order, blocks, one_index_missing, padding, without_mask,
             parts_of_upstream, recurrence, assigned, derivative, weights_not_transposed]


def _contributions(e, name):
    """What every entry of every dout adds to every entry of the gradient: for each output (K, size, *shape of dout)."""
    if name not in e.rows or len(e.douts) * e.rows[name].size > 20_000_000:
        return []
    cuts = np.cumsum([out.size for out in e.outs])[:-1]
    jacobians = np.split(e.rows[name], cuts, axis=1)
    return [jacobian.reshape(1, -1, *dout.shape[1:]) * dout[:, None] for jacobian, dout in zip(jacobians, e.douts)]


def _floats(e):
    return [x for x in e.inputs.values() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


def _axis(e, name, axis):
    named = e.axes[name].axes
    return f"axis {named[axis].name}" if named else f"axis {axis}"


def _size(e, factor):
    """Which length, or product of two, a factor is."""
    sizes = {}
    for key, x in e.inputs.items():
        axes = e.axes[key].axes if key in e.axes else []
        for axis, size in enumerate(np.shape(x)):
            words = f"axis {axes[axis].name}" if axes else f"axis {axis} of {key}"
            sizes.setdefault(size, f"the length of {words}")
    lengths = {size: words for size, words in sizes.items() if size > 1}
    lengths.update({p * q: f"{lengths[p]} times {lengths[q]}" for p, q in combinations(list(lengths), 2)
                    if p * q not in lengths})
    for size, words in lengths.items():
        if abs(factor * size - 1) < 1e-6:
            return f", 1/{size}, {size} being {words}: a mean where a sum belongs"
        if abs(factor / size - 1) < 1e-6:
            return f", {size} being {words}: a sum where a mean belongs"
    return ""
