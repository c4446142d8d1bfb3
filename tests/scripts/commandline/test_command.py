"""How commands end: one line for an error, of a bounded length."""
import pytest

import gradcheck.__main__
from scripts import extract_features, grade, pack_submission
from scripts.commandline import image_model
from scripts.commandline.command import LONGEST, one_line, run
from scripts.commandline.image_model import noting_errors
from scripts.commandline.parser import Parser

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
