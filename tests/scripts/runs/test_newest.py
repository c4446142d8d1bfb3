"""Commands without RUN or --encoder: the newest run, and the fetched image model that made its features."""
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.encoder import Encoder
from data.encoders import FOLDER
from data.scene_features import D
from models import CaptioningRNN
from models.checkpoint import save_checkpoint
from scripts import caption
from scripts.runs import load_run
from scripts.runs.newest import fetched_encoder, newest_for_photos, newest_run, newest_runs
from tests.command import call, without_next

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "cat"]
SCENES = {"model": "data.scene_features"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder with a photo in it, where commands are called."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save("photo.png")
    return tmp_path


@pytest.fixture
def fetch(place, make_onnx):
    """A function: put an image model where scripts.fetch_data puts it -> the attributes of its features."""
    def put(name="mobilenet", seed=5, **options):
        FOLDER.mkdir(parents=True, exist_ok=True)
        weights = np.random.default_rng(seed).standard_normal((5, 3, 4, 4)).astype(np.float32)
        make_onnx(FOLDER / f"{name}.onnx", weights=weights, normalisation="raw")
        (FOLDER / f"{name}.json").write_text("{}")
        return {key: str(value) for key, value in Encoder(FOLDER / f"{name}.onnx", "grid").attributes().items()
                if key in ("model", "model_sha256", "onnx_output", "input")}
    return put


NEWER = "note: newer, but trained on other features: runs/scenes (data.scene_features), runs/other (resnet)\n"


def make_run(name, attributes, age, file="best.h5", **run):
    """A run whose training features have these attributes, written `age` seconds ago."""
    width = D if attributes == SCENES else 5
    model = CaptioningRNN({word: i for i, word in enumerate(WORDS)}, width, 6, 7, "attention", seed=1)
    os.makedirs(f"runs/{name}", exist_ok=True)
    save_checkpoint(f"runs/{name}/{file}", model, {"data": {"features": {"train": {"attributes": attributes}}}, **run})
    os.utime(f"runs/{name}/{file}", (1e9 - age, 1e9 - age))


def caption_photo(capsys, *arguments):
    """Exit code, and standard error."""
    code = call(caption.main, *arguments, "--images", "photo.png")
    out, err = capsys.readouterr()
    err = without_next(err)
    assert (out.startswith("photo.png\t") and out.count("\n") == 1) is (code == 0)
    return code, err


def test_the_newest_run_is_the_one_that_was_written_last(place):
    make_run("a", SCENES, 50)
    make_run("b", SCENES, 90)
    make_run("b", SCENES, 20, "last.h5")
    make_run("c", SCENES, 30)
    os.makedirs("runs/empty")
    make_run("hardly", SCENES, 5, epoch=0)
    assert [path.name for path in newest_runs()] == ["hardly", "b", "c", "a"]
    with open("runs/b/best.h5", "r+b") as file:
        file.truncate(2000)
    run, notes = newest_run()
    assert run.name == "c" and len(notes) == 2
    assert notes[0].startswith("runs/b was passed over: ") and "not a whole checkpoint" in notes[0]
    assert notes[1].startswith("runs/hardly was passed over: no epoch of its training has ended")


def test_a_run_without_a_finished_epoch_is_named(place):
    make_run("hardly", {"model": "resnet"}, 5, epoch=0)
    assert newest_for_photos() == newest_run() == (Path("runs/hardly"), [
        "runs/hardly: no epoch of its training has ended, so its captions make no sense"])


def test_photos_prefer_the_run_that_the_fetched_model_fits(fetch, capsys):
    fits = fetch()
    make_run("fits", fits, 50)
    make_run("older", fits, 60)
    make_run("other", {"model": "resnet", "model_sha256": "abc"}, 20)
    make_run("scenes", SCENES, 10)
    which = "image model: datasets/encoders/mobilenet.onnx\n"
    assert caption_photo(capsys) == (0, "newest run: runs/fits\n" + NEWER + which)
    assert caption_photo(capsys, "runs/fits") == (0, "image model: datasets/encoders/mobilenet.onnx\n")
    assert caption_photo(capsys, "--encoder", FOLDER / "mobilenet.onnx") == (0, "newest run: runs/fits\n" + NEWER)


def test_else_the_newest_on_photographs_and_the_error_names_both(fetch, capsys):
    fetch()
    make_run("other", {"model": "resnet", "model_sha256": "0123456789abcdef"}, 20)
    make_run("silent", {"model": "vgg"}, 30)
    make_run("scenes", SCENES, 10)
    code, err = caption_photo(capsys)
    assert code == 2 and err.count("\n") == 3
    assert "trained on other features: runs/scenes (data.scene_features)\nerror: " in err
    assert "(resnet, SHA-256 0123456789ab...), which is none of those fetched: datasets/encoders/mobilenet.onnx" in err
    code, err = caption_photo(capsys, "runs/silent")
    assert code == 2 and "(vgg), which do not identify it" in err


def test_without_a_fetched_model_the_error_says_how_to_get_one(place, capsys):
    make_run("photos", {"model": "resnet", "model_sha256": "abc"}, 20)
    code, err = caption_photo(capsys, "runs/photos")
    assert code == 2 and "python -m scripts.fetch_data mobilenet" in err and "(resnet)" in err


def test_else_a_run_on_scenes_with_a_warning(place, capsys):
    make_run("scenes", SCENES, 10)
    make_run("broken", SCENES, 5)
    with open("runs/broken/best.h5", "r+b") as file:
        file.truncate(2000)
    code, err = caption_photo(capsys)
    assert code == 0 and re.fullmatch(
        "newest run: runs/scenes\nnote: runs/broken was passed over: runs/broken/best.h5: .*\nnote: runs/scenes was "
        "trained on drawn scenes, so its captions of photographs will make no sense: python -m .*\n", err)
    code, err = caption_photo(capsys, "--encoder", "some.onnx")
    assert code == 2 and "no run there was trained on features of some.onnx, only on drawn scenes" in err
    assert fetched_encoder(load_run("runs/scenes")) is None


def test_runs_that_cannot_be_read_are_passed_over_unless_there_is_no_other(place, capsys):
    make_run("bare", SCENES, 5)
    save_checkpoint("runs/bare/best.h5", load_run("runs/bare").model)
    assert newest_for_photos()[0].name == "bare"
    code, err = caption_photo(capsys)
    assert code == 2 and "a model without a run" in err
    make_run("scenes", SCENES, 10)
    assert newest_for_photos()[0].name == "scenes"


def test_without_any_run_the_error_says_how_to_make_one(place, capsys):
    for arguments in ([], ["--images", "photo.png"]):
        assert call(caption.main, *arguments) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: runs: has no run") and "python -m scripts.train" in err


def test_captions_of_a_split_are_the_newest_runs(done, place, capsys):
    make_run("older", SCENES, 10)
    os.symlink(done, "runs/done")
    assert call(caption.main, "--n", 3) == 0
    out, err = capsys.readouterr()
    assert err == "newest run: runs/done\n" and out.count("\n") == 3
    assert call(caption.main, "--n", 3, done) == 0          # RUN may come behind options
    assert capsys.readouterr().out == out
    assert call(caption.main, "--n", 3, done, "more") == 2
    assert "unrecognized arguments: more" in capsys.readouterr().err


def test_the_service_finds_its_image_model_too(fetch):
    pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")
    from scripts.web.application import make_service
    make_run("fits", fetch(), 50)
    make_run("scenes", SCENES, 10)
    release = {"decoding": {"beam": 2, "max_length": 3, "normalisation": 0.0}, "card": ""}
    make_run("own", SCENES, 10, "own.h5", release=release)
    app, worker, note = make_service("runs/fits", None, {}, False, None)
    worker.close()
    health = app.test_client().get("/api/health").json
    assert note == "image model: datasets/encoders/mobilenet.onnx" and health["encoder"] == "mobilenet.onnx"
    assert health["beam"] == 3
    app, worker, note = make_service("runs/own/own.h5", None, {}, True, None)
    client = app.test_client()
    with open("photo.png", "rb") as photo:
        answer = client.post("/api/caption", data={"image": photo}).json
    worker.close()
    assert client.get("/api/health").json["beam"] == 2 and note is None
    assert len(answer["words"]) <= 3 and len(answer["alternatives"]) <= 1
    with pytest.raises(ValueError, match="expected --encoder MODEL.onnx, or --scenes for a run on scenes"):
        make_service("runs/scenes", None, {}, False, None)
    with pytest.raises(ValueError, match="expected --encoder"):
        make_service("runs/fits", None, {}, True, None)
