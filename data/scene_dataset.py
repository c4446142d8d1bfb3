"""The scenes as a dataset folder: 4,000 training, 500 validation and 500 test pictures.

Beside the files of data/prepare.py: features_grid.h5, features_pooled.h5, pictures.h5 and objects.json, where entry i
lists the objects of the picture in row i (shape, colour, size, box in pixels, words).
"""
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.features import write_features
from data.files import new_hdf5
from data.naming import name_of
from data.prepare import new_folder, write_dataset
from data.scene_features import scene_features
from data.scenes import Scene, make_scenes
from data.sources import Source

SPLITS = {"train": 4000, "val": 500, "test": 500}


def make_scene_dataset(out: str | os.PathLike, seed: int = 0, sizes: Mapping[str, int] | None = None,
                       name: str | None = None) -> dict[str, Any]:
    """Make the folder `out` -> the content of its dataset.json. Raises FileExistsError if it is not empty.

    sizes: pictures per split, by default SPLITS; name: of the data set, by default the folder's. All pictures are
    different, also across splits.
    """
    sizes = sizes or SPLITS
    scenes = make_scenes(sum(sizes.values()), seed)
    names = [f"scene-{i:05d}.png" for i in range(len(scenes))]
    with new_folder(out) as folder:
        pictures = np.stack([scene.image for scene in scenes])
        for file, features in zip(("features_grid.h5", "features_pooled.h5"), scene_features(pictures)):
            write_features(folder / file, features.astype(np.float16), names, model="data.scene_features", layer=file)
        with new_hdf5(folder / "pictures.h5") as f:
            f.create_dataset("images", data=pictures, chunks=(1, *pictures.shape[1:]), compression="gzip")
        objects = [[item._asdict() for item in scene.objects] for scene in scenes]
        (folder / "objects.json").write_text(json.dumps(objects))
        source = Source(name or name_of(out), _split(scenes, names, sizes), Counter())
        return write_dataset(folder, source, dict.fromkeys(sizes, "features_grid.h5"),
                             dict.fromkeys(sizes, "features_pooled.h5"), min_count=1, max_words=30,
                             pictures="pictures.h5")


def _split(scenes: Sequence[Scene], names: Sequence[str],
           sizes: Mapping[str, int]) -> dict[str, dict[str, list[str]]]:
    captions, start = {}, 0
    for split, size in sizes.items():
        part = slice(start, start + size)
        captions[split] = {name: list(scene.captions) for name, scene in zip(names[part], scenes[part])}
        start += size
    return captions
