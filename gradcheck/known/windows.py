"""Convolution and pooling as sums and maxima over windows, with their mistakes. Arrays are (N, C, H, W)."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from gradcheck.known.graph import Graph, Node

Known = Iterator[tuple[Graph, list[Node]]]
STRIDES, PADS, WINDOWS = (1, 2, 3, 4), (0, 1, 2, 3), (2, 3, 4, 1, 5)


def convolutions(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """x, w (F, C, HH, WW) and b or not, in (N, C, H, W) or (N, H, W, C) with w (HH, WW, C, F)."""
    names = list(inputs)
    if len(names) not in (2, 3) or any(inputs[name].ndim != 4 for name in names[:2]) or outs[0].ndim != 4:
        return
    for last, stride, pad in product((False, True), STRIDES, PADS):
        g = Graph(inputs)
        x, w = g[names[0]], g[names[1]]
        if last:
            x, w = g.transpose(x, (0, 3, 1, 2)), g.transpose(w, (3, 2, 0, 1))
        out = outs[0].shape if not last else tuple(outs[0].shape[i] for i in (0, 3, 1, 2))
        if x.value.shape[1] == w.value.shape[1] and out == _shape(x.value, w.value, stride, pad):
            y = convolution(g, x, w, stride, pad)
            if len(names) > 2:
                y = g.add(y, g.reshape(g[names[2]], (-1, 1, 1)))
            yield g, [g.transpose(y, (0, 2, 3, 1)) if last else y]


def _shape(x: np.ndarray, w: np.ndarray, stride: int, pad: int) -> tuple[int, ...]:
    sizes = ((n + 2 * pad - k) // stride + 1 for n, k in zip(x.shape[2:], w.shape[2:]))
    return (len(x), len(w), *sizes)


def convolution(g: Graph, x: Node, w: Node, stride: int, pad: int) -> Node:
    """Each window of x as a row, times the filters as columns -> (N, F, H', W')."""
    F, C, *kernel = w.value.shape
    rows = windows(g, x, kernel, (stride, stride), pad)                     # (N, C, H', W', HH, WW)
    N, _, *size, _, _ = rows.value.shape
    rows = g.reshape(g.transpose(rows, (0, 2, 3, 1, 4, 5)), (N * size[0] * size[1], C * kernel[0] * kernel[1]))
    columns = g.transpose(g.reshape(w, (F, -1)), (1, 0))
    product_ = g.matmul(rows, columns)
    for words, axes in (("both axes", (2, 3)), ("its height", (2,)), ("its width", (3,))):
        product_.slip("flipped", f"the filter is flipped along {words} where it belongs as it is",
                      lambda d, axes=axes: d @ np.flip(w.value, axes).reshape(F, -1))
    for words, kept in (("position of the last picture", 1), ("picture", size[0] * size[1])):
        product_.slip("assigned", f"only the last {words} counts: assigned instead of accumulated in the loop",
                      lambda d, kept=kept: rows.value[-kept:].T @ d[-kept:], edge=1)
    return g.transpose(g.reshape(product_, (N, *size, F)), (0, 3, 1, 2))


def windows(g: Graph, x: Node, kernel: list[int], stride: tuple[int, int], pad: int) -> Node:
    """All windows of x, padded with zeros -> (N, C, H', W', HH, WW)."""
    N, C, H, W = x.value.shape
    padded = np.pad(x.value, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    places = [np.arange(0, n + 2 * pad - k + 1, s)[:, None] + np.arange(k)
              for n, k, s in zip((H, W), kernel, stride)]
    index = (slice(None), slice(None), places[0][:, None, :, None], places[1][None, :, None, :])

    def back(d: np.ndarray, assigned: bool = False, corner: int = pad) -> np.ndarray:
        dx = np.zeros(padded.shape)
        for i, j in np.ndindex(*d.shape[2:4]):
            part = dx[:, :, places[0][i][:, None], places[1][j]]
            dx[:, :, places[0][i][:, None], places[1][j]] = d[:, :, i, j] + (0 if assigned else part)
        return dx[:, :, corner:corner + H, corner:corner + W]
    node = g.node(padded[index], (x, back))
    node.slip("assigned", "each window's gradient is assigned instead of accumulated: where windows overlap, only the "
              "last one counts", lambda d: back(d, assigned=True))
    if pad:
        for corner, words in ((0, "the first"), (2 * pad, "the last")):
            node.slip("padding", f"the padding is cut off at one side only: dx begins {pad} rows and columns after "
                      f"the edge of the padded array, here {words} rows and columns are taken",
                      lambda d, corner=corner: back(d, corner=corner))
    return node


def pools(inputs: dict[str, np.ndarray], outs: list[np.ndarray]) -> Known:
    """The maximum or the mean over windows of one array."""
    if len(inputs) != 1 or len(outs) != 1 or outs[0].ndim != 4:
        return
    (name, x), = inputs.items()
    if x.ndim != 4:
        return
    for last in (False, True):
        size = [x.shape[i] for i in ((1, 2) if last else (2, 3))]
        out = [outs[0].shape[i] for i in ((1, 2) if last else (2, 3))]
        steps = [(k, s) for k, s in product(WINDOWS, STRIDES)]
        choices = [[(k, s) for k, s in steps if (n - k) // s + 1 == m] for n, m in zip(size, out)]
        for (kh, sh), (kw, sw) in product(*choices):
            for pool in (maximum, mean):
                g = Graph(inputs)
                node = g.transpose(g[name], (0, 3, 1, 2)) if last else g[name]
                y = pool(g, windows(g, node, [kh, kw], (sh, sw), 0))
                yield g, [g.transpose(y, (0, 2, 3, 1)) if last else y]


def maximum(g: Graph, rows: Node) -> Node:
    """The maximum of each window."""
    flat = rows.value.reshape(*rows.value.shape[:4], -1)
    value = flat.max(axis=-1)

    def spread(d: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return (d[..., None] * mask).reshape(rows.value.shape)
    entries = np.arange(flat.shape[-1])
    top, low = (entries == find(axis=-1)[..., None] for find in (flat.argmax, flat.argmin))
    node = g.node(value, (rows, lambda d: spread(d, top)))
    whole = flat.max(axis=(2, 3, 4), keepdims=True) == flat
    all_ = flat.max() == flat
    for sentence, mask in {
        "every entry of a window gets the gradient: only its maximum belongs it": np.ones(flat.shape),
        "the gradient is shared by all entries of a window, as for a mean: it belongs to the maximum alone":
            np.full(flat.shape, 1 / flat.shape[-1]),
        "the first entry of each window gets the gradient, expected its maximum": entries == 0,
        "the minimum of each window gets the gradient, expected its maximum": low,
        "all but the maximum of each window get the gradient: the mask is inverted": ~top,
        "the maximum over the whole picture gets the gradient, expected the maximum of each window": whole,
        "the maximum over all pictures gets the gradient, expected the maximum of each window": all_,
        "the gradient is multiplied by the maximum itself": top * value[..., None],
    }.items():
        node.slip("maximum", sentence, lambda d, mask=mask: spread(d, mask))
    node.slip("upstream", "the upstream gradient is ignored: the maximum of each window gets 1",
              lambda d: spread(np.ones_like(d), top))
    return node


def mean(g: Graph, rows: Node) -> Node:
    """The mean of each window."""
    count = rows.value.shape[-1] * rows.value.shape[-2]
    return g.node(rows.value.mean(axis=(-1, -2)),
                  (rows, lambda d: np.broadcast_to(d[..., None, None] / count, rows.value.shape)))
