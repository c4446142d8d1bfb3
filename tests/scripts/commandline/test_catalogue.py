"""The list of commands, and what is said of a misspelt one."""
import subprocess
import sys
from pathlib import Path

import pytest

import rnnlayers
from scripts import __main__
from scripts.commandline import catalogue

ROOT = Path(__file__).resolve().parents[3]


def python(*argv):
    return subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True)


def test_every_command_is_listed_once():
    listed = [name for commands in catalogue.GROUPS.values() for name in commands]
    there = {path.stem for path in (ROOT / "scripts").glob("*.py")} - {"__init__", "__main__"}
    assert len(listed) == len(set(listed)) and set(listed) == there
    assert all(len(line) <= 100 for line in catalogue.overview().splitlines())


def test_a_copy_lists_only_what_it_has(tmp_path, monkeypatch):
    (tmp_path / "train.py").touch()
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    assert list(catalogue.present()) == ["Training"]
    assert catalogue.unknown("report") == "no command 'report': python -m scripts lists all commands"


def test_without_a_command_all_are_printed():
    done = python("-m", "scripts")
    assert done.returncode == 0 and done.stdout.strip() == catalogue.overview() and not done.stderr


@pytest.mark.parametrize("argv", [["scripts", "evalute"], ["scripts.evalute", "run"], ["scripts.evaluation"]])
def test_a_misspelt_command_names_the_nearest(argv):
    done = python("-m", *argv)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout
    assert "did you mean 'evaluate'? python -m scripts lists all commands" in done.stderr


@pytest.mark.parametrize("broken", ["raise ImportError", "def unfinished(:"])
def test_a_misspelt_command_is_named_even_where_the_models_cannot_be_imported(broken, monkeypatch, tmp_path):
    (tmp_path / "options.py").write_text(broken)
    monkeypatch.delitem(sys.modules, "models.options", raising=False)
    monkeypatch.setattr("models.__path__", [str(tmp_path)])
    assert catalogue.unknown("trian") == "no command 'trian': python -m scripts lists all commands"


@pytest.mark.parametrize("argv, words", [
    (["scripts.caption", "run", "--baem", "3"], "did you mean '--beam'?"),
    (["scripts.prepare_data", "scenes", "--out", "x", "--sede", "3"], "did you mean '--seed'?"),
])
def test_every_command_names_the_nearest_option(argv, words):
    done = python("-m", *argv)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_a_command_runs_behind_its_name_too():
    done = python("-m", "scripts", "score", "none.json", "none.json")
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "none.json" in done.stderr


@pytest.mark.parametrize("word, printed", [
    ("help", "usage: python -m scripts.COMMAND"), ("--version", f"rnnlayers {rnnlayers.__version__}\n")])
def test_what_is_no_command(word, printed, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rnnlayers", word])
    __main__.main()
    assert capsys.readouterr().out.startswith(printed)


@pytest.mark.parametrize("word, module", [("gradcheck", "gradcheck"), ("score", "scripts.score")])
def test_a_command_gets_its_own_arguments(word, module, monkeypatch):
    called = []
    monkeypatch.setattr(__main__.runpy, "run_module", lambda name, **_: called.append((name, sys.argv[1:])))
    monkeypatch.setattr(sys, "argv", ["rnnlayers", word, "--help"])
    __main__.main()
    assert called == [(module, ["--help"])]
