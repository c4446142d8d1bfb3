"""scripts/runs/stored.py: a checkpoint whose run is not what scripts.train stores is refused where it is read."""
import copy
import re

import numpy as np
import pytest

from models import CaptioningRNN
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from scripts.runs import load_run, open_run_data
from scripts.runs.stored import checked
from scripts.train import main as train

START = {"path": "x", "words": 9, "kept_words": 7, "epoch": None, "picture": "kept"}


@pytest.fixture(scope="module")
def trained(small_scenes, tmp_path_factory):
    """A model and what its run stores."""
    out = tmp_path_factory.mktemp("runs") / "run"
    train(["--data", str(small_scenes), "--out", str(out), "--overfit", "9", "--epochs", "1", "--hidden", "6",
           "--wordvec", "4", "--batch", "13"])
    checkpoint = load_checkpoint(out / "best.h5")
    return checkpoint.model, checkpoint.run


def stored(trained, path, *place):
    """A checkpoint at `path`, with the last of `place` at the keys before it."""
    model, run = trained
    run = copy.deepcopy(run)
    *keys, last, value = place
    inner = run
    for key in keys:
        inner = inner[key]
    inner[last] = value
    save_checkpoint(path, model, run)
    return path


def test_what_was_stored_opens(trained, tmp_path):
    assert open_run_data(load_run(stored(trained, tmp_path / "a.h5", "from", START))).name == "scenes"


@pytest.mark.parametrize("place, words", [
    (("data", None), "data: is None, expected dict"), (("data", "features", []), "data, features: is []"),
    (("data", "features", "train", {}), "has no 'attributes'"),
    (("data", "tokens", "x"), "tokens: is 'x', expected one"),
    (("settings", ["x"]), "settings: is ['x']"), (("settings", "hidden", "7"), "hidden: is '7', expected int"),
    (("settings", "lr", None), "lr: is null, expected float"),
    (("settings", "model", "x"), "model: is 'x', expected one"),
    (("settings", "batch", 0), "--batch 0: expected at least 1"), (("epoch", 1.5), "epoch: is 1.5"),
    (("from", {**START, "words": "9"}), "from, words: is '9'"), (("from", {}), "from: has no 'path'")])
def test_what_was_not_is_refused_by_name(place, words, trained, tmp_path):
    path = stored(trained, tmp_path / "a.h5", *place)
    with pytest.raises(ValueError) as failure:
        load_run(path)
    assert words in str(failure.value)


@pytest.mark.parametrize("place, words", [
    (("data", "folder", 7.0), "data, folder: is 7.0, expected str"),
    (("data", "vocabulary", None), "vocabulary: is None"),
    (("data", "features", "val", {"attributes": {}}), "features, val: has no 'path'")])
def test_what_only_the_data_set_needs_is_refused_with_it(place, words, trained, tmp_path):
    checkpoint = load_run(stored(trained, tmp_path / "a.h5", *place))
    with pytest.raises(ValueError) as failure:
        open_run_data(checkpoint)
    assert words in str(failure.value)


def test_a_run_that_is_no_object(trained, tmp_path):
    for run in ([1], "x", 7):
        save_checkpoint(tmp_path / "a.h5", trained[0], run)
        with pytest.raises(ValueError, match=re.escape(f"run is {run!r}, expected a JSON object")):
            load_run(tmp_path / "a.h5")


def test_a_model_without_a_run_loads_and_has_no_data(tmp_path):
    save_checkpoint(tmp_path / "a.h5", CaptioningRNN({"<NULL>": 0, "<START>": 1, "<END>": 2}, 3, 4, 5, seed=0))
    with pytest.raises(ValueError, match="a model without a run"):
        open_run_data(load_run(tmp_path / "a.h5"))


@pytest.mark.parametrize("ids", [(0, 1, -2**63), (0, 2, 1), (0, 1, 1), (0, 1, 2.5)])
def test_words_whose_ids_are_not_in_order(ids, tmp_path):
    model = CaptioningRNN({"<NULL>": 0, "<START>": 1, "<END>": 2}, 3, 4, 5, seed=0)
    model.word_to_idx = dict(zip(model.word_to_idx, ids))
    checkpoint = Checkpoint(model, {}, None, "a.h5")
    with pytest.raises(ValueError, match="a.h5: the ids of its words are not 0 to 2 in order"):
        checked(checkpoint)


@pytest.mark.parametrize("mean, deviation", [
    (0, 0), (0, -1), (1e30, 1), (0, 1e-30), (float("nan"), 1), (0, float("inf"))])
def test_statistics_that_cannot_be(mean, deviation):
    stats = np.full(3, mean, np.float32), np.array([1, deviation, 1], np.float32)
    model = CaptioningRNN({"<NULL>": 0, "<START>": 1, "<END>": 2}, 3, 4, 5, seed=0, feature_stats=stats)
    with pytest.raises(ValueError, match="means and deviations are not those of any features"):
        checked(Checkpoint(model, {}, None, "a.h5"))
