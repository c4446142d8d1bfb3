"""The data file of the attention course, coco.pt: small pictures, one caption of each as word ids, the vocabulary.

The dataset folder made from it holds pictures.h5 beside the files of data/prepare.py, and features.h5 if an encoder is
given. It has no references.json, since the file's captions are cut and contain <UNK>.
"""
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.encoder import Encoder
from data.feature_rows import FeatureRows
from data.files import new_hdf5
from data.naming import name_of
from data.prepare import new_folder, write_description
from data.torch_files import read_torch
from data.vocabulary import Vocabulary
from data.word_counts import count_words

SPLITS = ("train", "val")
BATCH = 16


Arrays = dict[str, np.ndarray]       # split -> array


def read_cocopt(path: str | os.PathLike) -> tuple[Vocabulary, Arrays, Arrays]:
    """Read coco.pt -> Vocabulary, pictures {split: uint8 (n, 3, h, w)}, captions {split: int64 (n, T)}.

    Raises FileNotFoundError, or ValueError that says what is missing or wrong.
    """
    content = read_torch(path)
    names = ("train_images", "val_images", "train_captions", "val_captions", "vocab")
    missing = [name for name in names if not isinstance(content, dict) or name not in content]
    if missing:
        raise ValueError(f"{path}: has no {missing[0]!r}, expected a dict with {', '.join(names)}")
    vocabulary = _vocabulary(content["vocab"], path)
    images, captions = ({split: content[f"{split}_{kind}"] for split in SPLITS} for kind in ("images", "captions"))
    for split in SPLITS:
        _check(images[split], f"{path}: {split}_images", "uint8 (n, 3, h, w)", dtype="u", ndim=4)
        _check(captions[split], f"{path}: {split}_captions", "integer (n, T)", dtype="iu", ndim=2)
        if images[split].shape[1] != 3 or images[split].shape[2:] != images["train"].shape[2:]:
            raise ValueError(f"{path}: {split}_images is {images[split].shape}, expected (n, 3, h, w) of one size")
        if len(images[split]) != len(captions[split]):
            raise ValueError(f"{path}: {len(captions[split])} {split}_captions of "
                             f"{len(images[split])} {split}_images, expected one caption a picture")
        if captions[split].min() < 0 or captions[split].max() >= len(vocabulary):
            raise ValueError(f"{path}: {split}_captions has word ids {captions[split].min()} to "
                             f"{captions[split].max()}, expected 0 to {len(vocabulary) - 1}")
    return vocabulary, images, captions


def make_cocopt_dataset(out: str | os.PathLike, path: str | os.PathLike, encoder: Encoder | None = None,
                        progress: Callable[[Iterable[int]], Iterable[int]] = iter,
                        name: str | None = None) -> dict[str, Any]:
    """Make the dataset folder `out` from coco.pt -> the content of its dataset.json.

    progress: wraps the sequence of batches to encode; name: of the data set, by default the folder's. Raises
    what read_cocopt raises, and FileExistsError.
    """
    with new_folder(out) as folder:
        vocabulary, images, captions = read_cocopt(path)
        pictures = [image for split in SPLITS for image in images[split]]
        names = [f"{split}-{i}" for split in SPLITS for i in range(len(images[split]))]
        rows = {"train": np.arange(len(images["train"])), "val": np.arange(len(images["train"]), len(names))}
        with new_hdf5(folder / "pictures.h5") as file:
            shape = (pictures[0].shape[1], pictures[0].shape[2], 3)
            stored = file.create_dataset("images", (len(names), *shape), np.uint8, chunks=(1, *shape))
            for row, picture in enumerate(pictures):
                stored[row] = picture.transpose(1, 2, 0)
        with new_hdf5(folder / "captions.h5", "captions") as file:
            for split in SPLITS:
                file[f"{split}_captions"] = captions[split].astype(np.int32)
                file[f"{split}_image_idxs"] = rows[split].astype(np.int32)
        vocabulary.save(folder / "vocab.json")
        if encoder is not None:
            _encode(folder / "features.h5", pictures, names, encoder, progress)
        return write_description(
            folder, name or name_of(out), {split: (len(images[split]), len(captions[split])) for split in SPLITS},
            vocabulary,
            dict.fromkeys(SPLITS, "features.h5") if encoder else None, max_words=captions["train"].shape[1] - 2,
            pictures="pictures.h5", references=None, left_out={},
            training_words=count_words([vocabulary.decode(ids) for ids in captions["train"]], captions["train"],
                                       vocabulary))


def _encode(path: Path, pictures: Sequence[np.ndarray], names: list[str], encoder: Encoder,
            progress: Callable[[Iterable[int]], Iterable[int]]) -> None:
    with FeatureRows(path, encoder.shape, encoder.attributes(), len(names)) as rows:
        for i in progress(range(0, len(names), BATCH)):
            batch = [np.ascontiguousarray(picture.transpose(1, 2, 0)) for picture in pictures[i:i + BATCH]]
            for name, features in zip(names[i:], encoder.encode(batch)):
                rows.append(name, None, features)
        rows.finish(names)


def _check(array: Any, where: str, expected: str, dtype: str, ndim: int) -> None:
    found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
    right = isinstance(array, np.ndarray) and array.dtype.kind in dtype and array.ndim == ndim and array.size
    if not right or (dtype == "u" and array.itemsize > 1):
        raise ValueError(f"{where} is {found}, expected {expected}")


def _vocabulary(vocab: Any, path: str | os.PathLike) -> Vocabulary:
    keys = {"idx_to_token": list, "token_to_idx": dict}
    for key, form in keys.items():
        if not isinstance(vocab, dict) or not isinstance(vocab.get(key), form):
            raise ValueError(f"{path}: vocab has no {key}, a {form.__name__}")
    words = vocab["idx_to_token"]
    if not all(isinstance(word, str) for word in words) or vocab["token_to_idx"] != {w: i for i, w in enumerate(words)}:
        raise ValueError(f"{path}: idx_to_token and token_to_idx of vocab disagree")
    try:
        return Vocabulary(words)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
