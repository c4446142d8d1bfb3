"""Runs that diverge: what is said, the exit code, and which weights stay."""
import csv
import math
import re
import shutil

import h5py
import numpy as np
import pytest

from models import CaptioningSolver
from models.checkpoint import load_checkpoint
from scripts import diagnose, report, train
from scripts.runs import training_files
from scripts.runs.divergence import far_above_guessing
from tests.sealed_files import edited

FAST = ["--hidden", "12", "--wordvec", "8", "--batch", "25", "--epochs", "3", "--model", "lstm"]   # 12 steps an epoch
TOO_FAST = [*FAST, "--lr", "1000", "--clip", "0", "--schedule", "exponential", "--weight-decay", "0"]


def weights(path):
    with h5py.File(path) as f:
        return {name: w[()].tobytes() for name, w in f["params"].items()}


def finite(path):
    return all(np.isfinite(w).all() for w in load_checkpoint(path).model.params.values())


def call(*argv):
    return train.main([str(a) for a in argv])


def sentence(capsys):
    """The one line on standard error."""
    errors = capsys.readouterr().err
    assert errors.startswith("diverged: ") and errors.count("\n") == 1 and len(errors) <= 600, errors
    return errors


@pytest.mark.parametrize("losses, found", [
    ({"train_loss": 3.5, "val_loss": 3.5}, None),               # ln 33: guessing
    ({"train_loss": 5.0, "val_loss": 5.0}, None),
    ({"train_loss": 0.002, "val_loss": 8.22}, None),            # captions of random words, learnt by heart
    ({"train_loss": 4.1, "val_loss": 15.5}, None),              # strange validation images
    ({"train_loss": 900.0, "val_loss": 2.5}, None),             # an early jump that was made good
    ({"train_loss": 15.9, "val_loss": 8.99}, "train_loss 15.9 and val_loss 8.99 nats a word in epoch 4, guessing among "
                                             "33 words has 3.5: lower the learning rate or clip the gradients"),
    ({"train_loss": 1860.5, "val_loss": 2440.0}, "train_loss 1,860 and val_loss 2,440 nats a word in epoch 4, "),
    ({"train_loss": 1.9e10, "val_loss": 2.4e10}, "train_loss 1.9e+10 and val_loss 2.4e+10 nats a word in epoch 4, "),
    ({"train_loss": 0.4}, None),                                # --overfit
    ({"train_loss": 61.0}, "train_loss 61 nats a word in epoch 4, guessing "),
])
def test_what_is_far_above_guessing(losses, found):
    history = [{"epoch": 3, "train_loss": 1e6, "val_loss": 1e6}, {"epoch": 4, **losses}]
    reason = far_above_guessing(history, 33)
    assert reason is None if found is None else reason.startswith(found) and "lower the learning rate" in reason
    assert far_above_guessing([], 33) is None


def test_weights_of_another_run_that_are_sure_of_other_captions_have_not_diverged(
        small_scenes, whole, tmp_path, capsys):
    """--from: the first epochs may be worse than guessing, without any learning rate at fault."""
    source = shutil.copy(whole[2] / "best.h5", tmp_path / "sure.h5")
    with edited(source) as f:
        f["params/W_vocab"][...] = 60 * f["params/W_vocab"][...]
    small = ["--data", small_scenes, "--from", source, "--batch", "25", "--epochs", "1"]
    assert call(*small, "--lr", "1e-6", "--out", tmp_path / "sure") == 0
    row = load_checkpoint(tmp_path / "sure" / "last.h5").solver["history"][-1]
    guessing = math.log(len(load_checkpoint(source).model.word_to_idx))
    assert min(row["train_loss"], row["val_loss"]) > 2 * guessing and capsys.readouterr().err == ""
    assert call(*small, "--lr", "30", "--out", tmp_path / "fast") == 1
    assert "train_loss" in sentence(capsys)


def test_a_finite_run_far_above_guessing_says_so_and_exits_1(small_scenes, tmp_path, capsys, pictures):
    out = tmp_path / "run"
    assert call("--data", small_scenes, "--out", out, *TOO_FAST) == 1
    printed, errors = capsys.readouterr()
    row = load_checkpoint(out / "last.h5").solver["history"][-1]
    words = len(load_checkpoint(out / "last.h5").model.word_to_idx)
    assert row["val_loss"] > 709 and errors.count("\n") == 1
    best = load_checkpoint(out / "best.h5").run["epoch"]
    assert errors == (
        f"diverged: train_loss {row['train_loss']:,.4g} and val_loss {row['val_loss']:,.4g} nats a word in epoch 3, "
        f"guessing among {words} words has {math.log(words):.2g}: lower the learning rate or clip the gradients "
        f"(--lr 1000, --clip 0) and start again; {out} keeps the last finite weights: last.h5 of step 36 and best.h5 "
        f"of epoch {best}; python -m scripts.diagnose {out} tests them\n")
    assert "done" not in printed and len(re.findall(r"val_perplexity inf$", printed, re.M)) == 3
    assert max(map(len, printed.splitlines())) < 250
    with open(out / "history.csv") as f:
        assert [row["val_perplexity"] for row in csv.DictReader(f)] == ["inf"] * 3
    assert finite(out / "best.h5") and finite(out / "last.h5")

    before = weights(out / "last.h5")
    assert call("--resume", out) == 1 and weights(out / "last.h5") == before
    assert sentence(capsys) == errors                                   # a finished run is no better for being resumed
    assert diagnose.main([str(out)]) == 1 and "FOUND saturated" in capsys.readouterr().out
    pytest.importorskip("jinja2", reason="reports need Jinja2")
    report.main([str(out)])
    assert (out / "report.html").is_file()


@pytest.mark.parametrize("more", [["--lr", "1e30"], ["--lr", "1e39"], ["--lr", "1e30", "--overfit", "50"],
                                  ["--lr", "1e39", "--average", "0.9"]])
@pytest.mark.parametrize("backend", ["engine", "textbook"])
def test_nan_from_the_start_keeps_the_first_weights(more, backend, small_scenes, tmp_path, capsys, monkeypatch,
                                                    pictures):
    monkeypatch.setenv("RNNLAYERS_BACKEND", backend)
    out = tmp_path / "run"
    assert call("--data", small_scenes, "--out", out, *TOO_FAST, *more) == 1
    line = sentence(capsys)
    assert "loss is nan at step 2: " in line and f"(--lr {float(more[1]):g}, --clip 0) and start again" in line
    assert f"{out} keeps the last finite weights: last.h5 of step 0;" in line
    assert finite(out / "last.h5") and not (out / "best.h5").exists()
    assert diagnose.main([str(out)]) in (0, 1)
    assert call("--resume", out) == 1 and sentence(capsys) == line


@pytest.fixture(scope="module")
def whole(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    assert call("--data", small_scenes, "--out", out, *FAST) == 0
    return weights(out / "last.h5"), weights(out / "best.h5"), out


def loss_of_a_step(monkeypatch):
    """Loss that is not finite in step 31, in the middle of the third epoch."""
    right = CaptioningSolver._objective
    monkeypatch.setattr(CaptioningSolver, "_objective", lambda self, *args: (
        (math.nan, 0.0, {}) if self.iteration == 30 else right(self, *args)))


def validation_loss(monkeypatch):
    right = CaptioningSolver.validation_loss
    monkeypatch.setattr(CaptioningSolver, "validation_loss", lambda self: math.inf if self.epoch == 3 else right(self))


def weight_that_no_loss_sees(monkeypatch):
    """The vector of <NULL>, after step 31."""
    def spoil(solver, *args):
        loss = right(solver, *args)
        if solver.iteration == 31:
            solver.model.params["W_embed"][solver.model.word_to_idx["<NULL>"], 2] = np.nan
        return loss
    right = CaptioningSolver.step
    monkeypatch.setattr(CaptioningSolver, "step", spoil)


@pytest.mark.parametrize("spoil, seconds, reason, step", [
    (loss_of_a_step, 300, "loss is nan at step 31: ", 24),
    (validation_loss, 300, "validation loss is inf after epoch 3: ", 24),
    (weight_that_no_loss_sees, 300, "W_embed is not finite after step 36: ", 24),
    (weight_that_no_loss_sees, 0, "W_embed is not finite after step 31: ", 30)])        # saved after every step
def test_the_last_finite_weights_stay_and_go_on(spoil, seconds, reason, step, small_scenes, whole, tmp_path, capsys,
                                                monkeypatch):
    """The cause is taken away at the end: resuming gives the weights of the undisturbed run, bit for bit."""
    monkeypatch.setattr(training_files, "SAVE_SECONDS", seconds)
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        spoil(patch)
        assert call("--data", small_scenes, "--out", out, *FAST) == 1
        line = sentence(capsys)
        assert reason in line
        assert f"finite weights: last.h5 of step {step} and best.h5 of epoch 2;" in line
        assert load_checkpoint(out / "last.h5").solver["iteration"] == step
        assert finite(out / "last.h5") and finite(out / "best.h5")
        assert call("--resume", out) == 1 and sentence(capsys) == line
    assert call("--resume", out) == 0
    assert (weights(out / "last.h5"), weights(out / "best.h5")) == whole[:2]


def test_a_run_of_old_that_ended_in_nan_does_not_go_on(small_scenes, tmp_path, capsys):
    out = tmp_path / "run"
    assert call("--data", small_scenes, "--out", out, *FAST) == 0
    with edited(out / "last.h5") as f:
        f["params/Wx"][0, 0] = np.nan
    capsys.readouterr()
    shutil.copy(out / "last.h5", tmp_path / "before.h5")
    for more in ([], ["--epochs", 5]):
        assert call("--resume", out, *more) == 1
        line = sentence(capsys)
        assert "Wx is not finite after step 36" in line and "finite weights: best.h5 of epoch" in line
        assert (out / "last.h5").read_bytes() == (tmp_path / "before.h5").read_bytes()
