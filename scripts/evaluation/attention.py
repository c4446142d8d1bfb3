"""Whether attention moves from word to word, and on scenes whether it points at what the words name."""
import math
from typing import Any

import numpy as np

from data.dataset import Dataset
from data.scenes import COLOURS, SIDE
from models import CaptioningRNN
from scripts.evaluation.captions import attend_images
from scripts.evaluation.scenes import SHAPE_OF, read_objects

DEAD = 1e-3                         # mean change of the map from word to word below which attention does not move


def judge_attention(model: CaptioningRNN, dataset: Dataset, split: str) -> dict[str, Any]:
    """Whether the attention of greedy captions of a split moves, and on scenes how well it points."""
    rows, _ = dataset.images(split)
    words, maps = attend_images(model, dataset, split, rows)
    result = {"cell_type": model.cell_type, "split": split, "images": len(rows), **liveliness(maps)}
    path = dataset.folder / "objects.json"
    if path.is_file():
        objects = read_objects(path, len(dataset.features[split]))
        result["pointing"] = pointing(words, maps, [objects[row] for row in rows], np.random.default_rng(0))
    return result


def summary(result: dict[str, Any]) -> str:
    """The result in a few lines."""
    if result["change"] is None:
        return f"{result['verdict']}: no caption of {result['images']} has two words, or the grid has one region"
    differ = f"maps differ by {result['change']:.3f} between words"
    if result["verdict"] == "dead":
        differ = f"maps differ by less than {DEAD:g} between words ({result['change']:.1e})"
    sharp = f"entropy {result['entropy']:.2f} of at most {result['entropy_uniform']:.2f} nats"
    lines = [f"{result['verdict']}: {differ}; {sharp}",
             f"{result['words']} words of {result['images']} {result['split']} images; " + (
                 "they differ in their number of regions" if result["mass"] is None else "mass by region, per cent:"),
             *("  " + " ".join(f"{100 * share:4.1f}" for share in row) for row in result["mass"] or [])]
    if "pointing" in result and result["pointing"]["nouns"]:
        p = result["pointing"]
        lines.append(f"pointing: {p['accuracy']:.1%} of {p['nouns']} nouns peak on what they name (chance "
                     f"{p['chance']:.1%}, maps shuffled between words {p['shuffled']:.1%}); mass on it {p['mass']:.1%}")
    return "\n".join(lines)


def liveliness(maps: list[np.ndarray]) -> dict[str, Any]:
    """How much maps change and how sharp they are, over all words that were generated.

    maps: an array (words, height, width) for each caption -> dict. Change is the total variation distance between the
    maps of two words that follow each other, 0 (the same) to 1 (nothing in common), None where no caption of an image
    with two regions has two words; entropy is in nats; mass is None where images differ in their regions.
    """
    rows = [row.reshape(len(row), math.prod(row.shape[1:])).astype(np.float64) for row in maps]
    words = sum(map(len, rows))
    changes = np.concatenate([np.abs(np.diff(row, axis=0)).sum(axis=1) / 2 for row in rows
                              if len(row) and row.shape[1] > 1] or [[]])
    if not len(changes):
        return {"words": words, "change": None, "entropy": None, "entropy_uniform": None, "mass": None,
                "verdict": "nothing to judge"}
    change, alike = float(changes.mean()), len({row.shape[1:] for row in maps}) == 1
    entropies = [-(row * np.log(np.maximum(row, 1e-30))).sum(axis=1) for row in rows]
    return {"words": words, "change": change, "entropy": float(np.concatenate(entropies).mean()),
            "entropy_uniform": float(sum(len(row) * np.log(row.shape[1]) for row in rows) / words),
            "verdict": "dead" if change < DEAD else "alive",
            "mass": np.concatenate(maps).mean(axis=0, dtype=np.float64).tolist() if alike else None}


def pointing(words: list[list[str]], maps: list[np.ndarray], objects: list[list[dict]],
             rng: np.random.Generator) -> dict[str, Any]:
    """How often the peak of a noun's map lies on an object that the noun names.

    words of each caption, maps as in liveliness, objects of each picture -> dict of shares: hits, mass on the objects,
    hits with the maps of a caption in random order, and chance, the objects' share of the grid.
    A noun counts if an object of its shape is in the picture, and of its colour where that stands before it.
    """
    found = {"accuracy": [], "mass": [], "shuffled": [], "chance": []}
    for caption, row, items in zip(words, maps, objects):
        order = rng.permutation(len(caption))
        for t, boxes in named_boxes(caption, items):
            inside = cells_inside(boxes, row.shape[1:])
            found["accuracy"].append(inside[peak(row[t])])
            found["mass"].append(float((row[t] * inside).sum()))
            found["shuffled"].append(inside[peak(row[order[t]])])
            found["chance"].append(float(inside.mean()))
    return {"nouns": len(found["chance"]), **{name: float(np.mean(values)) for name, values in found.items() if values}}


def named_boxes(caption: list[str], items: list[dict]) -> list[tuple[int, list]]:
    """Places of the shape nouns in a caption, and boxes of the objects that each names -> [(place, boxes), ...]."""
    found = []
    for t, word in enumerate(caption):
        if word in SHAPE_OF:
            colour = caption[t - 1] if t and caption[t - 1] in COLOURS else None
            boxes = [item["box"] for item in items
                     if item["shape"] == SHAPE_OF[word] and colour in (None, item["colour"])]
            if boxes:
                found.append((t, boxes))
    return found


def cells_inside(boxes: list, grid: tuple[int, int]) -> np.ndarray:
    """Which cells' centres are inside any of the boxes, each grown by half a cell -> bool (height, width)."""
    cell = np.array([SIDE / grid[1], SIDE / grid[0]])                   # width and height in pixels
    y, x = (np.indices(grid) + 0.5) * cell[::-1, None, None]
    inside = np.zeros(grid, bool)
    for x0, y0, x1, y1 in boxes:
        inside |= (x >= x0 - cell[0] / 2) & (x <= x1 + cell[0] / 2) & (y >= y0 - cell[1] / 2) & (y <= y1 + cell[1] / 2)
    return inside


def peak(weights: np.ndarray) -> tuple:
    return np.unravel_index(weights.argmax(), weights.shape)
