"""The transformer's decoder on packed rows: models.cells.transformer."""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from models.cells import Cell, Image, State, transformer
from models.cells.cell import Params
from models.dropout import NO_DROPOUT, Dropout, keep_scale, kept
from models.packed.cell import PackedCell, Words, affine
from models.packed.transformer_memory import (
    Memory,
    cross_backward,
    cross_forward,
    last_weights,
    memory_gradient,
    picture_backward,
    picture_memory,
)
from rnnlayers import positional_encoding
from rnnlayers.engine.feed_forward_kernels import drop
from rnnlayers.engine.kernels import scatter_add
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.transformer import add_norm_forward, feed_forward_backward, feed_forward_forward, norm_backward
from rnnlayers.engine.transformer_attention import (
    ALL,
    NO_MASKS,
    Masks,
    Rows,
    caption_rows,
    column_sums,
    self_attention_backward,
    self_attention_forward,
)
from rnnlayers.engine.transformer_kernels import look
from rnnlayers.workspace import Allocator, allocate, within

BIASES = {"self": "self.bo", "cross": "cross.bo", "ffn": "ffn.b2"}      # sublayer -> the bias of its output
Inside = Callable[[int, str, np.ndarray], np.ndarray]       # layer, sublayer, input -> output without that bias


class Cache(NamedTuple):
    """What backward needs."""
    memory: Memory
    rows: Rows
    word: np.ndarray                # (M,) which of the distinct words each row is
    keep_x: np.ndarray              # dropout masks: of the words
    keep_scale: float
    masks: list[Masks]              # of each layer
    norms: list[Any]                # the caches of the norms, in the order of their use
    sublayers: list[Any]            # and of the sublayers


class Transformer(PackedCell):
    """A decoder in which all words of a batch go through each product at once."""
    cell: transformer.Transformer

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.pre, self.heads, self.layers = self.cell.norm == "pre", self.cell.num_heads, self.cell.num_layers
        self.vector = "N P" if self.cell.pooled_dim else "N D"
        self.carried, self.memory = ("N T W",) * (2 * self.layers), ("N", "N")
        self.sublayers = [(k, name) for k in range(self.layers) for name in BIASES]
        names = [f"layer{k}.norm_{name}" for k, name in self.sublayers]
        self.norms = [*names, "norm"] if self.pre else names        # in the order of their use

    def initial_state(self, p: Params, image: Image) -> State:
        """carried: keys and values of each layer's words; memory: which picture each caption attends to, and how many
        rows of it it sees; weights: each layer's keys and values of the pictures, which all their captions share."""
        rows, counts, *_ = picture_memory(self.cell, p, image, len(image.vector), False, allocate)
        shared = [affine(rows, p[f"layer{k}.cross.W{x}"], p[f"layer{k}.cross.b{x}"], "", allocate)
                  for k in range(self.layers) for x in "kv"]
        N, _, W = rows.shape
        nothing = np.zeros((N, 0, W), rows.dtype)
        attention = None if image.grid is None else np.zeros(image.grid.shape[:2], rows.dtype)
        return State(nothing.sum(axis=1), (nothing,) * len(self.carried), (np.arange(N), counts), tuple(shared),
                     attention)

    def step(self, p: Params, words: Words, state: State) -> State:
        t, carried, weights = state.carried[0].shape[1], [], np.zeros(0)
        self.cell.check_length(t + 1)

        def inside(k: int, name: str, z: np.ndarray) -> np.ndarray:
            nonlocal weights
            layer = self.cell.layer(p, k)
            if name == "ffn":
                return feed_forward_forward(z, layer, self.cell.activation, NO_MASKS, allocate, allocate)[0]
            if name == "self":
                new = _more_words(z, layer, state.carried[2 * k:2 * k + 2])
                carried.extend(new)
                mixed, _ = self._look(z, layer, name, new, np.arange(len(z)), np.full(len(z), t + 1))
            else:
                mixed, weights = self._look(z, layer, name, state.weights[2 * k:2 * k + 2], *state.memory)
            return mixed @ layer[f"{name}.Wo"]
        x = words.vectors[words.row_of]
        x += positional_encoding(t + 1, x.shape[1])[t].astype(x.dtype)
        z, _ = self._stack(p, x, inside, [NO_MASKS] * self.layers, lambda place: allocate)
        attention = None if state.attention is None else self.cell.of_regions(weights)
        return State(z, tuple(carried), state.memory, state.weights, attention)

    def _look(self, z: np.ndarray, layer: Params, name: str, keys_and_values: Any, index: np.ndarray,
              counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Attention of one word z (n, W) of each caption -> mixed (n, W), weights (n, heads, R)."""
        q, (keys, values) = affine(z, layer[f"{name}.Wq"], layer[f"{name}.bq"], "", allocate), keys_and_values
        mixed, weights = np.empty_like(q), np.empty((len(q), self.heads, keys.shape[1]), q.dtype)
        look(q, keys, values, index, counts, weights, mixed)
        return mixed, weights

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, np.ndarray | None, Any]:
        (_, T), W, rows = packed.shape, words.vectors.shape[1], caption_rows(packed)
        self.cell.check_length(T)
        memory = picture_memory(self.cell, p, image, packed.active, True, workspace)
        index, scale = words.row_of[rows.place], keep_scale(dropout.input_share)
        keep_x = _mask((T, W), dropout.rng, dropout.input_share, packed, rows)
        masks = [self._masks(dropout, T, W, memory.rows.shape[1], packed, rows) for _ in range(self.layers)]
        caches: list[Any] = []

        def inside(k: int, name: str, z: np.ndarray) -> np.ndarray:
            if name == "cross":
                out, cache = cross_forward(z, p, k, memory, rows, self.heads, masks[k], workspace)
            else:
                out, cache = self._inside(name, z, self.cell.layer(p, k), rows, masks[k], k, workspace)
            caches.append(cache)
            return out
        x = _embedded(words.vectors, index, rows, workspace)
        if len(keep_x):
            drop(x, keep_x, scale)
        z, norms = self._stack(p, x, inside, masks, lambda place: within(workspace, f"norm{place}."))
        h = workspace("h", z.shape, z.dtype)
        h[rows.place] = z
        cache = Cache(memory, rows, index, keep_x, scale, masks, norms, caches)
        return h, None if image.grid is None else self._attention(cache, workspace), cache

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        memory, rows, index, keep_x, scale, masks, norms, caches = cache
        grads = {name: workspace(f"d{name}", p[name].shape, dh.dtype) for name in self.cell.shapes()}
        dmemory = memory_gradient(memory, grads, workspace)

        def back(k: int, name: str, dout: np.ndarray, cache: Any) -> np.ndarray:
            grads[f"layer{k}.{BIASES[name]}"][:] = column_sums(dout)
            if name == "cross":
                return cross_backward(dout, cache, p, k, memory, dmemory, grads, workspace)
            inside = self_attention_backward if name == "self" else feed_forward_backward
            return inside(dout, cache, self.cell.layer(p, k), self.cell.layer(grads, k), workspace)
        dz = np.take(dh, rows.place, 0, workspace("dz", dh.shape, dh.dtype), "clip")
        dx = self._stack_backward(dz, back, masks, norms, caches, grads, workspace)
        if len(keep_x):
            drop(dx, keep_x, scale)
        picture_backward(memory, dmemory, grads)
        dvectors = workspace("dvectors", words.vectors.shape, dh.dtype)
        scatter_add(dx, index, dvectors)
        return dvectors, grads

    def _stack(self, p: Params, x: np.ndarray, inside: Inside, masks: list[Masks], kept_by: Callable
               ) -> tuple[np.ndarray, list[Any]]:
        """All sublayers, each with its residual and norm: x (M, W) -> h (M, W), the norms' caches.

        kept_by(place): the allocator of what the norm at that place keeps.
        """
        caches: list[Any] = []

        def norm(y: np.ndarray, more: np.ndarray, b: np.ndarray, keep: np.ndarray, scale: float) -> np.ndarray:
            name, kept = self.norms[len(caches)], kept_by(len(caches))
            z, cache = add_norm_forward(y, more, b, p[f"{name}.gamma"], p[f"{name}.beta"], keep, scale, kept)
            caches.append(cache)
            return z
        z = stream = x
        if self.pre:
            z = norm(x, x[:0], np.zeros(x.shape[1], x.dtype), ALL, 1.0)
        for k, name in self.sublayers:
            out = inside(k, name, z)
            z = norm(out, stream, p[f"layer{k}.{BIASES[name]}"], masks[k].keep[name], masks[k].scale)
            stream = out if self.pre else z
        return z, caches

    def _stack_backward(self, dz: np.ndarray, back: Callable, masks: list[Masks], norms: list[Any], caches: list[Any],
                        grads: Params, workspace: Allocator) -> np.ndarray:
        """Gradient of _stack's x from that of h, dz (M, W), which is overwritten. back(k, name, dout, cache) -> dz."""
        def norm(place: int, dz: np.ndarray, more: np.ndarray) -> None:
            name = self.norms[place]
            norm_backward(dz, more, self.pre, norms[place], grads[f"{name}.gamma"], grads[f"{name}.beta"])
        more = dz[:0]                                       # what reaches the residual past the sublayer
        for place in reversed(range(len(self.sublayers))):
            k, name = self.sublayers[place]
            norm(place + self.pre, dz, more)
            dout = _dropped(dz, masks[k], name, workspace)
            more, dz = dz, back(k, name, dout, caches[place])
        if self.pre:
            norm(0, dz, more)
        else:
            dz += more
        return dz

    def _inside(self, name: str, z: np.ndarray, layer: Params, rows: Rows, masks: Masks, k: int,
                workspace: Allocator) -> tuple[np.ndarray, Any]:
        kept = within(workspace, f"layer{k}.")
        if name == "self":
            return self_attention_forward(z, layer, rows, self.heads, masks, kept, workspace)
        return feed_forward_forward(z, layer, self.cell.activation, masks, kept, workspace)

    def _attention(self, cache: Cache, workspace: Allocator) -> np.ndarray:
        """The mean over the heads of the last layer's weights over the regions, (M, L), in packed order."""
        if cache.memory.rows.shape[1] == 1:
            return np.ones((len(cache.word), 1), cache.memory.rows.dtype)
        found = self.cell.of_regions(last_weights(cache.sublayers[-2]))
        attention = workspace("attention", found.shape, found.dtype)
        attention[cache.rows.place] = found
        return attention

    def _masks(self, dropout: Dropout, T: int, W: int, R: int, packed: Packed, rows: Rows) -> Masks:
        """A layer's dropout masks, drawn in the order of models.cells.transformer."""
        if dropout.rng is None or not dropout.share:
            return NO_MASKS
        heads, F = self.heads, self.cell.dim_feedforward
        shapes = {"self.weights": (heads, T, T), "self": (T, W), "cross.weights": (heads, T, R),
                  "cross": (T, W), "ffn.hidden": (T, F), "ffn": (T, W)}
        keep = {name: _mask(shape, dropout.rng, dropout.share, packed, rows) for name, shape in shapes.items()}
        keep["self.weights"] = np.ascontiguousarray(keep["self.weights"][:, :, :rows.steps])
        return Masks(keep, keep_scale(dropout.share))


def _more_words(z: np.ndarray, layer: Params, before: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Keys and values (n, t, W) of the words before, with those of one more word z (n, W)."""
    new = (affine(z, layer[f"self.W{x}"], layer[f"self.b{x}"], "", allocate) for x in "kv")
    return [np.concatenate([old, row[:, None]], axis=1) for old, row in zip(before, new)]


def _embedded(vectors: np.ndarray, index: np.ndarray, rows: Rows, workspace: Allocator) -> np.ndarray:
    """Word vectors with their positions, (M, W)."""
    W, dtype = vectors.shape[1], vectors.dtype
    x = workspace("x", (len(index), W), dtype)
    if len(index):
        np.take(vectors, index, 0, x, "clip")
    x += positional_encoding(rows.steps, W).astype(dtype)[rows.time]
    return x


def _dropped(d: np.ndarray, masks: Masks, name: str, workspace: Allocator) -> np.ndarray:
    """The gradient of a sublayer's output before its dropout: a copy, where anything is dropped."""
    if not len(masks.keep[name]):
        return d
    dropped = workspace("dout", d.shape, d.dtype)
    dropped[:] = d
    drop(dropped, masks.keep[name], masks.scale)
    return dropped


def _mask(shape: tuple[int, ...], rng: np.random.Generator | None, share: float, packed: Packed, rows: Rows
          ) -> np.ndarray:
    """A mask drawn for padded (N, T, ...) or (N, heads, T, ...), of which `shape` is all but N, on packed rows."""
    keep = kept((packed.shape[0], *shape), rng, share)
    if keep is None:
        return ALL
    keep = keep if len(shape) == 2 else keep.swapaxes(1, 2)
    return keep[packed.order[rows.caption], rows.time]
