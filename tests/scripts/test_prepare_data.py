"""scripts.prepare_data as a user meets it: the three kinds of captions, and one line for each kind of bad input."""
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from data.dataset import open_dataset
from data.tokenizer import TOKENS
from scripts.commandline.command import run
from scripts.datasets.preparation import prepare
from scripts.prepare_data import main, parse

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ["c.jpg", "a.jpg", "d.jpg", "b.jpg"]
RAW = {"a.jpg": ["A dog runs.", "The dog."], "b.jpg": ["A cat and a dog sit in the grass"], "c.jpg": ["A dog!"],
       "d.jpg": ["The cat"]}
SPLIT = {"a.jpg": "train", "b.jpg": "train", "c.jpg": "val", "d.jpg": "test"}


def write_h5(path, **datasets):
    with h5py.File(path, "w") as f:
        for name, values in datasets.items():
            f[name] = values


def coco(names):
    return {"images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
            "annotations": [{"image_id": i, "caption": raw} for i, name in enumerate(names) for raw in RAW[name]]}


@pytest.fixture
def place(tmp_path):
    """A folder with captions of all kinds and features, named by ARGV."""
    place, rng = tmp_path / "given", np.random.default_rng(0)
    place.mkdir()
    for prefix, names in (("", NAMES), ("val_", NAMES[::-1])):
        write_h5(place / f"{prefix}grid.h5", features=rng.random((4, 5, 3), np.float32), image_names=names)
        write_h5(place / f"{prefix}pooled.h5", features=rng.random((4, 7)).astype(np.float16), image_names=names)
    (place / "tokens.txt").write_text("".join(f"{n}#{k}\t{raw}\n" for n in RAW for k, raw in enumerate(RAW[n])))
    for split, flickr in (("train", "train"), ("val", "dev"), ("test", "test")):
        (place / f"Flickr_8k.{flickr}Images.txt").write_text("".join(f"{n}\n" for n in RAW if SPLIT[n] == split))
    images = [{"filename": n, "split": SPLIT[n], "sentences": [{"raw": raw} for raw in RAW[n]]} for n in RAW]
    (place / "karpathy.json").write_text(json.dumps({"dataset": "tiny", "images": images}))
    for split in ("train", "val"):
        (place / f"{split}.json").write_text(json.dumps(coco([n for n in RAW if SPLIT[n] == split])))
    return place


ARGV = {
    "flickr8k": ["--captions", "{}/tokens.txt", "--splits", "{}", "--features", "{}/grid.h5"],
    "karpathy": ["--json", "{}/karpathy.json", "--features", "{}/grid.h5"],
    "coco": ["--train", "{}/train.json", "--val", "{}/val.json", "--train-features", "{}/grid.h5",
             "--val-features", "{}/val_grid.h5"],
}
POOLED = {kind: ["--pooled", "{}/pooled.h5"] for kind in ("flickr8k", "karpathy")}
POOLED["coco"] = ["--train-pooled", "{}/pooled.h5", "--val-pooled", "{}/val_pooled.h5"]


def argv(kind, place, *more):
    return [kind, *(a.format(place) for a in (*ARGV[kind], *more, "--out", f"{place.parent}/out"))]


def call(argv):
    """Exit code of the command line run in this process."""
    with pytest.raises(SystemExit) as stop:
        run(lambda: main(argv))
    return stop.value.code or 0


# --- what works --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("kind", ARGV)
def test_a_dataset_that_opens(kind, pooled, place, capsys):
    more = POOLED[kind] if pooled else []
    assert call(argv(kind, place, *more, "--min-count", "2", "--max-words", "4")) == 0
    dataset = open_dataset(place.parent / "out")
    assert dataset.name == "out"                            # of the folder, whatever the files are of
    splits = ["train", "val"] if kind == "coco" else ["train", "val", "test"]
    assert list(dataset.captions) == splits
    assert dataset.vocabulary.idx_to_word[4:] == ["a", "dog", "the"]
    assert [dataset.vocabulary.decode(ids) for ids in dataset.captions["train"]] == [
        "a dog <UNK>", "the dog", "a <UNK> <UNK> a"]
    for split in splits:
        rows = dataset.image_idxs[split]
        file = ("val_" if (kind, split) == ("coco", "val") else "") + ("pooled.h5" if pooled else "grid.h5")
        assert dataset.features[split].path == str(place / file)
        names = NAMES[::-1] if "val" in file else NAMES
        assert [names[row] for row in rows] == [name for name in RAW if SPLIT[name] == split for _ in RAW[name]]
    references = json.loads((place.parent / "out" / "references.json").read_text())
    assert references == {split: {n: RAW[n] for n in RAW if SPLIT[n] == split} for split in splits}
    printed = capsys.readouterr()
    assert printed.err == "" and f"{place.parent}/out: {dataset.name}, 7 words" in printed.out
    assert "train       2 images        3 captions" in printed.out and ("(4, 7)" in printed.out) == pooled
    assert "left out" not in printed.out


def test_what_is_left_out_is_printed(place, capsys):
    write_h5(place / "grid.h5", features=np.ones((3, 2), np.float32), image_names=["a.jpg", "d.jpg", "c.jpg"])
    (place / "tokens.txt").write_text((place / "tokens.txt").read_text() + "x.jpg#0\tA\nx.jpg#1\tB\nc.jpg#9\t!\n")
    with open(place / "Flickr_8k.trainImages.txt", "a") as file:
        file.write("y.jpg\n")
    assert call(argv("flickr8k", place)) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert lines == [
        "left out: 1 train images without a caption", "left out: 2 captions of images in no split",
        "left out: 1 train captions of images without features", "left out: 1 val captions without a word"]


def test_what_the_readers_note_is_printed_once_a_file(place, capsys):
    features = np.ones((4, 5, 3))
    features[1:3, 2:] = 0                                                    # 6 of 20 regions
    write_h5(place / "grid.h5", features=features, image_names=NAMES)
    assert call(argv("flickr8k", place)) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "note: " in line]
    assert len(notes) == 2 and notes[0] == f"  note: {place / 'grid.h5'}: features is float64, read as float32"
    assert notes[1].startswith(f"  note: {place / 'grid.h5'}: 30 % of the regions are zero: ")


def test_the_defaults():
    args = parse(["karpathy", "--json", "j", "--features", "f", "--out", "o"])
    assert (args.min_count, args.max_words, args.pooled, args.tokens) == (None, 20, None, "treebank")


def test_prepare_returns_what_dataset_json_holds(place):
    info = prepare(parse(argv("karpathy", place)))
    assert json.loads(json.dumps(info)) == json.loads((place.parent / "out" / "dataset.json").read_text())


def test_relative_paths_are_kept_as_absolute_ones(place, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(place)
    assert call(["karpathy", "--json", "karpathy.json", "--features", "grid.h5", "--out", "made/here"]) == 0
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert open_dataset(place / "made" / "here").features["val"].path == str(place / "grid.h5")


def test_the_built_in_scenes(place, monkeypatch, capsys):
    monkeypatch.setattr("data.scene_dataset.SPLITS", {"train": 20, "val": 3, "test": 4})
    assert call(["scenes", "--seed", "5", "--out", f"{place}/scenes"]) == 0
    said = capsys.readouterr().out
    assert "train      20 images      100 captions" in said and "note" not in said
    assert len(open_dataset(place / "scenes").pictures) == 27


def test_the_module_as_a_command(place):
    command = [sys.executable, "-m", "scripts.prepare_data", *argv("coco", place)]
    for code, errors in ((0, ""), (2, f"error: {place.parent}/out: is not empty, nothing was written: choose another "
                                      "folder or remove it\n")):
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (result.returncode, result.stderr) == (code, errors)


# --- bad input ---------------------------------------------------------------------------------------------------


def damaged(name, content):
    return lambda place: (place / name).write_bytes(content)


def missing(name):
    return lambda place: (place / name).unlink()


def h5(name, **datasets):
    return lambda place: write_h5(place / name, **datasets)


def edited(name, old, new):
    return lambda place: (place / name).write_text((place / name).read_text().replace(old, new))


FEATURES = np.ones((4, 3), np.float32)
CAPTION_FILES = [
    ("flickr8k", missing("tokens.txt"), ["tokens.txt: no such file"]),
    ("flickr8k", missing("Flickr_8k.devImages.txt"), ["Flickr_8k.devImages.txt: no such file"]),
    ("flickr8k", damaged("tokens.txt", b"\xff\xff"), ["tokens.txt: expected text in UTF-8"]),
    ("flickr8k", edited("tokens.txt", "1\t", "1 "), ["tokens.txt: line 2 is 'a.jpg#1 The dog.'"]),
    ("flickr8k", damaged("Flickr_8k.testImages.txt", b""), ["no image of the test split has a caption"]),
    ("flickr8k", edited("Flickr_8k.testImages.txt", "d", "a"), ["'a.jpg' is in the splits train and test"]),
    ("karpathy", missing("karpathy.json"), ["karpathy.json: no such file"]),
    ("karpathy", damaged("karpathy.json", b"{"), ["karpathy.json: expected JSON"]),
    ("karpathy", damaged("karpathy.json", b"[" * 100_000), ["karpathy.json: expected JSON"]),
    ("karpathy", damaged("karpathy.json", b'{"images": {}}'), ["karpathy.json: no list 'images'"]),
    ("karpathy", edited("karpathy.json", '"A dog runs."', "null"), ["karpathy.json: images[0]", "None is not text"]),
    ("karpathy", edited("karpathy.json", '"val"', '"devel"'), ["karpathy.json: splits named 'devel' (images[2])"]),
    ("coco", missing("val.json"), ["val.json: no such file"]),
    ("coco", damaged("val.json", b'{"images": [], "annotations": [0]}'), ["val.json: annotations[0]"]),
    ("coco", edited("train.json", '"A dog runs."', "7"), ["train.json: annotations[0]", "7 is not text"]),
    ("coco", edited("val.json", '"image_id": 0', '"image_id": 3'), ["val.json: annotations[0]", "KeyError: 3"]),
]
FEATURE_FILES = [
    (missing("grid.h5"), ["no such feature file"]),
    (damaged("grid.h5", b"1 2 3"), ["not an HDF5 file or is damaged"]),
    (h5("grid.h5", image_names=NAMES), ["no dataset 'features', found image_names"]),
    (h5("grid.h5", features=FEATURES.astype(int), image_names=NAMES),
     ["int64 (4, 3), expected float16, float32, float64 or int8"]),
    (h5("grid.h5", features=FEATURES[0], image_names=NAMES), ["float32 (3,)"]),
    (h5("grid.h5", features=FEATURES[:0], image_names=NAMES[:0]), ["at least one row"]),
    (h5("grid.h5", features=FEATURES), ["no dataset 'image_names'"]),
    (h5("grid.h5", features=FEATURES, image_names=NAMES[:3]), ["image_names is (3,), expected (4,)"]),
    (h5("grid.h5", features=FEATURES, image_names=["a.jpg"] * 4), ["'a.jpg' occurs twice"]),
    (h5("grid.h5", features=FEATURES, image_names=["train/x" + n for n in NAMES]),
     ["no caption of the train split", "'train/xa.jpg', 'train/xb.jpg'", "'a.jpg', 'b.jpg'"]),
]
POOLED_FILES = [
    (missing("pooled.h5"), ["no such feature file"]),
    (h5("pooled.h5", features=FEATURES, image_names=NAMES[::-1]), ["image_names differ from those of"]),
    (h5("pooled.h5", features=FEATURES), ["image_names differ from those of"]),
    (h5("pooled.h5", features=np.ones((4, 5, 3), np.float16), image_names=NAMES), ["expected pooled features"]),
]


@pytest.mark.parametrize("kind, more, change, parts", [
    *((kind, [], change, parts) for kind, change, parts in CAPTION_FILES),
    *((kind, [], change, ["grid.h5", *parts]) for kind in ARGV for change, parts in FEATURE_FILES),
    *((kind, POOLED[kind], change, ["pooled.h5", *parts]) for kind in ARGV for change, parts in POOLED_FILES),
])
def test_bad_files_are_one_line_and_leave_nothing(kind, more, change, parts, place, capsys):
    change(place)
    before = sorted(place.parent.rglob("*"))
    assert call(argv(kind, place, *more)) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    for part in parts:
        assert part in printed.err
    assert sorted(place.parent.rglob("*")) == before


@pytest.mark.parametrize("kind, more, parts", [
    ("flickr8k", ["--min-count", "0"], ["--min-count 0", "expected at least 1"]),
    ("karpathy", ["--max-words", "0"], ["--max-words 0", "expected at least 1"]),
    ("coco", ["--max-words", "-3"], ["--max-words -3"]),
    ("coco", ["--train-pooled", "{}/pooled.h5"], ["--train-pooled and --val-pooled belong together"]),
    ("coco", ["--val-pooled", "{}/pooled.h5"], ["--train-pooled and --val-pooled belong together"]),
    ("karpathy", ["--features", ""], ["no such feature file"]),
    ("karpathy", ["--pooled", ""], ["no such feature file"]),
    ("karpathy", ["--json", ""], ["no such file"]),
    ("flickr8k", ["--features", "{}"], ["no such feature file"]),
    ("flickr8k", ["--captions", "{}", "--splits", "{}/tokens.txt"], ["no such file"]),
])
def test_bad_arguments_are_one_line_and_leave_nothing(kind, more, parts, place, capsys):
    assert call(argv(kind, place, *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and all(part in error for part in parts)
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("arguments", [[], ["flickr"], ["karpathy", "--json", "x", "--out", "y"],
                                       ["coco", "--train", "x", "--val", "y", "--out", "z"],
                                       ["scenes", "--out", "x", "--seed", "one"]])
def test_arguments_that_argparse_refuses(arguments, capsys):
    assert call(arguments) == 2
    error = capsys.readouterr().err
    assert "usage: python -m scripts.prepare_data" in error and "Traceback" not in error


@pytest.mark.parametrize("kind", [*ARGV, "scenes"])
def test_a_folder_in_use_is_not_touched(kind, place, capsys, monkeypatch):
    monkeypatch.setattr("data.scene_dataset.SPLITS", {"train": 2, "val": 1, "test": 1})
    out = place.parent / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert call(["scenes", "--out", str(out)] if kind == "scenes" else argv(kind, place)) == 2
    assert f"error: {out}: is not empty, nothing was written" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["mine.txt"] and (out / "mine.txt").read_text() == "mine"
    assert sorted(path.name for path in place.parent.iterdir()) == ["given", "out"]


def test_ctrl_c_leaves_nothing(place, capsys, monkeypatch):
    def stop(text):
        raise KeyboardInterrupt
    monkeypatch.setitem(TOKENS, "treebank", stop)
    assert call(argv("flickr8k", place)) == 130
    assert capsys.readouterr().err == "stopped\n" and list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("name", ["pathlib.Path.write_bytes", "pathlib.Path.write_text", "tempfile.mkdtemp",
                                  "os.replace"])
@pytest.mark.parametrize("named", [True, False])
def test_a_full_disk_leaves_nothing_and_names_what_was_typed(name, named, place, capsys, monkeypatch):
    """An error of opening names a file, here as in a hidden folder; one of writing names none."""
    hidden = place.parent / ".out.xyz" / "captions.h5"

    def full(*_, **__):
        raise OSError(28, "No space left on device", *([str(hidden)] if named else []))
    monkeypatch.setattr(name, full)
    assert call(argv("flickr8k", place)) == 2
    out = place.parent / "out"
    assert capsys.readouterr().err == (
        f"error: {out}: cannot be written, and nothing was written: No space left on device\n")
    assert list(place.parent.iterdir()) == [place]


def test_a_forbidden_place_is_said_and_other_errors_keep_their_names(place, capsys, monkeypatch):
    def denied(*_, prefix, dir):
        raise PermissionError(13, "Permission denied", f"{dir / prefix}xyz")
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", denied)
        assert call(argv("flickr8k", place)) == 2
    assert f"{place.parent / 'out'}: cannot be written, and nothing was written: Perm" in capsys.readouterr().err
    monkeypatch.setattr("data.prepare.match_names", lambda *_: (place / "absent").stat())
    assert call(argv("flickr8k", place)) == 2
    assert capsys.readouterr().err == f"error: {place / 'absent'}: No such file or directory\n"
