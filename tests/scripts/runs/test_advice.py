"""What training says of its folder: what is there, what is missing, and what to do after a failure."""
import os
import shutil

from tests.scripts.runs.small_run import FAST, call_train


def test_a_disk_that_is_full_from_the_start(small_scenes, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert call_train("--data", small_scenes, "--out", tmp_path / "run", *FAST) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'run'}: No space left on device; nothing was written: make room, then start it again, "
        f"with --out {tmp_path / 'run'}\n")
    assert call_train("--data", small_scenes, "--out", tmp_path / "run", *FAST) == 0


def test_only_files_that_are_there_are_named(done, tmp_path, capsys):
    folder = shutil.copytree(done, tmp_path / "run")
    assert call_train("--resume", folder) == 0
    said = capsys.readouterr().out
    assert f"done: {folder} has best.h5, last.h5, history.csv, curves.png, samples.png\n" in said
    assert "missing" not in said
    (folder / "best.h5").unlink()
    assert call_train("--resume", folder) == 0
    said = capsys.readouterr().out
    assert f"done: {folder} has last.h5, history.csv, curves.png, samples.png\n" in said
    assert said.startswith(f"note: {folder}: best.h5, the weights of epoch 1, is missing: last.h5 is used instead")


def test_going_on_is_advised_where_there_is_a_run(done, small_scenes, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "file", tmp_path / "folder" / "note.txt"):
        file.write_text("mine")
    for out, words in ((tmp_path / "file", "is a file, expected a folder; nothing was written: choose another --out"),
                       (tmp_path / "folder", "holds another run or other files; nothing was written: choose another "
                        "--out"),
                       (done, "holds another run or other files; nothing was written: choose another --out, or go on "
                        f"with it by --resume {done}")):
        assert call_train("--data", small_scenes, "--out", out, *FAST) == 2
        assert capsys.readouterr().err == f"error: {out}: {words}\n"
