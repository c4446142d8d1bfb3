"""One run folder, one process: a second one says who trains there, and touches nothing."""
import contextlib
import os
import shutil

import pytest

from scripts import train
from scripts.runs.folders import LOCK, hold_run, new_run
from tests.scripts.runs.small_run import FAST, call_train


@pytest.fixture
def live(done, tmp_path):
    """A run folder as another process has it in the middle of a write."""
    folder = shutil.copytree(done, tmp_path / "run")
    (folder / ".last.h5.abc.part").write_bytes(b"half")
    with contextlib.ExitStack() as held:
        hold_run(folder, held)
        yield folder, held


def state(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


LINK = pytest.param(["--resume", "{run}/../link"], marks=pytest.mark.skipif(os.name == "nt", reason="no links"))


@pytest.mark.parametrize("argv", [["--resume", "{run}"], ["--resume", "{run}/last.h5"], LINK, ["--out", "{run}"]])
def test_a_second_process_says_who_trains_there_and_touches_nothing(argv, live, small_scenes, capsys):
    folder, held = live
    if any("link" in a for a in argv):
        os.symlink(folder, folder.parent / "link")
    argv = [a.format(run=folder) for a in argv] + ([] if "--resume" in argv else ["--data", small_scenes, *FAST])
    before = state(folder)
    assert call_train(*argv) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "another process trains in it, nothing was touched (process" in said
    assert f"(process {os.getpid()} on " in said and said.endswith("): wait for it or stop it\n")
    assert state(folder) == before
    held.close()
    if "--resume" in argv:
        assert call_train(*argv) == 0
        assert sorted(path.name for path in folder.iterdir()) == sorted(set(before) - {".last.h5.abc.part", LOCK})
    else:
        assert call_train(*argv) == 2 and "holds another run or other files" in capsys.readouterr().err


def test_a_run_that_has_written_nothing_yet_has_its_folder(tmp_path, small_scenes, capsys):
    with contextlib.ExitStack() as held:
        new_run(tmp_path / "new", "x", held)
        (tmp_path / "new" / ".last.h5.abc.part").write_bytes(b"half")
        assert call_train("--data", small_scenes, "--out", tmp_path / "new", *FAST) == 2
        assert "another process trains in it" in capsys.readouterr().err
        assert (tmp_path / "new" / ".last.h5.abc.part").exists()
    assert call_train("--data", small_scenes, "--out", tmp_path / "new", *FAST) == 0
    assert not list((tmp_path / "new").glob(".*"))


def test_the_lock_is_held_to_the_end_and_gone_after_a_failure(tmp_path, small_scenes, monkeypatch, capsys):
    seen = []

    def look(folder):
        seen.append(call_train("--resume", folder))
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(train, "train", lambda solver, files: look(files.folder))
    assert call_train("--data", small_scenes, "--out", tmp_path / "run", *FAST) == 2
    assert seen == [2] and "No space left" in capsys.readouterr().err
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("data.locks.Lock._take", lambda lock: setattr(lock, "works", False))
    with contextlib.ExitStack() as held:
        new_run(tmp_path / "run", "x", held)
    assert "this file system has no locks" in capsys.readouterr().out
