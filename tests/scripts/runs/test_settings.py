"""Settings of scripts.train: what is asked for, presets, defaults for the data."""
import argparse

import pytest

from models.cells import CELLS
from models.options import keywords
from scripts import train
from scripts.runs.settings import (
    BOUNDS,
    DECAY_OVERFIT,
    DEFAULTS,
    DEFAULTS_OVERFIT,
    DEFAULTS_SCENES,
    HELP,
    OWN,
    OWN_SCENES,
    PRESETS,
    SETTINGS,
    add_settings,
    model_keywords,
    settings_of,
    solver_keywords,
)
from scripts.train import parse


def test_every_setting_has_a_help_and_a_default_within_its_bound():
    for name, setting in SETTINGS.items():
        assert HELP[name] and name in DEFAULTS
        for defaults in (DEFAULTS, DEFAULTS_SCENES, DEFAULTS_OVERFIT, *PRESETS.values()):
            value = defaults.get(name)
            assert value is None or setting.bound is None or setting.bound.fits(value)
            assert value is None or not setting.choices or value in setting.choices
    assert set(BOUNDS) == set(DECAY_OVERFIT) == set(SETTINGS["model"].choices)


def test_settings_give_keywords_with_neutral_values_where_nothing_is_asked():
    off = {**DEFAULTS, "clip": 0.0, "score_every": None}
    assert model_keywords(off).keys() <= keywords("model").keys() and model_keywords(off)["seed"] == 0
    given = solver_keywords(off)
    assert (given["clip"], given["score_every"], given["select"]) == (None, 1, "val_loss")
    assert (given["batch_size"], given["num_epochs"], given["optim_config"]) == (64, 8, {"learning_rate": 1e-3})
    assert given.keys() <= keywords("solver").keys()


@pytest.mark.parametrize("name, shown", [
    ("dropout", "(default 0.5; scenes with rnn, lstm, gru 0.1; transformer 0.1)"),
    ("layers", "(default 1; transformer 2)"), ("batch", "(default 64)"),
    ("lr", "(default 0.001; scenes 0.004; scenes with transformer 0.002)"),
])
def test_the_help_shows_the_defaults_of_models(name, shown):
    parser = argparse.ArgumentParser()
    add_settings(parser)
    action = next(action for action in parser._actions if action.dest == name)
    assert action.help == f"{HELP[name]} {shown}"


@pytest.mark.parametrize("cell", OWN)
@pytest.mark.parametrize("scenes", [True, False])
def test_a_model_trains_with_its_own_defaults(cell, scenes):
    own = {**OWN[cell], **OWN_SCENES.get(cell, {})} if scenes else OWN[cell]
    assert settings_of(parse(["--model", cell]), scenes).items() >= own.items()


@pytest.mark.parametrize("argv, words", [
    (["--dropuot", "0.3"], "unrecognized arguments: --dropuot 0.3, did you mean '--dropout'?"),
    (["--modle", "lstm"], "unrecognized arguments: --modle lstm, did you mean '--model'?"),
    (["--hiden=3"], "unrecognized arguments: --hiden=3, did you mean '--hidden'?"),
    (["--zzzzzz"], "unrecognized arguments: --zzzzzz\n"),
    (["--model", "lsmt"], f"argument --model: invalid choice: 'lsmt' (choose from {', '.join(CELLS)}), did you mean "
                          "'lstm'?"),
    (["--preset", "flickr8k-lstn"], f"(choose from {', '.join(PRESETS)}), did you mean 'flickr8k-lstm'?"),
    (["--schedule", "cosin"], "did you mean 'cosine'?"),
    (["--schedule", "linear"], "invalid choice: 'linear'"),
])
def test_a_misspelt_option_names_the_nearest(argv, words, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(argv)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and words in error and "Traceback" not in error
    assert error.count("error:") == 1 and error.splitlines()[-1].startswith("python -m scripts.train: error:")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_before_defaults_and_after_what_is_asked(name):
    settings = settings_of(parse(["--preset", name]), scenes=False)
    preset = PRESETS[name]
    expected = {**DEFAULTS, **OWN.get(preset["model"], {}), **preset}
    filled = {setting for setting in expected if expected[setting] is None and settings[setting] is not None}
    assert {**settings, **dict.fromkeys(filled)} == expected and preset.keys() <= DEFAULTS.keys()
    assert filled == ({"feedforward", "activation"} if name == "flickr8k-transformer" else {"layers"})
    assert settings_of(parse(["--preset", name]), scenes=True) == settings
    asked = settings_of(parse(["--preset", name, "--epochs", "3", "--smoothing", "0"]), scenes=False)
    assert asked == {**settings, "epochs": 3, "smoothing": 0}


def test_a_preset_trains(small_scenes, tmp_path):
    out = tmp_path / "run"
    options = ["--data", str(small_scenes), "--out", str(out), "--hidden", "12", "--wordvec", "8", "--epochs", "2"]
    assert train.main(["--preset", "flickr8k-bahdanau", *options]) == 0
    assert (out / "best.h5").exists()
    with pytest.raises(ValueError, match="--preset flickr8k-lstm with --resume"):
        train.main(["--preset", "flickr8k-lstm", "--resume", str(out)])


def test_a_preset_looks_for_its_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="datasets/flickr8k: no dataset here"):
        train.main(["--preset", "flickr8k-lstm"])


@pytest.mark.parametrize("argv, words", [
    (["--model", "rnn", "--penalty", "0.5"], "--penalty 0.5 with --model rnn: it belongs to bahdanau"),
    (["--model", "rnn", "--preset", "flickr8k-lstm"], "--start both with --model rnn: it belongs to lstm; the preset "
     "flickr8k-lstm sets it, --start h takes it back"),
])
def test_options_of_other_cells_are_named_as_they_were_given(argv, words):
    with pytest.raises(ValueError) as error:
        settings_of(parse(argv), scenes=False)
    assert words in str(error.value)
