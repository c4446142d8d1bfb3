"""A small data set in the form of anyone's own: a folder of pictures, a table of captions, and feature files."""
import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

from data.features import write_features
from data.scene_features import scene_features
from data.scenes import make_scenes


def draw_photographs(folder: str | os.PathLike, n: int, seed: int = 0) -> None:
    """Draw n scenes as if they were photographs -> folder/photos/*.png, captions.csv, grid.h5 and pooled.h5.

    captions.csv has the columns image and caption, five lines an image. Files of an earlier call are replaced.
    """
    folder, scenes = Path(folder), make_scenes(n, seed)
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    names = [f"{k:04d}.png" for k in range(n)]
    for name, scene in zip(names, scenes):
        Image.fromarray(scene.image).save(folder / "photos" / name)
    with open(folder / "captions.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "caption"])
        table.writerows([name, caption] for name, scene in zip(names, scenes) for caption in scene.captions)
    features = scene_features(np.stack([scene.image for scene in scenes]))
    for name, values in zip(("grid", "pooled"), features):
        write_features(folder / f"{name}.h5", values.astype(np.float16), names, model="data.scene_features", layer=name)
