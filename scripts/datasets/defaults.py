"""The datasets that commands use unless told otherwise, and minibatches to look at."""
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.loading import SCENES
from data.scene_dataset import make_scene_dataset
from scripts.runs.training_files import say

FLICKR8K = Path("datasets/flickr8k")


def ensure_dataset(folder: str | Path) -> Path:
    """The folder of a dataset as a Path; the scenes are drawn first if they are missing."""
    if Path(folder) == SCENES and not SCENES.exists():
        say(f"making the scenes in {SCENES} ...")
        make_scene_dataset(SCENES)
    return Path(folder)


def draw_batch(dataset: Dataset, split: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A minibatch drawn at random -> captions int (n, T), rows of the features (n,). Raises ValueError."""
    captions, rows = dataset.captions_of(split)
    if n < 1:
        raise ValueError(f"--n {n}: expected at least 1")
    chosen = np.random.default_rng(seed).choice(len(captions), min(n, len(captions)), replace=False)
    return captions[chosen], rows[chosen]


def batch_lines(dataset: Dataset, split: str, captions: np.ndarray, rows: np.ndarray) -> list[str]:
    """The features' statistics, and every caption as words and as ids."""
    x, names = dataset.features[split][rows], dataset.names(split)
    lines = [f"features {x.shape} {x.dtype}, mean {x.mean():.3f}, standard deviation {x.std():.3f}, "
             f"range {x.min():.3f} to {x.max():.3f}; captions {captions.shape} {captions.dtype}"]
    for row, ids in zip(rows, captions):
        words = " ".join(dataset.vocabulary.idx_to_word[i] for i in ids if i != dataset.vocabulary.null)
        lines += ["", f"{names[row]} (row {row})", f"  {words}", f"  {' '.join(map(str, ids))}"]
    return lines
