"""data/coco.py against small folders of the course's layout, and against its sampling order written out again."""

import json
import shutil

import h5py
import numpy as np
import pytest

from data.coco import decode_captions, load_coco_data, sample_coco_minibatch

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "cat", "on", "the", "mat", "dog", "red"]
ORDERED = {"courses order": WORDS, "another order": ["cat", "<END>", "a", "<NULL>", "on", "<START>", "<UNK>", "mat"]}
COUNTS = {"train": (31, 12), "val": (17, 5)}  # captions, images
T, D, D_ALL = 9, 6, 10
COURSE_KEYS = {"train_captions", "train_image_idxs", "val_captions", "val_image_idxs", "train_features", "val_features",
               "idx_to_word", "word_to_idx", "train_urls", "val_urls"}


def make_captions(count, words, rng):
    """Captions <START> w.. <END> <NULL>* of 1 to T-2 words."""
    special = {word: words.index(word) for word in ("<NULL>", "<START>", "<END>")}
    plain = [i for i in range(len(words)) if i not in special.values()]
    captions = np.full((count, T), special["<NULL>"], np.int32)
    captions[:, 0] = special["<START>"]
    for row in captions:
        length = rng.integers(1, T - 1)
        row[1 : length + 1] = rng.choice(plain, length)
        row[length + 1] = special["<END>"]
    return captions


def write_hdf5(path, datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


def write_folder(folder, words=WORDS):
    """A folder as the course's, and the arrays that went into it."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    written = {"extra": np.arange(4.0)}
    for split, (count, images) in COUNTS.items():
        written[f"{split}_captions"] = make_captions(count, words, rng)
        written[f"{split}_image_idxs"] = rng.integers(0, images, count).astype(np.int32)
    write_hdf5(folder / "coco2014_captions.h5", written)
    (folder / "coco2014_vocab.json").write_text(
        json.dumps({"idx_to_word": words, "word_to_idx": {word: i for i, word in enumerate(words)}}))
    for split, (_, images) in COUNTS.items():
        for ending, width in (("_pca", D), ("", D_ALL)):
            features = rng.standard_normal((images, width)).astype(np.float32)
            write_hdf5(folder / f"{split}2014_vgg16_fc7{ending}.h5", {"features": features})
            written[f"{split}_features{ending}"] = features
        written[f"{split}_urls"] = [f"http://pictures.example/{split}/{i}_ü.jpg" for i in range(images)]
        (folder / f"{split}2014_urls.txt").write_text("\n".join(written[f"{split}_urls"]) + "\n", encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco") / "coco_captioning"
    return folder, write_folder(folder)


@pytest.fixture
def folder(pristine, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(pristine[0], tmp_path / "coco_captioning")


# --- loading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pca_features, ending, width", [(True, "_pca", D), (False, "", D_ALL)])
def test_keys_dtypes_and_values_are_those_of_the_files(pristine, capsys, pca_features, ending, width):
    folder, written = pristine
    data = load_coco_data(folder, pca_features=pca_features)
    assert set(data) == COURSE_KEYS | {"extra"}
    for split, (count, images) in COUNTS.items():
        for key in (f"{split}_captions", f"{split}_image_idxs"):
            assert data[key].dtype == np.int32
            np.testing.assert_array_equal(data[key], written[key])
        assert data[f"{split}_captions"].shape == (count, T)
        assert data[f"{split}_features"].dtype == np.float32
        assert data[f"{split}_features"].shape == (images, width)
        np.testing.assert_array_equal(data[f"{split}_features"], written[f"{split}_features{ending}"])
        assert data[f"{split}_urls"].dtype.kind == "U"
        assert data[f"{split}_urls"].tolist() == written[f"{split}_urls"]
    np.testing.assert_array_equal(data["extra"], written["extra"])
    assert data["idx_to_word"] == WORDS
    assert data["word_to_idx"] == {word: i for i, word in enumerate(WORDS)}
    assert capsys.readouterr() == ("", "")


def test_loading_draws_no_random_numbers_and_gives_fresh_arrays(pristine):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = load_coco_data(str(pristine[0]))
    first["train_captions"][:] = 0
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_array_equal(load_coco_data(pristine[0])["train_captions"], pristine[1]["train_captions"])


@pytest.mark.parametrize("max_train", [1, 7, 50])
def test_max_train_draws_with_replacement_as_the_course_does(pristine, max_train):
    folder, written = pristine
    np.random.seed(231)
    data = load_coco_data(folder, max_train=max_train)
    np.random.seed(231)
    mask = np.random.randint(COUNTS["train"][0], size=max_train)
    np.testing.assert_array_equal(data["train_captions"], written["train_captions"][mask])
    np.testing.assert_array_equal(data["train_image_idxs"], written["train_image_idxs"][mask])
    whole = load_coco_data(folder)
    for key in COURSE_KEYS - {"train_captions", "train_image_idxs"}:
        np.testing.assert_array_equal(data[key], whole[key])


def test_base_dir_comes_before_the_environment_and_that_before_the_default(pristine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCO_CAPTIONING_DIR", str(tmp_path / "nowhere"))
    assert set(load_coco_data(pristine[0])) >= COURSE_KEYS
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_coco_data()
    monkeypatch.setenv("COCO_CAPTIONING_DIR", str(pristine[0]))
    assert set(load_coco_data()) >= COURSE_KEYS
    monkeypatch.delenv("COCO_CAPTIONING_DIR")
    write_folder(tmp_path / "datasets" / "coco_captioning", ORDERED["another order"])
    assert load_coco_data()["idx_to_word"] == ORDERED["another order"]


# --- errors ------------------------------------------------------------------------------------------------------


def one_line(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("given", [True, False])
def test_a_missing_folder_says_where_it_looked_and_what_to_do(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COCO_CAPTIONING_DIR", raising=False)
    place = tmp_path / "elsewhere" if given else tmp_path / "datasets" / "coco_captioning"
    with pytest.raises(FileNotFoundError) as error:
        load_coco_data(place if given else None)
    one_line(error, str(place), "base_dir", "$COCO_CAPTIONING_DIR", "coco_captioning.zip")


@pytest.mark.parametrize("name", ["coco2014_captions.h5", "coco2014_vocab.json", "train2014_vgg16_fc7_pca.h5",
                                  "val2014_vgg16_fc7_pca.h5", "train2014_urls.txt", "val2014_urls.txt"])
def test_a_missing_file_is_named_with_the_remedy(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError) as error:
        load_coco_data(folder)
    one_line(error, name, str(folder), "base_dir", "$COCO_CAPTIONING_DIR", "coco_captioning.zip")


def test_only_the_features_asked_for_need_be_there(folder):
    for split in COUNTS:
        (folder / f"{split}2014_vgg16_fc7.h5").unlink()
    load_coco_data(folder)
    with pytest.raises(FileNotFoundError, match="no file train2014_vgg16_fc7.h5"):
        load_coco_data(folder, pca_features=False)


@pytest.mark.parametrize("name", ["coco2014_captions.h5", "train2014_vgg16_fc7_pca.h5", "val2014_vgg16_fc7_pca.h5"])
@pytest.mark.parametrize("damage", [lambda whole: b"<html>\nnot found\n", lambda whole: whole[:900], lambda whole: b""],
                         ids=["another format", "cut short", "empty"])
def test_a_file_that_is_not_hdf5(folder, name, damage):
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(ValueError) as error:
        load_coco_data(folder)
    one_line(error, str(folder / name), "expected an HDF5 file, found")


FEATURES = np.ones((COUNTS["val"][1], D), np.float32)


def with_entry(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize("datasets, parts", [
    ({"feature": FEATURES}, ["'features'"]),
    ({"features/inside": FEATURES}, ["'features'"]),
    ({"features": FEATURES[0]}, ["(images, D)", "float32 (6,)"]),
    ({"features": FEATURES[:, :0]}, ["(images, D)", "float32 (5, 0)"]),
    ({"features": FEATURES.astype(int)}, ["floating point", "int64 (5, 6)"]),
    ({"features": with_entry(FEATURES, (3, 2), np.nan)}, ["finite", "NaN or inf in 1 of 5 rows, the first row 3"]),
    ({"features": with_entry(FEATURES, (2, 5), np.inf)}, ["finite", "NaN or inf in 1 of 5 rows, the first row 2"]),
    ({"features": with_entry(FEATURES, (slice(1, 3), 0), -np.inf)}, ["finite", "in 2 of 5 rows, the first row 1"]),
    ({"features": FEATURES[:2]}, ["val_image_idxs", "from 0 to 1 (2 rows of val_features)", "found"]),
])
def test_features_that_are_none(folder, datasets, parts):
    write_hdf5(folder / "val2014_vgg16_fc7_pca.h5", datasets)
    with pytest.raises(ValueError) as error:
        load_coco_data(folder)
    name = "coco2014_captions.h5" if "val_image_idxs" in parts else "val2014_vgg16_fc7_pca.h5"
    one_line(error, str(folder / name), *parts)


@pytest.mark.parametrize("key, change, parts", [
    ("train_captions", lambda a: None, ["expected a dataset 'train_captions'"]),
    ("val_image_idxs", lambda a: None, ["expected a dataset 'val_image_idxs'"]),
    ("train_captions", lambda a: a.astype(np.float32), ["train_captions integer (N, T)", "float32 (31, 9)"]),
    ("val_captions", lambda a: a[:, 0], ["val_captions integer (N, T)", "int32 (17,)"]),
    ("val_image_idxs", lambda a: a[:, None], ["val_image_idxs integer (N)", "int32 (17, 1)"]),
    ("train_image_idxs", lambda a: a.astype(float), ["train_image_idxs integer (N)", "float64 (31,)"]),
    ("train_captions", lambda a: a[:-1], ["one image id for each caption", "30 train_captions, 31 train_image_idxs"]),
    ("val_image_idxs", lambda a: a[:-2], ["one image id for each caption", "17 val_captions, 15 val_image_idxs"]),
    ("train_image_idxs", lambda a: with_entry(a, 4, 12), ["train_image_idxs", "from 0 to 11", "12 in row 4"]),
    ("val_image_idxs", lambda a: with_entry(a, 6, -1), ["val_image_idxs", "from 0 to 4", "-1 in row 6"]),
    ("train_captions", lambda a: with_entry(a, (7, 2), 11), ["train_captions", "0 to 10 (11 words", "11 in row 7"]),
    ("val_captions", lambda a: with_entry(a, (0, 8), -1), ["val_captions", "0 to 10 (11 words", "-1 in row 0"]),
])
def test_captions_that_do_not_fit(folder, pristine, key, change, parts):
    written = {name: pristine[1][name] for name in COURSE_KEYS if name.endswith(("captions", "idxs"))}
    written[key] = change(written[key])
    write_hdf5(folder / "coco2014_captions.h5", {name: a for name, a in written.items() if a is not None})
    with pytest.raises(ValueError) as error:
        load_coco_data(folder)
    one_line(error, str(folder / "coco2014_captions.h5"), *parts)


@pytest.mark.parametrize("text, part", [
    (b"not JSON", "expected JSON"),
    (b'"\xff\xfe"', "expected JSON in UTF-8"),
    (b"[1, 2]", "found no such idx_to_word"),
    (b'{"idx_to_word": {"0": "a"}, "word_to_idx": {"a": 0}}', "idx_to_word, a list"),
    (b'{"idx_to_word": ["a"], "word_to_idx": ["a"]}', "word_to_idx, a dict"),
    (b'{"idx_to_word": ["a", "b"], "word_to_idx": {"a": 0}}', "of the same length, found 2 and 1"),
])
def test_a_vocabulary_that_is_none(folder, text, part):
    (folder / "coco2014_vocab.json").write_bytes(text)
    with pytest.raises(ValueError) as error:
        load_coco_data(folder)
    one_line(error, str(folder / "coco2014_vocab.json"), part)


@pytest.mark.parametrize("text, part", [
    (b"http://a\nhttp://b\n", "each of the 5 rows of val_features, found 2"),
    (b"", "found 0"),
    (b"\xff\xfe", "expected text in UTF-8"),
])
def test_addresses_that_are_too_few_or_no_text(folder, text, part):
    (folder / "val2014_urls.txt").write_bytes(text)
    with pytest.raises(ValueError) as error:
        load_coco_data(folder)
    one_line(error, str(folder / "val2014_urls.txt"), part)


# --- minibatches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size, split", [(100, "train"), (3, "val"), (1, "train")])
def test_a_minibatch_draws_in_the_courses_order(pristine, batch_size, split):
    data, written = load_coco_data(pristine[0]), pristine[1]
    np.random.seed(7)
    batches = [sample_coco_minibatch(data, batch_size=batch_size, split=split) for _ in range(2)]
    np.random.seed(7)
    for captions, features, urls in batches:
        chosen = np.random.choice(COUNTS[split][0], batch_size)
        np.testing.assert_array_equal(captions, written[f"{split}_captions"][chosen])
        images = [written[f"{split}_image_idxs"][i] for i in chosen]
        np.testing.assert_array_equal(features, [written[f"{split}_features_pca"][i] for i in images])
        assert urls.tolist() == [written[f"{split}_urls"][i] for i in images]
        assert captions.dtype == np.int32 and features.dtype == np.float32 and urls.dtype.kind == "U"


def test_a_minibatch_is_a_hundred_of_the_training_split_unless_told(pristine):
    captions, features, urls = sample_coco_minibatch(load_coco_data(pristine[0]))
    assert (captions.shape, features.shape, urls.shape) == ((100, T), (100, D), (100,))
    assert all("/train/" in url for url in urls)


def test_an_unknown_split_names_those_there_are(pristine):
    with pytest.raises(ValueError, match="split is 'test', expected one of 'train', 'val'"):
        sample_coco_minibatch(load_coco_data(pristine[0]), split="test")


# --- captions as text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ORDERED.values(), ids=ORDERED)
@pytest.mark.parametrize("form", [list, lambda words: dict(enumerate(words)), np.array], ids=["list", "dict", "array"])
def test_decoding_drops_null_keeps_start_and_stops_at_end(words, form):
    lines = ["<START> a cat on <END> <NULL> <NULL>", "<NULL> a <NULL> cat <END> cat a", "cat cat cat cat cat cat cat"]
    captions = np.array([[words.index(word) for word in line.split()] for line in lines])
    expected = ["<START> a cat on <END>", "a cat <END>", "cat cat cat cat cat cat cat"]
    decoded = decode_captions(captions, form(words))
    assert decoded == expected and type(decoded) is list
    for row, line in zip(captions, expected):
        assert decode_captions(row, form(words)) == line


def test_decoding_a_whole_loaded_split_of_another_order(tmp_path):
    words = ORDERED["another order"]
    write_folder(tmp_path / "coco", words)
    data = load_coco_data(tmp_path / "coco")
    for row, line in zip(data["val_captions"], decode_captions(data["val_captions"], data["idx_to_word"])):
        tokens = line.split()
        assert tokens[0] == "<START>" and tokens[-1] == "<END>" and "<NULL>" not in tokens
        assert [data["word_to_idx"][token] for token in tokens] == row[: len(tokens)].tolist()


def test_decoding_no_words_and_no_captions():
    assert decode_captions(np.zeros(4, np.int32), WORDS) == ""
    assert decode_captions([], WORDS) == ""
    assert decode_captions(np.zeros((2, 0), np.int32), WORDS) == ["", ""]
    assert decode_captions(np.zeros((0, 4), np.int32), WORDS) == []


def test_decoding_with_a_vocabulary_that_has_a_hole():
    assert decode_captions(np.array([[0, 2, 3]]), {0: "<NULL>", 2: "cat", 3: "dog"}) == ["cat dog"]
    with pytest.raises(ValueError, match="word id 1,"):
        decode_captions(np.array([0, 1]), {0: "<NULL>", 2: "cat", 3: "dog"})


@pytest.mark.parametrize("form", [list, lambda words: dict(enumerate(words))], ids=["list", "dict"])
@pytest.mark.parametrize("bad", [-1, len(WORDS), 2**40])
def test_an_id_outside_the_vocabulary_is_named(form, bad):
    with pytest.raises(ValueError, match=rf"word id {bad}, which is not in idx_to_word \(11 words\)"):
        decode_captions(np.array([[4, 5], [4, bad]]), form(WORDS))


@pytest.mark.parametrize("captions, found", [(np.zeros((2, 3)), "float64 (2, 3)"), (np.int32(4), "int32 ()"),
                                             (np.zeros((1, 2, 3), int), "int64 (1, 2, 3)")])
def test_captions_of_another_shape_or_dtype(captions, found):
    with pytest.raises(ValueError) as error:
        decode_captions(captions, WORDS)
    one_line(error, f"captions are {found}, expected integer (T,) or (N, T)")
