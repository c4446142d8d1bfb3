"""scripts.prepare_data from a table and a folder of pictures, and with splits that are drawn."""
import csv
import json

import h5py
import numpy as np
import pytest
from PIL import Image

from data.dataset import open_dataset
from data.encoder import Encoder, open_picture
from data.features import write_features
from models.cells import CELLS
from scripts.commandline.command import run
from scripts.prepare_data import main

NAMES = [f"{k}.png" for k in range(12)]
TEXTS = {name: [f"a dog number {k} runs", "the dog"] for k, name in enumerate(NAMES)}


@pytest.fixture
def place(tmp_path, make_onnx):
    """A folder with pictures, a table, a model and a feature file."""
    rng = np.random.default_rng(1)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).save(tmp_path / "photos" / "sub" / name)
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "uncaptioned.png")
    with open(tmp_path / "mine.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["photo", "text"], *((name, text) for name in NAMES for text in TEXTS[name])])
    make_onnx(tmp_path / "tiny.onnx", normalisation="unit")
    write_features(tmp_path / "features.h5", rng.random((12, 3), np.float32), NAMES)
    return tmp_path


def call(place, *argv, out="out", kind="csv"):
    with pytest.raises(SystemExit) as stop:
        run(lambda: main([kind, *(str(a).format(place) for a in argv), "--out", str(place / out)]))
    return stop.value.code or 0


PICTURES = ("--captions", "{}/mine.csv", "--images", "{}/photos", "--encoder", "{}/tiny.onnx")
FEATURES = ("--captions", "{}/mine.csv", "--features", "{}/features.h5")


def references(place, out="out"):
    return json.loads((place / out / "references.json").read_text(encoding="utf-8"))


def test_a_table_and_a_folder_of_pictures(place, capsys):
    assert call(place, *PICTURES) == 0
    found = references(place)
    assert [len(images) for images in found.values()] == [10, 1, 1]
    assert {name: texts for images in found.values() for name, texts in images.items()} == {
        f"sub/{name}": texts for name, texts in TEXTS.items()}
    assert sorted(path.name for path in place.iterdir()) == [
        "features.h5", "mine.csv", "out", "photos", "tiny.onnx"]                    # nothing is left beside it
    with h5py.File(place / "out" / "features.h5") as grid, h5py.File(place / "out" / "pooled.h5") as pooled:
        assert grid["features"].shape == (12, 6, 5) and pooled["features"].shape == (12, 5)
        names = pooled["image_names"].asstr()[()].tolist()
        assert names == grid["image_names"].asstr()[()].tolist() == sorted(f"sub/{name}" for name in NAMES)
        picture = open_picture(place / "photos" / names[3])
        np.testing.assert_allclose(grid["features"][3], Encoder(place / "tiny.onnx").encode([picture])[0], rtol=2e-3,
                                   atol=1e-5)
        np.testing.assert_allclose(pooled["features"][3], grid["features"][3].mean(axis=0), rtol=2e-3, atol=2e-3)
    assert "10 images       20 captions" in capsys.readouterr().out


@pytest.mark.parametrize("cell", CELLS)
def test_every_model_finds_its_features_in_the_folder(place, cell):
    call(place, *PICTURES)
    features = open_dataset(place / "out", CELLS[cell].features).features["train"][np.arange(4)]
    shapes = {"vector": (4, 5), "grid": (4, 6, 5)}
    assert tuple(np.shape(part) for part in features) == (shapes["grid"], shapes["vector"]) if (
        CELLS[cell].features in ("both", "any")) else features.shape == shapes[CELLS[cell].features]


def test_an_output_without_regions_gives_one_file(place):
    assert call(place, *PICTURES, "--layer", "pooled") == 0
    assert sorted(path.name for path in (place / "out").glob("*.h5")) == ["captions.h5", "pooled.h5"]
    assert open_dataset(place / "out").features["train"].file_shape == (12, 5)


def test_an_interrupted_run_goes_on(place, monkeypatch, capsys):
    from scripts.datasets import extraction
    opened, real = [], extraction.open_picture

    def stop_at_seven(path, side):
        opened.append(path)
        if len(opened) == 7:
            raise KeyboardInterrupt
        return real(path, side)
    monkeypatch.setattr(extraction, "open_picture", stop_at_seven)
    monkeypatch.setattr(extraction.extract_to, "__defaults__", (2,))                # two pictures at a time
    assert call(place, *PICTURES) == 130
    assert "stopped with 6 of 12 pictures done; the same command goes on" in capsys.readouterr().err
    assert not (place / "out").exists()
    assert call(place, *PICTURES) == 0
    assert len(opened) == 13                                                        # six were not opened again
    assert call(place, *PICTURES, out="again") == 0
    with h5py.File(place / "out" / "features.h5") as one, h5py.File(place / "again" / "features.h5") as other:
        np.testing.assert_array_equal(one["features"][()], other["features"][()])


def test_splits_follow_the_seed_and_the_images_with_features(place):
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert call(place, *FEATURES, "--val", 0.25, "--test", 0.5, "--seed", seed, out=out) == 0
    assert references(place, "a") == references(place, "b") != references(place, "c")
    assert [len(images) for images in references(place, "a").values()] == [3, 3, 6]
    write_features(place / "features.h5", np.ones((4, 3), np.float32), NAMES[:4])
    assert call(place, *FEATURES, "--val", 0.5, "--test", 0.25) == 0
    assert [len(images) for images in references(place).values()] == [1, 2, 1]


def test_a_split_column(place, capsys):
    rows = [f"{name},{split},a dog" for name, split in zip(NAMES, ["train", "restval", "valid", "train"])]
    (place / "mine.csv").write_text("\n".join(["image,set,caption", *rows]), encoding="utf-8")
    assert call(place, *FEATURES, "--split-column", "set") == 0
    assert {split: list(images) for split, images in references(place).items()} == {
        "train": ["0.png", "1.png", "3.png"], "val": ["2.png"]}
    assert call(place, *FEATURES, "--split-column", "set", "--test", 0.4, out="more") == 0
    assert [len(images) for images in references(place, "more").values()] == [2, 1, 1]
    assert call(place, *FEATURES, "--split-column", "set", "--val", 0.4, out="twice") == 2
    assert "--val 0.4: there is a val split of 1 images already" in capsys.readouterr().err


@pytest.mark.parametrize("more, code, part", [
    ((), 0, "no validation split, without which scripts.train takes only --overfit: --val 0.1"),
    (("--val", 0.1), 0, "val         1 images        2 captions"),
])
def test_a_training_split_alone(place, capsys, more, code, part):
    images = [{"filename": name, "split": "train", "sentences": [{"raw": text} for text in TEXTS[name]]}
              for name in NAMES]
    (place / "k.json").write_text(json.dumps({"images": images}))
    assert call(place, "--json", "{}/k.json", "--features", "{}/features.h5", *more, kind="karpathy") == code
    assert part in capsys.readouterr().out


@pytest.mark.parametrize("kind, text", [
    ("flickr30k", "image_name| comment_number| comment\n" + "".join(
        f"{name}| {k}| {text}\n" for name in NAMES for k, text in enumerate(TEXTS[name])) + "2.png| 4   A dog runs\n"),
    ("csv", "image,caption\n" + "".join(f"{name},{text}\n" for name in NAMES for text in TEXTS[name]) + "2.png,\n"),
])
def test_files_of_flickr30k_and_kaggle(place, capsys, kind, text):
    (place / "mine.csv").write_text(text, encoding="utf-8")
    assert call(place, *FEATURES, kind=kind) == 0
    assert "left out: 1 rows without a caption (line 26: 2.png)" in capsys.readouterr().out
    assert sum(len(images) for images in references(place).values()) == 12


@pytest.mark.parametrize("argv, parts", [
    (FEATURES[:2], ["expected --features, or --images with --encoder"]),
    ((*FEATURES, *PICTURES[2:]), ["expected either --images with --encoder, or feature files"]),
    ((*FEATURES, "--encoder", "x.onnx"), ["expected either --images with --encoder, or feature files"]),
    (PICTURES[:4], ["expected --features, or --images with --encoder"]), ((*FEATURES, "--seed", "-1"), ["--seed -1"]),
    ((*PICTURES[:3], "{}/none", *PICTURES[4:]), ["none: no such folder"]),
    ((*PICTURES, "--caption-column", "words"), ["no column 'words', its header has photo, text"]),
    ((*PICTURES, "--max-words", "0"), ["--max-words 0"]),
    ((*PICTURES[:5], "{}/mine.csv"), ["not an ONNX model"]),
    ((*FEATURES, "--val", "0.9", "--test", "0.9"), ["12 training images, too few for --val 0.9 and --test 0.9"]),
])
def test_wrong_options_are_one_line_and_leave_nothing(place, capsys, argv, parts):
    before = sorted(place.rglob("*"))
    assert call(place, *argv) == 2
    error = capsys.readouterr().err
    assert all(part in error for part in parts) and "Traceback" not in error
    assert sorted(place.rglob("*")) == before


def test_what_is_wrong_after_the_features_were_made_loses_none(place, capsys):
    (place / "photos" / "sub" / "2.png").write_bytes(b"no picture")
    rows = [f"{name},{split},a dog" for name, split in zip(NAMES, ["train", "train", "val", "train"])]
    (place / "mine.csv").write_text("\n".join(["image,split,caption", *rows]), encoding="utf-8")
    assert call(place, *PICTURES, "--split-column", "split") == 2
    kept = f"--features {place}/out.features.h5 --pooled {place}/out.pooled.h5"
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: features.h5: no caption of the val split has words and features") and kept in error
    assert not (place / "out").exists()
    argv = (*PICTURES[:2], *kept.split(), "--val", "0.3")
    (place / "mine.csv").write_text("image,caption\n0.png,a dog\n1.png,a dog\n3.png,a dog\n", encoding="utf-8")
    assert call(place, *argv, "--test", "0.3") == 0
    assert [len(images) for images in references(place).values()] == [1, 1, 1]


def test_notes_name_no_temporary_folder(place, capsys):
    call(place, *PICTURES)
    assert "note: features.h5: 12 images found by their base name" in capsys.readouterr().out
    assert "out." not in (place / "out" / "dataset.json").read_text(encoding="utf-8")


def test_pictures_and_captions_of_other_images(place, capsys):
    (place / "mine.csv").write_text("image,caption\nx.png,a dog\ny.png,a cat\nz.png,an owl\n", encoding="utf-8")
    assert call(place, *PICTURES) == 2
    assert ("no picture there has a caption; the captions' images are named 'x.png', 'y.png' and the others "
            "'sub/0.png', 'sub/1.png'") in capsys.readouterr().err
