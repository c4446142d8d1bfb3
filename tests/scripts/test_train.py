"""scripts.train as a user meets it: files, resuming after any kind of stop, bad input."""
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from data.features import write_features
from data.prepare import describe, new_folder, write_dataset
from data.sources import Source
from data.vocabulary import Vocabulary
from models.checkpoint import load_checkpoint, save_checkpoint
from scripts import caption, check_scenes, show_batch, train
from scripts.campaigns import forks
from scripts.runs.start import start_run
from tests.cells import NAMES, RECURRENT
from tests.command import call
from tests.samples import long, sample
from tests.sealed_files import edited

ROOT = Path(__file__).resolve().parent.parent.parent
FAST = ["--hidden", "12", "--wordvec", "8", "--batch", "25", "--epochs", "3"]


def weights(path):
    with h5py.File(path) as f:
        return {name: w[()].tobytes() for name, w in f["params"].items()}


@pytest.mark.parametrize("cell", NAMES)
def test_a_run_writes_its_files(cell, small_scenes, tmp_path, capsys, request):
    if cell == "attention":                                 # drawing takes longer than all else, and asks no cell
        request.getfixturevalue("pictures")
    out = tmp_path / "run"
    assert call(train.main, "--data", small_scenes, "--model", cell, "--out", out, *FAST) == 0
    assert sorted(os.listdir(out)) == ["best.h5", "curves.png", "history.csv", "last.h5", "samples.png"]
    with open(out / "history.csv") as f:
        rows = list(csv.DictReader(f))
    assert list(rows[0]) == ["epoch", "seconds", "train_loss", "val_loss", "val_perplexity"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(float(r["val_perplexity"]) == pytest.approx(np.exp(float(r["val_loss"])), rel=1e-4) for r in rows)
    checkpoint = load_checkpoint(out / "last.h5")
    assert checkpoint.model.cell_type == cell and checkpoint.solver["epoch"] == 3
    for picture in ("curves.png", "samples.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert call(caption.main, out, "--n", 3, "--split", "val") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(line.startswith("scene-0006") and "\t" in line for line in lines)
    assert call(check_scenes.main, out) == 0
    assert "12 pictures of test" in capsys.readouterr().out


def test_runs_are_numbered(small_scenes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call(train.main, "--data", small_scenes, *FAST, "--epochs", 1) == 0
    assert sorted(os.listdir("runs")) == ["scenes-attention-1", "scenes-attention-2"]


def test_streaming_trains_as_the_cache_does(small_scenes, tmp_path):
    for name, mb in (("cached", 100), ("streamed", 0)):
        assert call(train.main, "--data", small_scenes, "--out", tmp_path / name, "--cache-mb", mb, *FAST) == 0
    assert weights(tmp_path / "cached" / "last.h5") == weights(tmp_path / "streamed" / "last.h5")


def options(out, data):
    """Of a run that is long enough to be stopped on the way."""
    return [str(option) for option in ("--data", data, "--out", out, "--hidden", 12, "--wordvec", 8, "--batch", 20,
                                       "--epochs", 16, "--dropout", 0.3)]


@pytest.fixture(scope="module")
def whole_run(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    assert call(train.main, *options(out, small_scenes)) == 0
    return weights(out / "last.h5"), weights(out / "best.h5")


@pytest.mark.parametrize("how, epochs", [(signal.SIGINT, 0), (signal.SIGINT, 3), (signal.SIGKILL, 5)])
def test_a_stopped_run_resumes_bit_for_bit(how, epochs, small_scenes, whole_run, tmp_path):
    out, log = tmp_path / "run", tmp_path / "log"
    process = forks.start(train.main, options(out, small_scenes), log)
    history, end = out / "history.csv", time.monotonic() + 60
    while not (history.exists() and len(history.read_text().split()) > epochs):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.01)
    os.kill(process, how)
    code, printed = forks.wait(process, log)
    assert code == (130 if how == signal.SIGINT else -how), printed
    assert (f"--resume {out}" in printed) == (how == signal.SIGINT) and "Traceback" not in printed, printed
    (out / ".last.h5.abc.part").write_bytes(b"half")            # what a kill inside a write leaves behind
    assert call(train.main, "--resume", out, "--hidden", 12) == 0
    assert (weights(out / "last.h5"), weights(out / "best.h5")) == whole_run
    with open(out / "history.csv") as f:
        assert [row["epoch"] for row in csv.DictReader(f)] == [str(k) for k in range(1, 17)]


@pytest.fixture(scope="module")
def lstm_run(small_scenes, tmp_path_factory):
    """Not to be written to."""
    out = tmp_path_factory.mktemp("done") / "run"
    assert call(train.main, "--data", small_scenes, "--model", "lstm", "--out", out, *FAST) == 0
    return out


@pytest.fixture
def finished(lstm_run, tmp_path):
    return shutil.copytree(lstm_run, tmp_path / "done")


def test_resuming_a_finished_run_changes_nothing_and_epochs_can_be_added(finished):
    before = weights(finished / "last.h5")
    assert call(train.main, "--resume", finished) == 0
    assert weights(finished / "last.h5") == before
    assert call(train.main, "--resume", finished, "--epochs", 4) == 0
    assert load_checkpoint(finished / "last.h5").solver["epoch"] == 4


def test_resuming_shows_the_best_model_and_clears_what_a_kill_left(finished, pictures):
    assert call(train.main, "--resume", finished) == 0                 # draws
    before = (finished / "samples.png").read_bytes()
    checkpoint = load_checkpoint(finished / "last.h5")
    for w in checkpoint.model.params.values():
        w *= 0.1                                            # the last model is now another than the best
    solver = SimpleNamespace(model=checkpoint.model, **checkpoint.solver)
    save_checkpoint(finished / "last.h5", checkpoint.model, checkpoint.run, solver)
    (finished / ".last.h5.xyz.part").write_bytes(b"half")
    assert call(train.main, "--resume", finished / "last.h5") == 0
    assert (finished / "samples.png").read_bytes() == before
    assert not list(finished.glob(".*"))


@long
def test_training_goes_on_where_nobody_reads(small_scenes, tmp_path):
    command = [sys.executable, "-m", "scripts.train", *options(tmp_path / "run", small_scenes), "--epochs", "6"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.communicate(timeout=120)
    assert process.returncode == 0 and load_checkpoint(tmp_path / "run" / "last.h5").solver["epoch"] == 6


def test_names_and_captions_may_hold_anything(tmp_path, pictures):
    names = [f"a$x_^$ {chr(0x8d64 + i)} {i}.jpg" for i in range(8)]
    write_features(tmp_path / "f.h5", np.eye(8, dtype=np.float32), names)
    captions = {"train": {name: ["a " + "long " * 60, "$\\frac{$"] for name in names[:6]},
                "val": {name: ["été"] for name in names[6:]}}
    with new_folder(tmp_path / "data") as folder:
        write_dataset(folder, Source("$", captions, {}), dict.fromkeys(captions, tmp_path / "f.h5"), min_count=1)
    assert call(train.main, "--data", tmp_path / "data", "--out", tmp_path / "run", *FAST) == 0


def test_a_checkpoint_without_a_run_is_one_line(finished, capsys):
    save_checkpoint(finished / "m.h5", load_checkpoint(finished / "best.h5").model)
    capsys.readouterr()
    for main, argv, words in ((caption.main, [finished / "m.h5"], "a model without a run"),
                              (train.main, ["--resume", finished / "m.h5"], "has no training state")):
        assert call(main, *argv) == 2
        one_line_error(capsys, words)


def test_overfit_reaches_the_courses_bounds_or_exits_1(small_scenes, tmp_path, capsys):
    argv, small = ["--data", small_scenes, "--overfit", 50], ["--hidden", 256, "--wordvec", 128]
    for cell in sample(RECURRENT, ["lstm"]):                # the lowest bound, rnn's, with the sizes of the course
        sizes = [] if cell == "rnn" else small
        assert call(train.main, *argv, *sizes, "--model", cell, "--out", tmp_path / cell) == 0
        assert "under" in capsys.readouterr().out
    assert call(train.main, *argv, *small, "--epochs", 2, "--out", tmp_path / "short") == 1
    assert re.search(r"NOT under 0\.\d+, the course's bound of 0\.5 for the \d+\.\d words", capsys.readouterr().out)


def test_an_option_of_another_cell_is_one_line(small_scenes, tmp_path, capsys):
    argv = ["--data", small_scenes, "--model", "lstm", "--penalty", 0.1, "--out", tmp_path / "run"]
    assert call(train.main, *argv) == 2
    one_line_error(capsys, "--penalty 0.1 with --model lstm: it belongs to bahdanau")
    assert not (tmp_path / "run").exists()


def test_show_batch(small_scenes, tmp_path, capsys):
    assert call(show_batch.main, "--data", small_scenes, "--n", 5, "--out", tmp_path / "b.png") == 0
    out = capsys.readouterr().out
    assert out.count("<START>") == 5 and "features (5, " in out
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def damage(folder, name, change):
    with edited(folder / name) as f:
        change(f)


def one_line_error(capsys, *parts):
    errors = capsys.readouterr().err
    assert errors.startswith("error: ") and errors.count("\n") == 1 and "Traceback" not in errors
    for part in parts:
        assert part in errors, errors


def put(f, name, value):
    del f[name]
    f[name] = value


@pytest.mark.parametrize("change, parts", [
    (lambda d: (d / "dataset.json").unlink(), ["no dataset here", "prepare_data"]),
    (lambda d: (d / "dataset.json").write_text("{"), ["dataset.json", "not a dataset's description"]),
    (lambda d: (d / "vocab.json").write_text("[]"), ["vocab.json", "not a vocabulary"]),
    (lambda d: (d / "captions.h5").unlink(), ["captions.h5", "no such"]),
    (lambda d: (d / "captions.h5").write_bytes(b"x"), ["captions.h5", "not an HDF5 file"]),
    (lambda d: (d / "features_pooled.h5").unlink(), ["features_pooled.h5", "no such feature file"]),
    (lambda d: damage(d, "features_pooled.h5", lambda f: put(f, "features", np.zeros((84, 5), np.float32))),
     ["features_pooled.h5", "its content differs from what", "prepare_data"]),
    (lambda d: damage(d, "captions.h5", lambda f: put(f, "train_captions", np.zeros((3, 5), np.int32))),
     ["train_image_idxs", "one image for each caption"]),
    (lambda d: damage(d, "captions.h5", lambda f: put(f, "train_captions", np.zeros((300, 5)))),
     ["train_captions is float64 (300, 5)", "expected integer"]),
    (lambda d: damage(d, "captions.h5", lambda f: put(f, "val_captions", np.full((60, 5), 999, np.int32))),
     ["val_captions[0, 0] is 999"]),
    (lambda d: damage(d, "captions.h5", lambda f: put(f, "train_image_idxs", np.full(300, -1, np.int32))),
     ["train_image_idxs[0] is -1"]),
])
def test_bad_data_is_one_line_and_writes_nothing(change, parts, small_scenes, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(small_scenes, data)
    change(data)
    assert call(train.main, "--data", data, "--model", "lstm", "--out", tmp_path / "run", *FAST) == 2
    one_line_error(capsys, *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mb", [0, 100])
def test_nan_in_features_that_came_later_is_one_line(mb, tmp_path, capsys):
    write_features(tmp_path / "f.h5", np.ones((30, 4), np.float32), [str(i) for i in range(30)])
    captions = {split: {str(i): ["a dog runs"] for i in rows}
                for split, rows in (("train", range(20)), ("val", range(20, 30)))}
    with new_folder(tmp_path / "data") as folder:
        write_dataset(folder, Source("x", captions, {}), dict.fromkeys(captions, tmp_path / "f.h5"), min_count=1)
    with h5py.File(tmp_path / "f.h5", "a") as f:
        f["features"][2, 3] = np.nan                        # not one of the rows that opening the dataset looks at
    assert call(train.main, "--data", tmp_path / "data", "--out", tmp_path / "run", "--cache-mb", mb, *FAST) == 2
    one_line_error(capsys, "f.h5", "row 2", "NaN or infinity")


@pytest.mark.parametrize("argv, parts", [
    (["--out", "{finished}"], ["holds another run", "--resume"]),
    (["--resume", "{finished}", "--hidden", "99"], ["--hidden 99 with --resume: the run has 12"]),
    (["--resume", "{finished}", "--layers", "2"], ["--layers 2 with --resume: the run has 1"]),
    (["--resume", "{finished}", "--tie"], ["--tie with --resume: the run has --no-tie"]),
    (["--model", "transformer", "--residual"], ["--residual with --model transformer: it belongs to"]),
    (["--resume", "{finished}", "--out", "elsewhere"], ["a run goes on in its own folder"]),
    (["--resume", "{tmp}/nothing"], ["no such run"]),
    (["--resume", "{tmp}"], ["has no checkpoint"]),
    (["--data", "{tmp}/nothing"], ["no dataset here"]),
    (["--overfit", "100000"], ["expected 1 to 300 captions"]),
    (["--dropout", "1"], ["--dropout 1.0: expected a share"]),
    (["--lr", "-1"], ["--lr -1.0"]),
    (["--hidden", "0"], ["--hidden 0"]),
    (["--clip", "-2"], ["--clip -2.0"]),
    (["--clip", "nan"], ["--clip nan"]),
    (["--cache-mb", "nan"], ["--cache-mb nan"]),
    (["--seed", "-1"], ["--seed -1"]),
    (["--resume", "{finished}", "--epochs", "2"], ["the run has done 3 already"]),
    (["--lr-decay", "0.9"], ["lr_decay 0.9 belongs to"]),
])
def test_bad_arguments_are_one_line(argv, parts, finished, small_scenes, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    argv = [a.format(finished=finished, tmp=tmp_path) for a in argv]
    if "--data" not in argv and "--resume" not in argv:
        argv = ["--data", small_scenes, *argv]
    capsys.readouterr()
    assert call(train.main, *argv, *([] if "--resume" in argv or "--out" in argv else ["--out", tmp_path / "new"])) == 2
    one_line_error(capsys, *parts)
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


@pytest.mark.parametrize("main", [caption.main, lambda argv: train.main(["--resume", *argv])])
def test_another_vocabulary_or_other_features_are_refused(main, small_scenes, finished, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(small_scenes, other)
    damage(other, "features_pooled.h5", lambda f: put(f, "features", f["features"][()][::-1]))
    info = json.loads((other / "dataset.json").read_text())
    info["pooled"] = dict.fromkeys(info["pooled"], describe(other, "features_pooled.h5"))
    (other / "dataset.json").write_text(json.dumps(info))
    capsys.readouterr()
    assert call(main, finished, "--data", other) == 2
    one_line_error(capsys, "features_pooled.h5", "not the features the checkpoint was trained with")
    text = (small_scenes / "vocab.json").read_text()
    (other / "vocab.json").write_text(text.replace('"red"', '"rot"'))
    info["vocabulary"]["fingerprint"] = Vocabulary.load(other / "vocab.json").fingerprint()
    (other / "dataset.json").write_text(json.dumps(info))
    assert call(main, finished, "--data", other) == 2
    one_line_error(capsys, "not the vocabulary the checkpoint was trained with")


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_damaged_checkpoints_are_one_line(content, finished, capsys):
    for name in ("last.h5", "best.h5"):
        path = finished / name
        path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    capsys.readouterr()
    for main, argv in ((train.main, ["--resume", finished]), (caption.main, [finished])):
        assert call(main, *argv) == 2
        one_line_error(capsys, "not a whole checkpoint")


def test_a_full_disk_is_one_line_and_the_old_checkpoint_goes_on(finished, monkeypatch, capsys):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}

    def full(*args):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    capsys.readouterr()
    assert call(train.main, "--resume", finished, "--epochs", 5) == 2
    one_line_error(capsys, "No space left on device", "make room", "--resume")
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before
    monkeypatch.undo()
    assert call(train.main, "--resume", finished, "--epochs", 5) == 0


@pytest.mark.parametrize("regions, notes", [(1, 1), (2, 0)])
def test_attention_to_a_single_region_is_noted(regions, notes, tmp_path, rng, capsys):
    names = ["a", "b", "c"]
    write_features(tmp_path / "f.h5", rng.standard_normal((3, regions, 4)).astype(np.float16), names)
    with new_folder(tmp_path / "d") as folder:
        write_dataset(folder, Source("tiny", {"train": {n: ["a dog"] for n in names[1:]}, "val": {"a": ["a dog"]}}, {}),
                      dict.fromkeys(("train", "val"), tmp_path / "f.h5"), min_count=1)
    for model, expected in (("attention", notes), ("lstm", 0)):
        start_run(train.parse(["--data", str(tmp_path / "d"), "--model", model, "--out", str(tmp_path / model)]))
        said = capsys.readouterr().out
        assert said.count("has one region for each image, so all attention weights will be 1") == expected
