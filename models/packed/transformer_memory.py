"""What a transformer's words attend to in the pictures, on packed rows, and the layers that attend to it."""
from typing import Any, NamedTuple

import numpy as np

from models.cells import Image
from models.cells.cell import Params
from models.packed.cell import affine
from rnnlayers.engine.products import zeros
from rnnlayers.engine.transformer_attention import (
    Masks,
    Rows,
    column_sums,
    look_at_one_backward,
    look_at_one_forward,
    look_backward,
    look_forward,
    of_captions,
    times,
)
from rnnlayers.workspace import Allocator, within


class Memory(NamedTuple):
    """The pictures of a batch."""
    rows: np.ndarray                # (N, R, C): projected, C = W; where `raw` the features themselves, C = D
    counts: np.ndarray              # (N,) how many rows of its picture each caption sees
    raw: bool                       # whether the layers' weights do the projection too
    grid: np.ndarray                # (N, L, D) the features
    pooled: np.ndarray | None       # (N, P) those beside the grid, whose row is the first


def picture_memory(cell: Any, p: Params, image: Image, active: int, training: bool, workspace: Allocator) -> Memory:
    """The pictures of the first `active` captions.

    In training, features that are no wider than the memory stay as they are: to project the words to them costs less
    than to project the regions.
    """
    grid = image.vector[:active, None] if image.grid is None else image.grid[:active]
    pooled = image.vector[:active] if cell.pooled_dim else None
    (N, L, D), W, first = grid.shape, p["W_proj"].shape[1], int(pooled is not None)
    counts = np.full(N, L + first) if image.counts is None else image.counts[:active] + first
    if training and L > 1 and D <= W and not first and not cell.region_positions:
        return Memory(grid, counts, True, grid, None)
    rows = workspace("memory", (N, L + first, W), grid.dtype)
    rows[:, first:] = affine(grid, p["W_proj"], p["b_proj"], "projected", workspace)
    if cell.region_positions:
        rows[:, first:] += cell.places(p, L)
    if pooled is not None:
        rows[:, 0] = pooled @ p["W_pool"] + p["b_pool"]
    return Memory(rows, counts, False, grid, pooled)


def memory_gradient(memory: Memory, grads: Params, workspace: Allocator) -> np.ndarray | None:
    """Zeros to which the layers add the gradient of the rows; None where they add to the projection's at once."""
    if memory.raw:
        grads["W_proj"][:], grads["b_proj"][:] = 0, 0
        return None
    return zeros("dmemory", memory.rows.shape, memory.rows.dtype, workspace)


def picture_backward(memory: Memory, drows: np.ndarray | None, grads: Params) -> None:
    """Gradients of the parameters of picture_memory."""
    if drows is None:
        return
    if memory.pooled is not None:
        np.matmul(memory.pooled.T, drows[:, 0], out=grads["W_pool"])
        grads["b_pool"][:] = drows[:, 0].sum(axis=0)
        drows = drows[:, 1:]
    (_, L, D), W = memory.grid.shape, drows.shape[2]
    flat = drows.reshape(-1, W)
    np.matmul(memory.grid.reshape(-1, D).T, flat, out=grads["W_proj"])
    grads["b_proj"][:] = column_sums(flat)
    if "W_regions" in grads:
        grads["W_regions"][:] = 0
        grads["W_regions"][:L] = drows.sum(axis=0)


def cross_forward(z: np.ndarray, p: Params, k: int, memory: Memory, rows: Rows, heads: int, masks: Masks,
                  workspace: Allocator) -> tuple[np.ndarray, Any]:
    """Attention of layer k to the pictures, z (M, W) -> out (M, W) without its bias, cache."""
    name, kept = f"layer{k}.cross", within(workspace, f"layer{k}.")
    if memory.rows.shape[1] == 1:
        values = affine(memory.rows[:, 0], p[f"{name}.Wv"], p[f"{name}.bv"], "values", kept)
        mixed, cache = look_at_one_forward(values, rows, heads, masks, kept), (rows, heads, masks)
    else:
        q = times(z, p[f"{name}.Wq"], "q", kept)
        q += p[f"{name}.bq"]
        mixed, cache = look_forward(q, memory.rows, memory.counts[rows.caption], *_projections(p, k, memory), rows,
                                    heads, masks, kept, workspace)
    out = times(mixed, p[f"{name}.Wo"], "cross out", workspace)
    return out if len(out) == len(z) else out[rows.caption], (z, mixed, cache)


def cross_backward(dout: np.ndarray, cache: Any, p: Params, k: int, memory: Memory, drows: np.ndarray | None,
                   grads: Params, workspace: Allocator) -> np.ndarray:
    """dout (M, W) -> dz (M, W). Adds to drows, which is like the memory's rows, or to the projection's gradients."""
    name, (z, mixed, cache) = f"layer{k}.cross", cache
    if len(mixed) < len(dout):                              # a row for all words of a caption
        dout = of_captions(dout, cache[0])
    np.matmul(mixed.T, dout, out=grads[f"{name}.Wo"])
    dmixed = times(dout, p[f"{name}.Wo"].T, "dmixed", workspace)
    if memory.rows.shape[1] == 1:
        assert drows is not None                            # one row is always projected
        _one_backward(look_at_one_backward(dmixed, *cache), p, name, memory, drows, grads)
        return zeros("dz of cross", z.shape, z.dtype, workspace)
    dq, dWk, dWv, dbv = look_backward(dmixed, cache, drows, workspace)
    _projections_backward(dWk, dWv, dbv, p, k, memory, grads)
    np.matmul(z.T, dq, out=grads[f"{name}.Wq"])
    grads[f"{name}.bq"][:] = column_sums(dq)
    return times(dq, p[f"{name}.Wq"].T, "dz of cross", workspace)


def last_weights(cache: Any) -> np.ndarray:
    """The weights (M, heads, R) of a layer, from cross_forward's cache, of pictures with more than one row."""
    return cache[2][2]


def _one_backward(dvalues: np.ndarray, p: Params, name: str, memory: Memory, drows: np.ndarray, grads: Params) -> None:
    """Of pictures with one row: its weight is 1, whatever the query and the key."""
    np.matmul(memory.rows[:, 0].T, dvalues, out=grads[f"{name}.Wv"])
    grads[f"{name}.bv"][:] = column_sums(dvalues)
    drows[:, 0] += dvalues @ p[f"{name}.Wv"].T
    for weight in ("Wq", "bq", "Wk", "bk"):
        grads[f"{name}.{weight}"][:] = 0


def _projections(p: Params, k: int, memory: Memory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wk, Wv and bv of layer k for the rows of the memory as they are.

    Features f that are not projected: (f W_proj + b_proj) Wv + bv = f (W_proj Wv) + (b_proj Wv + bv).
    """
    Wk, Wv, bv = (p[f"layer{k}.cross.{name}"] for name in ("Wk", "Wv", "bv"))
    return (p["W_proj"] @ Wk, p["W_proj"] @ Wv, p["b_proj"] @ Wv + bv) if memory.raw else (Wk, Wv, bv)


def _projections_backward(dWk: np.ndarray, dWv: np.ndarray, dbv: np.ndarray, p: Params, k: int, memory: Memory,
                          grads: Params) -> None:
    """Gradients of the parameters in _projections, and of bk, which changes nothing."""
    Wk, Wv = (p[f"layer{k}.cross.{name}"] for name in ("Wk", "Wv"))
    to = {name: grads[f"layer{k}.cross.{name}"] for name in ("Wk", "bk", "Wv", "bv")}
    to["bk"][:], to["bv"][:] = 0, dbv
    if not memory.raw:
        to["Wk"][:], to["Wv"][:] = dWk, dWv
        return
    np.matmul(p["W_proj"].T, dWk, out=to["Wk"])
    np.matmul(p["W_proj"].T, dWv, out=to["Wv"])
    to["Wv"] += np.outer(p["b_proj"], dbv)
    grads["W_proj"] += dWk @ Wk.T
    grads["W_proj"] += dWv @ Wv.T
    grads["b_proj"] += Wv @ dbv
