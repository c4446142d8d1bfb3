"""One way of doing things: every command captions an image alike, without <UNK> unless it is asked for."""
import json
import re
import shutil

import numpy as np
import pytest

from models.checkpoint import save_checkpoint
from models.decoding import BEAM, beam_search
from scripts import caption, evaluate, report, show_attention, train
from scripts.evaluation.captions import caption_images
from scripts.pages.samples import caption_tiles
from scripts.runs import load_run, open_run_data
from scripts.web.answers import Answers
from tests.command import call

FAST = ["--hidden", "12", "--wordvec", "8", "--batch", "25", "--epochs", "1", "--model", "attention"]
UNKNOWN = "<UNK>"


@pytest.fixture(scope="module")
def made(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert call(train.main, "--data", small_scenes, "--out", out, *FAST) == 0
    return out


def biased(made, tmp_path, word, by):
    """A copy of a run that is inclined to a word."""
    out = tmp_path / "run"
    shutil.copytree(made, out)
    checkpoint = load_run(out)
    checkpoint.model.params["b_vocab"][checkpoint.model.word_to_idx[word]] += by
    save_checkpoint(out / "best.h5", checkpoint.model, checkpoint.run)
    return out


@pytest.fixture
def drawn(monkeypatch):
    """Figures are not drawn, and take their captions from here: this is about words."""
    monkeypatch.setattr("scripts.pages.attention_figures.attention_figure", lambda *_: b"\x89PNG")


def printed(capsys, main, *argv):
    capsys.readouterr()
    assert call(main, *argv) == 0
    return capsys.readouterr().out


def by_name(text):
    return {line.split("\t")[0]: line.split("\t")[1] for line in text.splitlines()}


def all_captions(capsys, run, tmp_path, *options):
    """{command: {name: caption}} of the test images."""
    found = {"caption": by_name(printed(capsys, caption.main, run, "--n", 0, *options))}
    shutil.rmtree(run / "evaluate", ignore_errors=True)
    printed(capsys, evaluate.main, run, *options)
    (file,) = run.glob("evaluate/*/captions.json")
    found["evaluate"] = {entry["image_id"]: entry["caption"] for entry in json.loads(file.read_text())}
    text = printed(capsys, show_attention.main, run, "--n", 12, "--out", tmp_path / "figures", "--force", *options)
    found["show_attention"] = {re.search(r"([^/]+)\.png: ", line)[1] + ".png": line.split(".png: ")[1]
                               for line in text.splitlines() if not line.startswith("Next: ")}
    page = tmp_path / "page.html"
    printed(capsys, report.main, run, "--out", page, "--force", *options)
    content = page.read_text()
    names = re.findall(r'data-name="([^"]*)"', content)
    texts = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', content, re.DOTALL)[1])
    found["report"] = {name: image["found"][0][0] for name, image in zip(names, texts["images"])}
    return found


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("options, beam", [((), BEAM), (("--beam", 1), 1)])
def test_every_command_has_the_same_captions(options, beam, made, tmp_path, capsys):
    checkpoint = load_run(made)
    dataset = open_run_data(checkpoint)
    rows, names = dataset.images("test")
    ids = beam_search(checkpoint.model, dataset.features["test"][rows], beam).captions
    expected = {name: dataset.vocabulary.text(row) or "(no words)" for name, row in zip(names, ids)}
    for command, found in all_captions(capsys, made, tmp_path, *options).items():
        assert {name: text or "(no words)" for name, text in found.items()} == expected, command


def test_pictures_of_samples_and_checks_have_them_too(made, small_scenes):
    checkpoint = load_run(made)
    model, dataset = checkpoint.model, open_run_data(checkpoint)
    rows, names = dataset.images("val")
    ids = beam_search(model, dataset.features["val"][rows]).captions
    assert (ids != beam_search(model, dataset.features["val"][rows], 1).captions).any()     # a beam makes a difference
    expected = [dataset.vocabulary.text(row) for row in ids]
    assert caption_images(model, dataset, "val")[1:] == (names, expected)
    assert [tile.caption for tile in caption_tiles(model, dataset, "val", 12)] == expected


@pytest.mark.usefixtures("drawn")
def test_the_unknown_word_is_said_only_where_it_is_allowed(made, tmp_path, capsys):
    run = biased(made, tmp_path, UNKNOWN, 20)
    for allowed in (False, True):
        options = ["--allow-unknown"] if allowed else []
        found = all_captions(capsys, run, tmp_path, *options)
        found["sample"] = by_name(printed(capsys, caption.main, run, "--sample", "--n", 3, *options))
        for command, captions in found.items():
            assert [UNKNOWN in text for text in captions.values()] == [allowed] * len(captions), command
        if not allowed:
            assert UNKNOWN not in (tmp_path / "page.html").read_text()
    checkpoint = load_run(run)
    assert not any(UNKNOWN in tile.caption
                   for tile in caption_tiles(checkpoint.model, open_run_data(checkpoint), "train", 5))


def test_the_service_too(scene_answers, monkeypatch):
    from scripts.web.application import scene_files
    model, picture = scene_answers.model, scene_files()[0]
    bias = model.params["b_vocab"].copy()
    bias[model.word_to_idx[UNKNOWN]] += 50
    monkeypatch.setitem(model.params, "b_vocab", bias)
    for temperature in (0.0, 1.0):
        assert UNKNOWN not in json.dumps(scene_answers(picture, temperature=temperature))
        allowing = Answers(model, scene_answers.features, allow_unknown=True)
        assert UNKNOWN in allowing(picture, temperature=temperature)["words"]


def test_more_alternatives_than_the_beam_widen_it(made, capsys):
    lines = printed(capsys, caption.main, made, "--n", 1, "--alternatives", 5).splitlines()
    chances = [float(line.split("\t")[2]) for line in lines]
    assert len(lines) == 5 and len(set(lines)) == 5 and np.isfinite(chances).all()
    assert len(printed(capsys, caption.main, made, "--n", 1, "--alternatives", 2).splitlines()) == 2
