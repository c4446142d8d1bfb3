"""data/splits.py: images held out for validation and test, and splits that do not fit."""
import numpy as np
import pytest

from data.sources import Source
from data.splits import check_splits, hold_out

NAMES = [f"{k}.jpg" for k in range(30)]


def source(**captions):
    texts = {split: {name: [f"a {name}", "b"] for name in names} for split, names in captions.items()}
    return Source("mine", texts, {})


def names(captions):
    return {split: list(images) for split, images in captions.items()}


def test_images_are_held_out_with_all_their_captions():
    held = hold_out(source(train=NAMES), 0.1, 0.2, seed=3).captions
    assert list(held) == ["train", "val", "test"]
    assert [len(images) for images in held.values()] == [21, 3, 6]
    assert {name: texts for images in held.values() for name, texts in images.items()} == (
        source(train=NAMES).captions["train"])
    assert all(list(images) == [name for name in NAMES if name in images] for images in held.values())


def test_the_draw_depends_on_seed_and_names_alone():
    first = hold_out(source(train=NAMES), 0.1, 0.2, seed=3).captions
    shuffled = [NAMES[k] for k in np.random.default_rng(0).permutation(30)]
    again = hold_out(source(train=shuffled), 0.1, 0.2, seed=3).captions
    assert again == first and list(again["train"]) != list(first["train"])
    assert hold_out(source(train=NAMES), 0.1, 0.2, seed=4).captions != first


def test_images_without_features_are_not_drawn():
    stored = [f"photos/{k}.jpg" for k in range(20, 30)]
    held = hold_out(source(train=NAMES), 0.2, 0.2, stored=stored).captions
    assert [len(images) for images in held.values()] == [26, 2, 2]
    assert {*held["val"], *held["test"]} <= set(NAMES[20:])


def test_images_of_other_names(fails):
    with fails("mine: no training image has features", "named '0.jpg', '1.jpg' and the others 'x.png', 'y.png'"):
        hold_out(source(train=NAMES), 0.1, 0.1, stored=["y.png", "x.png"])


@pytest.mark.parametrize("given, val, test, expected", [
    ({"train": NAMES[:2]}, 0.1, None, {"train": 1, "val": 1}),
    ({"train": NAMES[:3]}, 0.01, 0.01, {"train": 1, "val": 1, "test": 1}),
    ({"train": NAMES, "val": []}, 0.5, None, {"train": 15, "val": 15}),
    ({"train": NAMES[:10], "test": NAMES[10:]}, 0.2, None, {"train": 8, "val": 2, "test": 20}),
    ({"train": NAMES}, None, None, {"train": 30}), ({"train": NAMES}, 0, 0, {"train": 30}),
])
def test_sizes(given, val, test, expected):
    assert {split: len(images) for split, images in hold_out(source(**given), val, test).captions.items()} == expected


@pytest.mark.parametrize("given, shares, parts", [
    ({"train": NAMES, "val": ["x"]}, (0.1, None), ["--val 0.1", "a val split of 1 images already"]),
    ({"train": NAMES[:2]}, (0.1, 0.1), ["mine: 2 training images", "--val 0.1 and --test 0.1"]),
    ({"train": NAMES}, (0.6, 0.5), ["30 training images, too few"]),
    ({"val": NAMES}, (None, 0.5), ["mine: 0 training images"]),
    ({"train": NAMES}, (1.5, None), ["--val 1.5", "between 0 and 1"]),
    ({"train": NAMES}, (None, -0.1), ["--test -0.1"]), ({"train": NAMES}, (float("nan"), None), ["--val nan"]),
])
def test_what_cannot_be_held_out(given, shares, parts, fails):
    with fails(*parts):
        hold_out(source(**given), *shares)


@pytest.mark.parametrize("given, parts", [
    ({"val": NAMES}, ["no image of the train split has a caption"]),
    ({"train": NAMES, "val": []}, ["no image of the val split", "--val 0.1"]),
    ({"train": NAMES, "test": []}, ["no image of the test split", "--test 0.1"]),
    ({"train": NAMES, "val": NAMES[5:7]}, ["image '5.jpg' is in the splits train and val", "2 images are in both"]),
])
def test_splits_that_do_not_fit(given, parts, fails):
    with fails("mine: ", *parts):
        check_splits(source(**given))
