"""Where compiled code is kept if the project's folder and the user's cache cannot be written."""
import importlib.util
import os
import stat
import tempfile

import numba
import pytest

from rnnlayers.engine import compiling

COMPILES = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
USER_IDS = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs user ids")
SOURCE = """
from rnnlayers.engine.compiling import compiled
@compiled(fastmath={"contract"})
def twice(x):
    return 2 * x
"""


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No cache can be written, by root neither: files stand in the places of the folders. -> the temporary folder"""
    blocked, temporary = tmp_path / "file", tmp_path / "tmp"
    blocked.touch()
    temporary.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(blocked))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    compiling.use_temporary_cache.cache_clear()
    yield temporary
    compiling.use_temporary_cache.cache_clear()


def installed(folder):
    """The function of a module whose folder's __pycache__ cannot be made."""
    folder.mkdir()
    (folder / "module.py").write_text(SOURCE)
    (folder / "__pycache__").touch()
    spec = importlib.util.spec_from_file_location("module", folder / "module.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.twice


@COMPILES
def test_a_read_only_place_gets_a_temporary_cache_and_one_line(nowhere, tmp_path, capsys):
    assert [installed(tmp_path / name)(4) for name in ("one", "two")] == [8, 8]
    line = capsys.readouterr().err
    folder, = nowhere.iterdir()
    assert line == (f"no folder for compiled kernels can be written, they are kept in {folder}: set NUMBA_CACHE_DIR to "
                    "a folder of yours\n")
    assert len(list(folder.rglob("*.nbc"))) == 2


@COMPILES
def test_without_any_place_every_process_compiles(nowhere, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert installed(tmp_path / "one")(4) == 8
    assert "compiled again by every process" in capsys.readouterr().err


@USER_IDS
def test_a_users_processes_share_a_folder_that_is_theirs_alone(nowhere):
    folder = compiling.private_folder()
    assert folder == str(nowhere / f"rnnlayers-numba-{os.geteuid()}") == compiling.private_folder()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


@USER_IDS
@pytest.mark.parametrize("plant", ["open to others", "of somebody else", "a link", "a file"])
def test_a_planted_folder_is_not_used(plant, nowhere, tmp_path, monkeypatch):
    """Who can write there could have code of theirs run."""
    folder = nowhere / f"rnnlayers-numba-{os.geteuid()}"
    (tmp_path / "theirs").mkdir(0o700)
    if plant == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif plant == "a link":
        folder.symlink_to(tmp_path / "theirs")
    elif plant == "a file":
        folder.touch()
    else:
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)
        (nowhere / f"rnnlayers-numba-{other}").mkdir(0o700)
    chosen = compiling.private_folder()
    assert os.path.dirname(chosen) == str(nowhere) and os.path.basename(chosen).count("-") == 2
    assert not chosen.endswith(f"-{os.geteuid()}") and stat.S_IMODE(os.stat(chosen).st_mode) == 0o700
