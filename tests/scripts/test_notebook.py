"""scripts/notebook: training from a notebook, and the run that comes of it."""
import math
import os
import re
import signal
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import load
from scripts.notebook import Run, live, open_run, train
from scripts.notebook.drawn import draw_photographs
from scripts.runs import load_run
from tests.scripts.runs.small_run import call_train

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"hidden": 6, "wordvec": 5, "batch": 50, "epochs": 1}


@pytest.fixture(scope="module")
def run(small_scenes, tmp_path_factory):
    return train(load(small_scenes, "grid"), model="attention", out=tmp_path_factory.mktemp("n") / "run", **SMALL)


def test_it_trains_as_the_command_does(run, small_scenes, tmp_path):
    options = [f"--{name}={value}" for name, value in SMALL.items()]
    assert call_train("--data", small_scenes, "--out", tmp_path / "run", "--model", "attention", *options) == 0
    theirs, ours = load_run(tmp_path / "run", "last"), load_run(run.folder, "last")
    for name, w in theirs.model.params.items():
        np.testing.assert_array_equal(w, ours.model.params[name])
    assert theirs.run["settings"] == ours.run["settings"] and theirs.run["data"] == ours.run["data"]


@pytest.mark.parametrize("model", ["lstm", "bahdanau"])
def test_the_features_are_those_that_the_model_takes(model, small_scenes, tmp_path):
    data = load(small_scenes, "grid")
    found = train(data, model, out=tmp_path / "run", **SMALL)
    assert found.model.cell_type == model and found.dataset.features["train"] is not data["train_features"]


def test_history_is_a_list_of_rows(run):
    assert [*run.history[0]] == ["epoch", "seconds", "train_loss", "val_loss", "val_perplexity"]
    assert math.exp(run.history[0]["val_loss"]) == pytest.approx(run.history[0]["val_perplexity"])


def test_captions_of_rows_and_of_pictures_are_the_same(run, tmp_path):
    rows = run.rows("test")[:3]
    captions = run.caption(rows, split="test")
    pictures = [run.dataset.picture(row) for row in rows]
    Image.fromarray(pictures[2]).save(tmp_path / "p.png")
    assert run.caption([pictures[0], Image.fromarray(pictures[1]), tmp_path / "p.png"]) == captions
    assert run.caption(int(rows[1]), "test") == captions[1] == run.caption(pictures[1])
    assert run.caption(np.stack(pictures)) == captions and run.caption([]) == []


def test_what_is_no_image_is_said(run, tmp_path):
    with pytest.raises(ValueError, match="row 3: no image of the val split, whose 12 images are in rows from 60 to"):
        run.caption([60, 3])
    with pytest.raises(ValueError, match="no split 'dev', expected one of train, val, test"):
        run.caption([60], split="dev")
    with pytest.raises(ValueError, match=r"found float64 \(5, 5, 3\), expected rows .* uint8 arrays"):
        run.caption(np.zeros((5, 5, 3)))
    with pytest.raises(ValueError, match="none.jpg: cannot be used: No such file"):
        run.caption(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match="was trained on scenes, which need no --encoder"):
        run.caption(run.dataset.picture(60), encoder="m.onnx")


def test_figures_show_themselves(run, small_scenes, tmp_path):
    curves, shown = run.plot(), run.show(60)
    assert [axes.get_title() for axes in curves.axes][1:] == ["Perplexity"]
    assert curves._repr_png_().startswith(b"\x89PNG") and shown.axes[0].get_title() == "scene-00060.png"
    lstm = train(small_scenes, "lstm", out=tmp_path / "run", **SMALL)
    single, = lstm.show(60).axes
    assert single.texts[0].get_text().replace("\n", " ") == (lstm.caption(60) or "(no words)")


def test_photographs_are_found_in_their_folder(run, tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "scene-00060.png")
    shown = run.show(60, images=tmp_path).axes[0].images[0].get_array()
    assert shown.shape == (30, 40, 3) and (shown[..., 0] > 250).all()


def test_a_run_is_opened_again(run, small_scenes):
    again = open_run(run.folder)
    assert again.history == run.history and again.caption(60) == run.caption(60)
    assert again.solver.iteration == run.solver.iteration and open_run(run.folder, small_scenes).folder == run.folder
    with pytest.raises(FileNotFoundError, match="no such run"):
        open_run(small_scenes / "none")


def test_changed_captions_are_learnt_but_changed_features_are_an_error(small_scenes, tmp_path):
    data = load(small_scenes)
    for kind in ("captions", "image_idxs"):
        data[f"train_{kind}"] = data[f"train_{kind}"][:100]
    found = train(data, "rnn", out=tmp_path / "few", **SMALL)
    assert found.solver.num_iterations == 2 and repr(found).endswith("trained on scenes, 100 captions")
    data["train_features"] = np.zeros((84, 5), np.float32)
    with pytest.raises(ValueError, match=r"data\['train_features'\] was replaced"):
        train(data, "rnn", out=tmp_path / "other")
    with pytest.raises(ValueError, match="a dict that was not made by data.load"):
        train(dict(data), "rnn")


@pytest.mark.parametrize("settings, kind, message", [
    ({"hiden": 4}, TypeError, "no setting 'hiden', did you mean 'hidden'"),
    ({"hidden": 0}, ValueError, "hidden 0: expected 1 to"),
    ({"hidden": "4"}, ValueError, "hidden: is '4', expected int"),
    ({"model": "lstmm"}, ValueError, "model: is 'lstmm', expected one of rnn, lstm"),
    ({"preset": "flickr8k"}, ValueError, "preset 'flickr8k': expected one of flickr8k-lstm"),
])
def test_a_wrong_setting_is_named(settings, kind, message, small_scenes, tmp_path):
    with pytest.raises(kind, match=message):
        train(small_scenes, out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_numbers_of_numpy_are_numbers(small_scenes, tmp_path):
    assert train(small_scenes, "rnn", out=tmp_path / "run", **{**SMALL, "hidden": np.int64(7)}).model.params[
        "Wh"].shape == (7, 7)


def test_the_stop_button_returns_the_run_so_far(small_scenes, tmp_path, monkeypatch, capsys):
    def interrupt(solver):
        if solver.iteration == 2:
            os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setattr("scripts.notebook.training.in_notebook", lambda: True)
    monkeypatch.setattr("scripts.notebook.training.LiveCurves", lambda: interrupt)
    found = train(small_scenes, "rnn", out=tmp_path / "run", **{**SMALL, "epochs": 3})
    assert found.solver.iteration == 2 and "stopped at step 2 of 18" in capsys.readouterr().out
    assert isinstance(found.caption(60), str) and "no epoch was finished" in repr(found)
    assert open_run(found.folder).solver.iteration == 2


def test_a_run_that_diverges_says_what_to_change(small_scenes, tmp_path):
    with pytest.raises(FloatingPointError, match=r"diverged: .*lower the learning rate"):
        train(small_scenes, "rnn", out=tmp_path / "run", **{**SMALL, "lr": 1e6, "epochs": 3})


def test_a_run_states_its_sizes(run):
    head, sizes, losses, data = repr(run).splitlines()
    assert re.fullmatch(rf"Run {re.escape(str(run.folder))}: 1 epochs \(best 1\), 6 steps, \d+ s", head)
    assert sizes.startswith("  attention, ") and sizes.endswith(f"V={len(run.vocabulary)}, D=120, W=5, H=6")
    assert losses.startswith("  train_loss ") and data == "  trained on scenes, 300 captions"
    assert repr(Run.__new__(Run)) == "<Run, not complete>"


def test_curves_are_drawn_in_one_place_of_the_notebook(monkeypatch):
    shown = []

    class Handle:
        def update(self, figure):
            shown.append(figure)

    def display(figure, display_id):
        shown.append(figure)
        return Handle()
    for name, module in {"IPython": types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1)),
                         "IPython.display": types.SimpleNamespace(display=display)}.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert live.in_notebook()
    curves, now = live.LiveCurves(), iter([0, 0, 1, 5, 5, 6, 6])
    monkeypatch.setattr(live.time, "monotonic", lambda: next(now))
    for step in range(1, 5):                        # the second comes too soon, the last ends an epoch
        curves(types.SimpleNamespace(iteration=step, iterations_per_epoch=4, word_losses=[1.0] * step, history=[]))
    assert len(shown) == 3
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not live.in_notebook()


def test_drawn_photographs_are_a_table_and_pictures(tmp_path):
    draw_photographs(tmp_path, 3)
    draw_photographs(tmp_path, 3)
    lines = (tmp_path / "captions.csv").read_text().splitlines()
    assert lines[0] == "image,caption" and len(lines) == 16 and lines[1].startswith("0000.png,")
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == ["0000.png", "0001.png", "0002.png"]
