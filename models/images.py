"""Image features as a captioner's cell takes them: checked, standardised, clipped, and with dropout."""
import math
from typing import Any

import numpy as np

from models.cells import ANY, VECTOR, Image
from models.dropout import drop
from rnnlayers.regions import real_regions, without_padding
from rnnlayers.shapes import check_shapes


def image_of(model: Any, features: Any, N: int | None = None) -> Image:
    """Features as the model's cell takes them, in the parameters' dtype.

    features: (N, D); for a cell that attends (N, L, D), (N, D, height, width), a pair of one of these and (N, P), or a
    triple (grid, (N, P) or None, integer (N,)), of which the last says how many regions each picture has: what is in
    the grid behind them is ignored, and so are pooled features by a model without pooled_dim. N: the number of rows
    expected, None for any -> Image. Raises ValueError on shapes that do not fit, and on numbers of regions outside
    1..L.
    """
    image = _vector(model, features) if _is_vector(model, features) else _grid(model, features)
    if N is not None and len(image.vector) != N:
        raise ValueError(f"CaptioningRNN: features has {len(image.vector)} rows and captions {N}, expected as many")
    return image


def _is_vector(model: Any, features: Any) -> bool:
    alone = not isinstance(features, (tuple, list)) and np.ndim(features) == 2
    return model.cell.features == VECTOR or model.cell.features == ANY and alone and not model.pooled_dim


def _vector(model: Any, features: Any) -> Image:
    features = np.asarray(features)
    first, letters = next(iter(model.cell.shapes().items()))        # the parameter that multiplies them
    check_shapes("CaptioningRNN", **{first: (model.params[first], letters)}, features=(features, "N D"))
    return Image(_standardise(model, features, model.feature_stats), None)


def _grid(model: Any, features: Any) -> Image:
    grid, pooled, regions = split_features(features)
    grid = _regions(grid, model.input_dim)
    real = real_regions("CaptioningRNN", regions, *grid.shape[:2])
    grid = _standardise(model, without_padding(grid, real), model.feature_stats)
    if model.feature_stats is not None:
        grid[~real] = 0                                     # our own copy, in which standardising has moved the zeros
    counts = None if regions is None else real.sum(axis=1)
    if not model.pooled_dim:
        return Image(_mean(grid, counts), grid, counts)
    if np.shape(pooled) != (len(grid), model.pooled_dim):
        raise ValueError(f"CaptioningRNN: pooled features are {np.shape(pooled)}, expected (N, P) = "
                         f"{(len(grid), model.pooled_dim)} beside the grid")
    return Image(_standardise(model, np.asarray(pooled), model.pooled_stats), grid, counts)


def _mean(grid: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """Mean over the regions of grid (N, L, D), whose padding is zero."""
    return grid.mean(axis=1) if counts is None else grid.sum(axis=1) / counts[:, None].astype(grid.real.dtype)


def _regions(grid: Any, D: int) -> np.ndarray:
    """A grid (N, L, D) or (N, D, height, width) as (N, L, D)."""
    expected = (f"expected (N, L, D) or (N, D, height, width) with D={D}, or a pair of it and pooled features (N, P), "
                "or a triple of it, these or None, and the number of regions of each picture (N,)")
    try:
        grid = np.asarray(grid)
    except ValueError:                                      # arrays that do not fit into one
        raise ValueError(f"CaptioningRNN: features are {type(grid).__name__} of arrays "
                         f"{', '.join(str(np.shape(part)) for part in grid)}, {expected}") from None
    if grid.dtype.kind not in "fiub" or 0 in grid.shape[1:]:
        raise ValueError(f"CaptioningRNN: features is {grid.dtype} {grid.shape}, expected real numbers of at least "
                         "one region")
    given = grid.shape
    if grid.ndim == 4:
        grid = grid.reshape(*grid.shape[:2], -1).transpose(0, 2, 1)
    if grid.ndim != 3 or grid.shape[2] != D:
        raise ValueError(f"CaptioningRNN: features is {given}, {expected}")
    return grid


def _standardise(model: Any, features: np.ndarray, stats: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    dtype, ours = model.params["W_embed"].dtype, None
    if stats is not None:
        mean, std = stats
        wide = np.result_type(features, mean, std, np.float32)
        ours = features = np.subtract(features, mean, dtype=wide)       # grids are large: work in our own copy
        np.divide(features, std, out=ours)
    if model.feature_clip is not None:
        features = np.clip(features, -model.feature_clip, model.feature_clip, out=ours)
    return features.astype(dtype, copy=False)


def feature_masks(model: Any, image: Image, rng: np.random.Generator | None) -> tuple[Any, Any]:
    """Dropout masks, 0 or 1 / (1 - share), of an image's vector (N, D) and grid (N, 1, D); 1 where nothing is dropped.

    In the grid a feature is dropped in all regions of an image at once.
    """
    _, keep_vector = drop(image.vector, rng, model.feature_dropout)
    return keep_vector, 1 if image.grid is None else drop(image.grid[:, :1], rng, model.grid_dropout)[1]


def split_features(features: Any) -> tuple[Any, Any, Any]:
    """Features as (grid, pooled, regions), None for what they lack. A list of two or three (L, D) grids is a batch."""
    if isinstance(features, (tuple, list)) and np.ndim(features[0] if features else 0) in (3, 4):
        if len(features) == 2:
            return (*features, None)
        if len(features) == 3 and np.ndim(features[2]) < 2:
            return tuple(features)
    return features, None, None


def mask_of(features: Any) -> tuple[Any, ...]:
    """The number of regions of each picture as a layer's last argument, `regions`; nothing where all have L."""
    _, _, regions = split_features(features)
    return () if regions is None else (regions,)


def grid_shape(regions: int) -> tuple[int, int]:
    """Height and width of a grid of this many regions, row by row: a square if possible, else one row."""
    side = math.isqrt(regions)
    return (side, side) if side * side == regions else (1, regions)


def grid_of(features: Any, regions: int) -> tuple[int, int]:
    """Height and width of the grid of features that has so many regions: one row where pictures differ in theirs."""
    grid, _, counts = split_features(features)
    if counts is not None:                                  # boxes, which have no grid
        return 1, regions
    return np.shape(grid)[2:] if np.ndim(grid) == 4 else grid_shape(regions)
