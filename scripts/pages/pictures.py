"""The pictures of a split's images: a folder that was asked for, the data set's own, or its folders of photographs."""
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.matching import match_names
from data.photos import list_pictures, open_picture

SIDE = 320                          # pixels of the longer side of a picture in a figure


class Pictures:
    """pictures(row, name) is the picture of an image, uint8 (h, w, 3), None where the data set has no pictures at all.

    folder: of pictures, in place of what the data set has; `folders`: where photographs are looked for, () for none;
    `asked`: the folder, if one was given.
    Names are matched as in data.matching.
    """

    def __init__(self, dataset: Dataset, split: str, folder: Path | None = None):
        self.dataset, self.asked = dataset, folder
        self.own = folder is None and dataset.pictures is not None
        wanted = () if self.own else dataset.photographs if folder is None else (folder,)
        self.folders = tuple(place for place in wanted if place.is_dir())
        self.paths = _found(self.folders, dataset.names(split)) if self.folders else {}

    def __contains__(self, name: str) -> bool:
        return self.own or name in self.paths

    def __call__(self, row: int, name: str) -> np.ndarray | None:
        """Raises ValueError for a picture that is not in the folders, or cannot be used."""
        if not self.folders:
            return self.dataset.picture(row)
        if name not in self.paths:
            raise ValueError(f"{name}: no picture of this name in {' and '.join(map(str, self.folders))}")
        image = open_picture(self.paths[name], SIDE)
        image.thumbnail((SIDE, SIDE))
        return np.asarray(image)

    def first(self, rows: np.ndarray, names: list[str], n: int) -> list[tuple[int, str]]:
        """Rows and names of n images, those that have pictures before the others."""
        return sorted(zip(rows.tolist(), names), key=lambda image: image[1] not in self)[:n]


def gone(dataset: Dataset) -> list[str]:
    """A line if the data set's folders of photographs are gone, else none."""
    folders = [str(place) for place in dataset.photographs if not place.is_dir()]
    if not folders:
        return []
    return [f"note: the photographs of {dataset.name} are no longer in {' and '.join(folders)}: figures do without "
            "them; put the folder beside the data set, or name it to report or show_attention by --images"]


def _found(folders: tuple[Path, ...], names: list[str]) -> Mapping[str, Path]:
    """Name of an image -> its file."""
    try:
        listed = list_pictures(folders).pictures
    except ValueError:                                      # no picture at all
        return {}
    stored = list(listed)
    return {name: listed[stored[k]] for name, k in match_names(names, stored).row_of.items()}
