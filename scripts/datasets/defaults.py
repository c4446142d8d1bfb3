"""The datasets that commands use unless told otherwise, and minibatches to look at."""
from pathlib import Path

import numpy as np

from data.scene_dataset import make_scene_dataset
from scripts.runs.training_files import say

SCENES, FLICKR8K = Path("datasets/scenes"), Path("datasets/flickr8k")


def ensure_dataset(folder):
    """The folder of a dataset as a Path; the scenes are drawn first if they are missing."""
    if Path(folder) == SCENES and not SCENES.exists():
        say(f"making the scenes in {SCENES} ...")
        make_scene_dataset(SCENES)
    return Path(folder)


def draw_batch(dataset, split, n, seed):
    """A minibatch drawn at random -> captions int (n, T), rows of the features (n,). Raises ValueError."""
    captions, rows = dataset.captions_of(split)
    if n < 1:
        raise ValueError(f"--n {n}: expected at least 1")
    chosen = np.random.default_rng(seed).choice(len(captions), min(n, len(captions)), replace=False)
    return captions[chosen], rows[chosen]
