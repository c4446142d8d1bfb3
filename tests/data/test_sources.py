"""data/sources.py: Flickr8k's, Karpathy's and COCO's files, as they are published and damaged in every way known."""
import json

import pytest

from data.sources import read_coco, read_csv, read_flickr8k, read_karpathy
from data.splits import check_splits

ODD = "vertical\x0btab, form\x0cfeed, next\x85line, line\u2028and\u2029paragraph, no\u00a0break"
TOKENS = f"""1.jpg#0\tA dog runs .
1.jpg#1\ttwo\ttabs and # signs#3
2.jpg#0\t{ODD}

odd#name#1.jpg#4\tA caption; größe 𝄞 .
3.jpg#0\tunused one
3.jpg#1\tunused two
2.jpg#2\tA cat .
4.jpg#0\t
"""
SPLITS = {"train": "2.jpg\n1.jpg\nmissing.jpg\n", "dev": "  odd#name#1.jpg  \n\n", "test": "4.jpg"}
EXPECTED = {
    "train": {"2.jpg": [ODD, "A cat ."], "1.jpg": ["A dog runs .", "two\ttabs and # signs#3"]},
    "val": {"odd#name#1.jpg": ["A caption; größe 𝄞 ."]},
    "test": {"4.jpg": [""]},
}


def write_flickr(folder, tokens=TOKENS, line_end="\n", encoding="utf-8", **splits):
    texts = {"tokens.txt": tokens}
    texts.update({f"Flickr_8k.{split}Images.txt": text for split, text in {**SPLITS, **splits}.items()})
    for name, text in texts.items():
        (folder / name).write_bytes(text.replace("\n", line_end).encode(encoding))
    return folder / "tokens.txt", folder


# --- Flickr8k ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_flickr8k(tmp_path, line_end, encoding):
    source = read_flickr8k(*map(str, write_flickr(tmp_path, line_end=line_end, encoding=encoding)))
    assert source.name == "flickr8k"
    assert source.captions == EXPECTED and list(source.captions) == ["train", "val", "test"]
    assert list(source.captions["train"]) == ["2.jpg", "1.jpg"]                # in the order of the split's file
    assert +source.left_out == {"train images without a caption": 1, "captions of images in no split": 2}


@pytest.mark.parametrize("line, number", [
    ("no tab at all", 11), ("5.jpg#0 blanks but no tab", 11), ("5.jpg\tno number", 11), ("\tempty", 11)])
def test_flickr8k_names_a_malformed_line(tmp_path, line, number, fails):
    tokens, folder = write_flickr(tmp_path, TOKENS + "\n" + line + "\n6.jpg#0\tfine\n")
    with fails(f"{tokens}: line {number} is {line!r}", "expected image.jpg#k, a tab, a caption"):
        read_flickr8k(tokens, folder)


@pytest.mark.parametrize("name", ["tokens.txt", "Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt",
                                  "Flickr_8k.testImages.txt"])
def test_flickr8k_names_a_file_that_is_missing_or_no_text(tmp_path, name, fails):
    tokens, folder = write_flickr(tmp_path)
    (folder / name).write_bytes(b"1.jpg\xff\xfe\n")
    with fails(folder / name, "expected text in UTF-8"):
        read_flickr8k(tokens, folder)
    (folder / name).unlink()
    with fails(folder / name, "no such file", error=FileNotFoundError):
        read_flickr8k(tokens, folder)
    (folder / name).mkdir()
    with fails(folder / name, "no such file", error=FileNotFoundError):
        read_flickr8k(tokens, folder)


def test_flickr8k_with_paths_swapped(tmp_path, fails):
    tokens, folder = write_flickr(tmp_path)
    with fails(folder, "no such file", error=FileNotFoundError):
        read_flickr8k(folder, tokens)


@pytest.mark.parametrize("splits, parts", [
    ({"dev": ""}, ["no image of the val split has a caption"]),
    ({"train": "7\n8\n"}, ["no image of the train split has a caption"]),
    ({"test": "3.jpg\n2.jpg\n1.jpg\n"}, ["image '1.jpg' is in the splits train and test"]),
])
def test_flickr8k_with_splits_that_do_not_fit(tmp_path, splits, parts, fails):
    tokens, folder = write_flickr(tmp_path, TOKENS.replace("4.jpg#0\t", "4.jpg#0\tA hat ."), **splits)
    with fails(tokens, folder, *parts):
        check_splits(read_flickr8k(tokens, folder))


KAGGLE = ["image,caption", "1.jpg,A dog runs .", '1.jpg,"two, with a comma"', "2.jpg,A cat .", "4.jpg,"]


@pytest.mark.parametrize("lines", [KAGGLE, [line.replace(",", "| 0| ", 1) for line in KAGGLE]])
def test_flickr8ks_captions_as_a_table(tmp_path, lines):
    tokens, folder = write_flickr(tmp_path, "\n".join(lines), dev="4.jpg\n", test="")
    source = read_flickr8k(tokens, folder)
    assert source.captions == {"train": {"2.jpg": ["A cat ."], "1.jpg": ["A dog runs .", "two, with a comma"]},
                               "val": {}, "test": {}}
    assert {"rows without a caption (line 5: 4.jpg)": 1, "val images without a caption": 1}.items() <= (
        source.left_out.items())


def test_flickr8k_with_names_in_other_forms(tmp_path):
    tokens, folder = write_flickr(tmp_path, "a/1.jpg#zhc#0\tA dog\na/1.jpg#zhc#1\tTwo\n2.jpg#0\tA cat\n", train="1\n",
                                  dev="2.jpg.jpg", test="")
    captions = read_flickr8k(tokens, folder).captions
    assert captions == {"train": {"a/1.jpg": ["A dog", "Two"]}, "val": {"2.jpg": ["A cat"]}, "test": {}}


# --- Tables ------------------------------------------------------------------------------------------------------


def test_csv_without_splits(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("image,caption\na.jpg,one\nb.jpg,two\na.jpg,three\n,four\nc.jpg,\nd.jpg,\n", encoding="utf-8")
    source = read_csv(path)
    assert source.name == "mine"
    assert source.captions == {"train": {"a.jpg": ["one", "three"], "b.jpg": ["two"]}}
    assert source.left_out == {"rows without an image (line 5: four)": 1, "rows without a caption (line 6: c.jpg)": 2}
    assert source.notes == (f"{path}: comma-separated, with a header, columns 'image' and 'caption'",)


def test_csv_with_splits(tmp_path, fails):
    path = tmp_path / "mine.csv"
    splits = ["train", "restval", "Val", "valid", "validation", "dev", "test"]
    text = "image,part,caption\n" + "".join(f"{k}.jpg,{split},a {split}\n" for k, split in enumerate(splits))
    path.write_text(text, encoding="utf-8")
    assert read_csv(path, split_column="part").captions == {
        "train": {"0.jpg": ["a train"], "1.jpg": ["a restval"]}, "test": {"6.jpg": ["a test"]},
        "val": {"2.jpg": ["a Val"], "3.jpg": ["a valid"], "4.jpg": ["a validation"], "5.jpg": ["a dev"]}}
    path.write_text(text + "8.jpg,holdout,x\n", encoding="utf-8")
    with fails(f"{path}: splits named 'holdout' (line 9), expected train, val, test, restval, valid, validation, dev"):
        read_csv(path, split_column="part")


# --- Karpathy ----------------------------------------------------------------------------------------------------


def karpathy_image(name, split, *raws):
    return {"filename": name, "split": split, "imgid": 3, "sentids": [1, 2],
            "sentences": [{"raw": raw, "tokens": raw.lower().split(), "sentid": 5} for raw in raws]}


KARPATHY = [karpathy_image("b.jpg", "train", "One.", "Zwölf \u2028 two"), karpathy_image("a.jpg", "restval", "Three."),
            karpathy_image("d.jpg", "test", "Four.", "Five."), karpathy_image("c.jpg", "val", "Six."),
            karpathy_image("none.jpg", "val")]


def write_json(path, content, encoding="utf-8"):
    text = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode(encoding)
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_karpathy(tmp_path, encoding):
    path = write_json(tmp_path / "dataset_flickr30k.json", {"images": KARPATHY, "dataset": "flickr30k"}, encoding)
    source = read_karpathy(str(path))
    assert source.name == "flickr30k" and not source.left_out
    assert source.captions == {
        "train": {"b.jpg": ["One.", "Zwölf \u2028 two"], "a.jpg": ["Three."]},
        "test": {"d.jpg": ["Four.", "Five."]}, "val": {"c.jpg": ["Six."], "none.jpg": []}}
    assert list(source.captions["train"]) == ["b.jpg", "a.jpg"]


def test_karpathy_keeps_all_captions_of_an_image_listed_twice(tmp_path):
    images = [karpathy_image("a.jpg", "train", "One."), karpathy_image("a.jpg", "restval", "Two.")]
    source = read_karpathy(write_json(tmp_path / "k.json", {"images": images}))
    assert source.captions == {"train": {"a.jpg": ["One.", "Two."]}}


@pytest.mark.parametrize("given, name", [
    ({}, "dataset_x"), ({"dataset": None}, "dataset_x"), ({"dataset": "coco"}, "coco"), ({"dataset": "../../up"}, "up"),
    ({"dataset": 8}, "8"),
])
def test_karpathys_name_is_fit_for_a_folder(tmp_path, given, name):
    assert read_karpathy(write_json(tmp_path / "dataset_x.json", {"images": KARPATHY, **given})).name == name


def test_karpathys_filepath_comes_before_the_filename(tmp_path):
    images = [{**karpathy_image("a.jpg", "train", "One."), "filepath": "train2014"},
              {**karpathy_image("a.jpg", "val", "Two."), "filepath": "val2014"}]
    assert read_karpathy(write_json(tmp_path / "k.json", {"images": images})).captions == {
        "train": {"train2014/a.jpg": ["One."]}, "val": {"val2014/a.jpg": ["Two."]}}


NOT_JSON = [(b"", "expected JSON in UTF-8"), (b"hello", "expected JSON"), (b'{"images": [', "expected JSON"),
            (b'{"images": "\xff"}', "expected JSON in UTF-8"), (b"[" * 100_000, "expected JSON")]
NO_LIST = [(content, "no list 'images'") for content in ([], None, "images", {}, {"images": {"0": {}}})]


def without(image, key):
    return {k: v for k, v in image.items() if k != key}


@pytest.mark.parametrize("content, part", [
    *NOT_JSON, *NO_LIST,
    ({"images": []}, "no image of the train split has a caption"),
    ({"images": KARPATHY[2:4]}, "no image of the train split has a caption"),
    ({"images": [karpathy_image("a.jpg", "train"), KARPATHY[2]]}, "no image of the train split has a caption"),
    ({"images": [KARPATHY[0], KARPATHY[4]]}, "no image of the val split has a caption"),
    ({"images": [KARPATHY[0], without(KARPATHY[1], "filename")]}, "images[1]: expected filename"),
    ({"images": [without(KARPATHY[0], "split")]}, "images[0]: expected filename, split and sentences with raw"),
    ({"images": [without(KARPATHY[0], "sentences")]}, "KeyError: 'sentences'"),
    ({"images": [{**KARPATHY[0], "sentences": None}]}, "images[0]"),
    ({"images": [{**KARPATHY[0], "sentences": ["One."]}]}, "images[0]"),
    ({"images": [{**KARPATHY[0], "sentences": [{"tokens": []}]}]}, "KeyError: 'raw'"),
    ({"images": [{**KARPATHY[0], "sentences": [{"raw": None}]}]}, "None is not text"),
    ({"images": [{**KARPATHY[0], "sentences": [{"raw": ["One", "."]}]}]}, "['One', '.'] is not text"),
    ({"images": [{**KARPATHY[0], "filename": 7}]}, "7 is not text"),
    ({"images": [{**KARPATHY[0], "split": ["train"]}]}, "['train'] is not text"),
    ({"images": [{**KARPATHY[0], "split": None}]}, "None is not text"),
    ({"images": [KARPATHY[0], "a.jpg"]}, "images[1]"),
    ({"images": [KARPATHY[0], None]}, "images[1]"),
    ({"images": [KARPATHY[0], karpathy_image("a.jpg", "devel", "x")]}, "splits named 'devel' (images[1]), expected "),
    ({"images": [KARPATHY[0], karpathy_image("b.jpg", "test", "x")]}, "image 'b.jpg' is in the splits train and test"),
])
def test_karpathy_malformed(tmp_path, content, part, fails):
    path = write_json(tmp_path / "k.json", content)
    with fails(path, part):
        check_splits(read_karpathy(path))


# --- COCO --------------------------------------------------------------------------------------------------------


def coco(images, *annotations):
    return {"info": {}, "licenses": [], "images": [{"id": i, "file_name": name, "height": 480} for i, name in images],
            "annotations": [{"image_id": i, "id": 100 + k, "caption": c} for k, (i, c) in enumerate(annotations)]}


COCO_TRAIN = coco([(9, "t9.jpg"), (4, "t4.jpg"), (5, "t5.jpg")],
                  (4, "A dog."), (9, "A cat.\n"), (4, "Zwei \u2028 Hunde"))
COCO_VAL = coco([(4, "v4.jpg")], (4, "A bird."))


def test_coco(tmp_path):
    source = read_coco(str(write_json(tmp_path / "t.json", COCO_TRAIN)), str(write_json(tmp_path / "v.json", COCO_VAL)))
    assert source.name == "coco" and not source.left_out
    assert source.captions == {
        "train": {"t9.jpg": ["A cat.\n"], "t4.jpg": ["A dog.", "Zwei \u2028 Hunde"], "t5.jpg": []},
        "val": {"v4.jpg": ["A bird."]}}


def changed(key, place, **entries):
    content = json.loads(json.dumps(COCO_TRAIN))
    content[key][place] = {**content[key][place], **entries}
    return content


@pytest.mark.parametrize("content, part", [
    *NOT_JSON, *NO_LIST,
    (without(COCO_TRAIN, "annotations"), "no list 'annotations', expected an object with images and annotations"),
    ({**COCO_TRAIN, "annotations": {}}, "no list 'annotations'"),
    ({**COCO_TRAIN, "annotations": []}, "split has a caption"),
    ({**COCO_TRAIN, "images": [{"id": 9}]}, "images[0]: expected id and file_name, found KeyError: 'file_name'"),
    ({**COCO_TRAIN, "images": ["t9.jpg"]}, "images[0]"),
    ({**COCO_TRAIN, "images": []}, "annotations[0]: expected caption, and image_id"),
    (changed("images", 1, id=[4]), "images[1]"),
    (changed("images", 1, file_name=None), "None is not text"),
    (changed("annotations", 2, image_id=77), "annotations[2]: expected caption, and image_id, the id of"),
    (changed("annotations", 1, image_id={}), "annotations[1]"),
    (changed("annotations", 0, caption=None), "None is not text"),
    ({**COCO_TRAIN, "annotations": [{"image_id": 4}]}, "KeyError: 'caption'"),
    ({**COCO_TRAIN, "annotations": [{"caption": "x"}]}, "KeyError: 'image_id'"),
    ({**COCO_TRAIN, "annotations": [None]}, "annotations[0]"),
])
@pytest.mark.parametrize("which", [0, 1])
def test_coco_malformed(tmp_path, content, part, which, fails):
    contents = [COCO_TRAIN, COCO_VAL]
    contents[which] = content
    paths = [write_json(tmp_path / f"{k}.json", c) for k, c in enumerate(contents)]
    with fails(paths[which], part):
        check_splits(read_coco(*paths))


def test_coco_given_one_file_twice(tmp_path, fails):
    path = write_json(tmp_path / "t.json", COCO_TRAIN)
    with fails(path, "image 't4.jpg' is in the splits train and val"):
        check_splits(read_coco(path, path))


@pytest.mark.parametrize("read", [read_karpathy, lambda path: read_coco(path, path)])
def test_a_missing_json_file(tmp_path, read, fails):
    with fails(tmp_path / "none.json", "no such file", error=FileNotFoundError):
        read(tmp_path / "none.json")


def test_flickr8k_of_a_table_without_a_row(tmp_path):
    tokens, folder = write_flickr(tmp_path)
    tokens.write_text("image,caption\n")
    source = read_flickr8k(str(tokens), str(folder))
    assert not any(source.captions.values()) and source.left_out["train images without a caption"]
