"""data/dataset.py: what is refused, with a message that names the file and what is wrong with it."""
import json
import shutil

import h5py
import numpy as np
import pytest

from data import files
from data.dataset import open_dataset
from tests.data.dataset_folders import make


def test_no_dataset(tmp_path, fails):
    for folder in (tmp_path, tmp_path / "none"):
        with fails(folder, "no dataset here", "dataset.json", "scripts.prepare_data", error=FileNotFoundError):
            open_dataset(folder)


@pytest.mark.parametrize("name", ["vocab.json", "captions.h5", "f.h5", "pictures.h5"])
def test_a_missing_file(folder, name, fails):
    (folder / name).unlink()
    with fails(folder / name, error=FileNotFoundError):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["captions.h5", "f.h5", "pictures.h5"])
@pytest.mark.parametrize("damage", [lambda whole: b"<html>", lambda whole: whole[:1500], lambda whole: b""])
def test_a_file_that_is_not_hdf5(folder, name, damage, fails):
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with fails(folder / name, "damaged"):
        open_dataset(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"7", b"null", b'{"name": "x"}'])
def test_a_description_that_is_none(folder, text, fails):
    (folder / "dataset.json").write_bytes(text)
    with fails(folder / "dataset.json", "not a dataset's description", "run scripts.prepare_data again"):
        open_dataset(folder)


@pytest.mark.parametrize("entries", [
    {"features": None}, {"features": []}, {"features": "f.h5"}, {"features": {"train": "f.h5"}},
    {"features": {"train": {}}}, {"features": {"train": None}}, {"features": {"train": {"path": "f.h5"}}},
    {"features": {"train": {"path": 5, "fingerprint": "", "shape": []}}}, {"pictures": 5}, {"pictures": ["p.h5"]},
    {"pooled": {"val": {"path": "f.h5", "fingerprint": "", "shape": []}}}, {"pooled": 1},
])
def test_a_description_with_entries_of_another_form(folder, entries, fails):
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**info, **entries}))
    with fails(folder / "dataset.json", "not a dataset's description"):
        open_dataset(folder)


@pytest.mark.parametrize("entry", ["name", "features", "pooled", "pictures"])
def test_a_description_that_lacks_an_entry(folder, entry, fails):
    info = json.loads((folder / "dataset.json").read_text())
    del info[entry]
    (folder / "dataset.json").write_text(json.dumps(info))
    with fails(folder / "dataset.json", f"KeyError: '{entry}'"):
        open_dataset(folder)


def test_a_vocabulary_that_is_none(pristine, folder, tmp_path, fails):
    course = shutil.copytree(pristine / "course", tmp_path / "course")
    for path in (folder / "vocab.json", course / "coco2014_vocab.json"):
        path.write_text("[]")
        with fails(path, "not a vocabulary"):
            open_dataset(path.parent)


GOOD = np.array([[1, 4, 2], [1, 3, 2], [1, 2, 0]])                      # of words 0..3 and 4, "a"


@pytest.mark.parametrize("name, values, parts", [
    ("train_captions", None, ["no dataset 'train_captions'"]),
    ("test_image_idxs", None, ["no dataset 'test_image_idxs'"]),
    ("train_captions/inside", GOOD, ["no dataset 'train_captions'"]),
    ("train_captions", GOOD.astype(np.float32), ["train_captions is float32 (3, 3)", "expected integer (N, T)"]),
    ("train_captions", GOOD.astype(bool), ["train_captions is bool"]),
    ("train_captions", "text", ["train_captions is |S4 ()"]),
    ("train_captions", h5py.Empty("i4"), ["train_captions is"]),
    ("val_captions", GOOD[:, 0], ["val_captions is int64 (3,)"]),
    ("val_captions", GOOD[:, :1], ["val_captions is int64 (3, 1)", "T >= 2"]),
    ("val_captions", GOOD[None], ["val_captions is int64 (1, 3, 3)"]),
    ("val_captions", GOOD[:2], ["val_image_idxs is int32 (3,), expected integer (2,), one image for each caption"]),
    ("val_image_idxs", [0, 1], ["val_image_idxs is int64 (2,), expected integer (3,)"]),
    ("val_image_idxs", [[0], [1], [2]], ["val_image_idxs is int64 (3, 1)"]),
    ("val_image_idxs", [0.0, 1.0, 2.0], ["val_image_idxs is float64 (3,), expected integer"]),
    ("val_image_idxs", [0, 6, 7], ["val_image_idxs[1] is 6, expected 0..5"]),
    ("val_image_idxs", [0, 5, -1], ["val_image_idxs[2] is -1, expected 0..5"]),
    ("val_image_idxs", np.array([0, 2**63, 1], np.uint64), ["val_image_idxs[1] is 9223372036854775808"]),
    ("train_captions", GOOD + [0, 0, 3], ["train_captions[0, 2] is 5, expected 0..4"]),
    ("train_captions", GOOD - [0, 0, 1], ["train_captions[2, 2] is -1, expected 0..4"]),
])
def test_captions_that_do_not_fit(tmp_path, pristine, put, name, values, parts, fails):
    captions = {"train": {"a.jpg": ["a", "a", "a"]}, "val": {"b.jpg": ["a", "a", "a"]}, "test": {"c.jpg": ["a"]}}
    folder = make(tmp_path / "data", pristine / "pooled.h5", captions=captions)
    open_dataset(folder)
    put(folder / "captions.h5", {name.partition("/")[0]: None})
    put(folder / "captions.h5", {name: values})
    with fails(folder / "captions.h5", *parts):
        open_dataset(folder)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_captions_of_any_integer_type(folder, put, dtype):
    before = open_dataset(folder)
    put(folder / "captions.h5", {f"train_{kind}": values["train"].astype(dtype) for kind, values in (
        ("captions", before.captions), ("image_idxs", before.image_idxs))})
    dataset = open_dataset(folder)
    np.testing.assert_array_equal(dataset.captions["train"], before.captions["train"])
    np.testing.assert_array_equal(dataset.features["train"][dataset.image_idxs["train"]],
                                  before.features["train"][before.image_idxs["train"]])


def test_an_empty_split(folder, put, fails):
    put(folder / "captions.h5", {"val_captions": np.zeros((0, 5), np.int32), "val_image_idxs": np.zeros(0, np.int32)})
    with fails(folder / "captions.h5", "val_captions is empty, expected at least one caption in the split"):
        open_dataset(folder)


@pytest.mark.parametrize("images, part", [
    (None, "images is missing"), (np.zeros((6, 5, 4), np.uint8), "uint8 (6, 5, 4)"),
    (np.zeros((6, 5, 4, 3), np.float32), "float32 (6, 5, 4, 3)"), (np.zeros((6, 5, 4, 1), np.uint8), "(6, 5, 4, 1)"),
    (np.zeros((6, 5, 4, 3, 2), np.uint8), "(6, 5, 4, 3, 2)"),
    (np.zeros((5, 5, 4, 3), np.uint8), "uint8 (5, 5, 4, 3), expected uint8 (6, height, width, 3)"),
])
def test_pictures_that_do_not_fit(folder, put, images, part, fails):
    put(folder / "pictures.h5", {"images": images})
    with fails(folder / "pictures.h5", part):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["coco2014_vocab.json", "train2014_vgg16_fc7_pca.h5", "val2014_vgg16_fc7_pca.h5",
                                  "coco2014_captions.h5"])
def test_the_courses_folder_with_a_file_damaged_or_missing(pristine, tmp_path, name, fails):
    folder = shutil.copytree(pristine / "course", tmp_path / "course")
    (folder / name).write_bytes(b"x")
    with fails(folder / name):
        open_dataset(folder)
    (folder / name).unlink()
    place = folder if name == "coco2014_captions.h5" else folder / name               # by that one the folder is known
    with fails(place, error=FileNotFoundError):
        open_dataset(folder)


def test_the_courses_folder_with_ids_out_of_range(pristine, tmp_path, put, fails):
    folder = shutil.copytree(pristine / "course", tmp_path / "course")
    put(folder / "coco2014_captions.h5", {"val_image_idxs": [0, 2]})                   # train has row 2, val has not
    with fails(folder / "coco2014_captions.h5", "val_image_idxs[1] is 2, expected 0..1"):
        open_dataset(folder)


def test_a_file_that_may_not_be_read_is_no_damaged_one(monkeypatch, tmp_path):
    (tmp_path / "f.h5").write_bytes(b"x")

    def denied(*_):
        raise PermissionError(13, "Unable to synchronously open file (unable to open file: errno = 13)")
    monkeypatch.setattr(files.h5py, "File", denied)             # tests may run as root
    with pytest.raises(PermissionError, match=r"f\.h5: cannot be read: permission denied$"):
        files.read_hdf5(tmp_path / "f.h5")
