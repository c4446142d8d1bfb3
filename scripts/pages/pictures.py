"""The pictures of a dataset's images, from the dataset or from a folder."""
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.photos import open_picture

SIDE = 320                          # pixels of the longer side of a picture in a figure


def picture_of(dataset: Dataset, row: int, name: str, folder: Path | None) -> np.ndarray:
    """The picture uint8 (h, w, 3), from the folder if one is given, else the dataset's own."""
    if folder is None:
        return dataset.picture(row)
    image = open_picture(folder / name, SIDE)
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)
