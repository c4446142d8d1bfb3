"""scripts.fetch_data for image models, and for Flickr8k in one step, against a server on this machine."""
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.dataset import open_dataset
from data.encoders import NAMES
from data.photos import open_picture
from scripts import extract_features
from scripts.commandline.command import run
from scripts.datasets import extraction, image_models
from scripts.datasets.downloads import TABLE, DataSet, File
from scripts.datasets.image_models import MODELS
from scripts.fetch_data import main
from tests.scripts.classifier import write_classifier
from tests.scripts.file_server import CUT, serving

pytest.importorskip("pooch", reason="scripts.fetch_data needs pooch: pip install -e \".[fetch]\"")
pytest.importorskip("onnx", reason="image models are fetched with onnx: pip install -e \".[fetch]\"")
pytest.importorskip("onnxruntime", reason="image models need onnxruntime: pip install -e \".[vision]\"")
PHOTOS = [f"{letter}.jpg" for letter in "abcdef"]
MADE = ["mobilenet.json", "mobilenet.onnx"]


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a made-up classifier, long enough to be cut."""
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    write_classifier(path, notes="x" * 3 * CUT)
    return path.read_bytes()


@pytest.fixture
def server(content, tmp_path, monkeypatch):
    """The server, with the model at two addresses, /first/m.onnx and /second/m.onnx; the test's folder is current."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.chdir(tmp_path)
    with serving() as server:
        server.contents = {"/first/m.onnx": content, "/second/m.onnx": content}
        first, second = (f"http://127.0.0.1:{server.server_port}/{place}/m.onnx" for place in ("first", "second"))
        file = File(first, len(content), hashlib.sha256(content).hexdigest(), (second,))
        monkeypatch.setitem(MODELS, "mobilenet", MODELS["mobilenet"]._replace(file=file))
        yield server


def call(*argv, main=main):
    """Exit code of the command line run in this process."""
    with pytest.raises(SystemExit) as stop:
        run(lambda: main(list(argv)))
    return stop.value.code or 0


def files(folder="datasets"):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def asked(server):
    return [path for path, _ in server.asked]


@pytest.mark.parametrize("first", ["whole", "gone", "another file"])
def test_the_second_address_is_asked_when_the_first_fails(first, server, content, capsys):
    server.contents["/first/m.onnx"] = {"whole": content, "gone": None, "another file": b"<html>moved</html>"}[first]
    assert call("mobilenet") == 0
    assert asked(server) == ["/first/m.onnx"] + ["/second/m.onnx"] * (first != "whole")
    assert files() == [f"encoders/{name}" for name in MADE]
    said = capsys.readouterr().out
    assert "sees espresso" in said and "-m scripts.extract_features --encoder mobilenet --images photos" in said
    stated = json.loads(Path("datasets/encoders/mobilenet.json").read_text())
    assert stated["from"] == MODELS["mobilenet"].file.url and stated["licence"] == "Apache-2.0"
    assert call("mobilenet") == 2 and "already exists, nothing was done" in capsys.readouterr().err


def test_two_dead_addresses_are_both_named(server, capsys):
    server.contents = {"/second/m.onnx": b"<html>moved</html>"}
    assert call("mobilenet", "--out", "models") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "/first/m.onnx: 404" in said and "/second/m.onnx: what came does not have" in said
    assert "by hand: get m.onnx" in said and files("models") == []


def test_a_cut_download_goes_on_at_the_other_address_and_with_the_next_call(server, content):
    server.cut, server.cuts = {"m.onnx"}, 4                     # three of the first address, one of the second
    server.contents["/second/m.onnx"] = None
    assert call("mobilenet") == 2
    assert files() == ["encoders/mobilenet.download/m.onnx.part"]
    server.contents["/second/m.onnx"] = content
    server.cuts = 0
    assert call("mobilenet") == 0 and files() == [f"encoders/{name}" for name in MADE]
    assert [start for _, start in server.asked] == [0, CUT, 2 * CUT, 3 * CUT, 3 * CUT]


def test_a_file_that_is_here_needs_no_server(server, content, capsys):
    Path("mine.onnx").write_bytes(content)
    assert call("mobilenet", "--file", "mine.onnx") == 0
    assert files() == [f"encoders/{name}" for name in MADE] and server.asked == []
    assert call("cs231n", "--file", "mine.onnx") == 2 and call("cs231n", "--encoder", "mobilenet") == 2
    said = capsys.readouterr().err
    assert "--file: goes with an image model" in said and "--encoder: goes with flickr8k" in said
    assert call("mobilnet") == 2 and "did you mean 'mobilenet'?" in capsys.readouterr().err


def test_commands_find_a_fetched_model_by_its_name(server, capsys):
    photos()
    argv = ["--encoder", "mobilenet", "--images", "Flicker8k_Dataset", "--out", "f.h5"]
    assert call(*argv, main=extract_features.main) == 2
    assert "python -m scripts.fetch_data mobilenet" in capsys.readouterr().err
    assert call("mobilenet") == 0 and call(*argv, main=extract_features.main) == 0
    assert "grid of mobilenet.onnx, (6, 16, 5)" in capsys.readouterr().out
    assert call("--list", "mobilenet", main=extract_features.main) == 0
    assert "grid is regions 4x4 of 5 numbers (NCHW), the default" in capsys.readouterr().out


def photos():
    rng = np.random.default_rng(8)
    Path("Flicker8k_Dataset").mkdir()
    for name in PHOTOS:
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(Path("Flicker8k_Dataset", name))


@pytest.fixture
def flickr(server, monkeypatch):
    """Flickr8k's two archives on the server, with six photographs."""
    photos()
    splits = {"train": PHOTOS[:4], "dev": PHOTOS[4:5], "test": PHOTOS[5:]}
    texts = {f"Flickr_8k.{split}Images.txt": "\n".join(names) for split, names in splits.items()}
    texts["Flickr8k.token.txt"] = "\n".join(f"{name}#{k}\tA dog runs {k} times ." for name in PHOTOS for k in range(2))
    for name, members in (("text.zip", texts), ("photos.zip", {
            f"Flicker8k_Dataset/{name}": Path("Flicker8k_Dataset", name).read_bytes() for name in PHOTOS})):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        server.contents[name] = out.getvalue()
    url = f"http://127.0.0.1:{server.server_port}"
    inside = dict.fromkeys([*texts, "Flicker8k_Dataset/a.jpg"])
    monkeypatch.setitem(TABLE, "flickr8k", DataSet("https://example.org", (
        File(f"{url}/text.zip", 100), File(f"{url}/photos.zip", 100)), inside))
    return server


def test_flickr8k_in_one_step_goes_on_after_ctrl_c(flickr, monkeypatch, capsys):
    opened = []

    def stop(path, side):
        if len(opened) == 3:
            raise KeyboardInterrupt
        opened.append(path)
        return open_picture(path, side)
    with monkeypatch.context() as patch:
        patch.setattr(extraction, "open_picture", stop)
        assert call("flickr8k", "--encoder", "mobilenet") == 130
    assert "the same command goes on" in capsys.readouterr().err and not Path("datasets/flickr8k").exists()
    assert asked(flickr) == ["/first/m.onnx", "/text.zip", "/photos.zip"]       # the image model comes first
    assert call("flickr8k", "--encoder", "mobilenet") == 0 and len(flickr.asked) == 3
    assert "train       4 images        8 captions  features (6, 16, 5) in features.h5" in capsys.readouterr().out
    assert open_dataset(Path("datasets/flickr8k")).images("test")[1] == ["f.jpg"]
    assert call("flickr8k", "--encoder", "mobilenet") == 2 and "already exists" in capsys.readouterr().err


def test_a_wrong_encoder_shows_before_the_download(flickr, monkeypatch, capsys):
    Path("text.onnx").write_text("no model")
    for encoder, words in (("vgg", "no image model of that name"), ("gone.onnx", "no such file, expected an ONNX"),
                           ("text.onnx", "not an ONNX model that can be run")):
        assert call("flickr8k", "--encoder", encoder) == 2 and words in capsys.readouterr().err
    monkeypatch.setattr(image_models, "SEEN", {1: "goldfish"})
    assert call("flickr8k", "--encoder", "mobilenet") == 2 and "sees ImageNet's class 967" in capsys.readouterr().err
    assert asked(flickr) == ["/first/m.onnx"] and not Path("datasets/flickr8k-files").exists()


def test_the_names_that_an_error_offers_are_those_that_can_be_fetched():
    assert list(MODELS) == list(NAMES)
