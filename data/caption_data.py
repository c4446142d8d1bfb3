"""The dict of a captioning data set, as the course's load_coco_data returns it, that says what it holds."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from data.dataset import Dataset


class CaptionData(dict):
    """A dict with the course's keys: train_captions, train_image_idxs, train_features, train_urls, likewise for the
    other splits, idx_to_word and word_to_idx. CaptioningSolver takes it as it is.

    title: a line about where the data are from. dataset: the open folder, and kind: of the features in it, 'vector',
    'grid' or 'both'; None for data that were read in the course's way.
    """
    title, kind = "", ""
    dataset: Dataset | None = None

    def __repr__(self) -> str:
        return described(self, f"CaptionData {self.title}".strip())


def described(data: Mapping[str, Any], title: str) -> str:
    """Four lines about a dict with the course's keys: title, images and captions by split, words, features."""
    try:
        splits = [key.removesuffix("_captions") for key in data if key.endswith("_captions")]
        counts = [f"{split} {len(np.unique(data[f'{split}_image_idxs'])):,} images with "
                  f"{len(data[f'{split}_captions']):,} captions" for split in splits]
        widths = sorted({np.shape(data[f"{split}_captions"])[1] for split in splits})
        return (f"{title}\n  {', '.join(counts)}\n  vocabulary of {len(data['idx_to_word']):,} words, captions of "
                f"{' or '.join(map(str, widths))} ids\n  features {_shapes(data, splits)}")
    except Exception:                                   # a repr has to work on data that are incomplete or wrong, too
        return f"{title}, not complete: {', '.join(map(str, data))}"


def _shapes(data: Mapping[str, Any], splits: list[str]) -> str:
    """The shape of the features, of each split if they differ."""
    shapes = {split: _shape(data[f"{split}_features"]) for split in splits}
    if len(set(shapes.values())) == 1:
        return shapes[splits[0]]
    return ", ".join(f"{split} {shape}" for split, shape in shapes.items())


def _shape(features: Any) -> str:
    pooled = f" and {features.pooled.shape}" if hasattr(features, "pooled") else ""
    return f"{tuple(features.shape)}{pooled}"
