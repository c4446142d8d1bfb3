"""The commands that a command prints at its end, and how they are written for the terminal that it was started from."""
import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

import pytest

from scripts.commandline import invocation
from scripts.commandline.catalogue import GROUPS
from scripts.commandline.invocation import as_started, pasteable
from scripts.commandline.next_steps import STEPS, next_steps, print_next

ROOT = Path(__file__).resolve().parents[3]
QUICK = {"show_batch", "score", "pack_submission", "make_notebooks", "benchmark_serve", "serve"}
FIELDS = {"run": "runs/my run-1", "out": "out.h5", "split": "val", "name": "mobilenet", "encoder": "mobilenet",
          "pt": "coco.pt"}


def test_every_command_but_the_quick_ones_says_what_is_next():
    commands = {name for group in GROUPS.values() for name in group}
    assert {line.split()[0] for line in STEPS} == commands - QUICK
    for name in commands - QUICK:
        text = (ROOT / "scripts" / f"{name}.py").read_text(encoding="utf-8")
        assert f'print_next("{name}' in text or f'print_next(f"{name}' in text, name


@pytest.mark.parametrize("command", STEPS)
def test_what_is_next_are_two_or_three_commands_with_options_that_exist(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("datasets/encoders").mkdir(parents=True)
    Path("datasets/encoders/mobilenet.onnx").touch()
    lines = next_steps(command, **FIELDS)
    assert 2 <= len(lines) <= 3 and len(set(lines)) == len(lines)
    for line in lines:
        assert line.startswith("Next: ")
        words = shlex.split(line.removeprefix("Next: "))
        name = words[words.index("-m") + 1].removeprefix("scripts.")
        options = (ROOT / "scripts" / f"{name}.py").read_text(encoding="utf-8")
        module = importlib.import_module(f"scripts.{name}")
        if hasattr(module, "parse"):
            module.parse(words[words.index("-m") + 2:])
        else:
            assert all(flag in options for flag in words if flag.startswith("--")), line


def test_a_path_with_a_space_can_be_pasted():
    assert all("'runs/my run-1'" in line for line in next_steps("evaluate", **FIELDS))


def test_a_students_tree_names_only_commands_that_it_has(monkeypatch, capsys):
    monkeypatch.setattr("scripts.commandline.next_steps.present", lambda: {"Training": {"caption": ""}})
    print_next("train", **FIELDS)
    assert re.fullmatch(r"Next: \S+ -m scripts.caption 'runs/my run-1' --split val --n 8\n", capsys.readouterr().out)


@pytest.mark.parametrize("folder, started, words", [
    ("venv/bin", ["-m", "scripts.train"], ["python", "-m", "scripts.report"]),
    ("other/bin", ["-m", "scripts.train"], ["venv/bin/python", "-m", "scripts.report"]),
    ("venv/bin", ["venv/bin/rnnlayers", "train"], ["rnnlayers", "report"]),
    ("other/bin", ["venv/bin/rnnlayers", "train"], ["venv/bin/rnnlayers", "report"]),
])
def test_the_words_fit_the_terminal(folder, started, words, tmp_path, monkeypatch):
    for place in ("venv/bin", "other/bin"):
        (tmp_path / place).mkdir(parents=True)
        for name in ("python", "rnnlayers"):
            (tmp_path / place / name).touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / folder))
    monkeypatch.setattr(invocation.sys, "executable", str(tmp_path / "venv/bin/python"))
    monkeypatch.setattr(sys, "orig_argv", ["python", *started])
    assert pasteable("report") == words
    assert as_started("usage: python -m scripts.report RUN") == (
        "usage: rnnlayers report RUN" if "rnnlayers" in started[0] else "usage: python -m scripts.report RUN")


def test_help_and_overview_speak_as_they_were_called(monkeypatch, capsys):
    monkeypatch.setattr(sys, "orig_argv", ["python", "/x/bin/rnnlayers", "evaluate", "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module("scripts.evaluate").parse(["--help"])
    assert capsys.readouterr().out.startswith("usage: rnnlayers evaluate ")
    console = inspect.getsource(importlib.import_module("scripts.__main__").console)
    assert "run(main)" in console
    assert importlib.import_module("scripts.commandline.catalogue").overview().startswith("usage: rnnlayers COMMAND")
