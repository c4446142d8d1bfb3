"""data/locks.py: one holder at a time, also after one was killed, and messages that say who it is."""
import multiprocessing
import os
import socket

import pytest

import data.locks
from data.locks import Lock


def hold(path, ready):
    """Hold the lock until killed."""
    with Lock(path, "taken"):
        ready.send("held")
        ready.recv()


def test_the_file_is_there_while_the_lock_is_held(tmp_path, fails):
    path = tmp_path / "x.lock"
    with Lock(path, "f.h5: taken") as lock:
        assert lock.works and path.exists()
        who = f"process {os.getpid()} on {socket.gethostname()} since 2"
        with fails(f"f.h5: taken ({who}", "): wait for it or stop it"):
            Lock(path, "f.h5: taken").__enter__()
        assert path.exists()
    assert not path.exists()
    with pytest.raises(KeyError), Lock(path, "taken"):
        raise KeyError
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff" * 9000])
def test_a_file_that_was_left_behind_means_nothing(content, tmp_path, fails):
    path = tmp_path / "x.lock"
    path.write_bytes(content)
    with Lock(path, "taken"):
        path.write_bytes(content)                        # the holder could not sign
        with fails("taken (a process that has not said who it is)"):
            Lock(path, "taken").__enter__()
    assert not path.exists()


def test_a_lock_ends_with_its_process(tmp_path, fails):
    context, path = multiprocessing.get_context("spawn"), tmp_path / "x.lock"
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(path, theirs))
    process.start()
    assert ours.poll(60) and ours.recv() == "held"
    with fails(f"process {process.pid} on "):
        Lock(path, "taken").__enter__()
    process.kill()
    process.join()
    assert path.exists()
    with Lock(path, "taken"):
        pass
    assert not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open files")
def test_a_file_that_its_holder_removes_in_the_meantime_is_made_anew(tmp_path, monkeypatch, fails):
    path, flock, calls = tmp_path / "x.lock", data.locks.fcntl.flock, []

    def later(*args):
        calls.append(args)
        if len(calls) == 1:
            path.unlink()                                # by the holder, between our opening and our locking it
        flock(*args)
    monkeypatch.setattr("data.locks.fcntl.flock", later)
    with Lock(path, "taken"):
        assert len(calls) == 2 and path.exists()
        with fails("taken (process"):
            Lock(path, "taken").__enter__()


def test_a_file_system_without_locks_is_known(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(37, "No locks available")
    monkeypatch.setattr("data.locks.fcntl.flock", none, raising=False)
    if os.name == "nt":
        monkeypatch.setattr("data.locks.msvcrt.locking", none)
    with Lock(tmp_path / "x.lock", "taken") as lock:
        assert not lock.works


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs O_NOFOLLOW")
def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    os.symlink(tmp_path / "mine.txt", tmp_path / "x.lock")
    with pytest.raises(OSError):
        Lock(tmp_path / "x.lock", "taken").__enter__()
    assert (tmp_path / "mine.txt").read_text() == "mine"
