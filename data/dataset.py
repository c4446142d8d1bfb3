"""Opening a dataset folder: one made by data/prepare.py, or the course's coco_captioning."""
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from data.caption_data import described
from data.features import FeatureReader, PairReader, check_same_kind
from data.files import hdf5_errors, open_hdf5, read_hdf5, read_json
from data.places import file_place, folder_place
from data.tokenizer import TOKENS
from data.vocabulary import Vocabulary

COURSE_FEATURES = "{split}2014_vgg16_fc7_pca.h5"

Reader = FeatureReader | PairReader


class Dataset(NamedTuple):
    """An open dataset folder: captions in memory, features and pictures on disk."""
    folder: Path
    name: str
    vocabulary: Vocabulary
    captions: dict[str, np.ndarray]         # split -> integers (N, T)
    image_idxs: dict[str, np.ndarray]       # split -> integers (N,), rows of the split's features
    features: Mapping[str, Reader]          # by split
    pictures: h5py.Dataset | None           # uint8 (rows, height, width, 3), in the order of the features' rows
    photographs: tuple[Path, ...] = ()      # folders that have the images as files, if they are still there

    def __repr__(self) -> str:
        data = {**self.arrays(), "idx_to_word": self.vocabulary.idx_to_word}
        return described(data, f"Dataset {self.name} in {self.folder}")

    def arrays(self) -> dict[str, Any]:
        """The dict that CaptioningSolver takes: train_captions, train_image_idxs, train_features, and so on."""
        kinds: dict[str, Mapping[str, Any]] = {
            "captions": self.captions, "image_idxs": self.image_idxs, "features": self.features}
        return {f"{split}_{kind}": values[split] for kind, values in kinds.items() for split in self.captions}

    def preload(self, budget: float) -> list[str]:
        """Read the features of whole splits into memory while they fit into `budget` bytes -> these splits."""
        loaded = []
        for split, reader in self.features.items():
            used = reader.preload(self.image_idxs[split], budget)
            budget -= used
            loaded += [split] if used else []
        return loaded

    def captions_of(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Captions and image rows of a split. Raises ValueError that lists the splits of this dataset."""
        if split not in self.captions:
            raise ValueError(f"{self.folder}: no split {split!r}, expected one of {', '.join(self.captions)}")
        return self.captions[split], self.image_idxs[split]

    def images(self, split: str) -> tuple[np.ndarray, list[str]]:
        """Rows of the split's images in the order of the captions, integer (images,), and their names."""
        rows = self.captions_of(split)[1]
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
        names = self.names(split)
        return rows, [names[row] for row in rows]

    def names(self, split: str) -> list[str]:
        """The name of the image in each row of the split's features."""
        reader = self.features[split]
        return reader.image_names() or [f"{split}-{row}" for row in range(len(reader))]

    @property
    def description(self) -> dict[str, Any]:
        """The content of dataset.json; {} for the course's folder."""
        path = self.folder / "dataset.json"
        return read_json(path) if path.is_file() else {}

    @property
    def uncut(self) -> bool:
        """Whether the dataset has the captions as people wrote them; the courses' data do not."""
        return "features" in self.description and self.description.get("references", True) is not None

    def references(self, split: str) -> dict[str, list[str]]:
        """The human captions of each image of a split, tokenised, in the order of `images` -> name -> captions.

        They are read from references.json. The courses' data have no such file; then these are the captions that the
        model learns, cut and with <UNK>. Raises ValueError if an image has no references.
        """
        rows, names = self.images(split)
        path = self.folder / "references.json"
        if not self.uncut:
            by_row: dict[int, list[str]] = {row: [] for row in rows}
            for ids, row in zip(*self.captions_of(split)):
                by_row[row].append(self.vocabulary.decode(ids))
            return {name: by_row[row] for row, name in zip(rows, names)}
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file, run scripts.prepare_data again")
        stored, cut = read_references(path), TOKENS[self.vocabulary.tokens]
        missing = [f"image {name!r:.80}" for name in names if name not in stored.get(split, {})]
        if missing:
            lacking = missing[0] if split in stored else "the whole split"
            raise ValueError(f"{path}: not the references of the {split} split, run scripts.prepare_data again "
                             f"({lacking} is missing)")
        return {name: [cut(text) for text in stored[split][name]] for name in names}

    def picture(self, row: int) -> np.ndarray | None:
        """The image of one row of the features, uint8 (height, width, 3); None if the dataset has no pictures."""
        if self.pictures is None:
            return None
        with hdf5_errors(f"{self.pictures.file.filename}: row {row}"):
            return self.pictures[row]

    def identity(self) -> dict[str, Any]:
        """What a checkpoint stores about its data: the folder, fingerprints of vocabulary, features and captions."""
        captions = hashlib.sha256()
        for array in (self.captions["train"], self.image_idxs["train"]):
            captions.update(np.ascontiguousarray(array, np.int64).tobytes())
        return {"folder": str(self.folder.resolve()), "name": self.name, "vocabulary": self.vocabulary.fingerprint(),
                "tokens": self.vocabulary.tokens, "captions": captions.hexdigest(),
                "features": {split: {"path": str(Path(reader.path).resolve()), "fingerprint": reader.fingerprint(),
                                     "attributes": reader.attributes()} for split, reader in self.features.items()}}


def read_references(path: Path) -> dict[str, dict[str, list[str]]]:
    """Read references.json: split -> image name -> captions. Raises FileNotFoundError or ValueError."""
    def wrong(where: str, found: Any) -> ValueError:
        return ValueError(f"{path}: is not a file of references, expected split -> image -> list of captions, found "
                          f"{found!r:.60} {where}: run scripts.prepare_data again")
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise wrong("in the whole file", stored)
    for split, images in stored.items():
        if not isinstance(images, dict):
            raise wrong(f"in split {split!r:.80}", images)
        for image, texts in images.items():
            if not (isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)):
                raise wrong(f"for image {image!r:.80} of split {split!r:.80}", texts)
    return stored


def open_dataset(folder: str | os.PathLike, kind: str = "vector") -> Dataset:
    """Open a dataset folder -> Dataset.

    kind: of features. 'vector': one vector an image, the pooled features if there are any, else the mean of the grid;
    'grid': the regions; 'both': the regions, and the pooled features if there are any; 'any': as 'both' if the dataset
    has regions, else as 'vector'.
    Raises FileNotFoundError or ValueError that names the file, what was expected and what was found.
    """
    folder = Path(folder)
    if (folder / "dataset.json").is_file():
        return _open_ours(folder, kind)
    if (folder / "coco2014_captions.h5").is_file():
        if kind not in ("vector", "any"):
            raise ValueError(f"{folder}: has one vector an image, a model with attention needs a grid of regions")
        return _open_course(folder)
    raise FileNotFoundError(f"{folder}: no dataset here, expected a folder with dataset.json (made by "
                            "python -m scripts.prepare_data) or the course's folder with coco2014_captions.h5")


def check_identity(then: Mapping[str, Any], dataset: Dataset, captions: bool = False, features: bool = True) -> None:
    """Compare the identity that a checkpoint stores with a dataset.

    The vocabulary has to be the same; with `captions` also the training captions, with `features` also the features.
    Raises ValueError that says what differs.
    """
    now = dataset.identity()
    for part in ("vocabulary", "captions") if captions else ("vocabulary",):
        if then[part] != now[part]:
            raise ValueError(f"{dataset.folder}: not the {part} the checkpoint was trained with ({then['folder']}): "
                             "use that folder, or train again")
    for split in then["features"].keys() & now["features"].keys() if features else ():
        before, after = then["features"][split], now["features"][split]
        if before["fingerprint"] != after["fingerprint"]:
            how = attribute_differences(before["attributes"], after["attributes"])
            raise ValueError(f"{after['path']}: not the features the checkpoint was trained with ({before['path']}; "
                             f"{how}): use those, or train again")


def attribute_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first two attributes that differ, in words."""
    keys = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    return "; ".join(f"{key} {then.get(key, 'absent')!r} then, {now.get(key, 'absent')!r} now" for key in keys[:2]) or (
        "same model and layer, different numbers")


def _open_ours(folder: Path, kind: str) -> Dataset:
    path = folder / "dataset.json"
    try:
        info = read_json(path)
        name, pictures = info["name"], info["pictures"] and file_place(folder, info["pictures"])
        grid, pooled = ({split: (file_place(folder, entry["path"]), entry["fingerprint"], entry["shape"])
                         for split, entry in (info[part] or {}).items()} for part in ("features", "pooled"))
        if not (featureless := info["features"] == {}):
            (pooled or grid)["train"], grid["train"]
        photographs = tuple(folder_place(folder, text) for text in list(info.get("photographs") or ()))
        fingerprint, tokens = info["vocabulary"]["fingerprint"], info.get("tokens", "treebank")
        TOKENS[tokens]                                      # fails if there is no such way to cut captions
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a dataset's description, run scripts.prepare_data again "
                         f"({type(error).__name__}: {error})") from error
    if featureless:
        raise ValueError(f"{folder}: has captions and pictures, but no features: run scripts.prepare_data again, with "
                         "--encoder")
    vocabulary = Vocabulary.load(folder / "vocab.json", tokens)
    if vocabulary.fingerprint() != fingerprint:
        raise ValueError(f"{folder / 'vocab.json'}: not the vocabulary that {path} was written with: "
                         "run scripts.prepare_data again")
    if kind == "any":
        kind = "both" if all(len(shape) > 2 for _, _, shape in grid.values()) else "vector"
    readers: Mapping[str, Reader] = _readers(folder, kind, grid, pooled)
    captions, rows = _read_captions(folder / "captions.h5", readers, vocabulary, "captions")
    pictures = _pictures(pictures, len(readers["train"])) if pictures else None
    return Dataset(folder, name, vocabulary, captions, rows, readers, pictures, photographs)


def _readers(folder: Path, kind: str, grid: dict[str, tuple], pooled: dict[str, tuple]) -> Mapping[str, Reader]:
    """Readers of the splits. grid, pooled: split -> path, fingerprint and shape; pooled may be empty."""
    regions = kind != "vector"
    readers = {split: _reader(folder, regions, *entry)
               for split, entry in (grid if regions else pooled or grid).items()}
    check_same_kind(readers)
    if kind != "both" or not pooled:
        return readers
    vectors = {split: _reader(folder, False, *pooled[split]) for split in readers}
    check_same_kind(vectors)
    return {split: PairReader(readers[split], vectors[split]) for split in readers}


def _reader(folder: Path, regions: bool, path: Path, fingerprint: str, shape: list[int]) -> FeatureReader:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such feature file, expected there or in {folder}")
    reader = FeatureReader(path, regions)
    if reader.fingerprint() != fingerprint:
        raise ValueError(f"{path}: its content differs from what {folder / 'dataset.json'} describes "
                         f"({list(reader.file_shape)} now, {shape} then): run scripts.prepare_data again")
    return reader


def _pictures(path: Path, rows: int) -> h5py.Dataset:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such picture file, run scripts.prepare_data again")
    with hdf5_errors(path):
        images = open_hdf5(path).get("images")
        found = f"{images.dtype} {images.shape}" if isinstance(images, h5py.Dataset) else "missing"
        if found == "missing" or images.dtype != np.uint8 or images.ndim != 4 or images.shape[::3] != (rows, 3):
            raise ValueError(f"{path}: images is {found}, expected uint8 ({rows}, height, width, 3), "
                             "one for each row of features")
        return images


def _open_course(folder: Path) -> Dataset:
    paths = {split: folder / COURSE_FEATURES.format(split=split) for split in ("train", "val")}
    readers = {split: FeatureReader(path) for split, path in paths.items()}
    check_same_kind(readers)
    vocabulary = Vocabulary.load(folder / "coco2014_vocab.json")
    captions, rows = _read_captions(folder / "coco2014_captions.h5", readers, vocabulary)
    return Dataset(folder, "coco2014", vocabulary, captions, rows, readers, None)


def _read_captions(path: Path, readers: Mapping[str, Reader], vocabulary: Vocabulary,
                   sealed: str = "") -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    names = [f"{split}_{kind}" for split in readers for kind in ("captions", "image_idxs")]
    data = read_hdf5(path, names, sealed)
    missing = [name for name in names if name not in data]
    if missing:
        raise ValueError(f"{path}: no dataset {missing[0]!r}, expected {', '.join(names)}")
    captions = {split: data[f"{split}_captions"] for split in readers}
    image_idxs = {split: data[f"{split}_image_idxs"] for split in readers}
    for split, reader in readers.items():
        _check_captions(f"{path}: {split}", captions[split], image_idxs[split], len(reader), vocabulary)
    return captions, image_idxs


def _check_captions(where: str, captions: np.ndarray, rows: np.ndarray, images: int, vocabulary: Vocabulary) -> None:
    if captions.dtype.kind not in "iu" or captions.ndim != 2 or captions.shape[1] < 2:
        raise ValueError(f"{where}_captions is {captions.dtype} {captions.shape}, expected integer (N, T) with T >= 2")
    if rows.dtype.kind not in "iu" or rows.shape != captions.shape[:1]:
        raise ValueError(f"{where}_image_idxs is {rows.dtype} {rows.shape}, expected integer ({len(captions)},), "
                         "one image for each caption")
    if not len(captions):
        raise ValueError(f"{where}_captions is empty, expected at least one caption in the split")
    for name, values, size in (("captions", captions, len(vocabulary)), ("image_idxs", rows, images)):
        bad = np.argwhere((values < 0) | (values >= size))
        if len(bad):
            raise ValueError(f"{where}_{name}{bad[0].tolist()} is {values[tuple(bad[0])]}, expected 0..{size - 1}")
    if (captions[:, 1:] == vocabulary.null).all():
        raise ValueError(f"{where}_captions has only <NULL> after its first column, expected words to predict")
