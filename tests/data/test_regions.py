"""Features of regions: grids kept in the file's dtype, pairs with pooled features, damaged rows."""
import json

import h5py
import numpy as np
import pytest

from data.dataset import check_identity, open_dataset
from data.features import FeatureReader, PairReader, write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source

ROWS, L, D, P = 6, 4, 3, 7
NAMES = [f"{i}.jpg" for i in range(ROWS)]


@pytest.fixture
def files(tmp_path, rng):
    grid = rng.standard_normal((ROWS, L, D)).astype(np.float16)
    pooled = rng.standard_normal((ROWS, P)).astype(np.float32)
    write_features(tmp_path / "grid.h5", grid, NAMES, model="m")
    write_features(tmp_path / "pooled.h5", pooled, NAMES, model="m")
    return tmp_path, grid, pooled


@pytest.mark.parametrize("budget", [0, 10**6])
def test_regions_from_disk_and_from_memory(budget, files, rng):
    folder, grid, _ = files
    reader = FeatureReader(folder / "grid.h5", regions=True)
    used = reader.preload(np.arange(ROWS), budget)
    assert used == (ROWS * L * D * 2 if budget else 0)                  # float16 stays float16
    rows = rng.integers(0, ROWS, 11)
    x = reader[rows]
    assert x.dtype == np.float32 and reader.shape == (ROWS, L, D) and reader.in_memory(rows) == bool(budget)
    np.testing.assert_array_equal(x, grid[rows].astype(np.float32))
    mean, std = reader.statistics(np.arange(ROWS))
    flat = grid.astype(float).reshape(-1, D)
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(std, flat.std(axis=0), rtol=1e-4)


def test_a_pair_reads_both(files):
    folder, grid, pooled = files
    pair = PairReader(FeatureReader(folder / "grid.h5", regions=True), FeatureReader(folder / "pooled.h5"))
    for budget, memory in ((0, False), (ROWS * P * 4, False), (10**6, True)):
        assert pair.preload(np.arange(ROWS), budget) <= budget and pair.in_memory(np.arange(ROWS)) == memory
        one, two = pair[np.array([4, 1])]
        np.testing.assert_array_equal(one, grid[[4, 1]].astype(np.float32))
        np.testing.assert_array_equal(two, pooled[[4, 1]])
    assert len(pair) == ROWS and pair.image_names() == NAMES
    write_features(folder / "short.h5", pooled[:2], NAMES[:2])
    with pytest.raises(ValueError, match="short.h5: has 2 rows, expected 6 as in"):
        PairReader(pair.grid, FeatureReader(folder / "short.h5"))


def test_vectors_are_no_grid(files):
    with pytest.raises(ValueError, match=r"pooled.h5: features is \(6, 7\), one vector an image, expected a grid"):
        FeatureReader(files[0] / "pooled.h5", regions=True)


def test_a_broken_row_is_named(files):
    folder, *_ = files
    with h5py.File(folder / "grid.h5", "a") as f:
        f["features"][4, 2, 1] = np.nan
    reader = FeatureReader(folder / "grid.h5", regions=True)
    reader[np.array([1, 3])]
    with pytest.raises(ValueError, match="row 4 of features has NaN"):
        reader[np.array([1, 4])]


@pytest.mark.parametrize("size", [0.5, 0.9])
def test_a_damaged_chunk_names_its_row(size, tmp_path, rng):
    """A compressed chunk with other bytes in it cannot be read: the message says which row."""
    path = tmp_path / "grid.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("features", data=rng.standard_normal((ROWS, 49, 30)).astype(np.float16), chunks=(1, 49, 30),
                         compression="gzip")
        place = f["features"].id.get_chunk_info(3)
    whole = bytearray(path.read_bytes())
    start = place.byte_offset + int(size * place.size)
    whole[start:start + 60] = bytes(60)
    path.write_bytes(whole)
    reader = FeatureReader(path, regions=True)
    reader[np.array([0, 1, 2, 4])]
    with pytest.raises(ValueError, match=r"grid.h5: row(s)? 3"):
        reader[np.array([2, 3, 4])]


@pytest.fixture
def dataset(files):
    folder, *_ = files
    captions = {"train": {name: ["a dog", "the dog runs"] for name in NAMES[:4]}, "val": {NAMES[5]: ["a dog"]}}
    for name, pooled in (("both", folder / "pooled.h5"), ("grid", None)):
        with new_folder(folder / name) as new:
            write_dataset(new, Source("tiny", captions, {}), dict.fromkeys(captions, folder / "grid.h5"),
                          pooled and dict.fromkeys(captions, pooled), min_count=1)
    return folder


@pytest.mark.parametrize("name, look, shape", [
    ("both", "vector", (ROWS, P)), ("both", "grid", (ROWS, L, D)), ("both", "both", (ROWS, L, D)),
    ("grid", "vector", (ROWS, D)), ("grid", "grid", (ROWS, L, D)), ("grid", "both", (ROWS, L, D)),
])
def test_what_a_dataset_is_opened_as(name, look, shape, dataset):
    opened = open_dataset(dataset / name, look)
    assert opened.features["train"].shape == shape
    assert isinstance(opened.features["train"], PairReader) == (name == "both" and look == "both")
    check_identity(opened.identity(), open_dataset(dataset / name, look))


def test_other_pooled_features_are_another_identity(dataset, rng):
    then = json.loads(json.dumps(open_dataset(dataset / "both", "both").identity()))
    with pytest.raises(ValueError, match="not the features the checkpoint was trained with"):
        check_identity(then, open_dataset(dataset / "both", "grid"))
