"""The folder of the photographs that a data set remembers, and its name."""
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data.dataset import open_dataset
from data.features import write_features
from data.naming import LONGEST, name_of
from data.places import folder_place, written_folder
from scripts import prepare_data, report, show_attention, show_batch, train
from scripts.pages.pictures import SIDE, Pictures
from scripts.pages.samples import batch_tiles, caption_tiles
from scripts.runs import load_run
from tests.command import call
from tests.scripts.test_train_splits import SENTENCES

NAMES = [f"{k:02d}.jpg" for k in range(24)]
FAST = ["--hidden", "6", "--wordvec", "4", "--batch", "9", "--epochs", "1", "--model", "attention"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A place with features, captions, photographs of every third image, a data set of them, and a run."""
    place = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    write_features(place / "features.h5", rng.random((24, 4, 3), np.float32), NAMES)
    (place / "captions.csv").write_text("".join(f"{n},{SENTENCES[k % 4]}\n" for k, n in enumerate(NAMES)))
    (place / "photos" / "sub").mkdir(parents=True)
    for name in NAMES[::3]:                                 # found by their stems, in a folder below
        Image.new("RGB", (900, 600), "green").save(place / "photos" / "sub" / name.replace(".jpg", ".PNG"))
    assert prepare(place, "--images", place / "photos") == 0
    assert call(train.main, "--data", place / "walk", "--out", place / "run", *FAST) == 0
    return place


def prepare(place, *more, out="walk"):
    return call(prepare_data.main, "csv", "--captions", place / "captions.csv", "--features", place / "features.h5",
                "--val", 0.25, "--test", 0.25, "--out", place / out, *more)


@pytest.fixture
def place(made, tmp_path):
    """The same somewhere else: data set, photographs and features have moved together."""
    for name in ("walk", "photos", "run"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def with_photograph(dataset, split):
    return [name for name in dataset.images(split)[1] if int(name[:2]) % 3 == 0]


def test_it_is_found_again_after_a_move(made, place):
    assert json.loads((place / "walk" / "dataset.json").read_text())["photographs"] == ["../photos"]
    dataset = open_dataset(place / "walk")
    assert dataset.photographs == ((place / "photos").resolve(),)
    pictures = Pictures(dataset, "train")
    assert [name for name in dataset.images("train")[1] if name in pictures] == with_photograph(dataset, "train")
    name = with_photograph(dataset, "train")[0]
    picture = pictures(NAMES.index(name), name)
    assert picture.shape == (SIDE * 2 // 3, SIDE, 3) and picture[0, 0, 1] > 100
    assert open_dataset(made / "walk").identity() == {**dataset.identity(), "folder": str((made / "walk").resolve())}


@pytest.mark.parametrize("path, written", [("a/walk/photos", "photos"), ("a/photos", "../photos"),
                                           ("a/files/Photos", "../files/Photos"), ("b/photos", "{}/b/photos")])
def test_how_a_folder_is_written(path, written, tmp_path):
    (tmp_path / path).mkdir(parents=True)
    text = written_folder(tmp_path / path, tmp_path / "a" / "walk")
    assert text == written.format(tmp_path)
    (tmp_path / "a" / "walk").mkdir(parents=True, exist_ok=True)
    assert folder_place(tmp_path / "a" / "walk", text) == (tmp_path / path).resolve()
    assert folder_place(tmp_path / "a" / "walk", f"C:\\elsewhere\\{(tmp_path / path).name}").is_dir() == (
        path in ("a/walk/photos", "a/photos"))


def test_samples_prefer_images_with_photographs(place):
    dataset, model = open_dataset(place / "walk", "grid"), load_run(place / "run").model
    tiles = caption_tiles(model, dataset, "train", 8)
    there = with_photograph(dataset, "train")
    assert [tile.name for tile in tiles[:len(there)]] == there and 0 < len(there) < 8
    for tile in tiles:
        human = SENTENCES[int(tile.name[:2]) % 4]
        assert (tile.picture is not None, tile.human) == ((True, "") if tile.name in there else (False, human))
    captions, rows = dataset.captions_of("train")
    assert [tile.picture is not None for tile in batch_tiles(dataset, "train", captions, rows)] == [
        int(NAMES[row][:2]) % 3 == 0 for row in rows]


def test_commands_show_them(place, capsys, monkeypatch):
    monkeypatch.setattr("scripts.pages.attention_figures.attention_figure", lambda picture, *_: (
        b"\x89PNG" + (b"none" if picture is None else b"")))
    dataset = open_dataset(place / "walk")
    there, split = with_photograph(dataset, "test"), dataset.images("test")[1]
    arguments = place / "run", "--data", place / "walk"
    assert call(show_attention.main, *arguments, "--out", place / "figures", "--n", len(split)) == 0
    captured = capsys.readouterr()
    assert captured.err.count("note: ") == len(split) - len(there) > 0
    assert {path.stem + ".jpg" for path in (place / "figures").iterdir() if path.read_bytes() == b"\x89PNG"} == {*there}
    assert call(report.main, *arguments, "--out", place / "page.html") == 0
    assert f"{len(split) - len(there)} of {len(split)} pictures are not in {place}" in capsys.readouterr().out
    assert (place / "page.html").read_text().count("data:image/jpeg") == len(there)
    next((place / "photos").rglob(f"{split[0][:2]}.*")).unlink()
    assert call(report.main, *arguments, "--n", 1, "--out", place / "one.html") == 0
    page = (place / "one.html").read_text()                 # the first image that has a photograph
    assert page.count("data:image/jpeg") == 1 and f'data-name="{[*there][1]}"' in page
    assert call(show_batch.main, "--data", place / "walk", "--n", 12, "--out", place / "batch.png") == 0
    assert (place / "batch.png").is_file()


def test_a_folder_that_is_gone_is_one_note(place, capsys, monkeypatch):
    monkeypatch.setattr("scripts.pages.attention_figures.attention_figure", lambda picture, *_: b"\x89PNG")
    shutil.rmtree(place / "photos")
    for main, argv in ((show_attention.main, ["--out", place / "figures"]), (report.main, ["--out", place / "p.html"])):
        assert call(main, place / "run", "--data", place / "walk", *argv) == 0
        out, err = capsys.readouterr()
        assert out.count(f"note: the photographs of walk are no longer in {place / 'photos'}") == 1 and not err
    assert call(show_batch.main, "--data", place / "walk", "--out", place / "batch.png") == 0
    assert "no longer in" in capsys.readouterr().out and not (place / "batch.png").exists()
    assert call(train.main, "--resume", place / "run", "--data", place / "walk", "--epochs", 2) == 0
    out, err = capsys.readouterr()
    assert out.count("no longer in") == 1 and not err


def test_damaged_pictures_are_named_and_do_without(place, capsys):
    for path in (place / "photos" / "sub").iterdir():
        path.write_bytes(b"no picture")
    dataset = open_dataset(place / "walk", "grid")
    tiles = caption_tiles(load_run(place / "run").model, dataset, "train", 8)
    assert all(tile.picture is None and tile.human for tile in tiles)
    assert "note: " in (err := capsys.readouterr().err) and "expected a picture" in err
    (dataset.folder / "references.json").write_text("damaged")
    assert caption_tiles(load_run(place / "run").model, dataset, "train", 1)[0].human.islower()


@pytest.mark.parametrize("value", ["null", "[]", None])
def test_older_data_sets_have_none(value, place):
    path = place / "walk" / "dataset.json"
    info = json.loads(path.read_text())
    info.pop("photographs")
    path.write_text(json.dumps(info if value is None else {**info, "photographs": json.loads(value)}))
    assert open_dataset(place / "walk").photographs == ()


@pytest.mark.parametrize("value", ['[3]', "7", '["\\u0000"]'])
def test_other_values_are_one_clear_error(value, place):
    path = place / "walk" / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "photographs": json.loads(value)}))
    with pytest.raises(ValueError, match="dataset.json: not a dataset's description"):
        open_dataset(place / "walk")


def test_a_folder_without_the_photographs_is_refused(made, capsys):
    (made / "empty").mkdir()
    Image.new("RGB", (9, 9)).save(made / "empty" / "other.png")
    for folder, message in (("no", "no such folder"), ("empty", "no picture there has a caption")):
        assert prepare(made, "--images", made / folder, out="new") == 2
        assert message in capsys.readouterr().err and not (made / "new").exists()


def test_the_name_is_the_folders_or_another(made, capsys):
    assert open_dataset(made / "walk").name == "walk"
    assert prepare(made, "--name", "Spaziergänge_2.1", out="named") == 0
    assert "8 of 24 images" not in capsys.readouterr().out and open_dataset(made / "named").name == "Spaziergänge_2.1"
    for name in ("a/b", "a\\b", ".", "..", "-x", ".x", "a b", "a\nb", "a:b", "x" * (LONGEST + 1), "\udce4"):
        assert prepare(made, f"--name={name}", out="refused") == 2
        err = capsys.readouterr().err
        assert err.startswith("error: --name ") and err.count("\n") == 1 and not (made / "refused").exists()


@pytest.mark.parametrize("folder, name", [
    ("datasets/mine", "mine"), ("my photos", "my-photos"), (".hidden", "hidden"), ("données", "données"),
    ("写真", "写真"), ("...", "data"), ("é" * 80, "é" * (LONGEST // 2)), ("-", "data"), ("/", "data")])
def test_names_of_folders(folder, name):
    assert name_of(folder) == name
