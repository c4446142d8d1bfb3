"""scripts.evaluate, the baselines, scores during training, and the options of scripts.caption."""
import csv
import io
import json
import shutil
import sys

import numpy as np
import pytest

from data.dataset import open_dataset
from models.checkpoint import load_checkpoint
from models.consensus import rank_by_consensus
from models.metrics import MEASURES, score_captions
from scripts import caption, evaluate, score, train
from scripts.evaluation.baselines import baseline_captions, constant_caption, nearest_training_images
from scripts.evaluation.captioner import Options, load_captioner, split_captions
from scripts.evaluation.captions import caption_split
from scripts.evaluation.run_scores import evaluate_run, human_scores
from scripts.evaluation.tables import coco_results
from scripts.runs.training_files import TrainingFiles
from tests.cells import NAMES
from tests.scripts.test_train import FAST, call, weights


@pytest.fixture(scope="module")
def runs(small_scenes, tmp_path_factory):
    """A run of each cell, and a second one of the LSTM."""
    folder = tmp_path_factory.mktemp("runs")
    for name in (*NAMES, "lstm2"):
        options = ["--model", name.removesuffix("2"), "--seed", int(name.endswith("2")), *FAST]
        assert call(train.main, "--data", small_scenes, "--out", folder / name, *options) == 0
    return folder


@pytest.mark.parametrize("cell", NAMES)
def test_evaluate_writes_captions_and_scores(cell, runs, small_scenes, capsys):
    assert call(evaluate.main, runs / cell, "--split", "val", "--beam", 2, "--batch", 5) == 0
    out = capsys.readouterr().out
    folder = runs / cell / "evaluate" / "val-beam2"
    entries, scores = (json.loads((folder / f"{name}.json").read_text()) for name in ("captions", "scores"))
    dataset = open_dataset(small_scenes)
    references = dataset.references("val")
    assert [entry["image_id"] for entry in entries] == dataset.images("val")[1] == list(references)
    expected = score_captions({entry["image_id"]: entry["caption"] for entry in entries}, references).corpus
    for name in MEASURES:
        assert scores[name] == pytest.approx(expected[name]) and name in out
    assert scores["split"] == "val" and scores["beam"] == 2 and scores["images"] == 12
    with open(runs / cell / "history.csv") as f:
        best = min((float(row["val_loss"]), row["epoch"]) for row in csv.DictReader(f))
    assert (scores["loss"], scores["epoch"]) == (pytest.approx(best[0], rel=1e-4), int(best[1]))
    assert scores["perplexity"] == pytest.approx(np.exp(scores["loss"]))
    assert list(scores["floors"]) == ["constant", "random", "nearest"]
    assert all(set(MEASURES) <= set(row) for row in (*scores["floors"].values(), scores["human"]))
    assert scores["human"]["CIDEr"] > scores["floors"]["random"]["CIDEr"]


def test_score_finds_the_scores_of_evaluate_again(runs, small_scenes, capsys, monkeypatch):
    """From captions.json, or from what caption prints, with references.json of the dataset."""
    assert call(evaluate.main, runs / "lstm", "--split", "val", "--beam", 2) == 0
    folder, references = runs / "lstm" / "evaluate" / "val-beam2", small_scenes / "references.json"
    expected = json.loads((folder / "scores.json").read_text())
    capsys.readouterr()
    assert call(score.main, folder / "captions.json", references) == 0
    out, err = capsys.readouterr()
    scores = {name: float(value) for name, value in map(str.split, out.splitlines()[1:7])}
    assert scores == pytest.approx({name: expected[name] for name in MEASURES}, abs=5e-5)
    assert f"{references}: the val split is used" in err
    assert call(caption.main, runs / "lstm", "--split", "val", "--beam", 2, "--n", 0) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(capsys.readouterr().out.encode())))
    assert call(score.main, "-", references) == 0
    assert capsys.readouterr().out == out


def test_batches_do_not_matter(runs):
    contents = set()
    for batch in (1, 7, 500):
        assert call(evaluate.main, runs / "bahdanau", "--batch", batch, "--beam", 3) == 0
        contents.add((runs / "bahdanau" / "evaluate" / "test-beam3" / "captions.json").read_text())
    assert len(contents) == 1


def test_ensembles_and_comparison(runs, capsys):
    assert call(evaluate.main, runs / "lstm", "--ensemble", runs / "lstm2", "--against", runs / "attention") == 0
    scores = json.loads((runs / "lstm" / "evaluate" / "test-beam3-with-lstm2" / "scores.json").read_text())
    against = scores["against"]
    assert against["run"] == str(runs / "attention")
    for name in ("CIDEr", "BLEU-4"):
        d = against["difference"][name]
        assert d["difference"] == pytest.approx(scores[name] - against[name]) and d["low"] <= d["high"]
        assert f"{name}: {d['difference']:+.3f} against" in capsys.readouterr().out or name == "BLEU-4"
    assert call(evaluate.main, runs / "lstm", "--against", runs / "lstm") == 0
    same = json.loads((runs / "lstm" / "evaluate" / "test-beam3" / "scores.json").read_text())["against"]["difference"]
    assert all(set(d.values()) == {0.0} for d in same.values())


def test_a_course_folder(tmp_path, rng, capsys):
    """It has no uncut captions and no names, which is said."""
    from tests.data.dataset_folders import write_course
    write_course(tmp_path / "course", rng)
    assert call(train.main, "--data", tmp_path / "course", "--out", tmp_path / "run", *FAST, "--score-every", 1) == 0
    capsys.readouterr()
    assert call(evaluate.main, tmp_path / "run") == 0
    assert "cannot be compared with others" in " ".join(capsys.readouterr().out.split())
    folder = tmp_path / "run" / "evaluate" / "val-beam3"
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["human"] is None and scores["references"].startswith("as learnt")
    assert [e["image_id"] for e in json.loads((folder / "captions.json").read_text())] == ["val-1", "val-0"]


def test_wrong_calls(runs, small_scenes, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(small_scenes, other)
    texts = json.loads((other / "references.json").read_text())
    texts["test"][next(iter(texts["test"]))].append("one more")
    (other / "references.json").write_text(json.dumps(texts))
    for argv, message in (
            (["none"], "no such run"), ([runs / "lstm", "--split", "dev"], "no split 'dev'"),
            ([runs / "lstm", "--beam", 0], "--beam 0"), ([runs / "lstm", "--batch", 0], "--batch 0"),
            ([runs / "lstm", "--normalisation", "nan"], "--normalisation"),
            ([runs / "lstm", "--against", "none"], "no such run"),
            ([runs / "lstm", "--ensemble", runs / "attention"], "takes other features"),
            ([runs / "lstm", "--data", tmp_path], "no dataset here")):
        assert call(evaluate.main, *argv) == 2
        out, err = capsys.readouterr()
        assert message in err and err.count("\n") == 1 and out == ""
    texts["test"].popitem()
    (other / "references.json").write_text(json.dumps(texts))
    assert call(evaluate.main, runs / "lstm", "--data", other) == 2
    assert "references.json: not the references of the test split" in capsys.readouterr().err


def test_baselines_of_flickr8k(real_data, tmp_path):
    """The figures of the data's own README, and of the constant caption."""
    from scripts import prepare_data
    flickr, out = real_data / "flickr8k", tmp_path / "flickr8k"
    assert call(prepare_data.main, "flickr8k", "--captions", flickr / "Flickr8k.token.txt", "--splits", flickr,
                "--features", flickr / "features_pooled.h5", "--out", out) == 0
    dataset = open_dataset(out)
    references = dataset.references("test")
    easy = {name: score_captions(texts, references).corpus
            for name, texts in baseline_captions(dataset, "test", references).items()}
    assert easy["constant"]["BLEU-1"] == pytest.approx(0.44, abs=0.03)
    assert easy["constant"]["CIDEr"] == pytest.approx(0.06, abs=0.005)
    for name, figures in (("random", (0.322, 0.130, 0.053, 0.024)), ("nearest", (0.440, 0.254, 0.148, 0.086))):
        found = [easy[name][f"BLEU-{n}"] for n in (1, 2, 3, 4)]
        np.testing.assert_allclose(found, figures, atol=0.02 if name == "random" else 0.002)
    assert human_scores(references)["CIDEr"] == pytest.approx(0.789, abs=0.001)


def test_the_constant_caption_is_central():
    captions = ["a dog runs", "a dog", "a dog sits", "cats", "a cat runs"]
    vectors = [np.array([c.split().count(w) for w in ("a", "dog", "runs", "sits", "cats", "cat")]) for c in captions]
    cosine = [[u @ v / np.sqrt((u @ u) * (v @ v)) for v in vectors] for u in vectors]
    assert constant_caption(captions) == captions[int(np.mean(cosine, axis=1).argmax())]


def test_images_with_one_reference_are_no_measure_of_people():
    assert human_scores({"a": ["x"], "b": ["y"]}) is None
    assert human_scores({"a": ["x"], "b": ["y z", "y z"]})["BLEU-1"] == pytest.approx(1, abs=1e-6)


def test_scores_during_training(small_scenes, tmp_path):
    out = tmp_path / "run"
    options = ["--data", small_scenes, "--model", "lstm", *FAST, "--epochs", 5, "--score-every", 2, "--select", "cider"]
    assert call(train.main, "--out", out, *options) == 0
    with open(out / "history.csv") as f:
        rows = list(csv.DictReader(f))
    assert [bool(row["val_cider"]) for row in rows] == [False, True, False, True, True]
    best = max((float(row["val_cider"]), -int(row["epoch"])) for row in rows if row["val_cider"])
    assert load_checkpoint(out / "best.h5").run["epoch"] == -best[1]
    assert call(evaluate.main, out, "--split", "val") == 0
    scores = json.loads((out / "evaluate" / "val-beam3" / "scores.json").read_text())
    assert (scores["CIDEr"], scores["epoch"]) == (pytest.approx(best[0], rel=1e-4), -best[1])
    row = rows[scores["epoch"] - 1]
    assert float(row["val_bleu4"]) == pytest.approx(scores["BLEU-4"], rel=1e-4)
    assert call(train.main, "--out", tmp_path / "two", *options, "--epochs", 2, "--schedule", "constant") == 0
    assert call(train.main, "--out", tmp_path / "five", *options, "--schedule", "constant") == 0
    assert call(train.main, "--resume", tmp_path / "two", "--epochs", 5) == 0
    for name in ("best.h5", "last.h5"):
        assert weights(tmp_path / "two" / name) == weights(tmp_path / "five" / name)


def test_the_last_epoch_is_scored_also_when_patience_runs_out(small_scenes, tmp_path):
    options = ["--data", small_scenes, "--model", "lstm", *FAST, "--epochs", 30, "--lr", 0.5, "--patience", 1]
    assert call(train.main, "--out", tmp_path / "run", *options, "--score-every", 20) == 0
    with open(tmp_path / "run" / "history.csv") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) < 20 and [bool(row["val_cider"]) for row in rows] == [False] * (len(rows) - 1) + [True]


def test_a_run_stopped_before_its_first_scoring_has_no_best(small_scenes, tmp_path, monkeypatch):
    """best.h5 of that moment would be taken for the best long after."""
    out = tmp_path / "run"

    def stop_after_one(files, solver):
        before(files, solver)
        solver.stop = solver.epoch == 1
    before = TrainingFiles._end_epoch
    monkeypatch.setattr(TrainingFiles, "_end_epoch", stop_after_one)
    options = ["--data", small_scenes, "--model", "lstm", *FAST, "--select", "cider", "--score-every", 3]
    assert call(train.main, "--out", out, *options) == 0
    assert not (out / "best.h5").exists() and call(evaluate.main, out, "--split", "val") == 0
    assert (out / "evaluate" / "val-beam3" / "scores.json").is_file()
    monkeypatch.undo()
    assert call(train.main, "--resume", out) == 0
    assert load_checkpoint(out / "best.h5").run["epoch"] == 3


def test_names_stay_where_coco_ids_would_be_the_same():
    names = [entry["image_id"] for entry in coco_results({"a/000000000007.jpg": "x", "b/000000000007.jpg": "y"})]
    assert names == ["a/000000000007.jpg", "b/000000000007.jpg"]
    assert coco_results({"a/000000000007.jpg": "x", "b.jpg": "y"})[0] == {"image_id": 7, "caption": "x"}


def test_other_options_go_to_other_folders(runs):
    for options in (["--normalisation", 0.5], ["--max-length", 9], ["--block-trigrams"], ["--consensus", 2]):
        assert call(evaluate.main, runs / "rnn", *options) == 0
    assert call(evaluate.main, runs / "rnn" / "last.h5") == 0
    found = sorted(path.name for path in (runs / "rnn" / "evaluate").iterdir() if "test" in path.name)
    assert found == ["test-beam3-blocked", "test-beam3-consensus2", "test-beam3-last", "test-beam3-max9",
                     "test-beam3-norm0.5"]


@pytest.mark.parametrize("others", [[], ["lstm2"]])
def test_consensus_takes_a_caption_like_those_of_near_images(others, runs):
    captioner = load_captioner([runs / name for name in ("lstm", *others)])
    dataset, (rows, names) = captioner.dataset, captioner.dataset.images("test")
    chosen = split_captions(captioner, "test", Options(consensus=2))
    models = [captioner.model, *(captioner.model.models if others else [])]
    found = list(zip(*(caption_split(model, dataset, "test", rows, 3) for model in models)))
    captions = list(dataset.references("train").values())
    near = nearest_training_images(dataset, "test", 2, captions)
    best = set()                                            # which model's caption it was, and which of its beam
    for name, beams, places in zip(names, found, near):
        all_found = [h for beam in beams for h in beam]
        texts = [dataset.vocabulary.decode(h.ids) for h in all_found]
        (ranked,) = rank_by_consensus([all_found], [texts], [places], captions)
        assert chosen[name] == dataset.vocabulary.decode(ranked[0].ids)
        best.add(divmod(texts.index(chosen[name]), 3))
    assert len({model for model, _ in best}) > len(others) and max(place for _, place in best) > 0


@pytest.mark.parametrize("cell, opened", [("lstm", 1), ("bahdanau", 2)])
def test_the_dataset_is_opened_once_for_each_kind_of_features(cell, opened, runs, monkeypatch):
    calls = []
    for module in ("scripts.evaluation.captioner", "scripts.runs.folders"):
        monkeypatch.setattr(f"{module}.open_dataset", lambda *args: calls.append(args) or open_dataset(*args))
    found = evaluate_run(load_captioner([runs / cell]), "test", Options(beam=2, consensus=2))
    assert len(calls) == opened and found.result["consensus"] == 2
    again = evaluate_run(load_captioner([runs / cell]), "test", Options(beam=2), found.captions)
    assert again.scores.corpus == found.scores.corpus and again.result["floors"] == found.result["floors"]


def test_wrong_scoring_options(small_scenes, tmp_path, capsys):
    for options in (["--score-every", 0], ["--score-beam", 0], ["--score-every", 1, "--overfit", 5],
                    ["--select", "cider", "--overfit", 5]):
        assert call(train.main, "--data", small_scenes, "--out", tmp_path / "run", *options) == 2
        assert capsys.readouterr().err.startswith("error: --score")
    assert call(train.main, "--data", small_scenes, "--out", tmp_path / "run", "--score-beam", 2) == 2
    assert "belongs to --score-every" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_caption_options(runs, capsys):
    def lines(*options):
        assert call(caption.main, runs / "attention", "--n", 3, *options) == 0
        return [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert len(lines("--beam", 3)) == 3 and lines("--beam", 3) == lines() != lines("--beam", 1)
    best, three = lines("--beam", 3), lines("--beam", 3, "--alternatives", 3)
    assert [row[:2] for row in three[::3]] == best and all(float(row[2]) < 0 for row in three) and len(three) == 9
    assert three == lines("--alternatives", 3)
    drawn = lines("--sample", "--alternatives", 4, "--temperature", 1.5)
    assert len(drawn) == 12 and drawn == lines("--sample", "--alternatives", 4, "--temperature", 1.5)
    assert drawn != lines("--sample", "--alternatives", 4, "--temperature", 1.5, "--seed", 1)
    assert [float(row[2]) for row in drawn[:4]] == sorted((float(row[2]) for row in drawn[:4]), reverse=True)
    assert lines("--sample", "--top-k", 1) == lines("--beam", 1) == lines("--sample", "--top-p", 1e-9)
    for options in (["--top-p", 0.5], ["--sample", "--beam", 2], ["--beam", 2, "--alternatives", 3], ["--beam", 0],
                    ["--sample", "--top-p", 2], ["--sample", "--temperature", 0], ["--alternatives", 0], ["--n", -1]):
        assert call(caption.main, runs / "attention", *options) == 2
        assert capsys.readouterr().err.count("\n") == 1
