"""scripts.check_attention and scripts.show_attention."""
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.decoding import beam_search
from scripts import check_attention, show_attention, train
from scripts.evaluation.attention import cells_inside, liveliness, named_boxes, pointing
from scripts.evaluation.captions import attend_images
from scripts.pages import attention_figures
from scripts.pages.attention_figures import figure_name
from scripts.pages.figures import attention_figure, upsample
from scripts.pages.pictures import SIDE, Pictures
from scripts.runs import load_run, open_run_data
from tests.cells import ATTEND

FAST = ["--hidden", "12", "--wordvec", "8", "--batch", "25", "--epochs", "2"]
RED_RING = {"shape": "ring", "colour": "red", "box": [0, 0, 30, 30]}
BLUE_RING = {"shape": "ring", "colour": "blue", "box": [80, 80, 110, 110]}


def one_hot(*places):
    maps = np.zeros((len(places), 7, 7))
    for t, place in enumerate(places):
        maps[(t, *place)] = 1
    return maps


def test_liveliness_of_maps_that_move_and_that_stand_still():
    moving = [one_hot((0, 0), (3, 3), (6, 6)), np.full((1, 7, 7), 1 / 49), np.zeros((0, 7, 7))]
    found = liveliness(moving)
    assert found["words"] == 4 and found["change"] == 1 and found["verdict"] == "alive"
    assert found["entropy"] == pytest.approx(np.log(49) / 4) and np.sum(found["mass"]) == pytest.approx(1)
    assert liveliness([np.repeat(moving[0][:1], 3, axis=0)])["verdict"] == "dead"


@pytest.mark.parametrize("caption, expected", [
    ("a red ring", [(2, [RED_RING["box"]])]),
    ("a ring", [(1, [RED_RING["box"], BLUE_RING["box"]])]),
    ("a green ring", []), ("a red star", []), ("", []),
    ("a blue ring and a red ring", [(2, [BLUE_RING["box"]]), (6, [RED_RING["box"]])]),
])
def test_which_objects_a_noun_names(caption, expected):
    assert named_boxes(caption.split(), [RED_RING, BLUE_RING]) == expected


def test_boxes_are_grown_by_half_a_cell():
    assert np.argwhere(cells_inside([[17, 33, 30, 46]], (7, 7))).tolist() == [[2, 1]]
    assert np.argwhere(cells_inside([[17, 33, 32, 48]], (7, 7))).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]
    assert not cells_inside([], (7, 7)).any()


@pytest.mark.parametrize("maps", [[np.zeros((0, 7, 7))] * 2, [np.full((1, 7, 7), 1 / 49)], [np.ones((4, 1, 1))]])
def test_where_nothing_can_be_compared_nothing_is_dead(maps):
    found = liveliness(maps)
    assert found["verdict"] == "nothing to judge" and found["change"] is None


def test_pointing_counts_peaks_on_what_is_named(rng):
    words = [["red", "ring"]] * 3
    maps = np.stack([one_hot((6, 6), (1, 1)), one_hot((6, 6), (0, 0)), one_hot((0, 0), (6, 6))])
    found = pointing(words, maps, [[RED_RING, BLUE_RING]] * 3, rng)
    assert found["nouns"] == 3 and found["accuracy"] == pytest.approx(2 / 3) == found["mass"]
    assert found["chance"] == pytest.approx(cells_inside([RED_RING["box"]], (7, 7)).mean())


def test_maps_are_upsampled_smoothly(rng):
    weights = rng.random((3, 5))
    shown = upsample(weights, 60, 100)
    assert shown.shape == (60, 100) and weights.min() <= shown.min() and shown.max() <= weights.max()
    np.testing.assert_allclose(upsample(np.full((3, 5), 0.2), 60, 100), 0.2)
    np.testing.assert_allclose(upsample(weights[:, ::-1], 60, 100), shown[:, ::-1])
    peak = np.unravel_index(upsample(one_hot((2, 5))[0], 112, 112).argmax(), (112, 112))
    assert abs(peak[0] - 39.5) < 1 and abs(peak[1] - 87.5) < 1


@pytest.mark.parametrize("words", [[], ["a"], ["a", "$", "sign", "and", *"several rows"]])
def test_figures_of_captions_of_any_length(words):
    maps = np.full((len(words), 7, 7), 1 / 49)
    assert attention_figure(None, words, maps, "na_me$.jpg").startswith(b"\x89PNG")


@pytest.fixture(scope="module", params=ATTEND)
def attending(request, small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / request.param
    train.main(["--data", str(small_scenes), "--model", request.param, "--out", str(out), *FAST])
    return out


@pytest.fixture
def sketches(monkeypatch):
    """Figures show the first two words of a caption: each panel takes a while."""
    monkeypatch.setattr(attention_figures, "attention_figure", lambda picture, words, maps, name: attention_figure(
        picture, words[:2], maps[:2], name))


@pytest.mark.usefixtures("sketches")
def test_a_run_is_checked_and_drawn(attending, tmp_path, capsys):
    assert check_attention.main([str(attending), "--out", str(tmp_path / "a.json")]) in (0, 1)
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["images"] == 12 and found["verdict"] in ("alive", "dead") and np.shape(found["mass"]) == (7, 7)
    assert found["verdict"] in capsys.readouterr().out
    show_attention.main([str(attending), "--split", "val", "--n", "2", "--out", str(tmp_path / "figures")])
    assert len(list((tmp_path / "figures").iterdir())) == 2
    show_attention.main([str(attending), "--image-names", "scene-00075.png", "--out", str(tmp_path / "one")])
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["scene-00075.png"]


def test_attention_that_does_not_look_is_dead(attending, tmp_path, monkeypatch, capsys):
    checkpoint = load_run(attending)
    for w in checkpoint.model.params.values():                          # the same scores everywhere
        w[:] = 0
    checkpoint.model.params["b_vocab"][5] += 100                        # says one word for ever
    monkeypatch.setattr("scripts.runs.folders.load_run", lambda run: checkpoint)
    assert check_attention.main([str(attending), "--out", str(tmp_path / "a.json")]) == 1
    assert "dead: maps differ by less than 0.001 between words" in capsys.readouterr().out


@pytest.mark.usefixtures("sketches")
def test_pictures_from_a_folder(attending, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("L", (50, 30)).save(pictures / "scene-00074.png")
    assert show_attention.main([str(attending), "--images", str(pictures), "--out", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scene-00074.png"]


@pytest.mark.parametrize("argv, message", [
    (["--n", "0"], "--n 0: expected at least 1"),
    (["--split", "nope"], "no split 'nope'"),
    (["--image-names", "no.png"], "'no.png' is not in the test split"),
    (["--images", "/no/such/folder"], "no such folder of pictures"),
])
def test_bad_input(argv, message, attending, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        show_attention.main([str(attending), "--out", str(tmp_path / "o"), *argv])
    assert message in str(error.value) and not (tmp_path / "o").exists()


@pytest.mark.usefixtures("sketches")
def test_a_damaged_picture_and_an_empty_folder(attending, tmp_path, capsys):
    with pytest.raises(ValueError, match="has no picture of the test split"):
        show_attention.main([str(attending), "--images", str(tmp_path), "--out", str(tmp_path / "o")])
    (tmp_path / "scene-00073.png").write_bytes(b"no picture")
    Image.new("RGB", (900, 700)).save(tmp_path / "scene-00074.png")
    assert show_attention.main([str(attending), "--images", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["scene-00074.png"]      # the others are drawn
    assert "scene-00073.png: expected a picture" in capsys.readouterr().err
    image = Pictures(open_run_data(load_run(attending)), "test", tmp_path)(0, "scene-00074.png")
    assert max(image.shape) == SIDE


def test_every_image_has_a_figure_of_its_own():
    taken = set()
    names = ["a/1.jpg", "b/1.jpg", "x y.jpg", "x_y.jpg", "日本.jpg", "中国.jpg", "../up.jpg", "...", "n" * 300 + ".jpg"]
    files = [figure_name(name, taken) for name in names]
    assert len(set(files)) == len(names) and all("/" not in file and len(file) < 90 for file in files)


def test_words_and_maps_are_those_of_the_caption_that_a_beam_finds(attending):
    checkpoint = load_run(attending)
    model, dataset = checkpoint.model, open_run_data(checkpoint)
    rows = dataset.images("val")[0]
    words, maps = attend_images(model, dataset, "val", rows)
    found = beam_search(model, dataset.features["val"][rows])
    assert [" ".join(caption) for caption in words] == [dataset.vocabulary.decode(ids) for ids in found.captions]
    for caption, drawn, expected in zip(words, maps, found.maps):
        np.testing.assert_allclose(drawn, expected[:len(caption)].reshape(-1, 7, 7), rtol=1e-5)


@pytest.mark.parametrize("content", ["[]", "{}", "no json", '[[{"shape": "ring"}]]'])
def test_damaged_objects_are_one_clear_error(content, attending, small_scenes, tmp_path):
    shutil.copytree(small_scenes, tmp_path / "scenes")
    (tmp_path / "scenes" / "objects.json").write_text(content)
    with pytest.raises(ValueError, match="objects.json: "):
        check_attention.main([str(attending), "--data", str(tmp_path / "scenes"), "--out", str(tmp_path / "a.json")])


@pytest.mark.parametrize("main, out", [(check_attention.main, "no/such/a.json"), (show_attention.main, "file")])
def test_a_bad_out_is_found_first(main, out, attending, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out"):
        main([str(attending), "--out", str(tmp_path / out)])


def test_a_model_without_attention_is_refused(small_scenes, tmp_path):
    train.main(["--data", str(small_scenes), "--out", str(tmp_path / "run"), "--model", "rnn", *FAST])
    for main in (check_attention.main, lambda argv: show_attention.main([*argv, "--out", str(Path(argv[0]) / "o")])):
        with pytest.raises(ValueError, match=f"expected {' or '.join(ATTEND)}"):
            main([str(tmp_path / "run")])
