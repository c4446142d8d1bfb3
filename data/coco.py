"""The captioning data of the cs231n course: loading its folder, drawing minibatches, turning word ids into words."""
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.caption_data import CaptionData
from data.files import read_hdf5
from data.vocabulary import read_vocabulary

DEFAULT_DIR = "datasets/coco_captioning"
SPLITS = ("train", "val")
REMEDY = "unpack the course's file coco_captioning.zip, and pass its folder as base_dir or in $COCO_CAPTIONING_DIR"

IdToWord = Sequence[str] | Mapping[int, str]


def load_coco_data(base_dir: str | os.PathLike | None = None, max_train: int | None = None,
                   pca_features: bool = True) -> CaptionData:
    """Read the course's folder of captions, VGG-16 features, vocabulary and image addresses into one dict.

    base_dir: the folder; None: $COCO_CAPTIONING_DIR if it is set, else ./datasets/coco_captioning.
    max_train: None, or the number of training captions to draw, with replacement, from NumPy's global random state.
    pca_features: True for the features reduced to D=512, False for all D=4096.

    Returns a dict that prints as a summary of itself. It holds idx_to_word, a list, word_to_idx, a dict, and for each
    split (here train):
    train_captions (N, T) and train_image_idxs (N,), integers as stored (int32 in the course's file);
    train_features (images, D), floats as stored (float32); train_urls (images,), str.
    Other datasets of the captions file keep their names.
    Raises FileNotFoundError for a missing folder or file, ValueError for a file with other content than expected.
    """
    folder = _find_folder(base_dir)
    captions, vocabulary = _find(folder, "coco2014_captions.h5"), _find(folder, "coco2014_vocab.json")
    kind = "fc7_pca" if pca_features else "fc7"
    # All files are located before the first large one is read.
    features = {split: _find(folder, f"{split}2014_vgg16_{kind}.h5") for split in SPLITS}
    urls = {split: _find(folder, f"{split}2014_urls.txt") for split in SPLITS}

    data = CaptionData(read_hdf5(captions))
    data.title = f"in {folder}"
    data.update({f"{split}_features": _read_features(path) for split, path in features.items()})
    data.update(read_vocabulary(vocabulary))
    data.update({f"{split}_urls": read_urls(path) for split, path in urls.items()})
    for split in SPLITS:
        _check_captions(data, split, captions)
        _check_urls(data, split, urls[split])
    if max_train is not None:
        _subsample(data, max_train)
    return data


def sample_coco_minibatch(data: Mapping[str, Any], batch_size: int = 100,
                          split: str = "train") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw captions with the features and the address of their images, from NumPy's global random state.

    Captions are drawn with replacement. data: the dict of `load_coco_data`; split: 'train' or 'val'.
    Returns captions (batch_size, T) integer, image_features (batch_size, D) float, urls (batch_size,) str.
    Raises ValueError for a split that is not in the data.
    """
    if f"{split}_captions" not in data:
        known = ", ".join(repr(key.removesuffix("_captions")) for key in data if key.endswith("_captions"))
        raise ValueError(f"split is {split!r}, expected one of {known}")
    captions = data[f"{split}_captions"]
    chosen = np.random.choice(len(captions), batch_size)
    images = data[f"{split}_image_idxs"][chosen]
    return captions[chosen], data[f"{split}_features"][images], data[f"{split}_urls"][images]


def decode_captions(captions: Any, idx_to_word: IdToWord) -> str | list[str]:
    """Turn word ids into text, which includes <START> and the first <END>, and leaves out <NULL>.

    captions: (T,) or (N, T) integer; idx_to_word: a list of words, or a dict from id to word.
    Returns a str for (T,), a list of N str for (N, T).
    Raises ValueError for another shape, for ids that are not integers, and for an id that is not in idx_to_word.
    """
    captions = np.asarray(captions)
    if captions.ndim not in (1, 2) or (captions.size and captions.dtype.kind not in "iu"):
        raise ValueError(f"captions are {_describe(captions)}, expected integer (T,) or (N, T)")
    if captions.ndim == 1:
        return " ".join(_words(captions.tolist(), idx_to_word))
    return [" ".join(_words(row, idx_to_word)) for row in captions.tolist()]


def _words(ids: Iterable[int], idx_to_word: IdToWord) -> list[str]:
    words = []
    for i in ids:
        word = _word(i, idx_to_word)
        if word != "<NULL>":
            words.append(word)
        if word == "<END>":
            break
    return words


def _word(i: int, idx_to_word: IdToWord) -> str:
    # A list would silently read a negative id from its end.
    known = i in idx_to_word if isinstance(idx_to_word, Mapping) else 0 <= i < len(idx_to_word)
    if not known:
        raise ValueError(f"captions hold the word id {i}, which is not in idx_to_word ({len(idx_to_word)} words)")
    return idx_to_word[i]


def _find_folder(base_dir: str | os.PathLike | None) -> Path:
    folder = Path(base_dir or os.environ.get("COCO_CAPTIONING_DIR") or DEFAULT_DIR).expanduser().absolute()
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: {REMEDY}")
    return folder


def _find(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"no file {name} in {folder}: {REMEDY}")
    return folder / name


def _read_features(path: Path) -> np.ndarray:
    """The features of one split, (images, D) floating point, all finite."""
    stored = read_hdf5(path, ["features"])
    if "features" not in stored:
        raise ValueError(f"{path}: expected a dataset 'features', found none with this name")
    features = stored["features"]
    if features.ndim != 2 or features.dtype.kind != "f" or features.shape[1] == 0:
        raise ValueError(f"{path}: expected features floating point (images, D), found {_describe(features)}")
    # NaN and inf show in the maximum or minimum of their row; a mask of every entry would take 340 MB.
    bad = ~(np.isfinite(features.max(axis=1)) & np.isfinite(features.min(axis=1)))
    if bad.any():
        found = f"NaN or inf in {bad.sum()} of {len(bad)} rows, the first row {bad.argmax()}"
        raise ValueError(f"{path}: expected finite features, found {found}")
    return features


def read_urls(path: Path) -> np.ndarray:
    """The lines of a file of image addresses -> str (images,). Raises ValueError if it is no text in UTF-8."""
    try:
        with open(path, encoding="utf-8") as file:
            return np.array([line.strip() for line in file], dtype=str)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, found something else ({error})") from error


def _check_captions(data: dict[str, Any], split: str, path: Path) -> None:
    """Check shapes, counts and ranges of one split's captions and image ids. Raises ValueError."""
    captions, images = f"{split}_captions", f"{split}_image_idxs"
    _check_integers(data, captions, ("N", "T"), path)
    _check_integers(data, images, ("N",), path)
    if len(data[captions]) != len(data[images]):
        counts = f"{len(data[captions])} {captions}, {len(data[images])} {images}"
        raise ValueError(f"{path}: expected one image id for each caption, found {counts}")
    _check_range(data[captions], len(data["idx_to_word"]), f"{path}: {captions}", "words in the vocabulary")
    _check_range(data[images], len(data[f"{split}_features"]), f"{path}: {images}", f"rows of {split}_features")


def _check_integers(data: dict[str, Any], name: str, letters: Sequence[str], path: Path) -> None:
    if name not in data:
        raise ValueError(f"{path}: expected a dataset {name!r}, found none with this name")
    if data[name].ndim != len(letters) or data[name].dtype.kind not in "iu":
        raise ValueError(f"{path}: expected {name} integer ({', '.join(letters)}), found {_describe(data[name])}")


def _check_range(ids: np.ndarray, count: int, name: str, things: str) -> None:
    outside = (ids < 0) | (ids >= count)
    if outside.any():
        found = f"{ids[outside][0]} in row {np.argwhere(outside)[0, 0]}"
        raise ValueError(f"{name}: expected ids from 0 to {count - 1} ({count} {things}), found {found}")


def _check_urls(data: dict[str, Any], split: str, path: Path) -> None:
    urls, images = len(data[f"{split}_urls"]), len(data[f"{split}_features"])
    if urls < images:
        raise ValueError(f"{path}: expected a line for each of the {images} rows of {split}_features, found {urls}")


def _subsample(data: dict[str, Any], max_train: int) -> None:
    chosen = np.random.randint(len(data["train_captions"]), size=max_train)
    for name in ("train_captions", "train_image_idxs"):
        data[name] = data[name][chosen]


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"
