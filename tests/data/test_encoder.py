"""data/encoder.py: features against a formula, what models leave open, and fingerprints."""
import json

import h5py
import numpy as np
import pytest
from PIL import Image

from data.encoder import Encoder, differences, open_picture, probe_picture
from data.features import FeatureReader
from data.model_outputs import describe_model

RAW = {"normalisation": "inside the graph: x/2 (for no reason)"}
HEIGHT, WIDTH = 8, 12


def formula(x, w):
    """The features of pictures (n, 8, 12, 3): every 4x4 patch by the weights -> float64 (n, 2, 3, 5)."""
    patches = np.asarray(x, np.float64).reshape(len(x), 2, 4, 3, 4, 3)
    return np.einsum("nyixjc,dcij->nyxd", patches, w.astype(np.float64))


def close(y, expected):
    return y.dtype == np.float32 and y.shape == expected.shape and np.abs(y - expected).max() < 1e-4 * np.abs(
        expected).max()


@pytest.fixture
def pictures(rng):
    return list(rng.integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8))


@pytest.mark.parametrize("shape", [("n", 3, HEIGHT, WIDTH), (1, 3, HEIGHT, WIDTH), (2, 3, HEIGHT, WIDTH),
                                   ("n", HEIGHT, WIDTH, 3), (None, 3, None, None), ("n", 3, "h", "w")])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_features_are_the_models_region_by_region(shape, dtype, make_onnx, pictures, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", shape, dtype, **RAW)
    encoder = Encoder(tmp_path / "m.onnx", threads=1, size=(HEIGHT, WIDTH))
    expected = formula(pictures, w).reshape(3, 6, 5)
    assert encoder.layer == "grid" and tuple(encoder.grid) == (2, 3) and encoder.shape == (6, 5)
    assert close(encoder.encode(pictures), expected)
    assert close(encoder.encode([Image.fromarray(x) for x in pictures[:1]]), expected[:1])
    pooled = Encoder(tmp_path / "m.onnx", pool=True, size=(HEIGHT, WIDTH))
    assert close(pooled.encode(pictures), expected.mean(axis=1))
    vector = Encoder(tmp_path / "m.onnx", "pooled", size=(HEIGHT, WIDTH))
    assert vector.grid is None and close(vector.encode(pictures), expected.mean(axis=1))


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_a_transformers_patches_are_regions(tokens, make_onnx, rng, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", ("n", 3, 8, 8), tokens=tokens, **RAW)
    if tokens == 2:
        with pytest.raises(ValueError, match=r"grid is \(1, 6, 5\), expected"):
            Encoder(tmp_path / "m.onnx", "grid")
        return
    x = rng.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    encoder = Encoder(tmp_path / "m.onnx", "grid")
    expected = np.einsum("nyixjc,dcij->nyxd", x.reshape(1, 2, 4, 2, 4, 3).astype(float), w.astype(float))
    assert encoder.grid == (2, 2) and close(encoder.encode(list(x)), expected.reshape(1, 4, 5))


MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
NORMALISED = {
    "raw": ({"normalise": "raw"}, {}, lambda x: x),
    "unit": ({"normalise": "unit"}, {}, lambda x: x / 255),
    "inception": ({"normalise": "inception"}, {}, lambda x: x / 127.5 - 1),
    "imagenet": ({"normalise": "imagenet"}, {}, lambda x: (x / 255 - MEAN) / DEVIATION),
    "numbers": ({"normalise": "0.1,0.2,0.3/1,2,4"}, {}, lambda x: (x / 255 - [0.1, 0.2, 0.3]) / [1, 2, 4]),
    "none": ({"normalise": "none"}, {}, lambda x: x),
    "tf": ({"normalise": "tf"}, {}, lambda x: x / 127.5 - 1),
    "caffe": ({"normalise": "caffe"}, {}, lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
    "caffe by name": ({}, {"normalisation": "caffe"}, lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
    "blue first": ({"normalise": "raw", "bgr": True}, {}, lambda x: x[..., ::-1]),
    "onnx raw": ({}, {"Image.NominalPixelRange": "NominalRange_0_255"}, lambda x: x),
    "onnx unit": ({}, {"Image.NominalPixelRange": "Normalized_0_1"}, lambda x: x / 255),
    "onnx blue": ({}, {"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"},
                  lambda x: x[..., ::-1] / 127.5 - 1),
    "name": ({}, {"normalisation": "imagenet"}, lambda x: (x / 255 - MEAN) / DEVIATION),
    "option over metadata": ({"normalise": "unit"}, RAW, lambda x: x / 255),
}


@pytest.mark.parametrize("kind", NORMALISED)
def test_pixels_are_normalised_as_options_or_metadata_say(kind, make_onnx, pictures, tmp_path):
    options, metadata, expected = NORMALISED[kind]
    w = make_onnx(tmp_path / "m.onnx", **metadata)
    encoder = Encoder(tmp_path / "m.onnx", **options)
    assert close(encoder.encode(pictures), formula(expected(np.array(pictures, float)), w).reshape(3, 6, 5))


def test_every_option_of_what_is_done_to_a_picture_is_in_the_fingerprint(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", ("n", 3, "h", "w"), **RAW)
    options = [{}, {"size": (16, 8)}, {"normalise": "unit"}, {"bgr": True}, {"resize": "bicubic"}, {"layer": "pooled"},
               {"normalise": "0,0,0/1,1,2"}]
    known = [Encoder(tmp_path / "m.onnx", **{"size": (8, 16), **o}).attributes() for o in options]
    for i, then in enumerate(known):
        for j, now in enumerate(known):
            assert bool(differences(then, now)) == (i != j), (options[i], options[j])


@pytest.mark.parametrize("name, older, text", [
    ("tf", "inception", "x/255, mean 0.5 0.5 0.5, deviation 0.5 0.5 0.5"), ("none", "raw", "raw 0..255")])
def test_a_second_name_of_a_normalisation_leaves_the_fingerprint_as_it_was(name, older, text, make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx")
    one, other = (Encoder(tmp_path / "m.onnx", normalise=n).attributes() for n in (name, older))
    assert str(one) == str(other) and one["input"] == f"12x8 RGB, {text}"
    make_onnx(tmp_path / "m.onnx", normalisation=name)
    assert Encoder(tmp_path / "m.onnx").attributes()["input"] == f"12x8 RGB, {text}"


def test_caffe_is_stored_as_means_and_deviations_blue_first(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx")
    assert Encoder(tmp_path / "m.onnx", normalise="caffe").attributes()["input"] == (
        "12x8 BGR, x/255, mean 0.48502 0.457957 0.407604, deviation 0.00392157 0.00392157 0.00392157")


def test_a_picture_is_squeezed_whole_into_the_models_size(make_onnx, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", **RAW)
    x = np.zeros((40, 24, 3), np.uint8)
    x[20:, 12:] = 250                                            # the lower right quarter
    expected = formula(np.array(Image.fromarray(x).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))[None], w)
    assert close(Encoder(tmp_path / "m.onnx").encode([x]), expected.reshape(1, 6, 5))


def test_any_mode_of_picture_is_taken(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", **RAW)
    encoder = Encoder(tmp_path / "m.onnx")
    picture = Image.fromarray(probe_picture())
    for mode in ("L", "1", "P", "RGBA", "CMYK", "LA", "I", "F"):
        assert encoder.encode([picture.convert(mode)]).shape == (1, 6, 5)
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="a picture is .* expected uint8"):
            encoder.encode([wrong])


def test_features_that_are_not_finite_are_refused(make_onnx, tmp_path, pictures):
    make_onnx(tmp_path / "m.onnx", weights=np.full((5, 3, 4, 4), 1e37, np.float32), normalisation="raw")
    with pytest.raises(ValueError, match="grid has NaN or infinity"):
        Encoder(tmp_path / "m.onnx").encode(pictures)


LACKS = [
    ({"shape": ("n", 3, "h", "w"), **RAW}, {}, "takes pictures of any size, expected --size"),
    (RAW, {"size": (8, 8)}, r"height and width \(8, 12\), found --size \(8, 8\)"),
    ({"shape": ("n", 3, "h", "w"), **RAW}, {"size": (10**6, 10**6)}, "expected at most 50,000,000 pixels"),
    ({}, {}, "do not say how pixels are normalised, expected --normalise with one of raw, unit"),
    ({}, {"normalise": "vgg"}, "normalisation 'vgg': expected one of raw, unit"),
    ({"normalisation": "by hand"}, {}, "normalisation 'by hand': expected"),
    ({}, {"normalise": "1,2,3/0,1,1"}, "means and deviations"),
    (RAW, {"layer": "features"}, "no output 'features', expected --layer with one of grid, pooled"),
    (RAW, {"threads": 0}, "--threads 0: expected 1 to 1,024"),
    (RAW, {"threads": 10**8}, "--threads 100000000: expected 1 to 1,024"),
]


@pytest.mark.parametrize("model, options, message", LACKS)
def test_what_a_model_leaves_open_is_asked_for(model, options, message, make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", **model)
    with pytest.raises(ValueError, match=message):
        Encoder(tmp_path / "m.onnx", **options)


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\x07" * 50])
def test_what_is_no_model_is_said(content, make_onnx, tmp_path):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="m.onnx: not an ONNX model that can be run") as caught:
        Encoder(tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no such file, expected an ONNX model"):
        Encoder(tmp_path / "n.onnx")


def test_a_model_of_other_things_than_pictures(make_onnx, tmp_path):
    onnx = pytest.importorskip("onnx")
    make_onnx(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.input.append(onnx.helper.make_tensor_value_info("words", onnx.TensorProto.INT64, [1, 4]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="expected one input of pictures, .* found image .*, words"):
        Encoder(tmp_path / "m.onnx", normalise="raw")


def test_a_model_that_mixes_pictures_is_refused(make_onnx, pictures, tmp_path):
    """One row for all of them is no feature of any."""
    onnx = pytest.importorskip("onnx")
    make_onnx(tmp_path / "m.onnx", **RAW)
    model = onnx.load(tmp_path / "m.onnx")
    node = next(node for node in model.graph.node if "grid" in node.output)
    node.CopyFrom(onnx.helper.make_node("ReduceMean", list(node.input), ["grid"], axes=[0], keepdims=1))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"grid is \(1, 5, 2, 3\) for 3 pictures, expected one row for each picture"):
        Encoder(tmp_path / "m.onnx").encode(pictures)


def test_a_model_is_described(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", **RAW)
    lines = describe_model(tmp_path / "m.onnx")
    assert lines[0] == "input   image  float (n, 3, 8, 12)" and lines[1].startswith("output  grid  float (")
    assert lines[-1] == f"normalisation: {RAW['normalisation']}"


# --- fingerprints ------------------------------------------------------------------------------------------------


@pytest.fixture
def known(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", **RAW)
    return Encoder(tmp_path / "m.onnx").attributes()


def test_attributes_say_what_made_the_features(known):
    assert known["model"] == "m" and len(known["model_sha256"]) == 64 and known["onnx_output"] == "grid"
    assert known["input"] == "12x8 RGB, raw 0..255; x/2 inside the model" and known["resize"] == "squeezed, bilinear"
    assert known["grid"].tolist() == [2, 3] and "3*row + column" in known["region_order"]


def test_attributes_survive_a_file_and_its_reader(known, tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = np.zeros((2, 6, 5), np.float16)
        file.attrs.update(known)
    stored = FeatureReader(tmp_path / "f.h5", regions=True).attributes()
    assert differences(stored, known) == [] and differences(known, json.loads(json.dumps(stored))) == []


@pytest.mark.parametrize("key", ["model_sha256", "onnx_output", "input", "resize"])
def test_what_differs_is_named(key, known):
    line, = differences({**known, key: "something"}, known)
    assert line == f"{key} was 'something', is {known[key]!r}"


def test_features_of_the_built_in_picture_may_differ_by_rounding_only(known):
    largest = np.abs(known["probe"]).max()
    for change, count in ((0.01, 0), (0.05, 1)):
        probe = known["probe"].copy()
        probe[3] += change * largest
        assert len(differences({**known, "probe": probe}, known)) == count
    assert differences({}, known) == []                          # a file that says nothing


# --- the model and the photographs of the Flickr8k features ------------------------------------------------------


@pytest.mark.parametrize("layer, file, count", [(None, "grid", 48), ("pooled", "pooled", 8)])
def test_photographs_give_the_published_features(layer, file, count, real_data):
    pytest.importorskip("onnxruntime", reason="image models need onnxruntime: pip install -e \".[vision]\"")
    given = FeatureReader(real_data / f"flickr8k/features_{file}.h5", regions=file == "grid")
    encoder = Encoder(real_data / "models/mobilenet_v2_1.0_224.onnx", layer)
    assert differences(given.attributes(), encoder.attributes()) == []
    assert given.attributes()["input"] == encoder.attributes()["input"]
    paths = sorted((real_data / "flickr8k/images").glob("*.jpg"))[:count]
    rows = {name: row for row, name in enumerate(given.image_names())}
    expected = given[[rows[path.name] for path in paths]]
    features = encoder.encode([open_picture(path) for path in paths])
    assert len(paths) == count and features.shape == expected.shape
    assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(features, expected)) > 0.998
