"""data/contents.py: what of a dataset has changed since a checkpoint, word for word."""
import json
import shutil

import numpy as np
import pytest

from data.contents import check_contents, contents
from data.dataset import check_identity, open_dataset
from data.features import write_features
from tests.data.dataset_folders import make
from tests.sealed_files import edited

IMAGES = [f"{i:02d}.jpg" for i in range(45)]
CAPTIONS = {"train": {name: [f"a cat {name[0]}", "a dog runs"] for name in IMAGES[:30]},
            "val": {name: ["the cat", "the dog", f"a bird {name[1]}"] for name in IMAGES[30:40]},
            "test": {name: ["a cat"] for name in IMAGES[40:44]}}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A dataset with a grid of varying regions and pooled features of 45 images; the last has no captions."""
    place, rng = tmp_path_factory.mktemp("original"), np.random.default_rng(4)
    place = make(place / "data", *feature_files(place, rng), captions=CAPTIONS)
    return place


def feature_files(place, rng):
    write_features(place / "grid.h5", rng.random((45, 4, 3)).astype(np.float16), IMAGES, layer="grid")
    write_features(place / "pooled.h5", rng.random((45, 7), np.float32), IMAGES, layer="pooled")
    return place / "grid.h5", place / "pooled.h5"


@pytest.fixture
def copy(original, tmp_path):
    """What a checkpoint of the original knows, and a copy of the dataset with its features inside."""
    dataset = open_dataset(original, "both")
    then = json.loads(json.dumps({**dataset.identity(), "contents": contents(dataset)}))
    folder = shutil.copytree(original, tmp_path / "copy")
    for name in ("grid.h5", "pooled.h5"):
        shutil.copy(original.parent / name, folder / name)
    info = json.loads((folder / "dataset.json").read_text())
    for part in ("features", "pooled"):
        for entry in info[part].values():
            entry["path"] = entry["path"].rpartition("/")[2]
    (folder / "dataset.json").write_text(json.dumps(info))
    return then, folder


def check(then, folder):
    dataset = open_dataset(folder, "both")
    check_contents(then, dataset, contents(dataset))


def change_at(folder, name, place):
    with edited(folder / name) as f:
        f[place[0]][place[1:]] = 5 if f[place[0]][place[1:]] == 4 else 4


def edit_references(folder, change):
    references = json.loads((folder / "references.json").read_text())
    change(references)
    (folder / "references.json").write_text(json.dumps(references))


def test_a_copy_is_the_same_and_the_record_is_small(copy, original):
    then, folder = copy
    check(then, folder)
    check(then, original)
    assert len(json.dumps(then["contents"])) < 5000


@pytest.mark.parametrize("name, place, part, where", [
    ("captions.h5", ("val_captions", 29, 2), "validation captions", "caption 29, '39.jpg'"),
    ("captions.h5", ("val_captions", 0, 2), "validation captions", "caption 0, '30.jpg'"),
    ("captions.h5", ("train_captions", 58, 1), "training captions", "one of captions 58 to 59, '29.jpg' to '29.jpg'"),
    ("captions.h5", ("train_image_idxs", 5), "training images", "one of captions 4 to 5, '02.jpg' to '04.jpg'"),
    ("captions.h5", ("val_image_idxs", 3), "validation images", "caption 3, '04.jpg'"),
    ("captions.h5", ("test_image_idxs", 3), "test images", "caption 3, '04.jpg'"),
    ("grid.h5", ("features", 1, 2, 1), "features", "row 1, '01.jpg', of training split"),
    ("grid.h5", ("features", 33, 0, 0), "features", "row 33, '33.jpg', of validation split"),
    ("pooled.h5", ("features", 44, 6), "features", "row 44, '44.jpg', of no split"),
])
def test_each_change_is_named(name, place, part, where, copy, fails):
    then, folder = copy
    change_at(folder, name, place)
    at = folder / name if name != "captions.h5" else folder
    if place[1] in (33, 44):                             # rows that opening looks at: prepared anew, to pass that
        forget_samples(folder)
    else:                                                # what was compared before did not notice
        check_identity(then, open_dataset(folder, "both"), captions=part != "training captions" and place[1] != 5)
    with fails(f"{at}: not the {part} the checkpoint was trained with (the first that differs is {where}",
               f"trained on {then['folder']}): use those, or train again"):
        check(then, folder)


def forget_samples(folder):
    """Write dataset.json for the feature files as they are now."""
    from data.prepare import describe
    info = json.loads((folder / "dataset.json").read_text())
    for part, name in (("features", "grid.h5"), ("pooled", "pooled.h5")):
        info[part] = dict.fromkeys(info[part], describe(folder, name))
    (folder / "dataset.json").write_text(json.dumps(info))


@pytest.mark.parametrize("change, where", [
    (lambda r: r["val"]["33.jpg"].append("more"), "validation references", ),
    (lambda r: r["val"].update({"33.jpg": ["the cat", "the dog", "a bird 4"]}), "validation references"),
    (lambda r: r["train"]["29.jpg"].reverse(), "training references"),
])
def test_references_that_changed_are_named(change, where, copy, fails):
    then, folder = copy
    edit_references(folder, change)
    image = "image 3, '33.jpg'" if "val" in where else "image 29, '29.jpg'"
    with fails(folder, f"not the {where} the checkpoint was trained with (the first that differs is {image}"):
        check(then, folder)


def test_references_that_are_gone_or_damaged(copy, fails):
    then, folder = copy
    edit_references(folder, lambda r: r["val"].pop("33.jpg"))
    with fails("not the validation references", "image 3, '33.jpg'"):
        check(then, folder)
    for damaged in ('["a"]', '{"val": 3}', '{"val": {}, "test": {"im003.jpg": 5}}'):
        (folder / "references.json").write_text(damaged)
        with fails(folder / "references.json", "is not a file of references"):
            check(then, folder)
    (folder / "references.json").unlink()
    with fails("not the training references", "present then, absent now; also changed: validation ref"):
        check(then, folder)


def test_captions_that_are_missing_or_more(copy, fails):
    then, folder = copy
    with edited(folder / "captions.h5") as f:
        for name in ("val_captions", "val_image_idxs"):
            fewer = np.delete(f[name][()], 7, axis=0)
            del f[name]
            f[name] = fewer
    with fails("not the validation captions", "(30 then, 29 now; the first that differs is caption 7, '32.jpg'",
               "also changed: validation images; trained on"):
        check(then, folder)


def test_a_split_or_a_file_that_is_gone(copy, original, fails):
    then, folder = copy
    gone = open_dataset(folder, "both")
    for part in (gone.captions, gone.image_idxs, gone.features):
        del part["test"]
    with fails("not the test split the checkpoint was trained with (absent now"):
        check_contents(then, gone, contents(gone))
    with fails("not the features the checkpoint was trained with (2 files then, 1 now"):
        grid = open_dataset(folder, "grid")
        check_contents(then, grid, contents(grid))


@pytest.mark.parametrize("change, words", [
    (lambda f: f.attrs.update({"layer": "other"}), "layer 'grid' then, 'other' now"),
    (lambda f: f["image_names"].__setitem__(44, "x"), "another type, other image names or other regions"),
    (lambda f: f.update({"regions": np.full(45, 4)}), "another type, other image names or other regions"),
])
def test_what_features_are_is_compared_too(change, words, copy, fails):
    then, folder = copy
    with edited(folder / "grid.h5") as f:
        change(f)
    forget_samples(folder)
    with fails(folder / "grid.h5", "not the features the checkpoint was trained with", words):
        check(then, folder)


def test_features_of_another_shape(copy, rng, fails):
    then, folder = copy
    write_features(folder / "grid.h5", rng.random((45, 4, 2)).astype(np.float16), IMAGES, layer="grid")
    forget_samples(folder)
    with fails("[45, 4, 3] then, [45, 4, 2] now"):
        check(then, folder)


@pytest.mark.parametrize("content", [{}, [], None, {"files": [], "features": {"val": [0, 3]}, "splits": {}}])
def test_a_record_of_another_form_is_said(content, copy, fails):
    then, folder = copy
    with fails("the checkpoint does not say in a known form what it was trained with"):
        check({**then, "contents": content}, folder)


def test_the_course_folder(pristine, tmp_path, fails):
    dataset = open_dataset(pristine / "course")
    then = {**dataset.identity(), "contents": contents(dataset)}
    assert then["contents"]["splits"]["val"]["references"] is None and len(then["contents"]["files"]) == 2
    other = shutil.copytree(pristine / "course", tmp_path / "course")
    change_at(other, "val2014_vgg16_fc7_pca.h5", ("features", 1, 0))
    now = open_dataset(other)
    with fails("val2014_vgg16_fc7_pca.h5", "is row 1, 'row 1', of validation split"):
        check_contents(then, now, contents(now))
