import os
import signal

import h5py
import numpy as np
import pytest

from data import looking
from data.files import read_hdf5
from data.looking import check_storage, look_at


@pytest.fixture
def fine(tmp_path):
    with h5py.File(tmp_path / "fine.h5", "w") as f:
        f["x"] = np.arange(5)
    return tmp_path / "fine.h5"


def looker():
    return looking._lookers[os.getpid()]._process


def test_a_file_that_hangs_its_reader_is_one_line_and_the_next_file_is_looked_at(tmp_path, fine, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("a file that hangs is made with a named pipe")
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "hangs.h5", "w") as f:
        f["x"] = h5py.ExternalLink(str(tmp_path / "pipe"), "x")
    look_at(fine)
    monkeypatch.setattr(looking, "SECONDS", 0.3)
    for _ in range(2):
        with pytest.raises(ValueError, match="hangs.h5: expected an HDF5 file.* did not end within"):
            read_hdf5(tmp_path / "hangs.h5")
    monkeypatch.undo()
    assert read_hdf5(fine)["x"].tolist() == [0, 1, 2, 3, 4]


def test_a_file_that_crashes_its_reader_is_one_line(tmp_path, fine, monkeypatch):
    script = tmp_path / "look.py"
    script.write_text("import os, sys\nfor line in sys.stdin:\n"
                      "    if 'crash' in line: os.abort()\n    print(flush=True)\n")
    monkeypatch.setattr(looking, "__file__", str(tmp_path / "looking.py"))
    monkeypatch.setattr(looking, "_lookers", {})
    fine.rename(tmp_path / "crash.h5")
    with pytest.raises(ValueError, match="crash.h5: expected an HDF5 file, found a damaged one: HDF5 crashed on it"):
        look_at(tmp_path / "crash.h5")
    assert not looking._lookers


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_was_ended_from_outside_is_no_fault_of_the_file(how, fine, tmp_path):
    look_at(fine)
    before = looker()
    before.send_signal(how)
    if how == signal.SIGTERM:
        before.wait()
    fine.rename(tmp_path / "other.h5")
    look_at(tmp_path / "other.h5")
    assert (looker().pid == before.pid) == (how == signal.SIGINT)           # Ctrl-C does not end it


def test_a_file_is_looked_at_once_until_it_changes(fine, monkeypatch):
    asked, answers = [], looking.Looker.answers
    monkeypatch.setattr(looking.Looker, "answers", lambda self, path, seconds: asked.append(path) or answers(
        self, path, seconds))
    for _ in range(3):
        look_at(fine)
    once = asked.count(str(fine))
    with h5py.File(fine, "a") as f:
        f["y"] = np.arange(99)
    look_at(fine)
    assert (once, asked.count(str(fine))) == (1, 2)


@pytest.mark.parametrize("options", [{}, {"chunks": (1000, 10), "compression": "gzip"}])
def test_claimed_sizes_need_storage(tmp_path, options):
    with h5py.File(tmp_path / "f.h5", "w") as f:
        f.create_dataset("zeros", data=np.zeros((10**6, 5)), compression="gzip")
        f.create_dataset("claims", (10**9, 500), np.float32, **options)
        check_storage(f["zeros"])
        with pytest.raises(ValueError, match="/claims claims 2,000,000,000,000 bytes"):
            check_storage(f["claims"])
    with pytest.raises(ValueError, match="f.h5: /claims claims"):
        read_hdf5(tmp_path / "f.h5")


def test_virtual_data_that_is_nowhere_is_refused(tmp_path):
    layout = h5py.VirtualLayout((10**9, 500), "f4")
    layout[:5] = h5py.VirtualSource(str(tmp_path / "none.h5"), "x", (5, 500))
    with h5py.File(tmp_path / "f.h5", "w") as f:
        f.create_virtual_dataset("features", layout)
    with pytest.raises(ValueError, match="f.h5: /features claims"):
        read_hdf5(tmp_path / "f.h5")
