"""scripts.train --from: what a run takes over from another one, and what it says about it."""
import shutil

import numpy as np
import pytest

from data.features import write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source
from models.checkpoint import load_checkpoint
from scripts import report, train
from scripts.runs.photos import SCENES
from scripts.runs.start import resume_run, start_run
from scripts.runs.training import make_model
from scripts.runs.transfer import describe_start
from scripts.train import parse
from tests.cells import NAMES, takes
from tests.scripts.test_train import FAST, call, one_line_error, weights

ORIGIN = {"model": "m", "model_sha256": "ab12", "onnx_output": "grid", "input": "8x8 RGB",
          "resize": "squeezed, bilinear", "probe": np.linspace(-1, 2, 16, dtype=np.float32)}
DOGS, CATS = ("a dog runs", "the dog sits", "a dog"), ("a cat sits", "the cat runs fast", "one cat")
POOLS = [name for name in NAMES if takes(name, "pooled_dim")]


def make(folder, sentences=DOGS, attributes=ORIGIN, seed=0, width=5, pooled=None, splits=("train", "val")):
    """A dataset of twelve images with their own feature files; pooled: attributes of pooled features -> its folder."""
    rng, names = np.random.default_rng(seed), [f"{seed}-{i:02d}.jpg" for i in range(12)]
    images = dict(zip(splits, (names[:8], names[8:])))
    captions = {split: {name: list(sentences) for name in chosen} for split, chosen in images.items()}
    with new_folder(folder) as new:
        write_features(new / "f.h5", rng.standard_normal((12, 4, width)).astype(np.float32), names, **attributes)
        if pooled is not None:
            write_features(new / "p.h5", rng.standard_normal((12, 6)).astype(np.float32), names, **pooled)
        write_dataset(new, Source("tiny", captions, {}), dict.fromkeys(splits, "f.h5"),
                      pooled and dict.fromkeys(splits, "p.h5"), min_count=1)
    return folder


def options_of(*argv):
    return parse([str(a) for a in argv])


def learn(solver, files):
    """Train as scripts.train does, without its pictures."""
    solver.callbacks = (files,)
    solver.train()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Function: a run of a cell on dogs -> its folder, the folder of its data. Each is made once."""
    place, made = tmp_path_factory.mktemp("trained"), {}

    def run(cell="attention", **options):
        key = repr((cell, sorted(options.items())))
        if key not in made:
            folder = place / str(len(made))
            data = make(folder / "data", **options)
            learn(*start_run(options_of("--data", data, "--model", cell, "--out", folder / "run", *FAST)))
            made[key] = folder / "run", data
        return made[key]
    return run


def begin(run, data, out, *more):
    """The start of a run from another one -> solver, files, the model that it would have without --from."""
    solver, files = start_run(options_of("--from", run, "--data", data, "--out", out, *more))
    return solver, files, make_model(files.settings, files.dataset)


@pytest.mark.parametrize("cell", NAMES)
def test_on_the_same_data_nothing_changes_to_the_bit(cell, trained, tmp_path):
    run, data = trained(cell)
    last = load_checkpoint(run / "last.h5")
    for which, epoch in ((run, None), (run / "last.h5", 3)):
        solver, files, _ = begin(run if epoch is None else which, data, tmp_path / f"again-{epoch}", "--batch", 25)
        epoch = epoch or load_checkpoint(run / "best.h5").run["epoch"]
        assert solver.validation_loss() == last.solver["history"][epoch - 1]["val_loss"]
        assert solver.iteration == 0 and not solver.loss_history and not solver.history
        assert files.start["epoch"] == epoch
    assert {name: w.tobytes() for name, w in solver.model.params.items()} == weights(run / "last.h5")
    assert files.settings["wordvec"] == 8 and files.settings["lr"] == 1e-3
    assert files.settings["model"] == cell and files.settings["epochs"] == 8
    assert {name for config in solver.optim_configs.values() for name in config} == {"learning_rate"}


@pytest.mark.parametrize("cell", NAMES)
def test_other_pictures_of_the_same_encoder_and_other_words(cell, trained, tmp_path, capsys):
    run, _ = trained(cell)
    data = make(tmp_path / "cats", CATS, seed=1)
    solver, files, fresh = begin(run, data, tmp_path / "new")
    model, source = solver.model, load_checkpoint(run / "best.h5").model
    for word, i in model.word_to_idx.items():
        known = word in source.word_to_idx
        assert known == (word in ("<NULL>", "<START>", "<END>", "<UNK>", "a", "the", "runs", "sits"))
        other, k = (source, source.word_to_idx[word]) if known else (fresh, i)
        for found, expected in ((model.params["W_embed"][i], other.params["W_embed"][k]),
                                (model.params["W_vocab"][:, i], other.params["W_vocab"][:, k]),
                                (model.params["b_vocab"][i], other.params["b_vocab"][k])):
            np.testing.assert_array_equal(found, expected)
    for name in model.cell.shapes():
        np.testing.assert_array_equal(model.params[name], source.params[name])
    np.testing.assert_array_equal(model.feature_stats, source.feature_stats)
    assert not np.array_equal(model.feature_stats, fresh.feature_stats)
    assert describe_start(files.start) == (
        f"from {run}/best.h5 (epoch {files.start['epoch']}): 8 of 11 words kept their vectors, 3 are new; the "
        "picture's side was kept (same encoder), with its means and deviations")


@pytest.mark.parametrize("change, words", [
    ({"model_sha256": "cd34"}, "features of another encoder (model_sha256 was 'ab12', is 'cd34')"),
    ({"onnx_output": "top"}, "features of another encoder (onnx_output was 'grid', is 'top')"),
    ({"probe": np.linspace(-1, 2.2, 16, dtype=np.float32)}, "(the features of the built-in picture differ)"),
    ({"model_sha256": None}, "this data's features do not say which encoder made them"),
    ({"model": SCENES, "layer": "x"}, "encoder (model was 'm', is 'data.scene_features'; layer was"),
    ({"width": 6}, "features of another encoder (5 numbers a region or picture, now 6)"),
])
def test_features_of_another_encoder_are_learnt_anew(change, words, trained, tmp_path):
    run, _ = trained()
    width = change.get("width", 5)
    attributes = {key: value for key, value in {**ORIGIN, **change}.items() if value is not None and key != "width"}
    data = make(tmp_path / "other", CATS, attributes, seed=1, width=width)
    solver, files, fresh = begin(run, data, tmp_path / "new")
    source = load_checkpoint(run / "best.h5").model
    np.testing.assert_array_equal(solver.model.params["W_proj"], fresh.params["W_proj"])
    np.testing.assert_array_equal(solver.model.feature_stats, fresh.feature_stats)
    for name in ("Wx", "Wh", "Wattn", "b", "b_proj"):
        np.testing.assert_array_equal(solver.model.params[name], source.params[name])
    assert "the picture's side was drawn anew: " in describe_start(files.start) and words in describe_start(files.start)


@pytest.mark.parametrize("origin, kept", [({}, False), ({"model": SCENES, "layer": "grid"}, True)])
def test_features_that_do_not_name_their_encoder(origin, kept, trained, tmp_path):
    """Only the same file counts as the same features; the scenes have one encoder, which is the project's own."""
    run, data = trained(attributes=origin)
    same, _, _ = begin(run, data, tmp_path / "same")
    assert same.model.params["W_proj"].tobytes() == weights(run / "best.h5")["W_proj"]
    other, files, _ = begin(run, make(tmp_path / "other", DOGS, origin, seed=1), tmp_path / "other-run")
    assert (other.model.params["W_proj"].tobytes() == weights(run / "best.h5")["W_proj"]) == kept
    assert kept or "drawn anew: that run's features do not say which encoder" in describe_start(files.start)


@pytest.mark.parametrize("cell", POOLS)
def test_grid_and_pooled_features_are_judged_apart(cell, trained, tmp_path):
    pooled = {**ORIGIN, "onnx_output": "pooled"}
    run, _ = trained(cell, pooled=pooled)
    old = load_checkpoint(run / "best.h5").model
    cases = {"same": (pooled, True), "other": ({**pooled, "model_sha256": "cd"}, False), "none": (None, False)}
    for name, (attributes, kept) in cases.items():
        data = make(tmp_path / name, CATS, seed=1, pooled=attributes)
        solver, files, fresh = begin(run, data, tmp_path / f"run-{name}")
        reads_pooled = any("P" in letters for letters in fresh.cell.shapes().values())
        for key, letters in fresh.cell.shapes().items():
            other = fresh if "P" in letters and not kept else old
            np.testing.assert_array_equal(solver.model.params[key], other.params[key])
        np.testing.assert_array_equal(solver.model.feature_stats, old.feature_stats)
        if attributes:
            np.testing.assert_array_equal(solver.model.pooled_stats, (old if kept else fresh).pooled_stats)
        text = describe_start(files.start)
        apart = "for the grid kept" in text, "for the picture as a whole drawn anew: " in text
        assert apart == (not kept, not kept) or not reads_pooled
    assert "they came from pooled features, now from the grid" in text or not reads_pooled


def test_a_run_from_another_resumes_bit_for_bit_without_it(trained, tmp_path):
    run, data = trained()
    shutil.copytree(run, tmp_path / "gone")
    more = ["--data", data, "--schedule", "constant", "--average", 0.9, "--batch", 5]
    for name, epochs in (("two", 2), ("four", 4)):
        learn(*start_run(options_of("--from", tmp_path / "gone", "--out", tmp_path / name, "--epochs", epochs, *more)))
    shutil.rmtree(tmp_path / "gone")
    solver, files = resume_run(options_of("--resume", tmp_path / "two", "--epochs", 4))
    assert f"\nfrom {tmp_path}/gone/best.h5 (epoch " in files.describe(solver)
    learn(solver, files)
    for name in ("last.h5", "best.h5"):
        assert weights(tmp_path / "two" / name) == weights(tmp_path / "four" / name)
    two, four = (load_checkpoint(tmp_path / name / "best.h5").run["from"] for name in ("two", "four"))
    assert two == four and two["words"] == two["kept_words"] == 9


def test_the_report_names_the_run(trained, tmp_path):
    pytest.importorskip("jinja2")
    run, data = trained()
    learn(*begin(run, data, tmp_path / "new", *FAST)[:2])
    assert call(report.main, tmp_path / "new") == 0
    page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert f"<code>from</code></th><td>{run}/best.h5</td>" in page and "9 of 9 words kept their vectors" in page


def test_overfitting_begins_there_too(trained, tmp_path, capsys):
    run, _ = trained()
    data = make(tmp_path / "cats", CATS, seed=1, splits=("train",))
    options = ["--out", tmp_path / "new", "--overfit", 3, "--epochs", 1]
    assert call(train.main, "--from", run, "--data", data, *options) == 1      # one epoch is too short
    out = capsys.readouterr().out
    assert "8 of 11 words kept their vectors" in out and "NOT under" in out


@pytest.mark.parametrize("more, parts", [
    (["--model", "lstm"], ["--model lstm with --from", "its weights have --model attention"]),
    (["--hidden", "13"], ["--hidden 13 with --from", "--hidden 12"]),
    (["--wordvec", "13"], ["--wordvec 13 with --from", "--wordvec 8"]),
    (["--preset", "flickr8k-lstm"], ["--model lstm (of --preset flickr8k-lstm) with --from", "--model attention"]),
    (["--resume", "{run}"], ["with --resume", "leave one of the two out"]),
    (["--from", "{tmp}/none"], ["none: no such run"]),
])
def test_what_does_not_fit_is_one_line_and_writes_nothing(more, parts, trained, tmp_path, capsys):
    run, data = trained()
    more = [text.format(run=run, tmp=tmp_path) for text in more]
    capsys.readouterr()
    assert call(train.main, "--from", run, "--data", data, "--out", tmp_path / "new", *more) == 2
    one_line_error(capsys, *parts)
    assert not (tmp_path / "new").exists()


def test_a_preset_and_options_that_agree_are_taken(trained, tmp_path):
    run, data = trained("lstm")
    _, files, _ = begin(run, data, tmp_path / "new", "--hidden", "12", "--model", "lstm", "--feature-clip", "3")
    assert files.settings["hidden"] == 12 and files.settings["feature_clip"] == 3
    preset = ["--preset", "flickr8k-lstm", *FAST[:4], "--epochs", 1]
    learn(*start_run(options_of("--data", data, "--out", tmp_path / "two", *preset)))
    _, files, _ = begin(tmp_path / "two", data, tmp_path / "three")
    settings = files.settings
    assert (settings["start"], settings["feature_clip"], settings["smoothing"]) == ("both", 5, 0)
    _, files, _ = begin(tmp_path / "two", data, tmp_path / "four", "--preset", "flickr8k-lstm")
    assert files.settings["hidden"] == 12 and files.settings["smoothing"] == 0.1
