"""Small dataset folders, ours and the course's, for the tests of data/dataset.py."""
import json

import h5py
import numpy as np

from data.features import write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source

NAMES = ["c.jpg", "unused.jpg", "a.jpg", "d.jpg", "b.jpg", "e.jpg"]
CAPTIONS = {"train": {"a.jpg": ["a cat"], "b.jpg": ["a dog", "the dog runs"]},
            "val": {"c.jpg": ["the cat runs", "a cat"], "d.jpg": ["a bird"]},
            "test": {"e.jpg": ["a dog"]}}
ROWS = {"train": [2, 4, 4], "val": [0, 0, 3], "test": [5]}
COURSE_WORDS = ["cat", "<END>", "a", "<NULL>", "on", "<START>", "<UNK>", "mat"]


def make(folder, features, pooled=None, captions=CAPTIONS):
    """Make a dataset folder from feature files -> the folder."""
    with new_folder(folder) as new:
        write_dataset(new, Source("tiny", captions, {}), dict.fromkeys(captions, features),
                      pooled and dict.fromkeys(captions, pooled), min_count=1)
    return folder


def write_all(place):
    """Write two feature files and four datasets into `place`: both, grid, inside (with pictures) and course."""
    rng = np.random.default_rng(3)
    grid, pooled = rng.standard_normal((6, 4, 3)).astype(np.float16), rng.standard_normal((6, 7)).astype(np.float32)
    write_features(place / "grid.h5", grid, NAMES, model="m", layer="grid")
    write_features(place / "pooled.h5", pooled, NAMES, model="m", layer="pooled")
    make(place / "both", place / "grid.h5", place / "pooled.h5")
    make(place / "grid", place / "grid.h5")
    with new_folder(place / "inside") as folder:
        write_features(folder / "f.h5", pooled, NAMES)
        with h5py.File(folder / "pictures.h5", "w") as f:
            f["images"] = rng.integers(0, 256, (6, 5, 4, 3), np.uint8)
        write_dataset(folder, Source("pictured", CAPTIONS, {}), dict.fromkeys(CAPTIONS, "f.h5"), pictures="pictures.h5")
    write_course(place / "course", rng)


def write_course(folder, rng):
    """Write a small folder in the form of the course's coco_captioning."""
    folder.mkdir()
    captions = {"train_captions": [[5, 2, 0, 1, 3], [5, 6, 1, 3, 3], [5, 2, 7, 4, 1]], "train_image_idxs": [3, 0, 3],
                "val_captions": [[5, 2, 6, 1, 3], [5, 1, 3, 3, 3]], "val_image_idxs": [1, 0], "extra": [1.0]}
    with h5py.File(folder / "coco2014_captions.h5", "w") as f:
        for name, values in captions.items():
            f[name] = np.array(values, None if name == "extra" else np.int32)
    for split, images in (("train", 4), ("val", 2)):
        with h5py.File(folder / f"{split}2014_vgg16_fc7_pca.h5", "w") as f:
            f["features"] = rng.standard_normal((images, 6)).astype(np.float32)
        (folder / f"{split}2014_urls.txt").write_text("http://pictures.example/x.jpg\n" * images)
    ids = {word: i for i, word in enumerate(COURSE_WORDS)}
    (folder / "coco2014_vocab.json").write_text(json.dumps({"idx_to_word": COURSE_WORDS, "word_to_idx": ids}))
