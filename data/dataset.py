"""Opening a dataset folder: one of ours (see data/prepare.py), or the course's coco_captioning."""
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data.features import FeatureReader
from data.files import hdf5_errors, read_hdf5, read_json
from data.vocabulary import Vocabulary

COURSE_FEATURES = "{split}2014_vgg16_fc7_pca.h5"


class Dataset(NamedTuple):
    folder: Path
    name: str
    vocabulary: Vocabulary
    captions: dict                  # split -> int32 (N, T)
    image_idxs: dict                # split -> int32 (N,), rows of the split's features
    features: dict                  # split -> FeatureReader
    pictures: h5py.Dataset | None   # uint8 (rows, height, width, 3), in the order of the features' rows

    def arrays(self):
        """The dict that CaptioningSolver takes: train_captions, train_image_idxs, train_features, and so on."""
        kinds = {"captions": self.captions, "image_idxs": self.image_idxs, "features": self.features}
        return {f"{split}_{kind}": values[split] for kind, values in kinds.items() for split in self.captions}

    def preload(self, budget):
        """Read whole splits into memory while they fit into `budget` bytes -> the splits that did."""
        loaded = []
        for split, reader in self.features.items():
            used = reader.preload(self.image_idxs[split], budget)
            budget -= used
            loaded += [split] if used else []
        return loaded

    def captions_of(self, split):
        """Captions and image rows of a split. Raises ValueError that lists the splits there are."""
        if split not in self.captions:
            raise ValueError(f"{self.folder}: no split {split!r}, expected one of {', '.join(self.captions)}")
        return self.captions[split], self.image_idxs[split]

    def images(self, split):
        """Rows of the split's images in the order of the captions, and their names -> int (images,), list of str."""
        rows = self.captions_of(split)[1]
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
        names = self.names(split)
        return rows, [names[row] for row in rows]

    def names(self, split):
        """Name of the image in each row of the split's features -> list of str."""
        reader = self.features[split]
        return reader.image_names() or [f"{split}-{row}" for row in range(len(reader))]

    def identity(self):
        """What a checkpoint remembers of the data: fingerprints of vocabulary and features, and where these are."""
        reader = self.features["train"]
        return {"folder": str(self.folder.resolve()), "name": self.name, "vocabulary": self.vocabulary.fingerprint(),
                "features": reader.fingerprint(), "features_path": str(Path(reader.path).resolve()),
                "features_attributes": reader.attributes()}


def open_dataset(folder):
    """Open a dataset folder -> Dataset, with pooled features where it has them and else the mean of the grid's.

    Raises FileNotFoundError or ValueError that names the file, what was expected and what was found.
    """
    folder = Path(folder)
    if (folder / "dataset.json").is_file():
        return _open_ours(folder)
    if (folder / "coco2014_captions.h5").is_file():
        return _open_course(folder)
    raise FileNotFoundError(f"{folder}: no dataset here, expected a folder with dataset.json (made by "
                            "python -m scripts.prepare_data) or the course's with coco2014_captions.h5")


def check_identity(then, dataset):
    """Compare the identity that a checkpoint remembers with a dataset. Raises ValueError that says which differ."""
    now = dataset.identity()
    if then["vocabulary"] != now["vocabulary"]:
        raise ValueError(f"{dataset.folder}: its vocabulary is not the one the checkpoint was trained with "
                         f"({then['folder']}): use that folder, or train again")
    if then["features"] != now["features"]:
        raise ValueError(
            f"{now['features_path']}: not the features the checkpoint was trained with ({then['features_path']}; "
            f"{_differences(then['features_attributes'], now['features_attributes'])}): use those, or train again")


def _differences(then, now):
    keys = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    return "; ".join(f"{key} {then.get(key, 'absent')!r} then, {now.get(key, 'absent')!r} now" for key in keys[:2]) or (
        "same model and layer, other numbers")


def _open_ours(folder):
    path = folder / "dataset.json"
    try:
        info = read_json(path)
        name, pictures = info["name"], info["pictures"] and folder / info["pictures"]
        files = {split: (folder / entry["path"], entry["fingerprint"], entry["shape"])     # an absolute path stays one
                 for split, entry in (info["pooled"] or info["features"]).items()}
        files["train"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a dataset's description, run scripts.prepare_data again "
                         f"({type(error).__name__}: {error})") from error
    vocabulary = Vocabulary.load(folder / "vocab.json")
    readers = {split: _reader(folder, *entry) for split, entry in files.items()}
    captions, rows = _read_captions(folder / "captions.h5", readers, vocabulary)
    pictures = _pictures(pictures, len(readers["train"])) if pictures else None
    return Dataset(folder, name, vocabulary, captions, rows, readers, pictures)


def _reader(folder, path, fingerprint, shape):
    if not path.is_file():
        if not (folder / path.name).is_file():
            raise FileNotFoundError(f"{path}: no such feature file, expected there or in {folder}")
        path = folder / path.name                            # the features moved along with the folder
    reader = FeatureReader(path)
    if reader.fingerprint() != fingerprint:
        raise ValueError(f"{path}: its content is not that of {folder / 'dataset.json'} "
                         f"({list(reader.file_shape)} now, {shape} then): run scripts.prepare_data again")
    return reader


def _pictures(path, rows):
    with hdf5_errors(path):
        images = h5py.File(path, "r").get("images")
        found = f"{images.dtype} {images.shape}" if isinstance(images, h5py.Dataset) else "missing"
        if found == "missing" or images.dtype != np.uint8 or images.ndim != 4 or images.shape[::3] != (rows, 3):
            raise ValueError(f"{path}: images is {found}, expected uint8 ({rows}, height, width, 3), "
                             "one for each row of features")
        return images


def _open_course(folder):
    paths = {split: folder / COURSE_FEATURES.format(split=split) for split in ("train", "val")}
    readers = {split: FeatureReader(path) for split, path in paths.items()}
    vocabulary = Vocabulary.load(folder / "coco2014_vocab.json")
    captions, rows = _read_captions(folder / "coco2014_captions.h5", readers, vocabulary)
    return Dataset(folder, "coco2014", vocabulary, captions, rows, readers, None)


def _read_captions(path, readers, vocabulary):
    names = [f"{split}_{kind}" for split in readers for kind in ("captions", "image_idxs")]
    data = read_hdf5(path, names)
    missing = [name for name in names if name not in data]
    if missing:
        raise ValueError(f"{path}: no dataset {missing[0]!r}, expected {', '.join(names)}")
    captions = {split: data[f"{split}_captions"] for split in readers}
    image_idxs = {split: data[f"{split}_image_idxs"] for split in readers}
    for split, reader in readers.items():
        _check_captions(f"{path}: {split}", captions[split], image_idxs[split], len(reader), len(vocabulary))
    return captions, image_idxs


def _check_captions(where, captions, rows, images, V):
    if captions.dtype.kind not in "iu" or captions.ndim != 2 or captions.shape[1] < 2:
        raise ValueError(f"{where}_captions is {captions.dtype} {captions.shape}, expected integer (N, T) with T >= 2")
    if rows.dtype.kind not in "iu" or rows.shape != captions.shape[:1]:
        raise ValueError(f"{where}_image_idxs is {rows.dtype} {rows.shape}, expected integer ({len(captions)},), "
                         "one image for each caption")
    if not len(captions):
        raise ValueError(f"{where}_captions is empty, expected at least one caption in the split")
    for name, values, size in (("captions", captions, V), ("image_idxs", rows, images)):
        bad = np.argwhere((values < 0) | (values >= size))
        if len(bad):
            raise ValueError(f"{where}_{name}{bad[0].tolist()} is {values[tuple(bad[0])]}, expected 0..{size - 1}")
