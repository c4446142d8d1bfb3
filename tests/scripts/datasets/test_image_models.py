"""scripts.datasets.image_models: a file of a classifier becomes an encoder, or nothing is written."""
import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from data.encoder import Encoder, open_picture
from scripts.datasets import image_models
from scripts.datasets.image_models import MODELS, PROBE, fetch_encoder
from tests.scripts.classifier import D, write_classifier

onnx = pytest.importorskip("onnx", reason="image models are fetched with onnx: pip install -e \".[fetch]\"")
pytest.importorskip("onnxruntime", reason="image models need onnxruntime: pip install -e \".[vision]\"")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A made-up classifier's file, whose D features every name of the table may have."""
    for name, model in MODELS.items():
        monkeypatch.setitem(MODELS, name, model._replace(channels=D))
    return tmp_path / "model.onnx"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "encoders"


def left(out):
    """The files, hidden ones too, that an attempt left behind."""
    return sorted(path.name for path in out.rglob("*"))


@pytest.mark.parametrize("pool, last", [("GlobalAveragePool", False), ("AveragePool", False), ("ReduceMean", False),
                                        ("ReduceMean", True)])
@pytest.mark.parametrize("classes", [1000, 1001])
def test_the_grid_is_what_the_last_pooling_averages(pool, last, classes, source, out):
    w, b = write_classifier(source, pool, classes, last=last)
    line, origin = fetch_encoder("mobilenet", out, str(source))
    assert "called mobilenet because you say so" in origin
    assert line == (f"{out / 'mobilenet.onnx'}: model.onnx, which sees espresso in the built-in photograph; its "
                    f"features are grid, regions 4x4 of 5 numbers ({'NHWC' if last else 'NCHW'})")
    assert left(out) == ["mobilenet.json", "mobilenet.onnx"]
    encoder, scores = (Encoder(out / "mobilenet.onnx", layer) for layer in (None, "scores"))
    assert encoder.layer == "grid" and encoder.grid == (4, 4) and encoder.normalise == "imagenet"
    picture = [open_picture(PROBE)]
    regions = encoder.encode(picture)
    assert regions.shape == (1, 16, D) and np.abs(regions.std(axis=1)).min() > 0
    assert np.allclose(regions.mean(axis=1) @ w.T + b, scores.encode(picture), atol=1e-4)


def test_bytes_are_appended_and_the_json_says_what_was_done(source, out, tmp_path):
    write_classifier(source)
    for folder in (out, tmp_path / "again"):
        fetch_encoder("resnet50", folder, str(source))
    made = (out / "resnet50.onnx").read_bytes()
    assert made.startswith(source.read_bytes()) and made == (tmp_path / "again/resnet50.onnx").read_bytes()
    assert [port.name for port in onnx.load(out / "resnet50.onnx").graph.output] == ["scores", "grid"]
    assert json.loads((out / "resnet50.json").read_text()) == {
        "encoder": {"layer": "grid", "size": "16x16", "normalise": "imagenet", "bgr": False, "resize": "bilinear",
                    "output_layout": "NCHW"},
        "sha256": hashlib.sha256(made).hexdigest(), "sees": "espresso", "from": "model.onnx, a local file"}


def test_a_file_whose_grid_is_an_output_stays_as_it_is(source, out):
    write_classifier(source, outputs=["pooled", "grid"])
    fetch_encoder("mobilenet", out, str(source))
    assert (out / "mobilenet.onnx").read_bytes() == source.read_bytes()
    assert Encoder(out / "mobilenet.onnx").layer == "grid"


def test_without_a_pooling_the_features_are_one_vector(source, out):
    write_classifier(source, pool=None)
    _, note, _ = fetch_encoder("mobilenet", out, str(source))
    assert note == "note: model.onnx has no pooling over all positions, whose input would be the grid"
    encoder = Encoder(out / "mobilenet.onnx")
    assert encoder.grid is None and encoder.shape == (1000,)
    assert json.loads((out / "mobilenet.json").read_text())["encoder"]["layer"] == "scores"


@pytest.mark.parametrize("name, options, words", [
    ("mobilenet", {"best": 281}, "sees ImageNet's class 281 in a photograph of an espresso, expected one of 967 "),
    ("mobilenet", {"best": 281, "classes": 1001}, "sees ImageNet's class 281 "),
    ("mobilenet", {"normalisation": "raw"}, "sees ImageNet's class 818 .*its pixels are not normalised as 'raw'"),
    ("mobilenet", {"classes": 1200}, "no output of ImageNet's 1,000 classes"),
    ("mobilenet", {"weight": 0}, "gives two different pictures the same scores: it is damaged"),
])
def test_a_model_that_sees_something_else_is_refused(name, options, words, source, out):
    write_classifier(source, **options)
    with pytest.raises(ValueError, match=words) as caught:
        fetch_encoder(name, out, str(source))
    assert str(caught.value).startswith(f"{source}: ") and not out.exists()


@pytest.mark.parametrize("width, options", [(D, {}), (16 * D, {"pool": None, "outputs": ["flat"]})])
def test_another_network_than_its_name_is_refused(width, options, source, out, monkeypatch):
    write_classifier(source, **options)
    monkeypatch.setitem(MODELS, "resnet50", MODELS["resnet50"]._replace(channels=2048))
    with pytest.raises(ValueError, match=f"another network than resnet50: its features are {width} numbers, expected"):
        fetch_encoder("resnet50", out, str(source))
    assert not out.exists()


@pytest.mark.parametrize("content", [None, "{", "{}", '{"encoder": {"layer": "grid"}, "sha256": "0"}'])
def test_a_model_without_its_json_is_there_but_no_use(content, source, out):
    write_classifier(source)
    fetch_encoder("mobilenet", out, str(source))
    (out / "mobilenet.json").unlink()
    if content is not None:
        (out / "mobilenet.json").write_text(content)
    with pytest.raises(FileExistsError, match=r"mobilenet.json beside it is missing or damaged: remove .*\.onnx and"):
        fetch_encoder("mobilenet", out, str(source))
    (out / "mobilenet.onnx").unlink()
    fetch_encoder("mobilenet", out, str(source))
    assert Encoder(out / "mobilenet.onnx").layer == "grid"


def test_what_the_file_says_of_its_pixels_counts(source, out):
    write_classifier(source, normalisation="0.5,0.5,0.5/0.25,0.25,0.25")
    fetch_encoder("efficientnet-lite4", out, str(source))
    assert Encoder(out / "efficientnet-lite4.onnx").normalise == "0.5,0.5,0.5/0.25,0.25,0.25"


@pytest.mark.parametrize("damage", ["cut", "text", "folder", "absent", "two inputs", "not finite"])
def test_what_is_no_such_model_is_named_and_nothing_is_written(damage, source, out):
    write_classifier(source)
    content = source.read_bytes()
    if damage == "two inputs":
        model = onnx.load(source)
        model.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["n"]))
        onnx.save(model, source)
    elif damage == "not finite":
        source.write_bytes(content.replace(np.float32(2).tobytes(), np.float32(np.nan).tobytes()))      # of b
    else:
        source.unlink()
        {"cut": lambda: source.write_bytes(content[:-50]), "text": lambda: source.write_text("a page"),
         "folder": source.mkdir, "absent": lambda: None}[damage]()
    with pytest.raises((ValueError, OSError), match=str(source)) as caught:
        fetch_encoder("mobilenet", out, str(source))
    assert "\n" not in str(caught.value) and ".mobilenet." not in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize("step", ["what_it_sees", "with_grid"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_an_attempt_that_is_stopped_leaves_nothing(step, error, source, out, monkeypatch):
    write_classifier(source)

    def stop(*_):
        raise error
    with monkeypatch.context() as patch:
        patch.setattr(image_models, step, stop)
        full = f"{out / 'mobilenet.onnx'}: cannot be written, and nothing was written"
        words = "^$" if isinstance(error, KeyboardInterrupt) else full
        with pytest.raises(type(error), match=words):
            fetch_encoder("mobilenet", out, str(source))
    assert left(out) == []
    fetch_encoder("mobilenet", out, str(source))
    with pytest.raises(FileExistsError, match="already exists, nothing was done"):
        fetch_encoder("mobilenet", out, str(source))


def test_without_the_package_onnx_one_line(source, out, monkeypatch):
    write_classifier(source)
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ValueError, match="with the package onnx: pip install -e"):
        fetch_encoder("mobilenet", out, str(source))


def test_a_real_model_sees_the_espresso(real_data, out):
    lines = fetch_encoder("mobilenet", out, str(real_data / "models/mobilenet_v2_1.0_224.onnx"))
    assert "sees espresso" in lines[0] and "regions 7x7 of 1280 numbers" in lines[0]


def test_the_page_for_people_says_the_same():
    page = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    for name, model in MODELS.items():
        assert f"python -m scripts.fetch_data {name}" in page and model.licence in page
        for part in (model.file.url, *model.file.others, model.file.sha256, f"{model.file.size:,}"):
            assert part in page
