"""scripts.train on data without a validation split, what other commands say of it, and the captions at the end."""
import re

import numpy as np
import pytest

from data.dataset import open_dataset
from data.features import write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source
from models.checkpoint import load_checkpoint
from scripts import caption, diagnose, evaluate, report, train
from scripts.evaluation.captions import caption_images
from scripts.runs import training_files
from tests.cells import NAMES
from tests.command import without_next
from tests.scripts.test_train import FAST, call, one_line_error

SENTENCES = ["a dog runs", "the cat sits", "two birds fly", "one red ball"]


@pytest.fixture(scope="module")
def all_train(tmp_path_factory):
    """A dataset of 24 training images and nothing else."""
    place = tmp_path_factory.mktemp("all-train")
    names = [f"{i:02d}.jpg" for i in range(24)]
    write_features(place / "f.h5", np.random.default_rng(2).standard_normal((24, 4, 5)).astype(np.float32), names)
    captions = {"train": {name: [SENTENCES[i % 4]] for i, name in enumerate(names)}}
    with new_folder(place / "data") as folder:
        write_dataset(folder, Source("all", captions, {}), {"train": place / "f.h5"}, min_count=1)
    return place / "data"


@pytest.fixture
def groups(monkeypatch, pictures):
    """What samples.png shows: its groups, in the order of the pictures drawn."""
    drawn, sheet = [], training_files.sheet
    monkeypatch.setattr(training_files, "sheet", lambda found: drawn.append(found) or sheet(found))
    return drawn


@pytest.mark.parametrize("cell", NAMES)
def test_training_needs_a_validation_split_and_says_so_first(cell, all_train, tmp_path, capsys):
    assert call(train.main, "--data", all_train, "--model", cell, "--out", tmp_path / "run", *FAST) == 2
    one_line_error(capsys, f"{all_train}: has no val split", "python -m scripts.prepare_data ... --val 0.1")
    assert not (tmp_path / "run").exists()


def test_overfitting_needs_none_and_shows_what_it_learnt(all_train, tmp_path, groups, capsys):
    out = tmp_path / "run"
    assert call(train.main, "--data", all_train, "--model", "lstm", "--overfit", 20, "--hidden", 64, "--out", out) == 0
    printed = capsys.readouterr().out
    assert f"done: {out} has" in printed and "caption of" not in printed
    assert "the course's bound of 0.5 for" in printed
    assert (out / "samples.png").read_bytes().startswith(b"\x89PNG")
    (shown,) = groups
    learnt = np.random.default_rng(0).permutation(24)[:20]              # one caption an image: what seed 0 chooses
    expected = [(f"{i:02d}.jpg", SENTENCES[i % 4]) for i in range(24) if i in learnt][:8]
    assert list(shown) == ["training"] and [tile[1:3] for tile in shown["training"]] == expected


def test_captions_of_validation_images_end_a_run(small_scenes, tmp_path, groups, capsys):
    out = tmp_path / "run"
    assert call(train.main, "--data", small_scenes, "--model", "lstm", "--out", out, *FAST) == 0
    lines = without_next(capsys.readouterr().out).splitlines()
    dataset = open_dataset(small_scenes)
    _, names, captions = caption_images(load_checkpoint(out / "best.h5").model, dataset, "val", 3)
    told = [f"caption of {name}: {text or '(no words)'}" for name, text in zip(names, captions)]
    assert len(told) == 3 and lines[-4:-1] == told and lines[-1].startswith("done: ")
    (shown,) = groups                                                   # captioned once, for the picture
    assert list(shown) == ["training", "validation"] and [len(tiles) for tiles in shown.values()] == [8, 8]
    assert [name for _, name, *_ in shown["training"]] == dataset.images("train")[1][:8]


def test_other_commands_name_the_split_that_is_lacking_or_take_train(all_train, tmp_path, capsys):
    out = tmp_path / "run"
    assert call(train.main, "--data", all_train, "--model", "rnn", "--overfit", 5, "--epochs", 2, "--out", out) == 1
    capsys.readouterr()
    for command in (evaluate, caption, report):
        assert call(command.main, out) == 2
        one_line_error(capsys, f"{all_train}: has no test and no val split", "with --split: train")
        assert call(command.main, out, "--split", "test") == 2
        one_line_error(capsys, f"{all_train}: no split 'test', expected one of train")
    assert call(diagnose.main, out) == 2
    one_line_error(capsys, f"{all_train}: no split 'val', expected one of train")
    assert call(caption.main, out, "--split", "train", "--n", 0) == 0
    assert len(re.findall(r"^\d\d\.jpg\t", capsys.readouterr().out, re.M)) == 24
    assert call(evaluate.main, out, "--split", "train", "--beam", 1) == 0
    assert (out / "evaluate" / "train-beam1" / "scores.json").is_file()
    assert call(diagnose.main, out, "--split", "train") in (0, 1)
    assert "24 images of train" in capsys.readouterr().out
