"""Opening a dataset folder: one of ours (see data/prepare.py), or the course's coco_captioning."""
import hashlib
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data.features import FeatureReader, PairReader, check_same_kind
from data.files import hdf5_errors, read_hdf5, read_json
from data.tokenizer import tokenize
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

    @property
    def uncut(self):
        """Whether the captions as people wrote them are there: a course's data have none."""
        path = self.folder / "dataset.json"
        return path.is_file() and read_json(path).get("references", True) is not None

    def references(self, split):
        """What people wrote of each image of a split, tokenised, in the order of `images` -> name -> list of str.

        From references.json; a course's data have none: there captions as the model learns them, cut and with <UNK>.
        Raises ValueError where an image lacks them.
        """
        rows, names = self.images(split)
        path = self.folder / "references.json"
        if not self.uncut:
            by_row = {row: [] for row in rows}
            for ids, row in zip(*self.captions_of(split)):
                by_row[row].append(self.vocabulary.decode(ids))
            return {name: by_row[row] for row, name in zip(rows, names)}
        try:
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file, run scripts.prepare_data again")
            texts = read_json(path)[split]
            return {name: [tokenize(text) for text in _not_empty(texts[name])] for name in names}
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: not the references of the {split} split, run scripts.prepare_data again "
                             f"({type(error).__name__}: {error})") from error

    def picture(self, row):
        """The image of a row of the features -> uint8 (height, width, 3), or None where there are no pictures."""
        if self.pictures is None:
            return None
        with hdf5_errors(f"{self.pictures.file.filename}: row {row}"):
            return self.pictures[row]

    def identity(self):
        """What a checkpoint remembers of the data: where it is, and fingerprints of vocabulary, features, captions."""
        captions = hashlib.sha256()
        for array in (self.captions["train"], self.image_idxs["train"]):
            captions.update(np.ascontiguousarray(array, np.int64).tobytes())
        return {"folder": str(self.folder.resolve()), "name": self.name, "vocabulary": self.vocabulary.fingerprint(),
                "captions": captions.hexdigest(),
                "features": {split: {"path": str(Path(reader.path).resolve()), "fingerprint": reader.fingerprint(),
                                     "attributes": reader.attributes()} for split, reader in self.features.items()}}


def open_dataset(folder, look="vector"):
    """Open a dataset folder -> Dataset.

    look: 'vector', one vector an image (pooled features where there are some, else the mean of the grid's); 'grid', the
    regions; 'both', the regions and, where there are some, pooled features.
    Raises FileNotFoundError or ValueError that names the file, what was expected and what was found.
    """
    folder = Path(folder)
    if (folder / "dataset.json").is_file():
        return _open_ours(folder, look)
    if (folder / "coco2014_captions.h5").is_file():
        if look != "vector":
            raise ValueError(f"{folder}: has one vector an image, a model with attention needs a grid of regions")
        return _open_course(folder)
    raise FileNotFoundError(f"{folder}: no dataset here, expected a folder with dataset.json (made by "
                            "python -m scripts.prepare_data) or the course's with coco2014_captions.h5")


def check_identity(then, dataset, captions=False, features=True):
    """Compare the identity that a checkpoint remembers with a dataset; with `captions`, the training captions too.

    Without `features`, these may be others. Raises ValueError that says which differ.
    """
    now = dataset.identity()
    for part in ("vocabulary", "captions") if captions else ("vocabulary",):
        if then[part] != now[part]:
            raise ValueError(f"{dataset.folder}: its {part} is not the one the checkpoint was trained with "
                             f"({then['folder']}): use that folder, or train again")
    for split in then["features"].keys() & now["features"].keys() if features else ():
        before, after = then["features"][split], now["features"][split]
        if before["fingerprint"] != after["fingerprint"]:
            raise ValueError(f"{after['path']}: not the features the checkpoint was trained with ({before['path']}; "
                             f"{_differences(before['attributes'], after['attributes'])}): use those, or train again")


def _differences(then, now):
    keys = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    return "; ".join(f"{key} {then.get(key, 'absent')!r} then, {now.get(key, 'absent')!r} now" for key in keys[:2]) or (
        "same model and layer, other numbers")


def _open_ours(folder, look):
    path = folder / "dataset.json"
    try:
        info = read_json(path)
        name, pictures = info["name"], info["pictures"] and folder / info["pictures"]
        grid, pooled = ({split: (folder / entry["path"], entry["fingerprint"], entry["shape"])  # absolute paths stay
                         for split, entry in (info[kind] or {}).items()} for kind in ("features", "pooled"))
        if not (featureless := info["features"] == {}):
            (pooled or grid)["train"], grid["train"]
        fingerprint = info["vocabulary"]["fingerprint"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a dataset's description, run scripts.prepare_data again "
                         f"({type(error).__name__}: {error})") from error
    if featureless:
        raise ValueError(f"{folder}: has captions and pictures, but no features: run scripts.prepare_data again, with "
                         "--encoder")
    vocabulary = Vocabulary.load(folder / "vocab.json")
    if vocabulary.fingerprint() != fingerprint:
        raise ValueError(f"{folder / 'vocab.json'}: not the vocabulary that {path} was written with: "
                         "run scripts.prepare_data again")
    readers = {split: _reader(folder, look != "vector", *entry)
               for split, entry in (grid if look != "vector" else pooled or grid).items()}
    check_same_kind(readers)
    if look == "both" and pooled:
        vectors = {split: _reader(folder, False, *pooled[split]) for split in readers}
        check_same_kind(vectors)
        readers = {split: PairReader(readers[split], vectors[split]) for split in readers}
    captions, rows = _read_captions(folder / "captions.h5", readers, vocabulary)
    pictures = _pictures(pictures, len(readers["train"])) if pictures else None
    return Dataset(folder, name, vocabulary, captions, rows, readers, pictures)


def _reader(folder, regions, path, fingerprint, shape):
    if not path.is_file():
        if not (folder / path.name).is_file():
            raise FileNotFoundError(f"{path}: no such feature file, expected there or in {folder}")
        path = folder / path.name                            # the features moved along with the folder
    reader = FeatureReader(path, regions)
    if reader.fingerprint() != fingerprint:
        raise ValueError(f"{path}: its content is not that of {folder / 'dataset.json'} "
                         f"({list(reader.file_shape)} now, {shape} then): run scripts.prepare_data again")
    return reader


def _not_empty(texts):
    if not isinstance(texts, list) or not texts:
        raise TypeError(f"{texts!r:.60} is no list of captions")
    return texts


def _pictures(path, rows):
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of pictures, run scripts.prepare_data again")
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
    check_same_kind(readers)
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
        _check_captions(f"{path}: {split}", captions[split], image_idxs[split], len(reader), vocabulary)
    return captions, image_idxs


def _check_captions(where, captions, rows, images, vocabulary):
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
        raise ValueError(f"{where}_captions has nothing but <NULL> behind its first column, expected words to predict")
