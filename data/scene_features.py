"""A fixed convolutional feature bank for the scenes: the place of each colour, and the form of its outline.

Per colour: similarity map -> gradient -> oriented edges and corners, each a ReLU -> averages around the grid's regions.
Every filter is separable: a product with one banded matrix from the left and one from the right. All features are at
least 0, and most are between 0 and 1.
"""

from collections.abc import Iterator

import numpy as np

from data.scenes import COLOURS, SIDE

GRID = 7                  # regions along a side
HALF = SIDE // 2          # side of the maps, which have half of the picture's resolution
STEP = HALF // GRID       # side of a region in map pixels
BLOCK = 64                # pictures computed at once, to bound the memory
RADIUS = 60               # distance in RGB space at which the similarity to a colour becomes zero
DIRECTIONS = 8            # of the oriented edges
DISCS = (7, 11)           # widths, in map pixels, of the neighbourhoods that detect corners
SCALE = np.float32(10)    # scales the features of the outline to about the range of the area
CHANNELS = 1 + DIRECTIONS + 3 * len(DISCS)   # per colour; the first one is the colour's area
D = len(COLOURS) * CHANNELS                  # 120, colour by colour
SLOTS = 3                 # colours with features of their own in the pooled ones: a scene has at most three
P = D + SLOTS * (CHANNELS + len(COLOURS) + 3)   # 198


def band(*taps: float) -> np.ndarray:
    """Matrix that, from the right, filters the rows of a map with an odd number of taps, float32 (56, 56)."""
    reach = len(taps) // 2
    shifted = (tap * np.eye(HALF, k=offset) for offset, tap in zip(range(-reach, reach + 1), taps))
    return sum(shifted, np.zeros((HALF, HALF))).astype(np.float32)


def windows(*weights: float) -> np.ndarray:
    """Matrix that averages the rows of a map around each region, with one weight per region, float32 (56, 7)."""
    reach = len(weights) // 2
    shifted = (weight * np.eye(GRID, k=offset) for offset, weight in zip(range(-reach, reach + 1), weights))
    return np.repeat(sum(shifted) / STEP, STEP, axis=0).astype(np.float32)


SMOOTH, SLOPE = band(0.25, 0.5, 0.25), band(0.5, 0, -0.5)
REGION = windows(1)
AROUND = windows(0.5, 1, 1, 1, 0.5)   # so wide that a region inside an object covers all of its outline


def scene_features(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (n, 112, 112, 3) -> grid float32 (n, 49, D), regions row by row, and pooled float32 (n, P)."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"images must be uint8 (n, {SIDE}, {SIDE}, 3), got {images.dtype} {images.shape}")
    grid = np.empty((len(images), GRID * GRID, D), np.float32)
    for start in range(0, len(images), BLOCK):
        grid[start:start + BLOCK] = region_features(images[start:start + BLOCK])
    return grid, pool_regions(grid)


def region_features(images: np.ndarray) -> np.ndarray:
    """One block of pictures uint8 (b, 112, 112, 3) -> float32 (b, 49, D)."""
    maps = colour_maps(images)
    cells = np.zeros((*maps.shape[:2], GRID, GRID, CHANNELS), np.float32)
    present = maps.any(axis=(2, 3))   # skip colours that a picture lacks, as most pictures lack most colours
    cells[present] = outline_features(maps[present])
    return cells.transpose(0, 2, 3, 1, 4).reshape(len(images), GRID * GRID, D)


def pool_regions(grid: np.ndarray) -> np.ndarray:
    """Mean over the regions, then one slot for each of the SLOTS colours with the largest area, float32 (n, P).

    A slot holds the maxima of its colour's features over the regions, the colour as a one-hot vector of eight, its area
    and the centre of the area (x, y in [0, 1]); slots without a colour are 0. Without slots a captioner would have to
    learn from few pictures which outline belongs to which colour.
    """
    cells = grid.reshape(len(grid), GRID * GRID, len(COLOURS), CHANNELS)
    areas, largest = cells[..., 0], cells.max(axis=1)
    total = areas.sum(axis=1)
    places = (np.stack(np.divmod(np.arange(GRID * GRID), GRID)[::-1]) + np.float32(0.5)) / GRID
    middles = (places @ areas).transpose(0, 2, 1) / np.maximum(total, 1e-6)[..., None]
    colours = np.broadcast_to(np.eye(len(COLOURS), dtype=np.float32), (len(grid), len(COLOURS), len(COLOURS)))
    items = np.concatenate([largest, colours, total[..., None], middles], axis=2)
    order = np.argsort(-total, axis=1, kind="stable")[:, :SLOTS, None]
    slots = np.take_along_axis(items * (total[..., None] > 0), order, axis=1)
    return np.concatenate([grid.mean(axis=1), slots.reshape(len(grid), P - D)], axis=1, dtype=np.float32)


def colour_maps(images: np.ndarray) -> np.ndarray:
    """Similarity of pictures uint8 (b, 112, 112, 3) to each colour, float32 (b, 8, 56, 56) in [0, 1]."""
    planes: np.ndarray = images.transpose(3, 0, 1, 2).astype(np.float32)
    planes = planes[..., ::2] + planes[..., 1::2]
    planes = (planes[:, :, ::2] + planes[:, :, 1::2]) / 4
    maps = np.empty((len(images), len(COLOURS), HALF, HALF), np.float32)
    for index, colour in enumerate(COLOURS.values()):
        distance = sum((plane - level) ** 2 for plane, level in zip(planes, colour))
        maps[:, index] = np.clip(2 - 2 / RADIUS**2 * distance, 0, 1)   # 1 for all shades within the jitter
    return maps


def outline_features(maps: np.ndarray) -> np.ndarray:
    """Similarity maps (m, 56, 56) -> float32 (m, 7, 7, CHANNELS): the area, then the edges and corners around a region.

    Edges and corners are relative to the outline's length, so that they depend less on size; outside the colour they
    are zero.
    """
    across, down = SMOOTH @ maps @ SLOPE, SLOPE.T @ maps @ SMOOTH
    edge = np.hypot(across, down)
    area = pooled(maps, REGION)
    gate = SCALE * np.minimum(2 * area, 1) / (pooled(edge, AROUND) + np.float32(0.02))
    parts = [gate * pooled(part, AROUND) for part in (*oriented(across, down, edge), *corners(maps))]
    return np.stack([area, *parts], axis=-1)


def pooled(maps: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Averages of maps (m, 56, 56) under a window (56, 7) along both axes, float32 (m, 7, 7)."""
    return window.T @ (maps @ window)


def oriented(across: np.ndarray, down: np.ndarray, edge: np.ndarray) -> Iterator[np.ndarray]:
    """Strength of the edges whose gradient is within 45 degrees of each direction, float32 (m, 56, 56) each."""
    for angle in 2 * np.pi / DIRECTIONS * np.arange(DIRECTIONS):
        x, y, least = np.array([np.cos(angle), np.sin(angle), np.cos(np.pi / 4)], np.float32)
        yield np.maximum(x * across + y * down - least * edge, 0)


def corners(maps: np.ndarray) -> Iterator[np.ndarray]:
    """Strength of the outline's sharp tips, tips and dents at each scale, float32 (m, 56, 56) each."""
    for width in DISCS:
        disc = band(*[1 / width] * width)
        filled = disc @ maps @ disc   # about half along a straight edge, less at a tip, more at a dent
        yield np.maximum(0.35 * maps - filled, 0)
        yield np.maximum(0.5 * maps - filled, 0)
        yield np.maximum(filled - maps - 0.5, 0)
