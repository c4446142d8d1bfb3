"""scripts.release: one file of a run for others, which the other commands take as they take a run."""
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from data.scene_dataset import make_scene_dataset
from models.checkpoint import load_checkpoint, save_checkpoint
from scripts import caption, check_attention, diagnose, evaluate, release, report, show_attention, train
from scripts.evaluation import halving, model_card
from scripts.evaluation.captioner import DEFAULT, load_captioner, split_captions
from scripts.evaluation.run_scores import evaluate_run
from scripts.pages import attention_figures
from scripts.runs import load_run
from scripts.runs.released import decoding_of, run_to_release
from scripts.runs.settings import settings_of, train_options
from tests.command import call, without_next
from tests.sealed_files import edited

OWNER = "ada-lovelace"
TINY = ["--model", "attention", "--hidden", "6", "--wordvec", "5", "--batch", "50", "--epochs", "1"]


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    """The folder of somebody who has data set, run and released files. What is there is not to be changed."""
    folder = tmp_path_factory.mktemp("home") / OWNER
    make_scene_dataset(folder / "scenes", seed=1, sizes={"train": 40, "val": 8, "test": 10})
    first = ["--data", folder / "scenes", "--out", folder / "first", *TINY]
    assert call(train.main, *first) == 0
    assert call(train.main, "--from", folder / "first", *first[:3], folder / "run", *TINY[-4:]) == 0
    for name in ("model.h5", "own.h5"):
        own = ["--beam", 2, "--max-length", 4, "--normalisation", 0.5] if name == "own.h5" else []
        assert call(release.main, folder / "run", "--out", folder / name, *own) == 0
    return folder


@pytest.fixture
def place(owner, tmp_path, monkeypatch):
    """A folder of somebody else, who got the files, and the data set as datasets/scenes."""
    for name in ("model.h5", "own.h5"):
        shutil.copy(owner / name, tmp_path)
    shutil.copytree(owner / "scenes", tmp_path / "datasets" / "scenes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_path_of_the_machine_is_in_the_file(owner, tmp_path):
    run = load_run(owner / "run")
    assert OWNER in json.dumps(run.run["data"]) and OWNER in run.run["from"]["path"]
    pytest.importorskip("safetensors", reason="models in safetensors need it: pip install -e \".[safetensors]\"")
    assert call(release.main, owner / "run", "--out", tmp_path / "model.safetensors") == 0
    for path in (owner / "model.h5", tmp_path / "model.safetensors"):
        content = path.read_bytes()
        for found in (OWNER, str(owner.parent), str(Path.home()) + "/", str(Path.cwd()), str(tmp_path)):
            assert found.encode() not in content
        released = load_run(path)
        assert released.solver is None and "from" not in released.run
        assert released.model.params.keys() == run.model.params.keys() and released.model.feature_stats is not None


def test_of_a_file_of_word_vectors_the_name_alone_is_kept(owner):
    run = load_run(owner / "run").run
    for path in (f"/home/{OWNER}/glove.txt", f"C:\\{OWNER}\\glove.txt"):
        settings = {**run["settings"], "word_vectors": path}
        assert run_to_release({**run, "settings": settings}, {}, "")["settings"]["word_vectors"] == "glove.txt"
        assert settings["word_vectors"] == path


def test_a_path_among_the_features_attributes_is_left_out(owner, tmp_path):
    checkpoint = load_run(owner / "run")
    attributes = checkpoint.run["data"]["features"]["train"]["attributes"]
    attributes |= {"source": f"/home/{OWNER}/features", "pooled_model": rf"C:\Users\{OWNER}\net.onnx"}
    save_checkpoint(tmp_path / "run.h5", checkpoint.model, checkpoint.run)
    assert call(release.main, tmp_path / "run.h5", "--out", tmp_path / "out.h5") == 0
    assert OWNER.encode() not in (tmp_path / "out.h5").read_bytes()
    found = load_run(tmp_path / "out.h5").run["data"]["features"]["train"]["attributes"]
    assert found["pooled_model"] == "net.onnx" and found["model"] == "data.scene_features"


def test_weights_are_float16_in_the_file_and_float32_in_the_model(owner):
    run, released = load_run(owner / "run").model, load_run(owner / "model.h5").model
    with h5py.File(owner / "model.h5") as file:
        halved = {name for name, stored in file["params"].items() if stored.dtype == np.float16}
    assert halved
    for name, w in run.params.items():
        expected = w.astype(np.float16).astype(np.float32) if name in halved else w
        assert released.params[name].dtype == np.float32 and np.array_equal(released.params[name], expected)
    assert (owner / "model.h5").stat().st_size < (owner / "run" / "best.h5").stat().st_size


@pytest.mark.parametrize("sensitive, others", [((), ()), (("W_embed", "b"), ()), ((), ("Wx", "W_vocab"))])
def test_arrays_that_change_a_caption_stay_as_they_are(sensitive, others, owner, monkeypatch):
    """sensitive: arrays whose rounding changes a caption; others: the same, only if both are rounded."""
    captioner = load_captioner([owner / "run"])
    captioner.model.params["W_proj"][0, 0] = 1e6            # beyond float16
    whole, said = captioner.model.params, []

    def captions(captioner, split, options):
        rounded = {name for name, w in captioner.model.params.items() if not np.array_equal(w, whole[name])}
        return {"one": "a ring", "two": str(bool(rounded & {*sensitive} or others and rounded >= {*others}))}
    monkeypatch.setattr(halving, "split_captions", captions)
    found, halved, kept = halving.halve(captioner, "test", DEFAULT, said.append)
    largest = max(others, key=lambda name: whole[name].size, default=None)
    assert {*halved} == whole.keys() - {"W_proj", *sensitive} - ({*others} - {largest})
    assert kept == captions(captioner, "test", DEFAULT) == captions(found, "test", DEFAULT)
    assert found.model.params["W_proj"][0, 0] == np.float32(1e6) and bool(said) == bool(sensitive or others)
    assert captioner.model.params is whole


def test_captions_of_the_file_are_those_of_the_run(owner, place, capsys):
    printed = []
    for path, data in ((owner / "run", []), ("model.h5", []), ("model.h5", ["--data", owner / "scenes"])):
        assert call(caption.main, path, "--n", 0, *data, *(["--beam", 3] if path != "model.h5" else [])) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0].count("\n") == 10 and len({*printed}) == 1


def test_decoding_defaults_are_the_files_unless_asked_otherwise(place, capsys):
    own = {"beam": 2, "max_length": 4, "normalisation": 0.5}
    assert decoding_of(load_run("own.h5")) == own
    assert call(evaluate.main, "own.h5") == 0 and call(evaluate.main, "own.h5", "--beam", 1) == 0
    capsys.readouterr()
    folders = sorted(path.name for path in Path("own.h5.outputs/evaluate").iterdir())
    assert folders == ["test-beam1-norm0.5-max4", "test-beam2-norm0.5-max4"]
    texts = [json.loads(Path("own.h5.outputs/evaluate", name, "captions.json").read_text()) for name in folders]
    scores = json.loads(Path("own.h5.outputs/evaluate", folders[1], "scores.json").read_text())
    assert {name: scores[name] for name in own} == own
    for entries, beam in zip(texts, (["--beam", 1], [])):
        assert call(caption.main, "own.h5", "--n", 0, *beam) == 0
        found = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
        assert found == [entry["caption"] for entry in entries] and max(len(text.split()) for text in found) <= 4
    assert call(caption.main, "own.h5", "--sample", "--n", 0) == 0
    assert max(len(line.split("\t")[1].split()) for line in capsys.readouterr().out.splitlines()) <= 4
    assert call(caption.main, "own.h5", "--alternatives", 3, "--n", 1) == 0
    assert capsys.readouterr().out.count("\n") == 3


def test_figures_and_diagnosis_have_the_files_decoding_too(place, capsys, monkeypatch):
    monkeypatch.setattr(attention_figures, "attention_figure", lambda *_: b"")
    for beam in ([], ["--beam", 1]):
        assert call(caption.main, "own.h5", "--n", 3, *beam) == 0
        expected = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
        assert call(show_attention.main, "own.h5", "--n", 3, "--out", "maps", "--force", *beam) == 0
        found = without_next(capsys.readouterr().out).splitlines()
        assert [line.split(": ", 1)[1] for line in found] == expected
    shown = []
    monkeypatch.setattr(diagnose, "diagnose", lambda evidence: shown.extend(evidence.shown) or [])
    for arguments, beam in (([], 2), (["--beam", 1], 1)):
        assert call(diagnose.main, "own.h5", "--split", "test", "--json", *arguments) == 0
        assert json.loads(capsys.readouterr().out)["beam"] == beam
    assert len(shown) == 20 and max(len(text.split()) for text in shown) <= 4


def test_outputs_go_beside_the_file_and_not_into_a_run_of_its_name(owner, place, capsys):
    pytest.importorskip("jinja2", reason="reports need Jinja2: pip install -e \".[report]\"")
    shutil.copytree(owner / "run", "model")
    before = {path: path.stat().st_mtime_ns for path in Path("model").rglob("*")}
    assert call(evaluate.main, "model.h5") == 0
    assert call(report.main, "model.h5", "--n", 2) == 0
    assert call(check_attention.main, "model.h5") in (0, 1)
    assert {path: path.stat().st_mtime_ns for path in Path("model").rglob("*")} == before
    assert sorted(path.name for path in Path("model.h5.outputs").iterdir()) == ["attention.json", "evaluate",
                                                                                "report.html"]
    assert "<title>model: report" in Path("model.h5.outputs/report.html").read_text()


def test_a_run_may_start_from_the_file(place, capsys):
    assert call(train.main, "--from", "model.h5", "--data", "datasets/scenes", "--out", "new", "--epochs", 1) == 0
    assert "kept (same encoder), with its means and deviations" in capsys.readouterr().out
    assert load_run("new").run["from"]["kept_words"] == len(load_run("model.h5").model.word_to_idx)


def test_the_card(place, owner, capsys):
    assert call(release.main, "model.h5", "--card") == 0
    card = capsys.readouterr().out
    for part in ("# model.h5", "train: 40 images", "licence of the data: MIT", "10 images of test; beam 3, normal",
                 "| **this model** |", "| one caption for all |", "| human |", "scripts.serve model.h5 --scenes",
                 "python -m scripts.evaluate model.h5 --data datasets/scenes", "scripts.train --data datasets/scenes "
                 "--model attention --hidden 6 --wordvec 5 --batch 50 --epochs 1", "Training began with another run's"):
        assert part in card, part
    assert call(release.main, owner / "run", "--out", "new.h5", "--licence", "mine | alone", "--split", "val") == 0
    out = capsys.readouterr().out
    assert "8 of 8 captions of val are the same with float16: " in out and " arrays (" in out
    assert "licence of the data: mine | alone" in load_run("new.h5").run["release"]["card"]


@pytest.mark.parametrize("options, scenes", [
    (["--model", "gru", "--lr", "3e-4"], True), (["--preset", "flickr8k-bahdanau", "--patience", "2"], False),
    (["--overfit", "9", "--model", "attention"], True), (["--clip", "0", "--input-dropout", "0.1"], True), ([], False),
    (["--preset", "flickr8k-transformer", "--wordvec", "64"], False), (["--model", "lstm", "--layers", "3"], True),
    (["--model", "transformer", "--overfit", "5", "--layers", "4"], True)])
def test_the_cards_command_gives_the_settings_again(options, scenes):
    chosen = settings_of(train.parse(options), scenes)
    assert settings_of(train.parse(train_options(chosen, scenes)), scenes) == chosen
    assert train_options(settings_of(train.parse([]), scenes), scenes)[2:] == []


@pytest.mark.parametrize("arguments, message", [
    (["RUN"], "expected either --out FILE, or --card"), (["RUN", "--card", "--out", "x.h5"], "expected either --out"),
    (["RUN", "--out", "model.onnx"], "expected a name that ends in .h5 or .safetensors"),
    (["RUN", "--card"], "has no model card, expected a file of scripts.release"),
    (["RUN", "--out", "best.h5"], "is what is released, or belongs to its run"),
    (["RUN", "--out", "x.h5", "--normalisation", "11"], "--normalisation 11.0: expected"),
    (["RUN", "--out", "x.h5", "--beam", "0"], "--beam 0: expected at least 1")])
def test_bad_input_is_one_line(arguments, message, owner, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(owner / "run" / "best.h5", "best.h5")
    before = Path("best.h5").read_bytes()
    assert call(release.main, *[owner / "run" if word == "RUN" else word for word in arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and Path("best.h5").read_bytes() == before
    assert len([*tmp_path.iterdir()]) == 1


def test_a_run_keeps_its_own_checkpoints(owner, place, capsys):
    shutil.copytree(owner / "run", place / "run")
    before = (place / "run" / "last.h5").read_bytes()
    for out in ("run/last.h5", "run/best.h5"):
        assert call(release.main, "run", "--data", owner / "datasets" / "scenes", "--out", out, "--force") == 2
        assert f"--out {out}: is what is released, or belongs to its run" in capsys.readouterr().err
    assert (place / "run" / "last.h5").read_bytes() == before
    assert call(release.main, "model.h5", "--out", "again.h5") == 2
    assert "model.h5: was released already" in capsys.readouterr().err


def test_a_licence_goes_by_the_data_and_not_by_its_name(real_data):
    names = (real_data / "flickr8k" / "Flickr_8k.testImages.txt").read_text().split()

    def licence(names, split="test"):
        return model_card.licence_of(SimpleNamespace(name="flickr8k", captions={split: None},
                                                     images=lambda split: (None, names)))
    assert licence(names[::-1]) == model_card.FLICKR8K_LICENCE
    for found in (licence(names[1:]), licence([]), licence(names, "val")):
        assert found == "not stated (scripts.release takes it as --licence TEXT)"


@pytest.mark.parametrize("model, encoder, hint", [
    ("mobilenet", "mobilenet", "`python -m scripts.fetch_data mobilenet` gets it."),
    ("my net.onnx", "'my net.onnx'", "ask for it where you got this model.")])
def test_the_card_of_photographs_says_which_image_model(model, encoder, hint, owner):
    checkpoint = load_run(owner / "run")
    attributes = checkpoint.run["data"]["features"]["train"]["attributes"]
    attributes["model"] = model
    captioner = load_captioner([owner / "run"])
    result = evaluate_run(captioner, "val", DEFAULT, split_captions(captioner, "val")).result
    card = model_card.model_card("m.h5", checkpoint, captioner.dataset, result, [])
    assert f"scripts.caption m.h5 --images photos --encoder {encoder}\n" in card and hint in card
    assert "licence of the data: not stated" in card


def test_the_file_may_be_written_again(owner, place):
    assert call(release.main, owner / "run", "--out", "own.h5") == 0
    assert decoding_of(load_run("own.h5"))["beam"] == 3


def test_other_commands_say_what_the_file_lacks(place, capsys):
    shutil.rmtree("datasets")
    assert call(evaluate.main, "model.h5") == 2
    assert "not in datasets/scenes, where a released model looks for it, give its folder with --data" in (
        capsys.readouterr().err)
    assert call(train.main, "--resume", "model.h5") == 2
    assert "model.h5 has no training state" in capsys.readouterr().err


@pytest.mark.parametrize("decoding, found", [
    ({"beam": 0}, "beam: is 0, expected 1 to 100"), ({"max_length": 10**9}, "max_length: is 1000000000"),
    ({"normalisation": float("nan")}, "normalisation: is nan"), ({"beam": "3"}, "beam: is '3', expected int"),
    (None, "release: is None, expected dict")])
def test_odd_content_is_refused(decoding, found, place):
    run = load_run("model.h5").run
    run["release"] = None if decoding is None else {**run["release"], "decoding": {**run["release"]["decoding"],
                                                                                   **decoding}}
    with edited(Path("model.h5")) as file:
        del file["run"]
        file["run"] = json.dumps(run)
    with pytest.raises(ValueError, match=found):
        load_run("model.h5")


def test_damage_is_refused(place):
    content = bytearray(Path("model.h5").read_bytes())
    content[-100] ^= 1
    Path("model.h5").write_bytes(content)
    with pytest.raises(ValueError, match="model.h5: not a whole checkpoint: the file is damaged"):
        load_checkpoint("model.h5")


def test_a_captioner_without_own_defaults_has_those_of_all(owner):
    captioner = load_captioner([owner / "run"])
    assert captioner.options({}) == DEFAULT and captioner.outputs == owner / "run"
    assert replace(captioner, decoding={"beam": 7}).options({"beam": None, "batch": 5}) == DEFAULT._replace(
        beam=7, batch=5)
