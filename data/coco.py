"""The cs231n course's captioning data: loading its folder, drawing minibatches, turning word ids back into words."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data.files import read_hdf5
from data.vocabulary import read_vocabulary

DEFAULT_DIR = "datasets/coco_captioning"
SPLITS = ("train", "val")
REMEDY = "unpack the course's file coco_captioning.zip, and name its folder by base_dir or $COCO_CAPTIONING_DIR"


def load_coco_data(base_dir=None, max_train=None, pca_features=True):
    """Read the course's folder of captions, VGG-16 features, vocabulary and image addresses into one dict.

    base_dir: the folder; None: $COCO_CAPTIONING_DIR, or else ./datasets/coco_captioning.
    max_train: None, or the number of training captions to draw, with replacement, from NumPy's global random state.
    pca_features: True for the features reduced to D=512, False for all D=4096.

    Returns a dict of, for both splits: train_captions (N, T) and train_image_idxs (N,) integer, as stored (int32 in
    the course's file); train_features (images, D) as stored (float32); train_urls (images,) str; and of idx_to_word,
    a list, and word_to_idx, a dict. Further datasets of the captions file are there under their own names.
    Raises FileNotFoundError for a missing folder or file, ValueError for one that does not hold what it should.
    """
    folder = _find_folder(base_dir)
    captions, vocabulary = _find(folder, "coco2014_captions.h5"), _find(folder, "coco2014_vocab.json")
    kind = "fc7_pca" if pca_features else "fc7"
    # Everything is found before the first large file is read.
    features = {split: _find(folder, f"{split}2014_vgg16_{kind}.h5") for split in SPLITS}
    urls = {split: _find(folder, f"{split}2014_urls.txt") for split in SPLITS}

    data = read_hdf5(captions)
    data.update({f"{split}_features": _read_features(path) for split, path in features.items()})
    data.update(read_vocabulary(vocabulary))
    data.update({f"{split}_urls": _read_lines(path) for split, path in urls.items()})
    for split in SPLITS:
        _check_captions(data, split, captions)
        _check_urls(data, split, urls[split])
    if max_train is not None:
        _subsample(data, max_train)
    return data


def sample_coco_minibatch(data, batch_size=100, split="train"):
    """Draw captions, with replacement, from NumPy's global random state, each with its image's features and address.

    data: the dict of `load_coco_data`; split: 'train' or 'val'.
    Returns captions (batch_size, T) integer, image_features (batch_size, D) float, urls (batch_size,) str.
    Raises ValueError for a split that the data has not.
    """
    if f"{split}_captions" not in data:
        known = ", ".join(repr(key.removesuffix("_captions")) for key in data if key.endswith("_captions"))
        raise ValueError(f"split is {split!r}, expected one that the data has: {known}")
    captions = data[f"{split}_captions"]
    chosen = np.random.choice(len(captions), batch_size)
    images = data[f"{split}_image_idxs"][chosen]
    return captions[chosen], data[f"{split}_features"][images], data[f"{split}_urls"][images]


def decode_captions(captions, idx_to_word):
    """Word ids as text: without <NULL>, with <START>, up to and with the first <END>.

    captions: (T,) or (N, T) integer; idx_to_word: a list of words, or a dict from id to word.
    Returns a str for (T,), a list of N str for (N, T).
    Raises ValueError for another shape, ids that are not integers, or one that idx_to_word has not.
    """
    captions = np.asarray(captions)
    if captions.ndim not in (1, 2) or (captions.size and captions.dtype.kind not in "iu"):
        raise ValueError(f"captions are {_describe(captions)}, expected integer (T,) or (N, T)")
    if captions.ndim == 1:
        return " ".join(_words(captions.tolist(), idx_to_word))
    return [" ".join(_words(row, idx_to_word)) for row in captions.tolist()]


def _words(ids, idx_to_word):
    words = []
    for i in ids:
        word = _word(i, idx_to_word)
        if word != "<NULL>":
            words.append(word)
        if word == "<END>":
            break
    return words


def _word(i, idx_to_word):
    # A list would read a negative id from its end without a word of warning.
    known = i in idx_to_word if isinstance(idx_to_word, Mapping) else 0 <= i < len(idx_to_word)
    if not known:
        raise ValueError(f"captions hold the word id {i}, which is not in idx_to_word ({len(idx_to_word)} words)")
    return idx_to_word[i]


def _find_folder(base_dir):
    folder = Path(base_dir or os.environ.get("COCO_CAPTIONING_DIR") or DEFAULT_DIR).expanduser().absolute()
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: {REMEDY}")
    return folder


def _find(folder, name):
    if not (folder / name).is_file():
        raise FileNotFoundError(f"no file {name} in {folder}: {REMEDY}")
    return folder / name


def _read_features(path):
    """The features of one split, (images, D) floating point, every one finite."""
    stored = read_hdf5(path, ["features"])
    if "features" not in stored:
        raise ValueError(f"{path}: expected a dataset 'features', found none of that name")
    features = stored["features"]
    if features.ndim != 2 or features.dtype.kind != "f" or features.shape[1] == 0:
        raise ValueError(f"{path}: expected features floating point (images, D), found {_describe(features)}")
    # By each row's largest and smallest, which NaN or inf come through: a mask of every entry would take 340 MB.
    bad = ~(np.isfinite(features.max(axis=1)) & np.isfinite(features.min(axis=1)))
    if bad.any():
        found = f"NaN or inf in {bad.sum()} of {len(bad)} rows, the first row {bad.argmax()}"
        raise ValueError(f"{path}: expected finite features, found {found}")
    return features


def _read_lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return np.array([line.strip() for line in file], dtype=str)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, found something else ({error})") from error


def _check_captions(data, split, path):
    """Shapes, counts and ranges of one split's captions and image ids, against the vocabulary and the features."""
    captions, images = f"{split}_captions", f"{split}_image_idxs"
    _check_integers(data, captions, ("N", "T"), path)
    _check_integers(data, images, ("N",), path)
    if len(data[captions]) != len(data[images]):
        counts = f"{len(data[captions])} {captions}, {len(data[images])} {images}"
        raise ValueError(f"{path}: expected one image id for each caption, found {counts}")
    _check_range(data[captions], len(data["idx_to_word"]), f"{path}: {captions}", "words in the vocabulary")
    _check_range(data[images], len(data[f"{split}_features"]), f"{path}: {images}", f"rows of {split}_features")


def _check_integers(data, name, letters, path):
    if name not in data:
        raise ValueError(f"{path}: expected a dataset {name!r}, found none of that name")
    if data[name].ndim != len(letters) or data[name].dtype.kind not in "iu":
        raise ValueError(f"{path}: expected {name} integer ({', '.join(letters)}), found {_describe(data[name])}")


def _check_range(ids, count, name, things):
    outside = (ids < 0) | (ids >= count)
    if outside.any():
        found = f"{ids[outside][0]} in row {np.argwhere(outside)[0, 0]}"
        raise ValueError(f"{name}: expected ids from 0 to {count - 1} ({count} {things}), found {found}")


def _check_urls(data, split, path):
    urls, images = len(data[f"{split}_urls"]), len(data[f"{split}_features"])
    if urls < images:
        raise ValueError(f"{path}: expected a line for each of the {images} rows of {split}_features, found {urls}")


def _subsample(data, max_train):
    chosen = np.random.randint(len(data["train_captions"]), size=max_train)
    for name in ("train_captions", "train_image_idxs"):
        data[name] = data[name][chosen]


def _describe(array):
    return f"{array.dtype} {array.shape}"
