"""Scenes: synthetic pictures of one to three coloured shapes, each with five captions."""

import hashlib
from functools import cache
from typing import NamedTuple

import numpy as np

from data.scene_captions import group_alike, make_captions, shape_words

SIDE = 112          # side of a picture in pixels
CELL = 16           # side of a grid cell in pixels
CAPTIONS = 5        # per scene
MARGIN = 2          # pixels kept free along the border
GAP = 4             # pixels kept free between the boxes of two objects
JITTER = 12         # largest change of a colour's red, green and blue
NOISE = np.float32(2)   # standard deviation, the same for red, green and blue
SUBPIXELS = 4       # samples along each side of a pixel

COLOURS = {
    "red": (214, 40, 45),
    "orange": (242, 130, 28),
    "yellow": (243, 214, 52),
    "green": (52, 160, 70),
    "cyan": (62, 200, 215),
    "blue": (45, 85, 212),
    "purple": (135, 62, 178),
    "pink": (243, 125, 190),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
# Widths in pixels, largest first; odd, so that a tip in the middle of a shape fills one pixel, not halves of two.
WIDTHS = {"large": (37, 39), "medium": (31, 33), "small": (25, 27)}
# Numbers of objects in the groups of a scene, largest objects first, and the probabilities.
PATTERNS = ((1,), (2,), (3,), (1, 1), (2, 1), (1, 2), (1, 1, 1))
PATTERN_PROBABILITIES = (0.2, 0.1, 0.06, 0.3, 0.09, 0.09, 0.16)


class SceneObject(NamedTuple):
    """One drawn shape: its names, its tight box (x0, y0, x1, y1) in pixels and the nouns for it."""

    shape: str
    colour: str
    size: str
    box: tuple[int, int, int, int]
    words: tuple[str, ...]


class Scene(NamedTuple):
    """One picture, uint8 (112, 112, 3), its captions, and its one to three objects, the largest area first."""

    image: np.ndarray
    captions: list[str]
    objects: list[SceneObject]


def make_scenes(n: int, seed: int) -> list[Scene]:
    """The first n scenes of the endless sequence of different pictures that the seed defines."""
    if n < 0:
        raise ValueError(f"n is {n}, expected a number of scenes, at least 0")
    rng = np.random.default_rng(seed)
    scenes: list[Scene] = []
    seen: set[bytes] = set()
    while len(scenes) < n:
        scene = draw_scene(rng)
        digest = hashlib.sha256(scene.image.data).digest()
        if digest not in seen:
            seen.add(digest)
            scenes.append(scene)
    return scenes


def draw_scene(rng: np.random.Generator) -> Scene:
    """One random scene."""
    objects = draw_objects(rng)
    return Scene(draw_image(objects, rng), make_captions(objects, CAPTIONS, rng), objects)


def draw_objects(rng: np.random.Generator) -> list[SceneObject]:
    """One to three random objects. Objects of the same shape, colour and size form a group.

    Groups differ in size and colour. The group with the largest area comes first: it is the most conspicuous, and
    captions name it first.
    """
    counts = PATTERNS[rng.choice(len(PATTERNS), p=PATTERN_PROBABILITIES)]
    sizes = np.sort(rng.choice(len(WIDTHS), len(counts), replace=False))
    shapes = rng.choice(SHAPES, len(counts)).tolist()
    colours = rng.choice(list(COLOURS), len(counts), replace=False).tolist()
    groups = zip(shapes, colours, [list(WIDTHS)[k] for k in sizes], counts)
    kinds = [(shape, colour, size) for shape, colour, size, count in groups for _ in range(count)]
    widths = np.array([rng.choice(WIDTHS[size]) for _, _, size in kinds])
    objects = [make_object(*kind, corner, width)
               for kind, corner, width in zip(kinds, draw_corners(widths, rng).tolist(), widths.tolist())]
    return [item for group in sorted(group_alike(objects), key=painted_area, reverse=True) for item in group]


def painted_area(group: list[SceneObject]) -> float:
    """Number of pixels that the objects cover."""
    return sum(coverage(item.shape, item.box[2] - item.box[0]).sum() for item in group)


def make_object(shape: str, colour: str, size: str, corner: list[int], width: int) -> SceneObject:
    """The object with its box at the corner (x0, y0)."""
    x0, y0 = corner
    return SceneObject(shape, colour, size, (x0, y0, x0 + width, y0 + width), shape_words(shape))


def draw_corners(widths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Upper left corners (x0, y0), int (k, 2), of k boxes of the given widths that keep apart from each other."""
    while True:
        corners = rng.integers(MARGIN, SIDE - MARGIN - widths[:, None] + 1, (len(widths), 2))
        centres = corners + widths[:, None] / 2
        apart = np.abs(centres[:, None] - centres).max(axis=2) - (widths[:, None] + widths) / 2
        np.fill_diagonal(apart, GAP)
        if apart.min() >= GAP:
            return corners


def draw_image(objects: list[SceneObject], rng: np.random.Generator) -> np.ndarray:
    """Picture of the objects on a grey background, uint8 (112, 112, 3)."""
    canvas = draw_background(rng)        # (3, height, width): long rows are faster than rows of three
    for group in group_alike(objects):   # all objects of a group have one shade
        shade = np.array(COLOURS[group[0].colour], np.float32) + rng.integers(-JITTER, JITTER + 1, 3)
        for item in group:
            x0, y0, x1, y1 = item.box
            area = canvas[:, y0:y1, x0:x1]
            area += coverage(item.shape, x1 - x0) * (shade[:, None, None] - area)
    canvas += NOISE * rng.standard_normal((SIDE, SIDE), np.float32)
    return np.ascontiguousarray(np.clip(np.rint(canvas), 0, 255).astype(np.uint8).transpose(1, 2, 0))


def draw_background(rng: np.random.Generator) -> np.ndarray:
    """Dark or light grey with a soft gradient of brightness and a hint of colour, float32 (3, 112, 112)."""
    low, high = ((45, 75), (190, 225))[rng.integers(2)]
    tint = (rng.uniform(low, high) + rng.uniform(-4, 4, 3)).astype(np.float32)
    across, down = (rng.uniform(-15, 15, (2, 1)) * np.linspace(-0.5, 0.5, SIDE)).astype(np.float32)
    return tint[:, None, None] + (across + down[:, None])


@cache
def coverage(shape: str, width: int) -> np.ndarray:
    """Fraction of each pixel that the shape covers, float32 (width, width) in [0, 1], read-only."""
    points = (np.arange(width * SUBPIXELS) + 0.5) * (2 / (width * SUBPIXELS)) - 1
    inside = contains(shape, points[None, :], points[:, None])
    mask = inside.reshape(width, SUBPIXELS, width, SUBPIXELS).mean(axis=(1, 3), dtype=np.float32)
    mask.flags.writeable = False   # all callers share it
    return mask


def contains(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether the points, with x and y in [-1, 1] and y downwards, lie in the shape that fills this square; bool."""
    radius = np.hypot(x, y)
    tests = {
        "circle": lambda: radius <= 1,
        "square": lambda: np.maximum(abs(x), abs(y)) <= 1,
        "triangle": lambda: abs(x) <= (y + 1) / 2,
        "star": lambda: in_star(x, y),
        "cross": lambda: np.minimum(abs(x), abs(y)) <= 0.34,
        "ring": lambda: (radius <= 1) & (radius >= 0.58),
    }
    return tests[shape]()


def in_star(x: np.ndarray, y: np.ndarray, inner: float = 0.42) -> np.ndarray:
    """Whether points lie in the five-pointed star that fills the square; its dents are at the radius `inner`."""
    turn = np.pi / 5   # from a tip to a dent
    x, y = x * np.sin(2 * turn), ((y + 1) * (1 + np.cos(turn)) / 2) - 1   # undo the stretch to the square
    angle = np.abs((np.arctan2(x, -y) + turn) % (2 * turn) - turn)        # fold all ten edges onto one
    across, along = np.hypot(x, y) * np.sin(angle), np.hypot(x, y) * np.cos(angle)
    slope = inner * np.sin(turn) / (1 - inner * np.cos(turn))
    return across <= slope * (1 - along)
