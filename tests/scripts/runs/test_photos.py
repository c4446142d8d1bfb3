"""Photos as the features that a run was trained on, and scripts.caption --images."""
import re
import sys
from html import unescape

import numpy as np
import pytest
from PIL import Image

from data.encoder import Encoder
from data.features import FeatureReader, PairReader, write_features
from data.scene_features import D, P, scene_features
from data.scenes import make_scenes
from models import CaptioningRNN
from models.checkpoint import load_checkpoint, save_checkpoint
from scripts import caption
from scripts.commandline.command import run
from scripts.runs.photos import as_stored, picture_features
from tests.cells import NAMES, TAKE_A_VECTOR, takes
from tests.command import without_next

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "cat", "<b>"]


@pytest.fixture
def photos(tmp_path, rng):
    """A folder of three photos, one of which is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "more/a.jpg"):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(folder / name)
    (folder / "c.jpg").write_text("no photo")
    return folder


@pytest.fixture
def encoder(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", normalisation="raw")
    return str(tmp_path / "m.onnx")


@pytest.fixture
def make_run(tmp_path):
    """A function: a checkpoint file of a random model whose training features have these attributes -> its path."""
    def make(attributes, cell_type="bahdanau", input_dim=5, **options):
        model = CaptioningRNN({word: i for i, word in enumerate(WORDS)}, input_dim, 8, 7, cell_type, seed=1, **options)
        path = tmp_path / f"{cell_type}.h5"
        save_checkpoint(path, model, {"data": {"features": {"train": {"attributes": attributes}}}})
        return str(path)
    return make


def stored(encoder, layers, tmp_path, **options):
    """The attributes that a dataset of features by these encoders has."""
    readers = []
    for layer in layers:
        made = Encoder(encoder, layer, **options)
        path = tmp_path / f"{layer}.h5"
        write_features(path, made.encode([np.zeros((9, 9, 3), np.uint8)]), ["x"], **made.attributes())
        readers.append(FeatureReader(path, regions=layer == "grid"))
    return (PairReader(*readers) if len(readers) == 2 else readers[0]).attributes()


def pictures(rng, n=3):
    return [Image.fromarray(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)) for _ in range(n)]


def test_a_grid_and_pooled_features_come_from_one_pass(make_run, encoder, rng, tmp_path, monkeypatch):
    attributes = stored(encoder, ("grid", "pooled"), tmp_path)
    assert (attributes["onnx_output"], attributes["pooled_onnx_output"]) == ("grid", "pooled")
    run_ = make_run(attributes, pooled_dim=5)
    features, images = picture_features(load_checkpoint(run_), encoder), pictures(rng)
    passes, outputs = [], Encoder._run
    monkeypatch.setattr(Encoder, "_run", lambda self, *args: passes.append(1) or outputs(self, *args))
    grid, pooled = features(images)
    assert len(passes) == 1 and tuple(features.grid) == (2, 3) and features.note is None
    assert grid.dtype == pooled.dtype == np.float32 and grid.shape == (3, 6, 5)
    assert np.array_equal(grid, as_stored(Encoder(encoder, "grid").encode(images)))
    assert np.array_equal(pooled, as_stored(Encoder(encoder, "pooled").encode(images)))


def test_the_layout_that_made_the_training_features_is_taken_again(make_run, make_onnx, rng, tmp_path):
    make_onnx(tmp_path / "m.onnx", ("n", 3, 20, 20), normalisation="raw")            # (n, 5, 5, 5)
    images = pictures(rng)
    for layout in ("NCHW", "NHWC"):
        run_ = make_run(stored(tmp_path / "m.onnx", ("grid",), tmp_path, output_layout=layout))
        found = picture_features(load_checkpoint(run_), tmp_path / "m.onnx")(images)
        expected = Encoder(tmp_path / "m.onnx", output_layout=layout).encode(images)
        assert np.array_equal(found, as_stored(expected))


def test_pooled_features_of_a_single_region_are_found_by_their_width(make_run, make_onnx, rng, tmp_path):
    onnx = pytest.importorskip("onnx")
    make_onnx(tmp_path / "m.onnx", also=["mean"], normalisation="raw")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.output.remove(next(o for o in model.graph.output if o.name == "pooled"))
    onnx.save(model, tmp_path / "m.onnx")
    run_ = make_run(stored(tmp_path / "m.onnx", ("grid",), tmp_path), pooled_dim=5)  # which does not say which output
    images = pictures(rng)
    grid, pooled = picture_features(load_checkpoint(run_), tmp_path / "m.onnx")(images)
    assert grid.shape == (3, 6, 5) and pooled.shape == (3, 5) and np.allclose(pooled, grid.mean(axis=1), atol=1)


def test_a_model_of_vectors_takes_the_mean_of_the_regions_or_the_models_own(make_run, encoder, rng, tmp_path):
    images, vectors = pictures(rng), []
    for layer in ("grid", "pooled"):
        run_ = make_run(stored(encoder, (layer,), tmp_path), "lstm")
        vectors.append(picture_features(load_checkpoint(run_), encoder)(images))
    assert vectors[0].shape == (3, 5) and np.allclose(*vectors, rtol=1e-2)


@pytest.mark.parametrize("cell_type", NAMES)
def test_scenes_need_no_model(make_run, cell_type):
    plain, pooled_too = cell_type in TAKE_A_VECTOR, takes(cell_type, "pooled_dim")
    run_ = make_run({"model": "data.scene_features"}, cell_type, P if plain else D,
                    **({"pooled_dim": P} if pooled_too else {}))
    scenes = make_scenes(2, 5)
    found = picture_features(load_checkpoint(run_), None)([Image.fromarray(scene.image) for scene in scenes])
    grid, pooled = scene_features(np.stack([scene.image for scene in scenes]))
    first, *rest = found if pooled_too else (found,)
    assert np.array_equal(first, (pooled if plain else grid).astype(np.float16))
    assert first.shape[1:] == ((P,) if plain else (49, D))
    assert all(np.array_equal(r, pooled.astype(np.float16)) for r in rest)


def test_features_are_rounded_as_those_in_the_file():
    x = np.array([0.07, -1.19, 5.0001, 1e6], np.float32)
    assert as_stored(x[:3], {"rounding_step": "0.125"}).tolist() == [0.125, -1.25, 5]
    assert as_stored(x[:3]).tolist() == x[:3].astype(np.float16).tolist() and np.array_equal(as_stored(x), x)


@pytest.mark.parametrize("change, expected", [
    ({"model_sha256": "abc"}, "model_sha256 was 'abc', is '"), ({"onnx_output": "other"}, "no output 'other'"),
    ({"input": "3x3 RGB"}, "input was '3x3 RGB', is '12x8 RGB, raw 0..255'"),
    ({"probe": "[" + ", ".join(["9e9"] * 16) + "]"}, "the features of the built-in picture differ")])
def test_other_features_are_refused_with_the_differences(change, expected, make_run, encoder, tmp_path, photos, capsys):
    attributes = {**stored(encoder, ("grid",), tmp_path), **change}
    run_ = make_run(attributes)
    assert ended(lambda: caption.main([run_, "--images", str(photos), "--encoder", encoder])) == 2
    out, err = capsys.readouterr()
    assert not out and expected in err and err.count("\n") == 1


def test_of_another_models_file_it_is_said_that_it_is_one(make_run, encoder, make_onnx, tmp_path):
    """And not what it lacks for a run that it does not fit: asked for --normalise, one would give it."""
    run_ = make_run(stored(encoder, ("grid",), tmp_path))
    make_onnx(tmp_path / "other.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    for other in ("other.onnx", "text.onnx"):
        with pytest.raises(ValueError, match="other.onnx|text.onnx: not what made .*: model_sha256 was '"):
            picture_features(load_checkpoint(run_), tmp_path / other)


def test_pooled_features_of_another_model_are_refused_too(make_run, encoder, tmp_path):
    attributes = {**stored(encoder, ("grid", "pooled"), tmp_path), "pooled_model_sha256": "abc"}
    with pytest.raises(ValueError, match="model_sha256 was 'abc'"):
        picture_features(load_checkpoint(make_run(attributes, pooled_dim=5)), encoder)


def test_features_of_unknown_origin_are_taken_with_a_word(make_run, encoder, photos, capsys):
    run_ = make_run({})
    assert ended(lambda: caption.main([run_, "--images", str(photos / "b.png"), "--encoder", encoder])) == 0
    out, err = capsys.readouterr()
    assert out.startswith("b.png\t")
    assert err.count("do not record which model made them") == without_next(err).count("\n") == 1
    with pytest.raises(ValueError, match="numbers a region or picture were 9, are 5"):
        picture_features(load_checkpoint(make_run({}, input_dim=9)), encoder)


def ended(main):
    with pytest.raises(SystemExit) as stopped:
        run(main)
    return stopped.value.code


def test_a_folder_is_captioned_and_drawn(make_run, encoder, photos, tmp_path, capsys):
    run_ = make_run(stored(encoder, ("grid",), tmp_path))
    arguments = [run_, "--images", str(photos), "--encoder", encoder, "--beam", "2", "--alternatives", "2"]
    assert ended(lambda: caption.main([*arguments, "--html", str(tmp_path / "out.html")])) == 2     # c.jpg is none
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == ["b.png"] * 2 + ["more/a.jpg"] * 2
    assert f"error: {photos / 'c.jpg'}: expected a picture" in err and without_next(err).count("\n") == 2
    page = (tmp_path / "out.html").read_text()
    assert page.count("data:image/jpeg") == page.count('class="card"') == 2 and "1 photo could not be read" in page
    assert "<b>" not in page and not re.search(r"(src|href)=\"(?!data:)", page)
    lines = [line.split("\t")[1] for line in out.splitlines()]
    for found, expected in ((re.findall('caption" role="group">(.*?)</div>', page), lines[::2]),
                            (re.findall('<ol class="others"><li>(.*?)</li>', page), lines[1::2])):
        assert [unescape(text) for text in found] == [text or "(no words)" for text in expected]


def test_a_run_without_attention_has_a_page_too(make_run, encoder, photos, tmp_path):
    run_ = make_run(stored(encoder, ("pooled",), tmp_path), "lstm")
    arguments = [run_, "--images", str(photos / "b.png"), "--encoder", encoder, "--html", str(tmp_path / "out.html")]
    assert ended(lambda: caption.main(arguments)) == 0
    page = (tmp_path / "out.html").read_text()
    assert page.count("data:image/jpeg") == 1 and "<script" not in page and "<canvas" not in page


def test_a_page_of_broken_photos_is_empty(make_run, encoder, photos, tmp_path):
    run_ = make_run(stored(encoder, ("pooled",), tmp_path), "lstm")
    arguments = [run_, "--images", str(photos / "c.jpg"), "--encoder", encoder, "--html", str(tmp_path / "out.html")]
    assert ended(lambda: caption.main(arguments)) == 2
    page = (tmp_path / "out.html").read_text()
    assert "There are no photos to show." in page and "1 photo could not be read and is left out." in page


def test_a_large_photo_has_640_pixels(make_run, encoder, photos, tmp_path):
    """Though the image model, of 12 x 8 pixels, needs a JPEG of an eighth of its size."""
    Image.new("RGB", (1200, 900), "red").save(photos / "more/a.jpg")
    run_ = make_run(stored(encoder, ("pooled",), tmp_path), "lstm")
    arguments = [run_, "--images", str(photos / "more"), "--encoder", encoder, "--html", str(tmp_path / "out.html")]
    assert ended(lambda: caption.main(arguments)) == 0
    assert 'width="640" height="480"' in (tmp_path / "out.html").read_text()


def test_a_page_without_jinja_is_one_line(make_run, encoder, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    run_ = make_run(stored(encoder, ("pooled",), tmp_path), "lstm")
    arguments = [run_, "--images", str(photos), "--encoder", encoder, "--html", str(tmp_path / "out.html")]
    assert ended(lambda: caption.main(arguments)) == 2
    out, err = capsys.readouterr()
    assert not out and "scripts.caption --html needs Jinja2: pip install -e \".[vision]\"" in err


def test_a_page_replaces_nothing_but_a_page(make_run, encoder, photos, capsys):
    photo, before = photos / "b.png", (photos / "b.png").read_bytes()
    arguments = [make_run(stored(encoder, ("pooled",), photos.parent), "lstm"), "--images", str(photo), "--encoder",
                 encoder, "--html"]
    for html, message in ((photo, "no page"), (photos, "no page"), (photos / "no/a.html", "no such folder")):
        assert ended(lambda html=html: caption.main([*arguments, str(html)])) == 2
        out, err = capsys.readouterr()
        assert not out and f"--html {html}: " in err and message in err
    assert photo.read_bytes() == before
    for _ in range(2):
        assert ended(lambda: caption.main([*arguments, str(photos / "a.html")])) == 0


@pytest.mark.parametrize("arguments, message", [
    (["--images", "x"], "expected --encoder with the ONNX model"),
    (["--encoder", "x.onnx"], "--encoder: goes only with"),
    (["--html", "x"], "--html: goes only with"), (["--images", "x", "--split", "val"], "--split: goes not with"),
    *((option, f"{option[0]}: goes only with") for option in (
        ["--threads", "2"], ["--layer", "x"], ["--size", "8"], ["--normalise", "raw"], ["--bgr"],
        ["--resize", "bicubic"], ["--output-layout", "NCHW"])),
    (["--images", "x", "--encoder", "absent.onnx"], "absent.onnx: no such file")])
def test_options_that_do_not_go_together(arguments, message, make_run, capsys):
    assert ended(lambda: caption.main([make_run({"model": "m"}), *arguments])) == 2
    assert message in capsys.readouterr().err


def test_real_photos_get_the_captions_of_their_stored_features(make_run, real_data, capsys):
    """The given Flickr8k files were made by the given model: features agree, whichever way they come."""
    pytest.importorskip("onnxruntime", reason="image models need onnxruntime: pip install -e \".[vision]\"")
    grid, pooled = (FeatureReader(real_data / f"flickr8k/features_{kind}.h5", kind == "grid") for kind in (
        "grid", "pooled"))
    model = real_data / "models/mobilenet_v2_1.0_224.onnx"
    files = sorted((real_data / "flickr8k/images").glob("*.jpg"))[:4]
    rows = np.array([grid.image_names().index(file.name) for file in files])
    images = [Image.open(file) for file in files]
    for attributes in (PairReader(grid, pooled).attributes(), grid.attributes()):   # runs of before do not tell pooled
        features = picture_features(load_checkpoint(make_run(attributes, input_dim=320, pooled_dim=1280)), model)
        for found, reader in zip(features(images), (grid, pooled)):
            expected = reader[rows]
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.998 and found.shape == expected.shape
