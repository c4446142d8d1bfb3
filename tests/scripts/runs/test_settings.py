"""Settings of scripts.train: what is asked for, presets, defaults for the data."""
import pytest

from scripts import train
from scripts.runs.settings import CHOICES, DEFAULTS, HELP, LIMITS, PRESETS, settings_of
from scripts.train import parse


def test_every_setting_has_a_help_and_every_limit_a_setting():
    assert HELP.keys() == DEFAULTS.keys() >= LIMITS.keys() | CHOICES.keys()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_before_defaults_and_after_what_is_asked(name):
    settings = settings_of(parse(["--preset", name]), scenes=False)
    assert settings == {**DEFAULTS, **PRESETS[name]} and PRESETS[name].keys() <= DEFAULTS.keys()
    assert settings_of(parse(["--preset", name]), scenes=True) == settings
    asked = settings_of(parse(["--preset", name, "--epochs", "3", "--smoothing", "0"]), scenes=False)
    assert asked == {**settings, "epochs": 3, "smoothing": 0}


def test_a_preset_trains(small_scenes, tmp_path):
    out = tmp_path / "run"
    options = ["--data", str(small_scenes), "--out", str(out), "--hidden", "12", "--wordvec", "9", "--epochs", "2"]
    assert train.main(["--preset", "flickr8k-bahdanau", *options]) == 0
    assert (out / "best.h5").exists()
    with pytest.raises(ValueError, match="--preset flickr8k-lstm with --resume"):
        train.main(["--preset", "flickr8k-lstm", "--resume", str(out)])


def test_a_preset_looks_for_its_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="datasets/flickr8k: no dataset here"):
        train.main(["--preset", "flickr8k-lstm"])
