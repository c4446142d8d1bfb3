"""Loading a data set by its name or folder, as a notebook does: load("scenes"), load("datasets/flickr8k")."""
import os
from pathlib import Path

import numpy as np

from data.caption_data import CaptionData
from data.coco import read_urls
from data.dataset import Dataset, open_dataset
from data.scene_dataset import make_scene_dataset

DATASETS = Path("datasets")
SCENES = DATASETS / "scenes"
KINDS = ("vector", "grid", "both")
IN_MEMORY = 2**30                   # bytes of features that are read at once; other splits are read batch by batch


def load(name: str | os.PathLike = "scenes", features: str = "vector") -> CaptionData:
    """Load a data set -> CaptionData, the dict that CaptioningSolver and scripts.notebook.train take.

    name: "scenes", which are drawn into datasets/scenes if they are missing; the path of a folder that
    scripts.prepare_data made, or of the course's coco_captioning; or the name of a folder in datasets/.
    features: 'vector' for rnn, lstm and gru: one vector an image (images, D); 'grid' for attention: (images, L, D);
    'both' for bahdanau and transformer: the grid, and pooled vectors if there are any.
    data["train_features"][rows] reads rows.
    The keys are those of load_coco_data, for every split of the data set. SPLIT_urls has the images' names where the
    data set has no addresses.
    Raises FileNotFoundError for an unknown name or folder, ValueError for features or files that are not as expected.
    """
    if features not in KINDS:
        raise ValueError(f"features {features!r}: expected one of {', '.join(KINDS)}")
    dataset = open_dataset(find_dataset(name), features)
    dataset.preload(IN_MEMORY)
    data = CaptionData(dataset.arrays())
    data.update({f"{split}_urls": _urls(dataset, split) for split in dataset.captions},
                idx_to_word=dataset.vocabulary.idx_to_word, word_to_idx=dataset.vocabulary.word_to_idx)
    data.title, data.kind, data.dataset = f"{dataset.name} in {dataset.folder}", features, dataset
    return data


def find_dataset(name: str | os.PathLike) -> Path:
    """The folder of a data set, as `load` looks for it; the scenes are drawn if they are missing."""
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"data set {name!r:.60}: expected a name or a folder, found {type(name).__name__}")
    if str(name) == "scenes" or Path(name) == SCENES:
        if not SCENES.exists():
            make_scene_dataset(SCENES)
        return SCENES
    for place in (Path(name).expanduser(), DATASETS / name):
        if place.is_dir():
            return place
    known = sorted(path.parent.name for path in DATASETS.glob("*/dataset.json"))
    raise FileNotFoundError(f"{os.fspath(name)}: no such data set in {Path.cwd()}, expected 'scenes', a folder made by "
                            "python -m scripts.prepare_data, the course's coco_captioning, or the name of a folder in "
                            f"{DATASETS}/ (there: {', '.join(known) or 'none'})")


def _urls(dataset: Dataset, split: str) -> np.ndarray:
    """An address for each row of features, as the course's data have; the image's name where there is none."""
    path = dataset.folder / f"{split}2014_urls.txt"
    return read_urls(path) if path.is_file() else np.array(dataset.names(split), dtype=str)
