"""data/encoders.py: image models by name, and the options that a JSON beside a model states."""
import hashlib
import json
import os
from pathlib import Path

import pytest

from data.encoder import Encoder
from data.encoders import FOLDER, NAMES, fetched_encoders, find_encoder, stated_options
from data.model_outputs import describe_model


@pytest.fixture
def model(make_onnx, tmp_path):
    """A model that takes pictures of any size and says nothing of their pixels; its default output is grid."""
    make_onnx(tmp_path / "m.onnx", ("n", 3, None, None))
    return tmp_path / "m.onnx"


def beside(model, content):
    model.with_suffix(".json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_name_is_looked_up_and_a_path_is_not(tmp_path, monkeypatch, fails):
    monkeypatch.chdir(tmp_path)
    with fails("vgg: no such file, and no image model of that name in datasets/encoders: python -m scripts.fetch_data "
               "NAME fetches one of", *NAMES, error=FileNotFoundError):
        find_encoder("vgg")
    with fails("python -m scripts.fetch_data resnet50", error=FileNotFoundError):
        find_encoder("resnet50")
    FOLDER.mkdir(parents=True)
    (FOLDER / "mobilenet.onnx").touch()
    assert find_encoder("mobilenet") == FOLDER / "mobilenet.onnx"
    for path in ("gone.onnx", "datasets/gone", "./mobilenet"):
        assert find_encoder(path) == Path(path)
    Path("mobilenet").touch()
    assert find_encoder("mobilenet") == Path("mobilenet")


def test_fetched_models_have_a_json_and_the_newest_is_first(tmp_path):
    assert fetched_encoders(tmp_path / "none") == []
    for age, name in enumerate(("new", "old", "alone")):
        (tmp_path / f"{name}.onnx").touch()
        os.utime(tmp_path / f"{name}.onnx", (10**9 - age, 10**9 - age))
        if name != "alone":
            (tmp_path / f"{name}.json").touch()
    assert [path.stem for path in fetched_encoders(tmp_path)] == ["new", "old"]


def test_what_is_stated_beside_a_model_are_the_defaults(model):
    beside(model, {"encoder": {"layer": "pooled", "size": "12x8", "normalise": "unit", "bgr": True,
                               "resize": "lanczos"}})
    encoder = Encoder(model)
    assert (encoder.layer, encoder.size, encoder.normalise, encoder.bgr, encoder.resize) == (
        "pooled", (8, 12), "unit", True, "lanczos")
    encoder = Encoder(model, "grid", size=(16, 16), normalise="raw", bgr=False, resize="bicubic")
    assert (encoder.layer, encoder.size, encoder.normalise, encoder.bgr, encoder.resize) == (
        "grid", (16, 16), "raw", False, "bicubic")
    assert "  pooled is a vector of 5 numbers, the default" in describe_model(model)
    assert "from pictures of 12x8:" in describe_model(model)


def test_a_stated_layout_is_that_of_the_stated_output(model):
    beside(model, {"encoder": {"layer": "grid", "size": "16", "normalise": "raw", "output_layout": "NHWC"}})
    assert Encoder(model).shape == (5 * 4, 4)                   # taken at its word
    beside(model, {"encoder": {"layer": "pooled", "size": "16", "normalise": "raw", "output_layout": "NHWC"}})
    assert Encoder(model, "grid").shape == (16, 5)


@pytest.mark.parametrize("content", ["[1]", '{"labels": ["dog"]}', "7"])
def test_the_json_of_another_program_is_left_alone(content, model):
    beside(model, content)
    assert stated_options(model) == {}


@pytest.mark.parametrize("options", [[], {"sise": "8x8"}, {"size": 8}, {"size": "8x"}, {"size": "8xa"}, {"bgr": "yes"},
                                     {"layer": None}])
def test_options_that_are_none_are_refused(options, model, fails):
    beside(model, {"encoder": options})
    with fails(f"{model.with_suffix('.json')}: encoder is ", "expected some of layer, size, normalise, bgr, resize"):
        Encoder(model)


def test_wrong_values_are_refused_as_those_of_the_command_line(model, fails):
    beside(model, {"encoder": {"size": "8x8", "normalise": "raw", "resize": "nearest"}})
    with fails("resize 'nearest', expected one of bilinear"):
        Encoder(model)
    beside(model, "{")
    with fails(f"{model.with_suffix('.json')}: expected JSON"):
        Encoder(model)


def test_a_json_about_another_file_is_refused(model, fails):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    beside(model, {"encoder": {"size": "8x8", "normalise": "raw"}, "sha256": digest})
    assert Encoder(model).size == (8, 8)
    beside(model, {"encoder": {"size": "8x8", "normalise": "raw"}, "sha256": "0" * 64})
    with fails(f"m.json: is about another file than {model}"):
        Encoder(model)
