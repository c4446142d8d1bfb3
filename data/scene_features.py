"""A fixed convolutional feature bank for the scenes: which colour is where, and what its outline looks like.

Per colour: similarity map -> gradient -> oriented edges and corners, each a ReLU -> averages around the grid's regions.
Every filter is separable, hence a product with one banded matrix from the left and one from the right. All features are
at least 0; most lie between 0 and 1.
"""

from collections.abc import Iterator

import numpy as np

from data.scenes import COLOURS, SIDE

GRID = 7                  # regions along a side
HALF = SIDE // 2          # side of the maps, which have half of the picture's resolution
STEP = HALF // GRID       # map pixels along a region's side
BLOCK = 64                # pictures worked on at once, which bounds the memory
RADIUS = 60               # distance in RGB space at which the similarity to a colour becomes zero
DIRECTIONS = 8            # of the oriented edges
DISCS = (7, 11)           # widths in map pixels of the neighbourhoods that find corners
SCALE = np.float32(10)    # brings the outline's parts to about the range of the area
CHANNELS = 1 + DIRECTIONS + 3 * len(DISCS)   # per colour; the first one is the colour's area
D = len(COLOURS) * CHANNELS                  # 120, colour by colour
SLOTS = 3                 # colours that the pooled features hold one by one: a scene has at most three
P = D + SLOTS * (CHANNELS + len(COLOURS) + 3)   # 198


def band(*taps: float) -> np.ndarray:
    """Matrix that applies an odd number of taps along the rows (from the right) of a map, float32 (56, 56)."""
    reach = len(taps) // 2
    shifted = (tap * np.eye(HALF, k=offset) for offset, tap in zip(range(-reach, reach + 1), taps))
    return sum(shifted).astype(np.float32)


def windows(*weights: float) -> np.ndarray:
    """Matrix that averages the rows of a map around each region, with a weight per region, float32 (56, 7)."""
    reach = len(weights) // 2
    shifted = (weight * np.eye(GRID, k=offset) for offset, weight in zip(range(-reach, reach + 1), weights))
    return np.repeat(sum(shifted) / STEP, STEP, axis=0).astype(np.float32)


SMOOTH, SLOPE = band(0.25, 0.5, 0.25), band(0.5, 0, -0.5)
REGION = windows(1)
AROUND = windows(0.5, 1, 1, 1, 0.5)   # wide enough that a region inside an object sees all of its outline


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
    present = maps.any(axis=(2, 3))   # most colours are missing in most pictures: nothing to compute there
    cells[present] = outline_features(maps[present])
    return cells.transpose(0, 2, 3, 1, 4).reshape(len(images), GRID * GRID, D)


def pool_regions(grid: np.ndarray) -> np.ndarray:
    """Mean over the regions, then the SLOTS most painted colours one by one, float32 (n, P).

    A slot holds its colour's maxima over the regions, the colour as one of eight, its area and the middle of the area
    (x, y in [0, 1]); slots without a colour are 0. Without slots a captioner would have to learn from few pictures
    which outline goes with which colour.
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
    planes = images.transpose(3, 0, 1, 2).astype(np.float32)
    planes = planes[..., ::2] + planes[..., 1::2]
    planes = (planes[:, :, ::2] + planes[:, :, 1::2]) / 4
    maps = np.empty((len(images), len(COLOURS), HALF, HALF), np.float32)
    for index, colour in enumerate(COLOURS.values()):
        distance = sum((plane - level) ** 2 for plane, level in zip(planes, colour))
        maps[:, index] = np.clip(2 - 2 / RADIUS**2 * distance, 0, 1)   # 1 for all shades that the jitter makes
    return maps


def outline_features(maps: np.ndarray) -> np.ndarray:
    """Similarity maps (m, 56, 56) -> float32 (m, 7, 7, CHANNELS): the area, then parts of the outline around a region.

    The parts are relative to the outline's length, so that they depend less on the size, and zero outside the colour.
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
        x, y, least = np.float32([np.cos(angle), np.sin(angle), np.cos(np.pi / 4)])
        yield np.maximum(x * across + y * down - least * edge, 0)


def corners(maps: np.ndarray) -> Iterator[np.ndarray]:
    """Strength of sharp tips, of tips and of dents of the outline at each scale, float32 (m, 56, 56) each."""
    for width in DISCS:
        disc = band(*[1 / width] * width)
        filled = disc @ maps @ disc   # about half along a straight edge, less at a tip, more at a dent
        yield np.maximum(0.35 * maps - filled, 0)
        yield np.maximum(0.5 * maps - filled, 0)
        yield np.maximum(filled - maps - 0.5, 0)
