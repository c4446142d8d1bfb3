"""data/prepare.py: the files of a dataset folder and what is in them, and that failures leave nothing behind."""
import json
import os
from collections import Counter

import h5py
import numpy as np
import pytest

from data.features import FeatureReader, write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source, read_flickr8k
from data.tokenizer import tokenize
from data.vocabulary import Vocabulary

# The rows of the feature file, in another order than the captions have; zebra.jpg has no captions.
NAMES = ["e.jpg", "zebra.jpg", "c.jpg", "a.jpg", "d.jpg", "b.jpg"]
CAPTIONS = {
    "train": {"a.jpg": ["A dog runs, fast!", "the Dog doesn't sit . . ."], "b.jpg": ["A cat.", "!"],
              "gone.jpg": ["A dog.", "An owl.", "An owl."]},
    "val": {"d.jpg": ["A zebra's dog"], "gone too.jpg": ["a"], "c.jpg": ["a a a a a a a a a a a a"], "e.jpg": ["..."]},
}
REFERENCES = {
    "train": {"a.jpg": ["A dog runs, fast!", "the Dog doesn't sit . . ."], "b.jpg": ["A cat."]},
    "val": {"c.jpg": ["a a a a a a a a a a a a"], "d.jpg": ["A zebra's dog"]},
}
# in the order of the rows of features
TEXTS = {"train": ["a dog runs fast", "the dog does n't sit", "a cat"], "val": [" ".join("a" * 12), "a zebra 's dog"]}
ROWS = {"train": [3, 3, 5], "val": [2, 4]}
SPECIAL = ["<NULL>", "<START>", "<END>", "<UNK>"]
WORDS = ["a", "dog", "cat", "does", "fast", "n't", "runs", "sit", "the"]        # of the training captions with features


def source(captions=CAPTIONS, **left_out):
    return Source("tiny", captions, Counter(left_out))


@pytest.fixture
def files(tmp_path, rng):
    """Feature files of a grid and pooled, both with NAMES."""
    grid, pooled = tmp_path / "grid.h5", tmp_path / "pooled.h5"
    write_features(grid, rng.standard_normal((6, 4, 3)).astype(np.float16), NAMES, model="m", layer="grid")
    write_features(pooled, rng.standard_normal((6, 7)).astype(np.float32), NAMES, model="m", layer="pooled")
    return grid, pooled


def write(out, source, features, pooled=None, **options):
    with new_folder(out) as folder:
        return write_dataset(folder, source, dict.fromkeys(source.captions, features),
                             pooled and dict.fromkeys(source.captions, pooled), **options)


def read(out):
    with h5py.File(out / "captions.h5") as f:
        captions = {name: values[()] for name, values in f.items()}
    return captions, *(json.loads((out / name).read_text(encoding="utf-8"))
                       for name in ("vocab.json", "references.json", "dataset.json"))


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- what is written ---------------------------------------------------------------------------------------------


def test_the_files_and_what_is_in_them(tmp_path, files):
    grid, pooled = files
    out = tmp_path / "out"
    info = write(out, source(odd=2, none=0), grid, pooled, min_count=1, max_words=30)
    assert listing(out) == ["captions.h5", "dataset.json", "references.json", "vocab.json"]
    captions, vocabulary, references, written = read(out)

    assert sorted(captions) == ["train_captions", "train_image_idxs", "val_captions", "val_image_idxs"]
    assert all(values.dtype == np.int32 for values in captions.values())
    ids = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    assert vocabulary == {"idx_to_word": SPECIAL + WORDS, "word_to_idx": ids}
    for split, texts in TEXTS.items():
        rows = [[1, *(ids.get(word, 3) for word in text.split()), 2] for text in texts]
        width = max(map(len, rows))
        assert captions[f"{split}_captions"].tolist() == [row + [0] * (width - len(row)) for row in rows]
        assert captions[f"{split}_image_idxs"].tolist() == ROWS[split]
        assert [NAMES[row] for row in dict.fromkeys(ROWS[split])] == list(references[split])
    assert references == REFERENCES

    assert written == json.loads(json.dumps(info))
    assert written["name"] == "tiny" and written["pictures"] is None and written["max_words"] == 30
    assert written["splits"] == {"train": {"images": 2, "captions": 3}, "val": {"images": 2, "captions": 2}}
    assert written["vocabulary"] == {"words": 13, "min_count": 1,
                                     "fingerprint": Vocabulary.load(out / "vocab.json").fingerprint()}
    assert written["left_out"] == {
        "odd": 2, "train captions of images without features": 3, "train captions without a word": 1,
        "val captions of images without features": 1, "val captions without a word": 1,
        "val images without a caption": 1}
    for kind, path, shape, dtype in (("features", grid, [6, 4, 3], "float16"), ("pooled", pooled, [6, 7], "float32")):
        expected = {"path": str(path), "shape": shape, "dtype": dtype, "fingerprint": FeatureReader(path).fingerprint(),
                    "attributes": FeatureReader(path).attributes()}
        assert written[kind] == {"train": expected, "val": expected}


@pytest.mark.parametrize("min_count, words", [(1, WORDS), (2, ["a", "dog"])])
@pytest.mark.parametrize("max_words", [1, 4, 11, 12])
def test_min_count_and_max_words(tmp_path, files, min_count, words, max_words):
    info = write(tmp_path / "out", source(), files[0], min_count=min_count, max_words=max_words)
    captions, vocabulary, references, _ = read(tmp_path / "out")
    assert info["pooled"] is None and info["vocabulary"]["words"] == 4 + len(words)
    assert vocabulary["idx_to_word"] == SPECIAL + words
    for split, texts in TEXTS.items():
        for row, text in zip(captions[f"{split}_captions"].tolist(), texts):
            cut = ["<START>", *(word if word in words else "<UNK>" for word in text.split()[:max_words])]
            cut += ["<END>"] if len(text.split()) <= max_words else []
            decoded = [vocabulary["idx_to_word"][i] for i in row]
            assert decoded == cut + ["<NULL>"] * (len(row) - len(cut)) and "<NULL>" not in cut
        widths = [len(words) + 2 if len(words) <= max_words else max_words + 1 for words in map(str.split, texts)]
        assert captions[f"{split}_captions"].shape[1] == max(widths)
    assert references == REFERENCES                                                  # raw and uncut all the same


def test_captions_from_anywhere_survive_as_they_are(tmp_path, files):
    raws = ["größe 犬 𝄞 word", "half an emoji \ud83d word", "line\u2028sep\x85and\ttab \x00 word"]
    write(tmp_path / "out", source({"train": {"a.jpg": raws}}), files[0])
    assert read(tmp_path / "out")[2] == {"train": {"a.jpg": raws}}


def test_splits_with_feature_files_of_their_own(tmp_path, rng):
    paths = {}
    for split, names in (("train", ["b", "a"]), ("val", ["a", "c", "b"])):
        paths[split] = tmp_path / f"{split}.h5"
        write_features(paths[split], rng.standard_normal((len(names), 3)).astype(np.float32), names)
    captions = {"train": {"a": ["x", "y"], "b": ["z"], "c": ["x"]}, "val": {"2/b": ["x"], "2/a": ["x"], "d": ["y"]}}
    with new_folder(tmp_path / "out") as folder:
        info = write_dataset(folder, source(captions), paths, paths, min_count=1)
    written = read(tmp_path / "out")[0]
    assert written["train_image_idxs"].tolist() == [0, 1, 1] and written["val_image_idxs"].tolist() == [0, 2]
    assert [info["features"][split]["shape"][0] for split in paths] == [2, 3]
    assert info["left_out"] == {f"{split} captions of images without features": 1 for split in paths}


def test_features_inside_the_folder_have_a_relative_path(tmp_path, rng):
    with new_folder(tmp_path / "out") as folder:
        write_features(folder / "f.h5", rng.standard_normal((6, 3)).astype(np.float32), NAMES)
        info = write_dataset(folder, source(), dict.fromkeys(CAPTIONS, "f.h5"), pictures="p.h5")
    assert info["features"]["train"]["path"] == "f.h5" and info["pictures"] == "p.h5"


# --- what does not fit -------------------------------------------------------------------------------------------


def nothing_of(split):
    return [f"no caption of the {split} split has words and features", "the others 'a.jpg', 'b.jpg'"]


@pytest.mark.parametrize("captions, parts", [
    ({**CAPTIONS, "val": {"val/p.jpg": ["a"], "val/q.jpg": ["b"]}},
     [*nothing_of("val"), "the captions' images are named 'val/p.jpg', 'val/q.jpg'"]),
    ({**CAPTIONS, "train": {"p": ["A dog."]}}, [*nothing_of("train"), "named 'p' and"]),
    ({**CAPTIONS, "val": {"a.jpg.jpg": ["..."]}}, nothing_of("val")),
])
def test_a_split_that_ends_up_empty(tmp_path, files, captions, parts, fails):
    with fails(files[0], *parts):
        write(tmp_path / "out", source(captions), files[0])
    assert listing(tmp_path) == ["grid.h5", "pooled.h5"]


@pytest.mark.parametrize("captions, part", [
    ({"val": CAPTIONS["val"]}, "no image of the train split has a caption"),
    ({**CAPTIONS, "val": {}}, "no image of the val split has a caption, expected at least one, or --val 0.1"),
    ({**CAPTIONS, "val": {"a.jpg": ["A dog."]}}, "image 'a.jpg' is in the splits train and val"),
])
def test_splits_that_do_not_fit(tmp_path, files, captions, part, fails):
    with fails("tiny: ", part):
        write(tmp_path / "out", source(captions), files[0])


def test_names_in_another_spelling(tmp_path, files):
    captions = {"train": {"C:\\photos\\a.jpg": ["One."], "b": ["Two."]},
                "val": {"val/c.JPG": ["Three."], "f.jpg": ["x"]}}
    info = write(tmp_path / "out", source(captions), files[0], min_count=1)
    written, _, references, _ = read(tmp_path / "out")
    assert written["train_image_idxs"].tolist() == [3, 5] and written["val_image_idxs"].tolist() == [2]
    assert references == {"train": {"a.jpg": ["One."], "b.jpg": ["Two."]}, "val": {"c.jpg": ["Three."]}}
    assert info["notes"] == [
        f"{files[0]}: 1 images found by their base name", f"{files[0]}: 2 images found by their base name without its "
        f"ending", f"{files[0]}: 1 val images have no features; the captions' images are named 'f.jpg' and the others "
        f"'a.jpg', 'b.jpg'"]


FEATURES = np.ones((6, 3), np.float32)


@pytest.mark.parametrize("pooled, parts", [
    ({"features": FEATURES, "image_names": [*NAMES[:4], NAMES[5], NAMES[4]]}, ["image_names differ from those of"]),
    ({"features": FEATURES[:5], "image_names": NAMES[:5]}, ["image_names differ"]),
    ({"features": FEATURES}, ["image_names differ"]),
    ({"features": FEATURES[:, None], "image_names": NAMES}, ["(6, 1, 3)", "expected pooled features (rows, D)"]),
    ({"features": FEATURES, "image_names": NAMES[:5]}, ["image_names is (5,), expected (6,)"]),
    ({"image_names": NAMES}, ["no dataset 'features'"]),
])
def test_pooled_features_of_other_images(tmp_path, files, put, pooled, parts, fails):
    other = put(tmp_path / "other.h5", pooled)
    with fails(other, *parts):
        write(tmp_path / "out", source(), files[0], other)
    assert not (tmp_path / "out").exists()


def test_features_without_names(tmp_path, put, fails):
    path = put(tmp_path / "f.h5", {"features": FEATURES})
    with fails(path, "no dataset 'image_names', expected the name of each row's image"):
        write(tmp_path / "out", source(), path)
    assert listing(tmp_path) == ["f.h5"]


# --- the folder --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["file", ".hidden", "folder/file", ""])
def test_a_folder_in_use_is_left_as_it_is(tmp_path, inside, fails):
    out = tmp_path / "out"
    (out / inside).parent.mkdir(parents=True, exist_ok=True)
    (out / inside).write_text("mine")                                                # "": a file of the folder's name
    before = listing(tmp_path)
    with fails(out, "is not empty, nothing was written", error=FileExistsError), new_folder(out):
        raise AssertionError
    assert listing(tmp_path) == before


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("out", ["out", "new/and/deep", "empty"])
def test_a_failure_leaves_nothing_behind(tmp_path, out, error):
    (tmp_path / "empty").mkdir()
    with pytest.raises(error), new_folder(tmp_path / out) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("half")
        raise error
    assert listing(tmp_path) == ["empty"]


@pytest.mark.parametrize("out", ["out", "new/and/deep", "empty", "link", "empty/../out"])
def test_a_folder_that_is_new_or_empty_is_filled(tmp_path, out):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    before = {path.name for path in tmp_path.iterdir()}
    with new_folder(str(tmp_path / out)) as folder:
        (folder / "file").write_text("whole")
        assert not (tmp_path / out / "file").exists()
    assert listing(tmp_path / out) == ["file"]
    assert {path.name for path in tmp_path.iterdir()} - before <= {"out", "new"}
    assert os.access(tmp_path / out, os.R_OK | os.X_OK) and (tmp_path / out).stat().st_mode & 0o777 == 0o755
    with pytest.raises(FileExistsError), new_folder(tmp_path / out):
        pass


@pytest.mark.parametrize("out, files", [("sub", ["here", "here/sub", "here/sub/file"]), (".", ["here", "here/file"])])
def test_a_relative_folder_and_the_current_one(tmp_path, monkeypatch, out, files):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with new_folder(out) as folder:
        (folder / "file").write_text("whole")
    assert listing(tmp_path) == files


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"), new_folder(tmp_path / "file" / "out"):
        pass
    assert listing(tmp_path) == ["file"]


# --- real data ---------------------------------------------------------------------------------------------------


def test_flickr8k_as_published(real_data, tmp_path):
    data = real_data / "flickr8k"
    if not (data / "features_pooled.h5").is_file():
        pytest.skip("no Flickr8k here: set RNNLAYERS_DATA to the folder that holds flickr8k")
    flickr = read_flickr8k(data / "Flickr8k.token.txt", data)
    info = write(tmp_path / "out", flickr, data / "features_grid.h5", data / "features_pooled.h5")
    captions, vocabulary, references, written = read(tmp_path / "out")
    assert written["splits"] == {split: {"images": n, "captions": 5 * n}
                                 for split, n in (("train", 6000), ("val", 1000), ("test", 1000))}
    assert info["left_out"] == {"captions of images in no split": 40460 - 40000}
    names, ids = FeatureReader(data / "features_pooled.h5").image_names(), vocabulary["word_to_idx"]
    counts = Counter(word for raws in references["train"].values() for raw in raws for word in tokenize(raw).split())
    assert set(ids) == {*SPECIAL, *(word for word, count in counts.items() if count >= 4)}
    for split in ("train", "val", "test"):
        rows = captions[f"{split}_image_idxs"]
        assert [names[row] for row in rows[::5]] == list(references[split]) and (rows[::5] == rows[4::5]).all()
        assert captions[f"{split}_captions"].shape == (len(rows), 22)
        ended = (captions[f"{split}_captions"] == ids["<END>"]).sum(axis=1)
        assert set(ended) == {0, 1} and (ended == 0).sum() == {"train": 463, "val": 88, "test": 66}[split]
        for k in (0, 7, len(rows) - 1):
            words = tokenize(references[split][names[rows[k]]][k % 5]).split()[:20]
            row = [1, *(ids.get(word, 3) for word in words), *[2] * ended[k]]
            assert captions[f"{split}_captions"][k].tolist() == row + [0] * (22 - len(row))
