import numpy as np
import pytest

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"]


@pytest.fixture
def word_to_idx():
    return {word: i for i, word in enumerate(WORDS)}


@pytest.fixture
def toy_data():
    """37 training and 11 validation captions of 3 to 8 ids, of 9 and 4 images with features of width 5."""
    rng = np.random.default_rng(5)
    data = {}
    for split, count, images in (("train", 37, 9), ("val", 11, 4)):
        captions = np.zeros((count, 8), np.int32)
        for row in captions:
            n = rng.integers(1, 7)
            row[0], row[1:1 + n], row[1 + n] = 1, rng.integers(3, len(WORDS), n), 2
        data[f"{split}_captions"] = captions
        data[f"{split}_image_idxs"] = rng.integers(0, images, count)
        data[f"{split}_features"] = rng.standard_normal((images, 5)).astype(np.float32)
    return data
