"""data/fingerprints.py: fingerprints of whole feature files, and when those that were kept are believed."""
import json
import os
import shutil
import time

import h5py
import numpy as np
import pytest

from data.features import FeatureReader, write_features
from data.fingerprints import CACHE, Fingerprints, feature_fingerprint, fingerprint, first_difference


@pytest.fixture
def file(tmp_path, rng):
    """A feature file of 70 rows that was written long ago."""
    write_features(tmp_path / "f.h5", rng.random((70, 5), np.float32), [f"{i}.jpg" for i in range(70)], layer="x")
    return aged(tmp_path / "f.h5")


def aged(path, seconds=1000.0):
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def change(path, row=33):
    with h5py.File(path, "a") as f:
        f["features"][row, 2] += 1


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 33, 64, 65, 1000])
def test_the_first_row_that_differs_is_in_the_block_that_is_named(rows):
    x = np.arange(rows)
    then = fingerprint(rows, lambda first, end: [x[first:end]])
    assert len(then["blocks"]) <= 8 * 32 and first_difference(then, then) is None
    for row in {0, rows // 2, rows - 1}:
        y = x.copy()
        y[row:] += 1
        now = fingerprint(rows, lambda first, end, y=y: [y[first:end]])
        first, last = first_difference(then, now)
        assert first <= row <= last < rows and last - first < max(1, 2 * rows / 32) and now["sha256"] != then["sha256"]
        shorter = fingerprint(row, lambda first, end: [x[first:end]])
        place = first_difference(then, shorter)              # what is left is the same, up to the block of the cut
        assert place is None or place[1] == row - 1


def test_every_number_counts_and_nothing_else(file, tmp_path, rng):
    first = feature_fingerprint(FeatureReader(file))
    with h5py.File(file) as f, h5py.File(tmp_path / "g.h5", "w") as g:
        for name in ("image_names", "features"):             # stored otherwise: in chunks and compressed
            g.create_dataset(name, data=f[name], chunks=(3, *f[name].shape[1:]), compression="gzip")
        g.attrs.update(f.attrs)
    assert feature_fingerprint(FeatureReader(tmp_path / "g.h5")) == first == json.loads(json.dumps(first))
    assert first["block"] == 2
    for row in (0, 1, 34, 69):
        change(file, row)
        now = feature_fingerprint(FeatureReader(file))
        assert first_difference(first, now) == (row // 2 * 2, row // 2 * 2 + 1) and now["form"] == first["form"]
        first = now


def test_broken_rows_are_found_and_padding_is_not_looked_at(tmp_path, rng, put):
    for dtype in (np.float16, np.float32, np.float64):
        x = rng.random((9, 4, 3)).astype(dtype)
        x[2, 3, 1], x[5, 0, 0], x[6, 2, 2] = np.nan, -np.inf, np.nan
        x[8, 3, 2] = 1e300 if dtype == np.float64 else np.inf           # beyond float32, as which features are read
        regions = np.array([4, 4, 3, 4, 4, 4, 3, 4, 4])
        path = put(tmp_path / f"{np.dtype(dtype)}.h5", {"features": x, "regions": regions})
        broken = []
        feature_fingerprint(FeatureReader(path), broken=broken)
        assert broken == [5, 6, 8]


def test_a_file_is_read_once(file, tmp_path, loads):
    known = Fingerprints(tmp_path)
    first = known.of(file)
    assert loads
    del loads[:]
    assert known.of(file) == Fingerprints(tmp_path).of(file) == first and not loads
    assert sorted(os.listdir(tmp_path)) == [CACHE, "f.h5"]
    assert json.loads((tmp_path / CACHE).read_text())["files"]["f.h5"]["fingerprint"] == first      # as its name says


@pytest.mark.parametrize("how", ["rewritten", "size", "time", "copied", "another"])
def test_a_file_that_has_changed_is_read_again(how, file, tmp_path, rng):
    known, times = Fingerprints(tmp_path), (file.stat().st_atime, file.stat().st_mtime)
    first = known.of(file)
    if how == "copied":                                      # put in place with the old time
        shutil.copy2(file, tmp_path / "new.h5")
        change(tmp_path / "new.h5")
        os.utime(tmp_path / "new.h5", times)
        os.replace(tmp_path / "new.h5", file)
    elif how == "size":
        write_features(file, rng.random((71, 5), np.float32), [f"{i}.jpg" for i in range(71)], layer="x")
        os.utime(file, times)
    else:
        change(file)
        if how == "rewritten" and os.name != "nt":           # Windows has no time of the last change of the metadata
            os.utime(file, times)
        elif how == "time":
            aged(file, 999)
    assert known.of(file) == feature_fingerprint(FeatureReader(file)) != first


@pytest.mark.parametrize("seconds", [0, -10_000])
def test_a_file_of_now_or_of_the_future_is_not_trusted(seconds, file, tmp_path, loads):
    """It could be written again within the same tick of the clock, or after the clock was set back."""
    aged(file, seconds)
    for _ in range(2):
        del loads[:]
        Fingerprints(tmp_path).of(file)
        assert loads and not (tmp_path / CACHE).exists()


@pytest.mark.parametrize("damage", [b"", b"x", b"{}", b"\xff" * 100, b'{"sha256": "x", "files": 3}', b"[" * 100_000,
                                    "cut", "flip", "list"])
def test_a_damaged_cache_is_read_as_none(damage, file, tmp_path):
    known, cache = Fingerprints(tmp_path), tmp_path / CACHE
    first = known.of(file)
    whole = cache.read_bytes()
    place = whole.index(first["sha256"].encode())
    cache.write_bytes({"cut": whole[:-7], "flip": whole[:place] + b"0123" + whole[place + 4:],
                       "list": b"[" + whole + b"]"}.get(damage, damage))
    assert known.of(file) == first and cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(file, tmp_path):
    (tmp_path / CACHE).mkdir()                               # as in a folder that is read-only, also for root
    assert Fingerprints(tmp_path).of(file) == feature_fingerprint(FeatureReader(file))


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no open files")
def test_a_file_that_is_replaced_while_it_is_read_is_not_kept(file, tmp_path):
    def meanwhile(blocks):
        yield from blocks
        os.replace(aged(shutil.copy(file, tmp_path / "new.h5")), file)
    Fingerprints(tmp_path).of(file, meanwhile)
    assert not (tmp_path / CACHE).exists()


def test_two_files_and_a_folder_that_moves(file, tmp_path, loads):
    (tmp_path / "data").mkdir()
    inside = aged(shutil.copy(file, tmp_path / "data" / "g.h5"))
    change(inside, 3)
    aged(inside)
    first = [Fingerprints(tmp_path / "data").of(path) for path in (file, inside)]
    os.rename(tmp_path / "data", tmp_path / "moved")
    del loads[:]
    assert [Fingerprints(tmp_path / "moved").of(path) for path in (file, tmp_path / "moved/g.h5")] == first
    assert not loads and first[0] != first[1]
