"""data/tables.py: CSV, TSV, | and JSON of images and captions, with and without headers, tidy and untidy."""
import json

import pytest

from data.tables import parse_table, read_table

PAIRS = [("a.jpg", "A dog, running."), ("a.jpg", "Two dogs"), ("b.jpg", "A cat sits\non a mat")]


def pairs(text, **options):
    return [(row.image, row.caption) for row in parse_table(text, "captions.csv", **options).rows]


@pytest.mark.parametrize("text", [
    'image,caption\na.jpg,"A dog, running."\na.jpg,Two dogs\nb.jpg,"A cat sits\non a mat"\n',
    'a.jpg,"A dog, running."\na.jpg,Two dogs\nb.jpg,"A cat sits\non a mat"\n',
    'a.jpg,A dog, running.\na.jpg,Two dogs\nb.jpg,"A cat sits\non a mat"\n',                # the first is not in quotes
    'caption;file_name\n"A dog, running.";a.jpg\nTwo dogs;a.jpg\n"A cat sits\non a mat";b.jpg\n',
    'image_name| comment_number| comment\na.jpg| 0| A dog, running.\na.jpg| 1| Two dogs\n'
    'b.jpg| 0|"A cat sits\non a mat"',
    'a.jpg#0\tA dog, running.\na.jpg#1\tTwo dogs\n\nb.jpg#zhc#0\t"A cat sits\non a mat"\n',
    'id,title,path,words\n1,x,a.jpg,"A dog, running."\n2,y,a.jpg,Two dogs\n3,z,b.jpg,"A cat sits\non a mat"\n',
    json.dumps([{"image": image, "caption": caption} for image, caption in PAIRS]),
    json.dumps([{"file_name": "a.jpg", "captions": ["A dog, running.", "Two dogs"]},
                {"file_name": "b.jpg", "captions": ["A cat sits\non a mat"]}]),
    json.dumps({"a.jpg": ["A dog, running.", "Two dogs"], "b.jpg": "A cat sits\non a mat"}),
    "\n".join(json.dumps({"caption": caption, "image": image, "n": 1}) for image, caption in PAIRS),
])
def test_forms(text, tmp_path):
    assert pairs(text) == PAIRS
    path = tmp_path / "f.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [(row.image, row.caption) for row in read_table(path).rows] == PAIRS
    path.write_bytes(text.encode("utf-16"))                     # as Excel saves "Unicode text"
    assert [(row.image, row.caption) for row in read_table(path).rows] == PAIRS


def test_columns_by_name_and_by_number():
    text = "photo,alt,who,caption\na.jpg,one dog,ann,x\nb.jpg,two dogs,bob,y\n"
    assert pairs(text) == [("a.jpg", "x"), ("b.jpg", "y")]
    assert pairs(text, caption_column="ALT") == pairs(text, caption_column="2") == [
        ("a.jpg", "one dog"), ("b.jpg", "two dogs")]
    assert pairs(text, image_column="who", caption_column="alt") == [("ann", "one dog"), ("bob", "two dogs")]
    table = parse_table(text, "f", split_column="who")
    assert [row.split for row in table.rows] == ["ann", "bob"]
    assert table.how == "comma-separated, with a header, columns 'photo' and 'caption' and 'who', not alt"


def test_ids_and_a_header_of_unknown_names():
    assert pairs("a,b\n1.png,one two\n2.png,three four\n") == [("1.png", "one two"), ("2.png", "three four")]
    assert pairs("391895,a man rides\n60623,a girl eats\n") == [("391895", "a man rides"), ("60623", "a girl eats")]
    assert pairs('[{"image_id": 391895, "caption": "a man"}]') == [("391895", "a man")]


def test_rows_that_lack_something_are_kept_with_their_place():
    table = parse_table("image_name| comment_number| comment\na.jpg| 0| A dog\nb.jpg| 4   A dog runs\n| 1| x\n", "f")
    assert [tuple(row) for row in table.rows] == [
        ("a.jpg", "A dog", None, "line 2"), ("b.jpg", "", None, "line 3"), ("", "x", None, "line 4")]
    assert pairs('[{"image": "a.jpg", "caption": null}, {"image": "b.jpg"}, {"image": "c.jpg", "caption": "x"}]') == [
        ("a.jpg", ""), ("b.jpg", ""), ("c.jpg", "x")]


@pytest.mark.parametrize("text, expected", [
    ('a.jpg\t"A man" said\nb.jpg\tx\n', [("a.jpg", '"A man" said'), ("b.jpg", "x")]),
    ('a.jpg\t"A man\nb.jpg\tx\nc.jpg\ty"\n', [("a.jpg", '"A man'), ("b.jpg", "x"), ("c.jpg", 'y"')]),
    ('a.jpg| 0| " A man\nb.jpg| 1| x\n', [("a.jpg", '" A man'), ("b.jpg", "x")]),
    ('image, caption\na.jpg, "A dog, running"\n', [("a.jpg", "A dog, running")]),
    ('image,caption\na.jpg,"say ""hi"", he said"\n', [("a.jpg", 'say "hi", he said')]),
    ('a.jpg,"say \\"hi\\", he\nsaid"\nb.jpg,x\n', [("a.jpg", 'say "hi", he\nsaid'), ("b.jpg", "x")]),
    ('a.jpg,"A dog\non a mat, asleep"\nb.jpg,"Big" dog\n',
     [("a.jpg", "A dog\non a mat, asleep"), ("b.jpg", "Big dog")]),
    ('7,"A dog\n8,a cat\n9,"x",\ty"\n', [("7", '"A dog'), ("8", "a cat"), ("9", '"x",\ty"')]),
])
def test_quotes_enclose_fields_only_where_they_do_so_throughout(text, expected):
    assert pairs(text) == expected


@pytest.mark.parametrize("cell", [
    '"[""A dog, running."", ""Two \'dogs\'""]"',                   # JSON, as in flickr_annotations_30k.csv
    '''"['A dog, running.', ""Two 'dogs'""]"''',                   # as pandas writes a column of lists
])
def test_a_list_of_captions_in_one_cell(cell):
    assert pairs(f"filename,raw\na.jpg,{cell}\nb.jpg,[a cat]\n") == [
        ("a.jpg", "A dog, running."), ("a.jpg", "Two 'dogs'"), ("b.jpg", "[a cat]")]
    assert pairs("""image,caption\na.jpg,['A dog' 'Two dogs']\n""") == [("a.jpg", "['A dog' 'Two dogs']")]


def test_a_first_line_for_excel_and_captions_that_begin_with_a_bracket():
    text = "sep=;\nphoto;words\na.jpg;A dog, a cat; x\n"
    assert [tuple(row) for row in parse_table(text, "f").rows] == [("a.jpg", "A dog, a cat; x", None, "line 3")]
    assert pairs("[CLS] a dog,a.jpg\n[CLS] a cat,b.jpg\n") == [("a.jpg", "[CLS] a dog"), ("b.jpg", "[CLS] a cat")]


@pytest.mark.parametrize("text, how", [
    ("a.jpg,a dog\n", "comma-separated, without a header, columns number 1 and number 2"),
    ("a.jpg,a dog,two big dogs\n", "comma-separated, without a header, columns number 1 and number 3 of 3"),
    ("image,caption,Split\na.jpg,a dog,val\n", "comma-separated, with a header, columns 'image' and 'caption', not "
     "Split; --split-column split takes the splits from that column"),
])
def test_what_is_said_of_columns_that_are_not_taken(text, how):
    assert parse_table(text, "f").how == how


def test_a_delimiter_of_ones_own():
    assert pairs("a.jpg~A dog, | ; fine\nb.jpg~x\n", delimiter="~") == [("a.jpg", "A dog, | ; fine"), ("b.jpg", "x")]
    assert pairs("a.jpg,x\tb\nb.jpg,y\tc\n", delimiter=",") == [("a.jpg", "x\tb"), ("b.jpg", "y\tc")]
    assert pairs("[a.jpg],x\n[b.jpg],y\n", delimiter=",") == [("[a.jpg]", "x"), ("[b.jpg]", "y")]


@pytest.mark.parametrize("text, options, parts", [
    ("", {}, ["is empty"]), (" \n\n", {"delimiter": ","}, ["is empty"]),
    ("a dog\na cat\n", {}, ["no tab, |, comma or ;", "--delimiter"]),
    ("image,caption\na.jpg,x\n", {"caption_column": "text"}, ["no column 'text', its header has image, caption",
                                                             "a number from 1 to 2"]),
    ("a.jpg,x\n", {"image_column": "3"}, ["no column '3', it has no header"]),
    ("caption,image\na dog, a cat,a.jpg\n", {}, ["line 2 has 3 fields, expected 2", "quotes"]),
    ("a.jpg,x\n", {"delimiter": ",,"}, ["--delimiter ',,'", "one letter"]),
    ("image\na.jpg\n", {"delimiter": ","}, ["one column"]),
    ("image,caption\na.jpg,x\n", {"image_column": "image", "caption_column": "Image"}, ["the same column"]),
    ('{"images": [{"filename": "a.jpg"}], "dataset": "x"}', {}, ["a list of images", "prepare_data karpathy or coco"]),
    ('{"info": {}, "images": [{"id": 1}], "annotations": []}', {}, ["prepare_data karpathy or coco"]),
    ('[{"image": "a.jpg"', {}, ["expected JSON"]), ('{"image": "a.jpg"}\n{oops', {}, ["line 2", "JSON object"]),
    ('[1]', {}, ["entry 0 is 1", "an object"]), ('[]', {}, ["no entry has an image and a caption", "nothing"]),
    ('{"a": 1}', {}, ["no entry", "the first has a", "--image-column"]),
    ('[{"image": "a.jpg", "caption": {"x": 1}}]', {}, ["entry 0 has 'a.jpg' and {'x': 1}", "list of texts"]),
    ("[" * 99999, {}, ["expected JSON"]),
])
def test_wrong_input(text, options, parts, fails):
    with fails(*parts):
        pairs(text, **options)


def test_a_missing_file(tmp_path, fails):
    with fails("no such file", error=FileNotFoundError):
        read_table(tmp_path / "none.csv")
