"""Image features as a captioner's cell takes them: checked, standardised, clipped, and with dropout."""
import math
from typing import Any

import numpy as np

from models.cells import VECTOR, Image
from models.dropout import drop
from rnnlayers.shapes import check_shapes


def image_of(model: Any, features: Any, N: int | None = None) -> Image:
    """Features as the model's cell takes them, in the parameters' dtype.

    features: (N, D); for a cell that attends (N, L, D), (N, D, height, width), or a pair of one of these and (N, P).
    N: the number of rows expected, None for any -> Image. Raises ValueError on shapes that do not fit.
    """
    image = _vector(model, features) if model.cell.features == VECTOR else _grid(model, features)
    if N is not None and len(image.vector) != N:
        raise ValueError(f"CaptioningRNN: features has {len(image.vector)} rows and captions {N}, expected as many")
    return image


def _vector(model: Any, features: Any) -> Image:
    features = np.asarray(features)
    first, letters = next(iter(model.cell.shapes().items()))        # the parameter that multiplies them
    check_shapes("CaptioningRNN", **{first: (model.params[first], letters)}, features=(features, "N D"))
    return Image(_standardise(model, features, model.feature_stats), None)


def _grid(model: Any, features: Any) -> Image:
    grid, pooled = split_pair(features)
    grid = _regions(np.asarray(grid), model.input_dim)
    grid = _standardise(model, grid, model.feature_stats)
    if not model.pooled_dim:
        return Image(grid.mean(axis=1), grid)
    if np.shape(pooled) != (len(grid), model.pooled_dim):
        raise ValueError(f"CaptioningRNN: pooled features are {np.shape(pooled)}, expected (N, P) = "
                         f"{(len(grid), model.pooled_dim)} beside the grid")
    return Image(_standardise(model, np.asarray(pooled), model.pooled_stats), grid)


def _regions(grid: np.ndarray, D: int) -> np.ndarray:
    """A grid (N, L, D) or (N, D, height, width) as (N, L, D)."""
    if grid.dtype.kind not in "fiub" or 0 in grid.shape[1:]:
        raise ValueError(f"CaptioningRNN: features is {grid.dtype} {grid.shape}, expected real numbers of at least "
                         "one region")
    given = grid.shape
    if grid.ndim == 4:
        grid = grid.reshape(*grid.shape[:2], -1).transpose(0, 2, 1)
    if grid.ndim != 3 or grid.shape[2] != D:
        raise ValueError(f"CaptioningRNN: features is {given}, expected (N, L, D) or (N, D, height, width) with D={D}, "
                         "or a pair of it and pooled features (N, P)")
    return grid


def _standardise(model: Any, features: np.ndarray, stats: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    dtype, ours = model.params["W_vocab"].dtype, None
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


def split_pair(features: Any) -> tuple[Any, Any]:
    """Features as (grid, pooled): a pair stays one, a grid alone gets None. A list of two (L, D) grids is a batch."""
    is_pair = isinstance(features, (tuple, list)) and len(features) == 2 and np.ndim(features[0]) in (3, 4)
    return features if is_pair else (features, None)


def grid_shape(regions: int) -> tuple[int, int]:
    """Height and width of a grid of this many regions, row by row: a square if possible, else one row."""
    side = math.isqrt(regions)
    return (side, side) if side * side == regions else (1, regions)


def grid_of(features: Any, regions: int) -> tuple[int, int]:
    """Height and width of the grid of features that has so many regions."""
    grid, _ = split_pair(features)
    return np.shape(grid)[2:] if np.ndim(grid) == 4 else grid_shape(regions)
