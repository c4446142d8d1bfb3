"""data/caption_files.py: the same captions from every form, and what each of its errors names."""
import csv
import io
import json
import sys
from pathlib import Path

import pytest

from data.caption_files import read_captions

CAPTIONS = {"a.jpg": ["A dog, running.", "Two \"dogs\""], "7": ["Eine Katze"]}
ENTRIES = [{"image_id": image, "caption": text} for image, texts in CAPTIONS.items() for text in texts]
NUMBERED = [{**entry, "image_id": 7} if entry["image_id"] == "7" else entry for entry in ENTRIES]
KARPATHY = {"dataset": "x", "images": [
    {"filename": image, "imgid": k, "cocoid": 90 + k, "split": "test", "sentences": [{"raw": text} for text in texts]}
    for k, (image, texts) in enumerate(CAPTIONS.items())]}


def table(delimiter, *header):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([*header, *(entry.values() for entry in ENTRIES)])
    return text.getvalue()


FORMS = {
    "lists": CAPTIONS, "objects, as pycocoevalcap takes them": {
        image: [{"caption": text, "id": 3} for text in texts] for image, texts in CAPTIONS.items()},
    "texts": {**CAPTIONS, "7": "Eine Katze"}, "entries": ENTRIES, "whole numbers": NUMBERED,
    "id": [{"id": entry["image_id"], "caption": entry["caption"]} for entry in ENTRIES],
    "image": [{"id": 5, "image": entry["image_id"], "caption": entry["caption"]} for entry in ENTRIES],
    "lists of captions": [{"image_id": image, "caption": texts} for image, texts in CAPTIONS.items()],
    "captions": [{"image": image, "captions": texts} for image, texts in CAPTIONS.items()],
    "JSON lines of lists": "\n".join(json.dumps({"image": image, "captions": texts})
                                     for image, texts in CAPTIONS.items()),
    "annotations as a list": [{"id": 8, **entry} for entry in NUMBERED],
    "coco": {"info": {}, "annotations": [{"id": 8, **entry} for entry in NUMBERED], "images": []},
    "karpathy": KARPATHY, "JSON lines": "\n".join(map(json.dumps, NUMBERED)),
    "csv": table(",", ("image", "caption")), "tsv": table("\t"), "bars": table("|", ("image_id", "comment")),
    "a byte order mark": "\ufeff" + json.dumps(ENTRIES),
}


@pytest.fixture
def file(tmp_path):
    """A function that writes a file of this content, JSON unless it is text, and gives its path."""
    def write(content):
        path = tmp_path / "captions"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path
    return write


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_captions(form, file):
    found = read_captions(file(FORMS[form]))
    assert found.readings[""] == CAPTIONS and found.notes == []


@pytest.mark.parametrize("form", FORMS)
def test_standard_input(form, file, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file(FORMS[form]).read_bytes())))
    found = read_captions(Path("-"))
    assert found.readings[""] == CAPTIONS and found.name == "standard input"


def test_a_single_caption_as_a_line_of_json(file):
    assert read_captions(file({"image": "a", "caption": "b", "id": 1})).readings == {"": {"a": ["b"]}}


def test_splits_of_a_dataset_folder(file):
    assert read_captions(file({"train": CAPTIONS, "val": {"b": ["x"]}, "test": {}})).readings == {
        "the train split": CAPTIONS, "the val split": {"b": ["x"]}}
    assert read_captions(file({"test": ["x"], "val": ["y"]})).readings == {"": {"test": ["x"], "val": ["y"]}}


def test_several_ids_of_an_image(file):
    texts = list(CAPTIONS.values())
    assert read_captions(file(KARPATHY)).readings == {
        "": CAPTIONS, "the id cocoid": {"90": texts[0], "91": texts[1]}, "the id imgid": {"0": texts[0], "1": texts[1]}}
    one, other = KARPATHY["images"]
    lacking = {"images": [one, {key: value for key, value in other.items() if key != "cocoid"}]}
    assert list(read_captions(file(lacking)).readings) == ["", "the id imgid"]
    coco = {"annotations": [{"image_id": 3, "caption": "x"}, {"image_id": 4, "caption": "y"}],
            "images": [{"id": 4, "file_name": "d.jpg"}, {"id": 3, "file_name": "c.jpg"}]}
    assert read_captions(file(coco)).readings == {
        "": {"3": ["x"], "4": ["y"]}, "the file_name of its images": {"c.jpg": ["x"], "d.jpg": ["y"]}}
    del coco["images"][0]["file_name"]
    assert list(read_captions(file(coco)).readings) == [""]


def test_rows_without_a_caption(file):
    """Of references they are none, as in Flickr30k's results.csv; of candidates they are captions without a word."""
    path = file("image_name| comment_number| comment\na.jpg| 0| A dog\nb.jpg| 0| A cat\nb.jpg| 4   A dog runs\n")
    found = read_captions(path)
    assert found.readings == {"": {"a.jpg": ["A dog"], "b.jpg": ["A cat"]}}
    assert found.notes == [f"{path}: 1 rows have no caption, the first is line 4"]
    found = read_captions(file("image,caption\na.jpg,A dog\nb.jpg,\n"), single=True)
    assert found.readings == {"": {"a.jpg": ["A dog"], "b.jpg": [""]}} and found.notes == []


@pytest.mark.parametrize("content, message", [
    ("", "is empty, expected captions as {image: caption}"), (" \n ", "is empty"), ({}, "an object with nothing"),
    ([[["a"]]], "entry 0 is [['a']], expected an object"), ({"a": {"b": {"c": "d"}}}, "'a' has {'b': {'c': 'd'}}, "),
    ({"a": ["x", ["y"]]}, "'a' has ['x', ['y']], expected a caption"), ({"a": []}, "'a' has [], expected a caption"),
    ({"a": None}, "'a' has None"), ({"train": {"a": {"b": "c"}}}, "'a' has {'b': 'c'}"),
    ({"idx_to_word": ["a"], "word_to_idx": {"a": 0}}, "'word_to_idx' has {'a': 0}"),
    ({"images": [{"id": 1, "file_name": "a.jpg"}]}, "images[0] is {'id': 1, "),
    ({"images": [{"filename": "a.jpg", "sentences": [{"tokens": []}]}]}, "images[0] is {'filename': "),
    ({"images": [{"filename": 1.5, "sentences": [{"raw": "x"}]}]}, "images[0]: image_id is 1.5, expected"),
    ({"annotations": {"1": "a"}}, "annotations is an object with 1, expected"), ('{"a": "b",', "expected JSON"),
    ('{"image": "a", "caption": "b"}\n{"image"', "line 2: expected a JSON object"),
    ("a dog runs\na cat sits\n", "found neither: no tab, |, comma or ; in its first lines"),
    ("image,caption\na.jpg,A dog\n,A cat\n", "line 3 has no image"), ("7", "found neither"),
    ({"x" * 9999: {"y": 1}}, "expected a caption"), ({"annotations": {"x" * 9999: {"y": 1}}}, "annotations is an obj"),
    ("[" * 99999, "expected JSON"), ("[" * 800 + "]" * 800, "entry 0 is [[["),
])
def test_wrong_content(content, message, file):
    with pytest.raises(ValueError) as error:
        read_captions(file(content))
    found = str(error.value)
    assert message in found and found.startswith(str(file(content))) and len(found) < 600 and "--" not in found


@pytest.mark.parametrize("content, message", [
    (CAPTIONS, "entry 'a.jpg': image_id 'a.jpg' occurs twice, expected one caption an image"),
    (NUMBERED, "entry 1: image_id 'a.jpg' occurs twice"), (KARPATHY, "images[0]: image_id 'a.jpg' occurs twice"),
    ({"annotations": NUMBERED}, "annotations[1]: image_id 'a.jpg' occurs twice"),
    (table(","), "line 2: image_id 'a.jpg' occurs twice"),
    ([{"id": 7, "caption": "a"}, {"id": "7", "caption": "b"}], "entry 1: image_id '7' occurs twice"),
])
def test_two_captions_of_a_candidate(content, message, file):
    with pytest.raises(ValueError) as error:
        read_captions(file(content), single=True)
    assert message in str(error.value)


def test_no_text(tmp_path, monkeypatch):
    path = tmp_path / "captions.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(200, 256)))
    with pytest.raises(ValueError, match="expected text in UTF-8"):
        read_captions(path)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match="standard input is closed"):
        read_captions(Path("-"))


@pytest.mark.parametrize("key", ["caption", "captions"])
def test_one_line_of_json_with_a_list(key, file):
    entry = {"image": "a.jpg", key: CAPTIONS["a.jpg"]}
    assert read_captions(file(entry)).readings[""] == {"a.jpg": CAPTIONS["a.jpg"]}
    with pytest.raises(ValueError, match="entry 0: image_id 'a.jpg' occurs twice, expected one caption an image"):
        read_captions(file([entry]), single=True)
    with pytest.raises(ValueError, match="entry 0 is .*, expected an object with image_id and caption"):
        read_captions(file([{**entry, key: []}]))
