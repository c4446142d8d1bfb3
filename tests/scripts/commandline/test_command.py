"""How commands end: one line for an error, of a bounded length."""
import re
from argparse import Namespace
from pathlib import Path

import pytest

import gradcheck.__main__
from scripts import extract_features, grade, pack_submission
from scripts.commandline import image_model
from scripts.commandline.command import LONGEST, OneLineParser, one_line, run, set_threads
from scripts.commandline.image_model import noting_errors
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import MOST, check_least

NAMES = ", ".join(f"{i:012d}" for i in range(8000))         # as in an error that was 112,000 characters long
REMEDY = "expected a dataset 'features': run scripts.convert_features"


def fails_with(error):
    def main():
        raise error
    with pytest.raises(SystemExit) as stop:
        run(main)
    return stop.value.code


def test_a_short_text_is_not_changed():
    text = "x" * (LONGEST - 1)
    assert one_line(f" {text[:300]}\n  {text[301:]} ") == f"{text[:300]} {text[301:]}"
    assert one_line(text) == text


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1, 10**6])
def test_a_long_text_keeps_its_beginning_and_its_end(length):
    text = ("file.h5: found " + "n" * length)[:length - len(REMEDY)] + REMEDY
    line = one_line(text)
    assert len(line) + len("\n") <= 600 and line.startswith("file.h5: found nnn") and line.endswith(f"nnn{REMEDY}")
    assert " ... " in line


@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError, OverflowError, MemoryError])
def test_an_error_line_has_at_most_600_characters(kind, capsys):
    assert fails_with(kind(f"f.h5: found {NAMES}\n{REMEDY}")) == 2
    line = capsys.readouterr().err
    assert len(line) <= 600 and line.count("\n") == 1
    assert line.startswith("error: f.h5: found 000000000000, 000000000001") and line.endswith(f"7999 {REMEDY}\n")


def test_so_has_the_line_of_an_option(capsys):
    parser = Parser(prog="python -m scripts.train")
    parser.add_argument("--hidden", type=int)
    parser.add_subparsers(dest="kind").add_parser("coco")
    for argv in (["--hidden", "9" * 10**4 + "x"], ["coco", *NAMES.split()], ["--hiden", *NAMES.split()], [NAMES]):
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(argv)
        *_, line = capsys.readouterr().err.splitlines(keepends=True)
        assert stop.value.code == 2 and len(line) <= 600 and line.startswith("python -m scripts.train: error: ")


def test_so_have_the_lines_of_pictures_that_are_left_out(capsys, tmp_path, monkeypatch):
    failed = []
    with noting_errors(failed, "a.jpg: "):
        raise ValueError(f"{NAMES}; {REMEDY}")
    line = capsys.readouterr().err
    assert len(line) <= 600 and line.startswith("error: a.jpg: 0000") and line.endswith(f"; {REMEDY}\n")
    assert failed == [f"{NAMES}; {REMEDY}"]
    monkeypatch.setattr(image_model, "list_pictures", lambda images: ({}, [f"{NAMES}; {REMEDY}"], ""))
    with pytest.raises(FileNotFoundError):
        extract_features.main(["--images", str(tmp_path), "--encoder", "none.onnx", "--out", str(tmp_path / "f.h5")])
    assert len(capsys.readouterr().err) <= 600


def test_so_has_gradcheck(capsys):
    from gradcheck.__main__ import main
    assert main([f"{'no.' * 300}such:f", "m:b", "--shapes", "x=N"]) == 2
    line = capsys.readouterr().err
    assert len(line) <= 600 and line.startswith("gradcheck: cannot import") and line.count("\n") == 1
    assert main([f"{'x' * 10**4}:f", "m:b", "--shapes", "x=N"]) == 2                    # without a blank
    line = capsys.readouterr().err
    assert line.startswith("gradcheck: cannot import xxx") and 550 < len(line) <= 600 and line.count("\n") == 1


@pytest.mark.parametrize("command", [grade.main, pack_submission.main, gradcheck.__main__.main])
def test_so_have_commands_with_parsers_of_their_own(command, capsys):
    with pytest.raises(SystemExit) as stop:
        command([f"--{'x' * 10**5}"])
    *_, line = capsys.readouterr().err.splitlines(keepends=True)
    assert stop.value.code == 2 and len(line) <= 600 and ": error: unrecognized arguments: --xxx" in line


@pytest.mark.parametrize("argv, words", [
    (["--out", ""], "--out: is empty"), (["--out="], "--out: is empty"), (["--n=--"], "--n: is empty"),
    (["--n", "99999999999999999999"], "--n 1e+20: expected a smaller number"), ([""], "FILE: is empty"),
    (["a", ""], "FILE: is empty"), (["--n", "-9" + "0" * 19], "--n -9e+19: expected a smaller number")])
def test_no_option_takes_an_empty_text_or_endless_digits(argv, words):
    parser = OneLineParser(prog="x")
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--n", type=int)
    assert vars(parser.parse_args(["--n", "-7", "a"])) == {"files": ["a"], "out": None, "n": -7}
    with pytest.raises(ValueError, match=re.escape(words)):
        parser.parse_args(argv)


def test_nothing_is_graded_for_an_empty_name(capsys):
    for argv in ([""], ["--class", ""], ["x", "--task", ""]):
        assert fails_by(lambda argv=argv: grade.main(argv)) == 2
        assert "is empty, expected a value" in capsys.readouterr().err


def fails_by(main):
    with pytest.raises(SystemExit) as stop:
        run(main)
    return stop.value.code


@pytest.mark.parametrize("error, words", [
    (MemoryError(), "error: not enough memory"),
    (RecursionError("maximum recursion depth"), "error: nested too deeply"),
    (RuntimeError("HDF5"), "error: HDF5"), (OverflowError("too long"), "error: too long"),
    (PermissionError(13, "Permission denied", "a/b"), "error: a/b: cannot be read or written: Permission denied"),
    (OSError(30, "Read-only file system", b"a"), "error: a: cannot be read or written: Read-only file system"),
    (OSError(28, "No space left on device", "a"), "error: a: No space left on device")])
def test_what_input_and_system_raise_is_a_line(error, words, capsys):
    assert fails_with(error) == 2 and capsys.readouterr().err == f"{words}\n"


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("odd"), AttributeError("odd"), AssertionError()])
def test_any_other_exception_is_a_fault_of_ours_and_says_where(error, capsys, monkeypatch):
    assert fails_with(error) == 70
    line = capsys.readouterr().err
    assert line.startswith(f"error: {type(error).__name__} at tests/scripts/commandline/test_command.py:")
    assert line.count("\n") == 1 and "RNNLAYERS_TRACEBACK=1" in line
    monkeypatch.setenv("RNNLAYERS_TRACEBACK", "1")
    assert fails_with(error) == 70 and "Traceback (most recent call last)" in capsys.readouterr().err


def test_so_it_is_in_gradcheck(capsys, monkeypatch):
    from gradcheck import __main__ as command

    def fails(arguments):
        raise KeyError("x")
    monkeypatch.setattr(command, "run", fails)
    assert command.main([]) == 70
    assert capsys.readouterr().err.startswith("gradcheck: KeyError, 'x': a fault in the program")
    for argv in (["--shapes", ""], ["--shapes=--"], [""]):
        with pytest.raises(SystemExit):
            command.main(argv)
        assert "is empty, expected a value" in capsys.readouterr().err


@pytest.mark.parametrize("number", [0, -1, 129, 10**9])
def test_a_number_of_threads_that_no_machine_has(number):
    with pytest.raises(ValueError, match=f"--threads {number}: expected at least 1, and at most 128"):
        set_threads(number)


def test_what_would_need_days_or_all_processes_is_refused():
    for name, most in MOST.items():
        check_least(Namespace(**{name: most}), **{name: 1})
        with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} {most + 1}: expected at most {most:,}"):
            check_least(Namespace(**{name: most + 1}), **{name: 1})
