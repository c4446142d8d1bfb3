"""data/dataset.py: opening our folders and the course's, moved folders, and the identity that checkpoints store."""
import json
import os
import shutil

import h5py
import numpy as np
import pytest

from data.coco import load_coco_data
from data.dataset import check_identity, open_dataset
from data.features import write_features
from data.prepare import describe
from tests.data.dataset_folders import CAPTIONS, COURSE_WORDS, NAMES, ROWS, make
from tests.sealed_files import edited

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
    none, form = "not the references of the val split", "is not a file of references"
    for change, parts in (
            ({}, [none, "the whole split is missing"]), ({"val": {"c.jpg": ["a"]}}, [none, "image 'd.jpg' is missing"]),
            (["a"], [form, "found ['a'] in the whole file"]), ({"val": []}, [form, "found [] in split 'val'"]),
            ({"val": {**content["val"], "d.jpg": []}}, [form, "found [] for image 'd.jpg' of split 'val'"]),
            ({**content, "test": {"d.jpg": [7]}}, [form, "found [7] for image 'd.jpg' of split 'test'"])):
        path.write_text(json.dumps(change))
        with fails(path, *parts, "prepare_data again"):
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


@pytest.mark.parametrize("written", [r"C:\Users\Zoë K\feats\f.h5", r"\\server\share\f.h5", r"sub\f.h5",
                                     r"..\f.h5", "D:/feats/f.h5", "/home/zoe/feats/f.h5", "f.h5"])
@pytest.mark.parametrize("part", ["features", "pictures"])
def test_a_folder_that_was_prepared_on_another_system(written, part, pristine, tmp_path):
    """The features came along: in the folder itself, or where a relative path says."""
    folder = tmp_path / "data"
    shutil.copytree(pristine / "inside", folder)
    place = {r"sub\f.h5": folder / "sub", r"..\f.h5": tmp_path}.get(written, folder)
    place.mkdir(exist_ok=True)
    info = json.loads((folder / "dataset.json").read_text())
    if part == "pictures":
        info["pictures"] = written.replace("f.h5", "pictures.h5")
        (folder / "pictures.h5").rename(place / "pictures.h5")
    else:
        for entry in info["features"].values():
            entry["path"] = written
        (folder / "f.h5").rename(place / "f.h5")
    (folder / "dataset.json").write_text(json.dumps(info))
    dataset, before = open_dataset(folder), open_dataset(pristine / "inside")
    np.testing.assert_array_equal(dataset.features["train"][np.arange(6)], before.features["train"][np.arange(6)])
    np.testing.assert_array_equal(dataset.picture(3), before.picture(3))


def test_a_feature_file_that_stayed_on_the_other_system_is_named(pristine, tmp_path):
    shutil.copytree(pristine / "inside", tmp_path / "data")
    path = tmp_path / "data" / "dataset.json"
    path.write_text(path.read_text().replace('"f.h5"', r'"C:\\feats\\none.h5"'))
    with pytest.raises(FileNotFoundError) as error:
        open_dataset(tmp_path / "data")
    assert r"C:\feats\none.h5: no such feature file, expected there or in" in str(error.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_with_a_backslash_or_a_colon_is_a_name_here(pristine, tmp_path):
    name = "a:b\\c.h5"
    shutil.copytree(pristine / "inside", tmp_path / "data")
    (tmp_path / "data" / "f.h5").rename(tmp_path / "data" / name)
    path = tmp_path / "data" / "dataset.json"
    path.write_text(path.read_text().replace('"f.h5"', json.dumps(f"/elsewhere/{name}")))
    assert open_dataset(tmp_path / "data").features["train"].path == str(tmp_path / "data" / name)


@pytest.mark.parametrize("asked, written", [
    ("f.h5", "f.h5"), ("sub/f.h5", "sub/f.h5"), ("{folder}/sub/f.h5", "sub/f.h5"), ("../f.h5", "{parent}/f.h5"),
    ("{parent}/f.h5", "{parent}/f.h5")])
def test_the_path_of_a_feature_file_inside_the_folder_is_relative(asked, written, pristine, tmp_path):
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for place in (folder / "f.h5", folder / "sub" / "f.h5", tmp_path / "f.h5"):
        shutil.copy(pristine / "pooled.h5", place)
    asked, written = (text.format(folder=folder, parent=tmp_path) for text in (asked, written))
    assert describe(folder, asked)["path"] == written


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
    with fails(f"{folder / 'f.h5'}: its content differs from what {folder / 'dataset.json'} describes",
               f"([6, {width}] now, [6, 7] then): run scripts.prepare_data again"):
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
                        "vocabulary": dataset.vocabulary.fingerprint(), "tokens": "treebank",
                        "features": dict.fromkeys(("train", "val", "test"), features)}
    json.dumps(dataset.identity())
    check_identity(dataset.identity(), open_dataset(pristine / "both"), captions=True)


def test_an_identity_with_other_captions_is_refused_where_captions_count(pristine, tmp_path, fails):
    then = open_dataset(pristine / "inside").identity()
    other = shutil.copytree(pristine / "inside", tmp_path / "data")
    with edited(other / "captions.h5") as f:
        f["train_captions"][0, 1] = 1
    check_identity(then, open_dataset(other))
    with fails(other, "not the captions the checkpoint was trained with"):
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
    with edited(folder / "captions.h5") as f:
        f["val_captions"][...] = 0
    with fails(folder / "captions.h5", "val_captions has only <NULL>"):
        open_dataset(folder)


def test_an_identity_with_another_vocabulary(pristine, tmp_path, fails):
    then = open_dataset(pristine / "both").identity()
    captions = {**CAPTIONS, "train": {"a.jpg": ["a"]}}
    other = make(tmp_path / "data", pristine / "grid.h5", pristine / "pooled.h5", captions)
    with fails(other, "not the vocabulary the checkpoint was trained with", pristine / "both",
               "use that folder, or train again"):
        check_identity(then, open_dataset(other))


def test_an_identity_with_other_features(pristine, tmp_path, rng, fails):
    then = open_dataset(pristine / "both").identity()
    with fails(pristine / "grid.h5", "not the features the checkpoint was trained with", pristine / "pooled.h5",
               "layer 'pooled' then, 'grid' now", "use those, or train again"):
        check_identity(then, open_dataset(pristine / "grid"))
    for attributes, part in (({"model": "m", "layer": "pooled"}, "same model and layer, different numbers"),
                             ({"model": "n"}, "layer 'pooled' then, 'absent' now; model 'm' then, 'n' now"),
                             ({"model": "m", "layer": "pooled", "crop": 3}, "crop 'absent' then, '3' now")):
        path = tmp_path / f"{len(part)}.h5"
        write_features(path, rng.random((6, 7), np.float32), NAMES, **attributes)
        with fails(path, f"({pristine / 'pooled.h5'}; {part})"):
            check_identity(then, open_dataset(make(tmp_path / path.stem, path)))
