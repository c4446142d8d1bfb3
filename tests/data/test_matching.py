"""data/matching.py: which names are taken for the same image, and which are not."""
import unicodedata

import pytest

from data.matching import examples, match_names

NFC, NFD = (unicodedata.normalize(form, "größe/café.jpg") for form in ("NFC", "NFD"))
STORED = ["other.jpg", "train2014/COCO_train2014_000000001000.jpg", "b/dog.JPG", NFD, "x.png"]


@pytest.mark.parametrize("wanted, row, by", [
    ("other.jpg", 0, {}),
    ("train2014\\COCO_train2014_000000001000.jpg", 1, {"their path in another spelling": 1}),
    ("C:\\train2014\\COCO_train2014_000000001000.jpg", 1, {"their path in another spelling": 1}),
    ("./other.jpg", 0, {"their path in another spelling": 1}),
    ("/other.jpg", 0, {"their path in another spelling": 1}),
    ("other.jpg#2", 0, {"their path in another spelling": 1}),
    ("other.jpg#zhc#0", 0, {"their path in another spelling": 1}),
    (NFC, 3, {"their path in another spelling": 1}),
    ("COCO_train2014_000000001000.jpg", 1, {"their base name": 1}),
    ("C:\\photos\\other.jpg", 0, {"their base name": 1}),
    ("/home/ann/b/dog.JPG", 2, {"their base name": 1}),
    ("dog", 2, {"their base name without its ending": 1}),
    ("dog.jpg", 2, {"their base name without its ending": 1}),
    ("other.jpg.jpg", 0, {"their base name without its ending": 1}),
    ("other.jpeg", 0, {"their base name without its ending": 1}),
    ("1000", 1, {"the number in their name": 1}),
    ("000000001000.jpg", 1, {"the number in their name": 1}),
    ("1001", None, {}), ("another.jpg", None, {}), ("", None, {}), (".jpg", None, {}),
])
def test_one_name(wanted, row, by):
    matches = match_names([wanted], STORED)
    assert matches.row_of == ({} if row is None else {wanted: row})
    assert matches.by == by


@pytest.mark.parametrize("wanted, stored, row_of", [
    (["a.jpg"], ["1/a.jpg", "2/a.jpg"], {}),                                 # which of the two?
    (["1/a.jpg", "2/a.jpg"], ["a.jpg"], {}),
    (["1/a.jpg", "2/a.jpg"], ["2/a.jpg", "1/a.jpg"], {"1/a.jpg": 1, "2/a.jpg": 0}),
    (["a.jpg", "x/a.jpg"], ["a.jpg"], {"a.jpg": 0}),                         # equal names stay; no other takes the row
    (["a.jpg", "a.png"], ["a.webp"], {}),
    (["7", "07.jpg"], ["007"], {}),
    (["a.jpg", "b.jpg", "c.jpg"], ["c.png", "q/b.jpg", "a.jpg"], {"a.jpg": 2, "b.jpg": 1, "c.jpg": 0}),
    ([], ["a"], {}), (["a"], [], {}),
])
def test_ambiguous_names_are_no_match(wanted, stored, row_of):
    assert match_names(wanted, stored).row_of == row_of


def test_examples():
    assert examples(["c", "b", "a"], []) == "the captions' images are named 'a', 'b' and the others none"
