"""The transformer's decoder on packed rows: models.cells.transformer."""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from models.cells import Cell, Image, State
from models.cells.cell import Params
from models.cells.transformer import LAYER
from models.dropout import NO_DROPOUT, Dropout, keep_scale, kept
from models.packed.cell import PackedCell, Words, affine, affine_grads
from rnnlayers import positional_encoding
from rnnlayers.engine.feed_forward_kernels import drop
from rnnlayers.engine.kernels import scatter_add
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.products import zeros
from rnnlayers.engine.transformer import (
    add_norm_forward,
    feed_forward_backward,
    feed_forward_forward,
    kept_in,
    norm_backward,
)
from rnnlayers.engine.transformer_attention import (
    Masks,
    Rows,
    caption_rows,
    column_sums,
    look_at_one_backward,
    look_at_one_forward,
    look_backward,
    look_forward,
    self_attention_backward,
    self_attention_forward,
    times,
)
from rnnlayers.engine.transformer_kernels import look
from rnnlayers.workspace import Allocator, allocate

BIASES = {"self": "self.bo", "cross": "cross.bo", "ffn": "ffn.b2"}          # sublayer -> the bias of its output
ALL = np.zeros((0, 1), bool)                                                # a dropout mask that keeps all
ALL_WEIGHTS = np.zeros((0, 1, 1), bool)
NO_MASKS = Masks({"self.weights": ALL_WEIGHTS, "self": ALL, "cross.weights": ALL_WEIGHTS, "cross": ALL,
                  "ffn.hidden": ALL, "ffn": ALL}, 1.0)


class Memory(NamedTuple):
    """What the words attend to in the pictures."""
    rows: np.ndarray                # (N, R, C): with C = W projected; where `raw` the features themselves, C = D
    counts: np.ndarray              # (N,) how many rows of its picture each caption sees
    raw: bool                       # whether each layer's weights do the projection of the features too


class Batch(NamedTuple):
    """What the sublayers of a training step share."""
    p: Params
    memory: Memory
    rows: Rows
    masks: list[Masks]              # of each layer
    workspace: Allocator


class Transformer(PackedCell):
    """A decoder in which all words of a batch go through each product at once."""

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.options: Any = cell
        self.pre, self.heads, self.layers = self.options.norm == "pre", self.options.num_heads, self.options.num_layers
        self.vector = "N P" if self.options.pooled_dim else "N D"
        self.carried, self.memory = ("N T W",) * (2 * self.layers), ("N", "N")
        self.sublayers = [(k, name) for k in range(self.layers) for name in BIASES]
        names = [f"layer{k}.norm_{name}" for k, name in self.sublayers]
        self.norms = [*names, "norm"] if self.pre else names    # in the order of their use; "pre" begins with one

    # --- decoding ----------------------------------------------------------------------------------------------------

    def initial_state(self, p: Params, image: Image) -> State:
        """carried: keys and values of each layer's words; memory: which picture each caption attends to, and how many
        rows of it it sees; weights: each layer's keys and values of the pictures, which all their captions share."""
        memory = self._memory(p, image, len(image.vector), False, allocate)
        shared = [affine(memory.rows, p[f"layer{k}.cross.W{x}"], p[f"layer{k}.cross.b{x}"], "", allocate)
                  for k in range(self.layers) for x in "kv"]
        N, _, W = memory.rows.shape
        nothing = np.zeros((N, 0, W), memory.rows.dtype)
        return State(np.zeros((N, W), nothing.dtype), (nothing,) * len(self.carried), (np.arange(N), memory.counts),
                     tuple(shared))

    def step(self, p: Params, words: Words, state: State) -> State:
        n, t, _ = state.carried[0].shape
        self.options.check_length(t + 1)
        x = words.vectors[words.row_of]
        x += positional_encoding(t + 1, x.shape[1])[t].astype(x.dtype)
        carried: list[np.ndarray] = []
        weights = [np.zeros(0)]

        def inside(k: int, name: str, z: np.ndarray) -> np.ndarray:
            layer = self._layer(p, k)
            if name == "ffn":
                return feed_forward_forward(z, layer, self.options.activation, NO_MASKS, allocate, allocate)[0]
            q = affine(z, layer[f"{name}.Wq"], layer[f"{name}.bq"], "", allocate)
            if name == "self":
                new = (affine(z, layer[f"self.W{x}"], layer[f"self.b{x}"], "", allocate) for x in "kv")
                carried.extend(np.concatenate([old, row[:, None]], axis=1) for old, row in zip(
                    state.carried[2 * k:2 * k + 2], new))
                mixed, _ = self._look(q, *carried[-2:], np.arange(n), np.full(n, t + 1))
            else:
                mixed, weights[0] = self._look(q, *state.weights[2 * k:2 * k + 2], *state.memory)
            return mixed @ layer[f"{name}.Wo"]
        z, _ = self._stack(p, x, inside, [NO_MASKS] * self.layers, lambda *what: allocate)
        return State(z, tuple(carried), state.memory, state.weights, self._of_regions(weights[0]))

    def _look(self, q: np.ndarray, keys: np.ndarray, values: np.ndarray, index: np.ndarray, counts: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray]:
        mixed, weights = np.empty_like(q), np.empty((len(q), self.heads, keys.shape[1]), q.dtype)
        look(q, keys, values, index, counts, weights, mixed)
        return mixed, weights

    # --- training ----------------------------------------------------------------------------------------------------

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, np.ndarray | None, Any]:
        (_, T), rows = packed.shape, caption_rows(packed)
        self.options.check_length(T)
        memory, W = self._memory(p, image, packed.active, True, workspace), words.vectors.shape[1]
        index = words.row_of[rows.place]
        x = np.take(words.vectors, index, 0, workspace("x", (len(index), W), words.vectors.dtype), "clip")
        x += positional_encoding(rows.steps, W).astype(x.dtype)[rows.time]
        keep_x = self._mask((T, W), dropout.rng, dropout.input_share, packed, rows)
        if len(keep_x):
            drop(x, keep_x, keep_scale(dropout.input_share))
        masks = [self._masks(dropout, T, W, memory.rows.shape[1], packed, rows) for _ in range(self.layers)]
        batch, caches = Batch(p, memory, rows, masks, workspace), []

        def inside(k: int, name: str, z: np.ndarray) -> np.ndarray:
            out, cache = INSIDE[name][0](self, batch, k, z)
            caches.append(cache)
            return out
        z, normal = self._stack(p, x, inside, masks, lambda k: kept_in(workspace, k))
        h = workspace("h", z.shape, z.dtype)
        h[rows.place] = z
        return h, self._attention(caches[-2], memory, rows, workspace), (image, batch, index, keep_x, dropout, normal,
                                                                          caches)

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        image, batch, index, keep_x, dropout, normal, caches = cache
        shapes = self.cell.shapes()
        grads = {name: workspace(f"d{name}", p[name].shape, dh.dtype) for name in shapes}
        if batch.memory.raw:
            grads["W_proj"][:], grads["b_proj"][:] = 0, 0           # each layer adds its own
        dmemory = None if batch.memory.raw else zeros("dmemory", batch.memory.rows.shape, dh.dtype, workspace)
        dz = np.take(dh, batch.rows.place, 0, workspace("dz", dh.shape, dh.dtype), "clip")
        more = dz[:0]
        for s in reversed(range(len(self.sublayers))):
            k, name = self.sublayers[s]
            self._norm_backward(s + self.pre, dz, more, normal, grads)
            dout = self._dropped(dz, batch.masks[k], name, workspace)
            grads[f"layer{k}.{BIASES[name]}"][:] = column_sums(dout)
            more, dz = dz, INSIDE[name][1](self, batch, k, dout, caches[s], grads, dmemory)
        if self.pre:
            self._norm_backward(0, dz, more, normal, grads)
        else:
            dz += more
        if len(keep_x):
            drop(dz, keep_x, keep_scale(dropout.input_share))
        self._memory_backward(image, batch.memory, dmemory, grads, workspace)
        dvectors = workspace("dvectors", words.vectors.shape, dh.dtype)
        scatter_add(dz, index, dvectors)
        return dvectors, grads

    def _norm_backward(self, place: int, dz: np.ndarray, more: np.ndarray, caches: list[Any], grads: Params) -> None:
        name = self.norms[place]
        norm_backward(dz, more, self.pre, caches[place], grads[f"{name}.gamma"], grads[f"{name}.beta"])

    def _dropped(self, d: np.ndarray, masks: Masks, name: str, workspace: Allocator) -> np.ndarray:
        """The gradient of a sublayer's output from that of the residual's sum: a copy, if anything is dropped."""
        if not len(masks.keep[name]):
            return d
        dropped = workspace("dout", d.shape, d.dtype)
        dropped[:] = d
        drop(dropped, masks.keep[name], masks.scale)
        return dropped

    def _stack(self, p: Params, x: np.ndarray, inside: Callable, masks: list[Masks], kept_by: Callable
               ) -> tuple[np.ndarray, list[Any]]:
        """All sublayers with their residuals and norms: x (M, W) -> h (M, W), the caches of the norms.

        inside(k, name, z): what the sublayer of layer k computes, without its last bias; kept_by(k): an allocator.
        """
        caches: list[Any] = []

        def norm(y: np.ndarray, more: np.ndarray, b: np.ndarray, keep: np.ndarray, scale: float) -> np.ndarray:
            name = self.norms[len(caches)]
            z, cache = add_norm_forward(y, more, b, p[f"{name}.gamma"], p[f"{name}.beta"], keep, scale,
                                        kept_by(len(caches)))
            caches.append(cache)
            return z
        stream, nothing = x, np.zeros(x.shape[1], x.dtype)
        z = norm(x, x[:0], nothing, ALL, 1.0) if self.pre else x
        for k, name in self.sublayers:
            out = inside(k, name, z)
            z = norm(out, stream, p[f"layer{k}.{BIASES[name]}"], masks[k].keep[name], masks[k].scale)
            stream = out if self.pre else z
        return z, caches

    def _layer(self, p: Params, k: int) -> Params:
        """The parameters of layer k, or their gradients, by their names in rnnlayers.decoder_layer_forward."""
        return {name: p[f"layer{k}.{name}"] for name in LAYER}

    def _attend(self, batch: Batch, k: int, z: np.ndarray) -> tuple[np.ndarray, Any]:
        p, memory, rows, masks, workspace = batch
        kept = kept_in(workspace, k)
        return self_attention_forward(z, self._layer(p, k), rows, self.heads, masks[k], kept, workspace)

    def _attend_backward(self, batch: Batch, k: int, dout: np.ndarray, cache: Any, grads: Params, dmemory: Any
                         ) -> np.ndarray:
        return self_attention_backward(dout, cache, self._layer(batch.p, k), self._layer(grads, k), batch.workspace)

    def _feed(self, batch: Batch, k: int, z: np.ndarray) -> tuple[np.ndarray, Any]:
        return feed_forward_forward(z, self._layer(batch.p, k), self.options.activation, batch.masks[k],
                                    kept_in(batch.workspace, k), batch.workspace)

    def _feed_backward(self, batch: Batch, k: int, dout: np.ndarray, cache: Any, grads: Params, dmemory: Any
                       ) -> np.ndarray:
        return feed_forward_backward(dout, cache, self._layer(batch.p, k), self._layer(grads, k), batch.workspace)

    def _cross(self, batch: Batch, k: int, z: np.ndarray) -> tuple[np.ndarray, Any]:
        p, memory, rows, masks, workspace = batch
        layer, kept = self._layer(p, k), kept_in(workspace, k)
        if memory.rows.shape[1] == 1:
            values = affine(memory.rows[:, 0], layer["cross.Wv"], layer["cross.bv"], "values", workspace)
            mixed, cache = look_at_one_forward(values, rows, self.heads, masks[k], kept)
        else:
            q = times(z, layer["cross.Wq"], "q", kept)
            q += layer["cross.bq"]
            mixed, cache = look_forward(q, memory.rows, memory.counts[rows.caption], *self._projections(p, k, memory),
                                        rows, self.heads, masks[k], kept, workspace)
        return times(mixed, layer["cross.Wo"], "cross out", workspace), (z, mixed, cache)

    def _cross_backward(self, batch: Batch, k: int, dout: np.ndarray, cache: Any, grads: Params, dmemory: Any
                        ) -> np.ndarray:
        (p, memory, *_), workspace, (z, mixed, cache) = batch, batch.workspace, cache
        layer, dlayer = self._layer(p, k), self._layer(grads, k)
        np.matmul(mixed.T, dout, out=dlayer["cross.Wo"])
        dmixed = times(dout, layer["cross.Wo"].T, "dmixed", workspace)
        if memory.rows.shape[1] == 1:
            return self._one_backward(memory, layer, dlayer, look_at_one_backward(dmixed, cache), dmemory, z, workspace)
        dq, dWk, dWv, dbv = look_backward(dmixed, cache, dmemory, workspace)
        self._projections_backward(p, k, dWk, dWv, dbv, memory, grads)
        np.matmul(z.T, dq, out=dlayer["cross.Wq"])
        dlayer["cross.bq"][:] = column_sums(dq)
        return times(dq, layer["cross.Wq"].T, "dz of cross", workspace)

    def _one_backward(self, memory: Memory, layer: Params, dlayer: Params, dvalues: np.ndarray, dmemory: np.ndarray,
                      z: np.ndarray, workspace: Allocator) -> np.ndarray:
        """Of pictures of one row: its weight is 1, whatever the query and the key."""
        np.matmul(memory.rows[:, 0].T, dvalues, out=dlayer["cross.Wv"])
        dlayer["cross.bv"][:] = column_sums(dvalues)
        dmemory[:, 0] += dvalues @ layer["cross.Wv"].T
        for name in ("Wq", "bq", "Wk", "bk"):
            dlayer[f"cross.{name}"][:] = 0
        return zeros("dz of cross", z.shape, z.dtype, workspace)

    # --- the picture -------------------------------------------------------------------------------------------------

    def _memory(self, p: Params, image: Image, active: int, training: bool, workspace: Allocator) -> Memory:
        """What the first `active` captions attend to. Training leaves narrow features as they are."""
        grid = image.vector[:active, None] if image.grid is None else image.grid[:active]
        N, L, D = grid.shape
        counts = np.full(N, L) if image.counts is None else image.counts[:active]
        pooled, places = self.options.pooled_dim, self.options.region_positions
        if training and L > 1 and p["W_proj"].shape[1] >= D and not pooled and not places:
            return Memory(grid, counts, True)
        rows = workspace("memory", (N, L + bool(pooled), p["W_proj"].shape[1]), grid.dtype)
        rows[:, bool(pooled):] = affine(grid, p["W_proj"], p["b_proj"], "projected", workspace)
        if places:
            rows[:, bool(pooled):] += self.cell._places(p, L)
        if pooled:
            rows[:, 0] = image.vector[:active] @ p["W_pool"] + p["b_pool"]
        return Memory(rows, counts + bool(pooled), False)

    def _memory_backward(self, image: Image, memory: Memory, dmemory: np.ndarray | None, grads: Params,
                         workspace: Allocator) -> None:
        """Gradients of the projection to the memory; where it was left to the layers, they have added theirs."""
        if dmemory is None:
            return
        active = len(dmemory)
        if self.options.pooled_dim:
            np.matmul(image.vector[:active].T, dmemory[:, 0], out=grads["W_pool"])
            grads["b_pool"][:] = dmemory[:, 0].sum(axis=0)
            dmemory = dmemory[:, 1:]
        grid = image.vector[:active, None] if image.grid is None else image.grid[:active]
        grads.update(affine_grads(grid, np.ascontiguousarray(dmemory), "W_proj", "b_proj", workspace))
        if self.options.region_positions:
            grads["W_regions"][:] = 0
            grads["W_regions"][:dmemory.shape[1]] = dmemory.sum(axis=0)

    def _projections(self, p: Params, k: int, memory: Memory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Wk, Wv and bv of layer k as they apply to the memory's rows.

        Features f that are not projected: (f W_proj + b_proj) Wv + bv = f (W_proj Wv) + (b_proj Wv + bv). A key's bias
        does not count.
        """
        Wk, Wv, bv = (p[f"layer{k}.cross.{name}"] for name in ("Wk", "Wv", "bv"))
        if not memory.raw:
            return Wk, Wv, bv
        return p["W_proj"] @ Wk, p["W_proj"] @ Wv, p["b_proj"] @ Wv + bv

    def _projections_backward(self, p: Params, k: int, dWk: np.ndarray, dWv: np.ndarray, dbv: np.ndarray,
                              memory: Memory, grads: Params) -> None:
        dlayer = {name: grads[f"layer{k}.cross.{name}"] for name in ("Wk", "Wv", "bv", "bk")}
        dlayer["bv"][:], dlayer["bk"][:] = dbv, 0
        if not memory.raw:
            dlayer["Wk"][:], dlayer["Wv"][:] = dWk, dWv
            return
        Wk, Wv = p[f"layer{k}.cross.Wk"], p[f"layer{k}.cross.Wv"]
        np.matmul(p["W_proj"].T, dWk, out=dlayer["Wk"])
        np.matmul(p["W_proj"].T, dWv, out=dlayer["Wv"])
        dlayer["Wv"] += np.outer(p["b_proj"], dbv)
        grads["W_proj"] += dWk @ Wk.T + dWv @ Wv.T
        grads["b_proj"] += Wv @ dbv

    def _attention(self, cache: Any, memory: Memory, rows: Rows, workspace: Allocator) -> np.ndarray | None:
        """The mean over the heads of the last layer's weights over the regions, (M, L), in packed order."""
        found = self._of_regions(cache[2][2]) if memory.rows.shape[1] > 1 else None
        if found is None:
            return None
        attention = workspace("attention", found.shape, found.dtype)
        attention[rows.place] = found
        return attention

    def _of_regions(self, weights: np.ndarray) -> np.ndarray | None:
        """Weights (n, heads, R) as the mean over the heads, (n, L); None for a picture that is one vector."""
        weights = weights[..., 1 if self.options.pooled_dim else 0:]
        return None if weights.shape[2] == 1 else weights.mean(axis=1)

    # --- dropout -----------------------------------------------------------------------------------------------------

    def _masks(self, dropout: Dropout, T: int, W: int, R: int, packed: Packed, rows: Rows) -> Masks:
        """A layer's masks, drawn in the order of models.cells.transformer."""
        if dropout.rng is None or not dropout.share:
            return NO_MASKS
        heads, F = self.heads, self.options.dim_feedforward
        shapes = {"self.weights": (heads, T, T), "self": (T, W), "cross.weights": (heads, T, R), "cross": (T, W),
                  "ffn.hidden": (T, F), "ffn": (T, W)}
        keep = {name: self._mask(shape, dropout.rng, dropout.share, packed, rows) for name, shape in shapes.items()}
        keep["self.weights"] = np.ascontiguousarray(keep["self.weights"][:, :, :rows.steps])
        return Masks(keep, keep_scale(dropout.share))

    def _mask(self, shape: tuple[int, ...], rng: np.random.Generator | None, share: float, packed: Packed, rows: Rows
              ) -> np.ndarray:
        """A mask drawn for padded (N, T, ...) or (N, heads, T, ...), the rest of which is `shape`, as packed rows."""
        keep = kept((packed.shape[0], *shape), rng, share)
        if keep is None:
            return ALL
        keep = keep if len(shape) == 2 else keep.swapaxes(1, 2)
        return keep[packed.order[rows.caption], rows.time]


INSIDE = {"self": (Transformer._attend, Transformer._attend_backward),
          "cross": (Transformer._cross, Transformer._cross_backward),
          "ffn": (Transformer._feed, Transformer._feed_backward)}
