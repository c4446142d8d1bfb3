import io

import h5py
import numpy as np
import pytest

from data import sealed
from data.sealed import new_sealed, open_sealed

X = np.arange(70, dtype=np.int16).reshape(10, 7)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(sealed, "_noted", set())
    buffer = io.BytesIO()
    with new_sealed(buffer, "odd") as f:
        f["x"] = X
    (tmp_path / "f.h5").write_bytes(buffer.getvalue())
    return tmp_path / "f.h5"


def read(path, kind="odd"):
    with open_sealed(path, kind, "do this") as f:
        return f["x"][()]


def test_a_sealed_file_is_an_hdf5_file_for_others(path):
    with h5py.File(path) as f:
        assert f.attrs["format"] == "rnnlayers odd 2" and f.userblock_size == 512
        np.testing.assert_array_equal(f["x"], X)
    np.testing.assert_array_equal(read(path), X)
    assert path.read_bytes().startswith(b"rnnlayers sha256 ")


def test_another_kind_and_a_later_format_are_named(path, monkeypatch):
    with pytest.raises(ValueError, match="its format is 'rnnlayers odd 2', expected 'rnnlayers even 2'"):
        read(path, "even")
    monkeypatch.setattr(sealed, "FORMAT", 3)
    with pytest.raises(ValueError, match="expected 'rnnlayers odd 3'"):
        read(path)


def copied(path, **attributes):
    """The same content without a digest."""
    with h5py.File(path) as f, h5py.File(path.with_name("copy.h5"), "w") as out:
        f.copy("x", out)
        out.attrs.update(attributes)
    return path.with_name("copy.h5")


def test_a_file_of_the_old_format_loads_with_a_line(path, capsys):
    old = copied(path)
    for _ in range(2):
        np.testing.assert_array_equal(read(old), X)
    assert capsys.readouterr().err == (f"note: {old} is of an old format without a digest, so damage may go unnoticed: "
                                       "do this\n")
    read(path)
    assert capsys.readouterr().err == ""


def test_a_file_whose_inside_says_that_it_has_a_digest_needs_it(path):
    without = copied(path, format="rnnlayers odd 2")
    with pytest.raises(ValueError, match="was written with a digest .* and has none"):
        read(without)


def test_a_file_that_lost_its_block_does_not_pass_as_an_old_one(path):
    with h5py.File(path, "a") as f:
        del f.attrs["format"]
    path.write_bytes(path.read_bytes()[512:])
    with h5py.File(path) as f:                      # HDF5 itself would not mind
        np.testing.assert_array_equal(f["x"], X)
    with pytest.raises(ValueError, match="no digest, and its HDF5 header is not of a whole file"):
        read(path)


def test_an_old_file_with_bytes_behind_it_or_cut_is_damaged(path, capsys):
    old = copied(path)
    content = old.read_bytes()
    for damaged in (content + b"\0", content[:-1]):
        old.write_bytes(damaged)
        with pytest.raises(ValueError, match="not of a whole file"):
            read(old)
    assert capsys.readouterr().err == ""
