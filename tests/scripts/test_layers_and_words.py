"""On the command line: the transformer, stacks, tied words, pretrained word vectors, pictures of one vector."""
import re

import numpy as np
import pytest

from data.features import write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source
from models.checkpoint import load_checkpoint
from models.options import default
from scripts import caption, check_attention, diagnose, evaluate, report, train
from scripts.notebook import open_run
from scripts.runs import start
from scripts.runs.settings import settings_of
from scripts.train import parse
from tests.command import call
from tests.scripts.test_train import one_line_error

FAST = ["--wordvec", "8", "--hidden", "8", "--batch", "50", "--epochs", "1"]


def trained(out, data, *more):
    assert call(train.main, "--data", data, "--out", out, *FAST, *more) == 0
    return load_checkpoint(out / "best.h5").model


def test_options_of_the_transformer_reach_it(small_scenes, tmp_path):
    model = trained(tmp_path / "run", small_scenes, "--model", "transformer", "--heads", 2, "--layers", 3, "--norm",
                    "pre", "--activation", "relu", "--feedforward", 12, "--region-positions", "--tie")
    cell = model.cell
    assert (cell.num_heads, cell.num_layers, cell.norm, cell.activation) == (2, 3, "pre", "relu")
    assert (cell.dim_feedforward, cell.region_positions, model.tie) == (12, 49, True) and "W_vocab" not in model.params
    assert "transformer, " in repr(open_run(tmp_path / "run")) and "H=8" in repr(open_run(tmp_path / "run"))


def test_defaults_of_the_transformer(small_scenes, tmp_path, capsys):
    model = trained(tmp_path / "run", small_scenes, "--model", "transformer", "--hidden", 12)
    cell = model.cell
    assert (cell.num_heads, cell.num_layers, cell.norm, cell.dim_feedforward) == (4, 2, "post", 32)
    assert cell.max_length >= default("max_length") and cell.pooled_dim and not cell.one_region
    assert capsys.readouterr().out.count("note: --hidden 12 is not used: what a transformer makes of a word is") == 1
    assert call(report.main, tmp_path / "run") == call(caption.main, tmp_path / "run", "--split", "val", "--n", 2) == 0
    for judge in (check_attention, diagnose):               # of a run of one epoch, well or ill
        assert call(judge.main, tmp_path / "run") in (0, 1)


def test_what_a_run_has_may_be_asked_for_again_and_other_cells_join_it(small_scenes, tmp_path, capsys):
    for cell in ("transformer", "bahdanau"):
        trained(tmp_path / cell, small_scenes, "--model", cell)
    again = ["--data", small_scenes, "--from", tmp_path / "transformer", "--epochs", 1]
    assert call(train.main, *again, "--heads", 4, "--norm", "post", "--layers", 2, "--out", tmp_path / "again") == 0
    assert call(train.main, *again, "--heads", 2) == 2
    one_line_error(capsys, "--heads 2 with --from", "its weights have --heads 4; leave one of the two out")
    assert call(evaluate.main, tmp_path / "transformer", "--ensemble", tmp_path / "bahdanau", "--split", "val") == 0


def test_the_sanity_check_suits_transformers_and_stacks():
    """What each learns by heart with: docs/figures.md has the losses."""
    def settings(*argv):
        return settings_of(parse(["--overfit", "50", *argv]), scenes=True)
    assert settings("--model", "transformer")["lr"] == 1e-3 and settings("--model", "lstm")["lr"] == 5e-3
    assert [settings("--layers", layers)["epochs"] for layers in "12"] == [50, 100]


@pytest.mark.parametrize("cell", ["gru", "bahdanau"])
def test_stacks(cell, small_scenes, tmp_path):
    model = trained(tmp_path / "run", small_scenes, "--model", cell, "--layers", 2, "--residual")
    assert (model.cell.num_layers, model.cell.residual) == (2, True) and "layer1.Wx" in model.params
    run = tmp_path / "more"
    assert call(train.main, "--from", tmp_path / "run", "--data", small_scenes, "--epochs", 1, "--out", run) == 0
    assert load_checkpoint(run / "best.h5").model.cell.num_layers == 2


@pytest.mark.parametrize("options, words", [
    (["--model", "lstm", "--heads", 2], "--heads 2 with --model lstm: it belongs to transformer"),
    (["--model", "transformer", "--residual"], "--residual with --model transformer: it belongs to rnn"),
    (["--model", "transformer", "--layers", 40], "--layers 40: expected 1 to 32"),
    (["--model", "transformer", "--heads", 3], "wordvec_dim (--wordvec) is 8 with num_heads (--heads) 3, expected an"),
    (["--model", "lstm", "--tie", "--wordvec", 6], "--hidden 8 with --tie: the hidden state has to be as wide as the"),
    (["--word-vectors", "nowhere.txt"], "nowhere.txt: no such file, expected word vectors"),
])
def test_options_that_do_not_fit(options, words, small_scenes, tmp_path, capsys):
    assert call(train.main, "--data", small_scenes, "--out", tmp_path / "run", *FAST, *options) == 2
    one_line_error(capsys, words)
    assert not (tmp_path / "run").exists()


def test_flags_can_be_taken_back():
    assert parse([]).tie is None and parse(["--tie"]).tie is True and parse(["--no-tie"]).tie is False


@pytest.mark.parametrize("cell", ["transformer", "lstm"])
def test_word_vectors_of_a_file(cell, small_scenes, tmp_path, capsys):
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(['0.5'] * 8)}\n" for word in ("red", "star", "elephant")))
    # with a learning rate near 0 the vectors stay as they were read
    model = trained(tmp_path / "run", small_scenes, "--model", cell, "--word-vectors", path, "--lr", 1e-9,
                    "--weight-decay", 0)
    ids = [model.word_to_idx[word] for word in ("red", "star")]
    np.testing.assert_allclose(model.params["W_embed"][ids], 0.5, atol=1e-6)
    assert not np.isclose(np.delete(model.params["W_embed"], ids, 0), 0.5, atol=1e-6).all(axis=1).any()
    told = re.search(r"2 of (\d+) words have their vectors from (.*), the others are drawn", capsys.readouterr().out)
    assert told[1] == str(len(model.word_to_idx)) and told[2] == str(path)
    assert call(train.main, "--resume", tmp_path / "run", "--epochs", 2) == 0
    assert call(train.main, "--data", small_scenes, "--from", tmp_path / "run", "--word-vectors", path) == 2
    one_line_error(capsys, "that run has word vectors, leave one of the two out")
    path.write_text("elephant " + " ".join(["0.5"] * 8))
    assert call(train.main, "--data", small_scenes, *FAST, "--out", tmp_path / "none", "--word-vectors", path) == 2
    one_line_error(capsys, "has none of the")


def test_what_is_out_of_bounds_is_refused_before_scenes_are_drawn(monkeypatch, capsys):
    monkeypatch.setattr(start, "ensure_dataset", lambda _: pytest.fail("a data set is made"))
    assert call(train.main, "--model", "transformer", "--layers", 0) == 2
    one_line_error(capsys, "--layers 0: expected 1 to 32")


def test_pictures_of_one_vector(tmp_path):
    """A data set without regions: the memory has one, and nothing is drawn of where the model looks."""
    names = [f"{i:02d}.jpg" for i in range(30)]
    write_features(tmp_path / "f.h5", np.random.default_rng(2).standard_normal((30, 5)).astype(np.float32), names)
    captions = {split: {name: ["a dog runs", "two cats sit"] for name in part}
                for split, part in (("train", names[:20]), ("val", names[20:25]), ("test", names[25:]))}
    with new_folder(tmp_path / "data") as folder:
        write_dataset(folder, Source("d", captions, {}), dict.fromkeys(captions, tmp_path / "f.h5"), min_count=1)
    model = trained(tmp_path / "run", tmp_path / "data", "--model", "transformer")
    assert model.cell.one_region and not model.attends
    for command, more in ((report.main, []), (caption.main, ["--split", "val", "--n", 2]),
                          (train.main, ["--epochs", 2])):
        place = ["--resume", tmp_path / "run"] if command is train.main else [tmp_path / "run"]
        assert call(command, *place, *more) == 0
    assert call(diagnose.main, tmp_path / "run") in (0, 1)
    assert call(check_attention.main, tmp_path / "run") == 2
