"""data/dataset.py: opening our folders and the course's, what is refused, and the identity checkpoints remember."""
import json
import shutil

import h5py
import numpy as np
import pytest

from data.coco import load_coco_data
from data.dataset import check_identity, open_dataset
from data.features import write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source

NAMES = ["c.jpg", "unused.jpg", "a.jpg", "d.jpg", "b.jpg", "e.jpg"]
CAPTIONS = {"train": {"b.jpg": ["a dog", "the dog runs"], "a.jpg": ["a cat"]},
            "val": {"d.jpg": ["a bird"], "c.jpg": ["the cat runs", "a cat"]},
            "test": {"e.jpg": ["a dog"]}}
ROWS = {"train": [4, 4, 2], "val": [3, 0, 0], "test": [5]}
COURSE_WORDS = ["cat", "<END>", "a", "<NULL>", "on", "<START>", "<UNK>", "mat"]


def make(folder, features, pooled=None, captions=CAPTIONS):
    with new_folder(folder) as new:
        write_dataset(new, Source("tiny", captions, {}), dict.fromkeys(captions, features),
                      pooled and dict.fromkeys(captions, pooled), min_count=1)
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """The features and datasets that follow, made once."""
    place, rng = tmp_path_factory.mktemp("datasets"), np.random.default_rng(3)
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
    return place


def write_course(folder, rng):
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


@pytest.fixture
def folder(pristine, tmp_path):
    """A dataset with everything inside that a test may damage."""
    return shutil.copytree(pristine / "inside", tmp_path / "data")


# --- opening -----------------------------------------------------------------------------------------------------


def test_ours(pristine):
    dataset = open_dataset(str(pristine / "both"))
    assert dataset.name == "tiny" and dataset.folder == pristine / "both" and dataset.pictures is None
    with h5py.File(pristine / "pooled.h5") as f:
        pooled = f["features"][()]
    arrays = dataset.arrays()
    assert set(arrays) == {f"{split}_{kind}" for split in CAPTIONS for kind in ("captions", "image_idxs", "features")}
    for split, images in CAPTIONS.items():
        captions, rows = dataset.captions_of(split)
        assert captions is arrays[f"{split}_captions"] and captions.dtype == rows.dtype == np.int32
        assert rows.tolist() == ROWS[split]
        assert [dataset.vocabulary.decode(ids).replace("<UNK>", "bird") for ids in captions] == sum(images.values(), [])
        np.testing.assert_array_equal(arrays[f"{split}_features"][rows], pooled[rows])    # pooled, where there are both
        assert dataset.names(split) == NAMES
        order, names = dataset.images(split)
        assert names == list(images) and [NAMES[row] for row in order] == names


def test_a_grid_alone_gives_its_mean(pristine):
    dataset = open_dataset(pristine / "grid")
    with h5py.File(pristine / "grid.h5") as f:
        mean = f["features"][()].mean(axis=1, dtype=np.float64)
    assert dataset.features["val"].shape == (6, 3)
    np.testing.assert_allclose(dataset.features["val"][np.arange(6)], mean, rtol=1e-6)


def test_pictures(pristine):
    dataset = open_dataset(pristine / "inside")
    assert dataset.pictures.shape == (6, 5, 4, 3) and dataset.pictures[2].dtype == np.uint8


def test_the_courses_folder(pristine):
    dataset, data = open_dataset(pristine / "course"), load_coco_data(pristine / "course")
    assert dataset.name == "coco2014" and dataset.pictures is None and list(dataset.captions) == ["train", "val"]
    assert dataset.vocabulary.idx_to_word == COURSE_WORDS and dataset.vocabulary.null == 3
    assert dataset.vocabulary.decode(dataset.captions["train"][0]) == "a cat"
    for split in ("train", "val"):
        for kind, values in (("captions", dataset.captions), ("image_idxs", dataset.image_idxs)):
            np.testing.assert_array_equal(values[split], data[f"{split}_{kind}"])
        reader = dataset.features[split]
        np.testing.assert_array_equal(reader[np.arange(len(reader))], data[f"{split}_features"])
    assert dataset.names("val") == ["val-0", "val-1"]
    rows, names = dataset.images("train")
    assert rows.tolist() == [3, 0] and names == ["train-3", "train-0"]
    assert dataset.identity()["features"]["val"]["attributes"] == {}


def test_references_are_what_people_wrote(pristine):
    dataset = open_dataset(pristine / "both")
    assert dataset.references("val") == CAPTIONS["val"] and list(dataset.references("val")) == dataset.images("val")[1]
    assert dataset.references("train") == CAPTIONS["train"] and dataset.uncut
    course = open_dataset(pristine / "course")                         # it has ids alone
    assert course.references("val") == {"val-1": ["a <UNK>"], "val-0": [""]} and not course.uncut
    assert course.references("train") == {"train-3": ["a cat", "a mat on"], "train-0": ["<UNK>"]}


def test_references_that_are_none(folder, fails):
    path = folder / "references.json"
    content = json.loads(path.read_text())
    for change in ({}, {"val": []}, {"val": {**content["val"], "d.jpg": []}}, {"val": {**content["val"], "d.jpg": [7]}},
                   {"val": {"c.jpg": ["a"]}}):
        path.write_text(json.dumps(change))
        with fails(path, "not the references of the val split", "prepare_data again"):
            open_dataset(folder).references("val")
    path.unlink()
    with fails(path, "prepare_data again", error=FileNotFoundError):
        open_dataset(folder).references("val")


def test_another_split_is_an_error_that_lists_those_there_are(pristine, fails):
    for name, splits in (("both", "train, val, test"), ("course", "train, val")):
        dataset = open_dataset(pristine / name)
        for ask in (dataset.captions_of, dataset.images):
            with fails(pristine / name, "no split 'dev'", f"expected one of {splits}"):
                ask("dev")


def test_preloading_takes_the_splits_that_fit(pristine):
    row, expected = 7 * 4, open_dataset(pristine / "both").features["train"][np.arange(6)]
    for budget, loaded in ((0, []), (row, ["test"]), (2 * row, ["train"]), (3 * row, ["train", "test"]),
                           (4 * row, ["train", "val"]), (5 * row, ["train", "val", "test"]), (1e12, list(CAPTIONS))):
        dataset = open_dataset(pristine / "both")
        assert dataset.preload(budget) == loaded
        for reader in dataset.features.values():
            np.testing.assert_array_equal(reader[np.arange(6)], expected)


# --- moving ------------------------------------------------------------------------------------------------------


def test_a_folder_that_moved(pristine, tmp_path, fails):
    write_features(tmp_path / "f.h5", np.random.default_rng(0).random((6, 3), np.float32), NAMES)
    first = make(tmp_path / "data", tmp_path / "f.h5")
    identity = open_dataset(first).identity()
    moved = (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert open_dataset(moved).features["train"].path == str(tmp_path / "f.h5")      # they stayed where they were
    (tmp_path / "f.h5").rename(moved / "f.h5")
    dataset = open_dataset(moved)                                                    # they came along
    assert dataset.features["train"].path == str(moved / "f.h5")
    check_identity(identity, dataset)
    (moved / "f.h5").unlink()
    with fails(tmp_path / "f.h5", "no such feature file, expected there or in", moved, error=FileNotFoundError):
        open_dataset(moved)


def test_features_inside_the_folder_move_with_it(pristine, folder):
    check_identity(open_dataset(pristine / "inside").identity(), open_dataset(folder))
    assert open_dataset(folder).features["train"].path == str(folder / "f.h5")


@pytest.mark.parametrize("change", ["values", "attributes", "names", "shape"])
def test_features_that_were_replaced(folder, put, change, fails):
    with h5py.File(folder / "f.h5") as f:
        values = f["features"][()]
    put(folder / "f.h5", {
        "values": {"features": values + np.float32(0.5)}, "attributes": {}, "names": {"image_names": NAMES[::-1]},
        "shape": {"features": values[:, :5]}}[change], **{"layer": "other"} if change == "attributes" else {})
    width = 5 if change == "shape" else 7
    with fails(f"{folder / 'f.h5'}: its content is not that of {folder / 'dataset.json'}",
               f"([6, {width}] now, [6, 7] then): run scripts.prepare_data again"):
        open_dataset(folder)


# --- what a folder may not be ------------------------------------------------------------------------------------


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
    with fails(folder / name, "not an HDF5 file or is damaged"):
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


# --- what a checkpoint remembers ---------------------------------------------------------------------------------


def test_the_identity(pristine):
    dataset = open_dataset(pristine / "both")
    reader = dataset.features["train"]
    features = {"path": str((pristine / "pooled.h5").resolve()), "fingerprint": reader.fingerprint(),
                "attributes": {"layer": "pooled", "model": "m"}}
    identity = dataset.identity()
    assert len(identity.pop("captions")) == 64
    assert identity == {"folder": str((pristine / "both").resolve()), "name": "tiny",
                        "vocabulary": dataset.vocabulary.fingerprint(),
                        "features": dict.fromkeys(("train", "val", "test"), features)}
    json.dumps(dataset.identity())
    check_identity(dataset.identity(), open_dataset(pristine / "both"), captions=True)


def test_an_identity_with_other_captions_is_refused_where_captions_count(pristine, tmp_path, fails):
    then = open_dataset(pristine / "inside").identity()
    other = shutil.copytree(pristine / "inside", tmp_path / "data")
    with h5py.File(other / "captions.h5", "a") as f:
        f["train_captions"][0, 1] = 1
    check_identity(then, open_dataset(other))
    with fails(other, "its captions is not the one the checkpoint was trained with"):
        check_identity(then, open_dataset(other), captions=True)


def test_other_features_of_the_val_split_alone_are_noticed(pristine, tmp_path, rng, fails):
    then = open_dataset(pristine / "course").identity()
    other = shutil.copytree(pristine / "course", tmp_path / "course")
    path = other / "val2014_vgg16_fc7_pca.h5"
    with h5py.File(path, "a") as f:
        f["features"][...] = 7 - 3 * f["features"][()]
    with fails(path, "not the features the checkpoint was trained with"):
        check_identity(then, open_dataset(other))
    other = shutil.copytree(pristine / "course", tmp_path / "wide")
    path = other / path.name
    with h5py.File(path, "a") as f:
        wider = rng.random((f["features"].shape[0], 9), np.float32)
        del f["features"]
        f["features"] = wider
    with fails(path, "width 9, but", "has width 6", "one model and layer for all splits"):
        open_dataset(other)


def test_a_vocabulary_that_is_not_the_datasets_is_noticed(folder, fails):
    path = folder / "vocab.json"
    words = json.loads(path.read_text())["idx_to_word"][::-1]
    path.write_text(json.dumps({"idx_to_word": words, "word_to_idx": {word: i for i, word in enumerate(words)}}))
    with fails(path, "not the vocabulary that", folder / "dataset.json"):
        open_dataset(folder)


def test_a_split_of_nothing_but_null_is_noticed(folder, fails):
    with h5py.File(folder / "captions.h5", "a") as f:
        f["val_captions"][...] = 0
    with fails(folder / "captions.h5", "val_captions has nothing but <NULL>"):
        open_dataset(folder)


def test_an_identity_with_another_vocabulary(pristine, tmp_path, fails):
    then = open_dataset(pristine / "both").identity()
    captions = {**CAPTIONS, "train": {"a.jpg": ["a"]}}
    other = make(tmp_path / "data", pristine / "grid.h5", pristine / "pooled.h5", captions)
    with fails(other, "its vocabulary is not the one the checkpoint was trained with", pristine / "both",
               "use that folder, or train again"):
        check_identity(then, open_dataset(other))


def test_an_identity_with_other_features(pristine, tmp_path, rng, fails):
    then = open_dataset(pristine / "both").identity()
    with fails(pristine / "grid.h5", "not the features the checkpoint was trained with", pristine / "pooled.h5",
               "layer 'pooled' then, 'grid' now", "use those, or train again"):
        check_identity(then, open_dataset(pristine / "grid"))
    for attributes, part in (({"model": "m", "layer": "pooled"}, "same model and layer, other numbers"),
                             ({"model": "n"}, "layer 'pooled' then, 'absent' now; model 'm' then, 'n' now"),
                             ({"model": "m", "layer": "pooled", "crop": 3}, "crop 'absent' then, '3' now")):
        path = tmp_path / f"{len(part)}.h5"
        write_features(path, rng.random((6, 7), np.float32), NAMES, **attributes)
        with fails(path, f"({pristine / 'pooled.h5'}; {part})"):
            check_identity(then, open_dataset(make(tmp_path / path.stem, path)))
