"""data/features.py: rows, statistics and copies in memory against NumPy on whole arrays."""
import h5py
import numpy as np
import pytest

from data import features as module
from data.features import FeatureReader, check_same_kind, write_features
from tests.data.feature_files import LAYOUTS, NAMES, ROWS, D, L, expected, make, write

# --- reading rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_in_any_order_and_repeated(dtype, rank, layout, tmp_path, rng):
    values = make(rng, dtype, rank)
    reader = FeatureReader(write(tmp_path / "f.h5", values, layout))
    assert len(reader) == ROWS and reader.shape == (ROWS, D) and reader.file_shape == values.shape
    assert reader.dtype == dtype
    for rows in ([0], [22, 0, 22, 5, 4, 5], [3, 2, 1, 0], range(ROWS), rng.integers(0, ROWS, 60)):
        rows = np.array(rows)
        got = reader[rows]
        assert got.dtype == np.float32 and got.shape == (len(rows), D)
        if rank == 2:
            np.testing.assert_array_equal(got, values[rows])
        else:
            np.testing.assert_allclose(got, expected(values, rows), rtol=1e-6)


def test_a_grid_that_overflows_float16_as_a_sum_has_its_mean(tmp_path):
    values = np.full((3, L, D), 60_000, np.float16)
    np.testing.assert_array_equal(FeatureReader(write(tmp_path / "f.h5", values))[np.arange(3)], values[:, 0])


def test_one_row_no_row_and_rows_of_small_types(tmp_path, rng):
    values = make(rng, rows=300)
    with h5py.File(tmp_path / "f.h5", "w") as f:
        f.create_dataset("features", data=values, chunks=(300, D))
    reader = FeatureReader(tmp_path / "f.h5")
    np.testing.assert_array_equal(reader[4], values[4])
    assert reader[[]].shape == (0, D)
    for dtype in (np.uint8, np.int8, np.uint64):
        rows = np.array([100, 7, 100], dtype)
        np.testing.assert_array_equal(reader[rows], values[[100, 7, 100]])
        reader.preload(rows, 10**6)
        np.testing.assert_array_equal(reader[rows], values[[100, 7, 100]])


@pytest.mark.parametrize("rows, part", [
    ([0, ROWS], "rows 0..23 asked for, expected 0..22"),
    ([5, -1], "rows -1..5 asked for"),
    (np.array([2**63], np.uint64), "asked for"),
    ([0.0, 1.0], "rows float64 asked for, expected integers"),
    ([True] * ROWS, "rows bool asked for"),
])
def test_rows_that_there_are_not(tmp_path, rng, rows, part, fails):
    path = write(tmp_path / "f.h5", make(rng))
    reader = FeatureReader(path)
    for ask in (lambda: reader[rows], lambda: reader.preload(rows, 10**6), lambda: reader.statistics(rows)):
        with fails(path, part):
            ask()


def test_rows_of_a_chunk_are_read_together_and_no_others(tmp_path, rng, loads):
    values = make(rng)
    reader = FeatureReader(write(tmp_path / "f.h5", values, "compressed"))
    np.testing.assert_array_equal(reader[np.array([9, 5, 22, 6, 8, 6])], values[[9, 5, 22, 6, 8, 6]])
    assert loads == [(5, 6), (8, 9), (22, 22)]


def test_memory_is_bounded_however_large_the_chunks(tmp_path, rng, loads, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 3 * D * 4 + 1)
    values = make(rng)
    reader = FeatureReader(write(tmp_path / "f.h5", values, "columns"))
    np.testing.assert_array_equal(reader[np.arange(ROWS)], values)
    assert max(last - first + 1 for first, last in loads) == 3
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(FeatureReader(tmp_path / "f.h5")[np.arange(ROWS)], values)


def test_what_was_read_is_the_callers(tmp_path, rng):
    values = make(rng)
    reader = FeatureReader(write(tmp_path / "f.h5", values))
    reader.preload(np.arange(ROWS), 10**6)
    for _ in range(2):
        got = reader[np.array([3, 4])]
        np.testing.assert_array_equal(got, values[3:5])
        got[:] = 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_nan_and_infinity_are_named_by_row_when_that_row_is_read(tmp_path, rng, dtype, rank, bad, fails):
    values = make(rng, dtype, rank)
    values[6, ..., -1].flat[-1] = bad
    values[17, ..., 0].flat[0] = bad
    path = write(tmp_path / "f.h5", values, "chunked")
    reader = FeatureReader(path)
    fine = np.array([5, 7, 4, 16, 18])
    np.testing.assert_allclose(reader[fine], expected(values, fine), rtol=1e-6)
    reader.statistics(fine)
    for rows, row in (([20, 6], 6), ([17, 4], 17), (range(ROWS), 6)):
        with fails(path, f"row {row} of features has NaN or infinity", "extract that image's features again"):
            reader[np.array(rows)]
        with fails(f"row {row} "):
            reader.statistics(np.array(rows))
        with fails(f"row {row} "):
            reader.preload(np.array(rows), 10**6)
    np.testing.assert_allclose(reader[fine], expected(values, fine), rtol=1e-6)


def test_infinities_of_both_signs_in_one_image(tmp_path, rng, fails):
    values = make(rng, rank=3)
    values[2, 0, 3], values[2, 4, 3] = np.inf, -np.inf
    with fails("row 2 "):
        FeatureReader(write(tmp_path / "f.h5", values))[np.arange(ROWS)]


# --- rows in memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_in_memory_are_those_on_disk(tmp_path, rng, dtype, rank, layout, loads):
    path = write(tmp_path / "f.h5", make(rng, dtype, rank), layout)
    kept = np.array([20, 3, 4, 3, 11, 20, 0])
    size = 5 * D * 4                                                         # distinct rows, as float32
    streaming, small, large = (FeatureReader(path) for _ in range(3))
    assert small.preload(kept, size - 1) == 0 and not loads
    assert large.preload(kept, size) == size and loads
    loads.clear()
    for rows in (kept, kept[::-1], kept[:1]):
        got = large[rows]
        assert not loads and got.dtype == np.float32
        assert got.tobytes() == streaming[rows].tobytes() == small[rows].tobytes()
        loads.clear()
    rows = np.array([0, 1, 20, 22])                                          # some in memory, some not
    assert large[rows].tobytes() == streaming[rows].tobytes() and loads
    for get, reader in ((large.statistics, streaming), (small.statistics, streaming)):
        for ours, theirs in zip(get(kept), reader.statistics(kept)):
            assert ours.tobytes() == theirs.tobytes()


def test_preloading_again_forgets_what_was_kept(tmp_path, rng):
    values = make(rng)
    reader = FeatureReader(write(tmp_path / "f.h5", values))
    reader.preload(np.arange(10), 10**6)
    assert reader.preload([15, 12], 10**6) == 2 * D * 4
    for rows in (np.arange(10), np.array([12, 15]), np.arange(ROWS)):
        np.testing.assert_array_equal(reader[rows], values[rows])
    assert reader.preload(np.arange(ROWS), 10) == 0
    np.testing.assert_array_equal(reader[np.arange(ROWS)], values)


# --- statistics --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_statistics_are_numpys(tmp_path, rng, dtype, rank):
    values = make(rng, dtype, rank, rows=600)
    reader = FeatureReader(write(tmp_path / "f.h5", values))
    for rows in (np.arange(600), np.array([5, 3, 5, 5, 599]), rng.integers(0, 600, 900)):
        chosen = expected(values, np.unique(rows))
        mean, std = reader.statistics(rows)
        assert mean.dtype == std.dtype == np.float32 and mean.shape == std.shape == (D,)
        np.testing.assert_allclose(mean, chosen.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(std, chosen.std(axis=0), rtol=1e-5)


def test_statistics_of_constant_huge_and_tiny_features(tmp_path, rng):
    noise = rng.standard_normal(1500)
    columns = {"zero": 0 * noise, "constant": 0 * noise + 0.1, "huge constant": 0 * noise + 123_456_789.0,
               "negative constant": 0 * noise - 7e12, "offset": 1e4 + 0.1 * noise, "huge": 1e30 * noise,
               "tiny": 1e-20 * noise, "one hot": np.eye(1500)[0]}
    constants = np.tile(100 * rng.standard_normal(60), (1500, 1))                 # sums of some of these are rounded
    values = np.column_stack([*columns.values(), constants]).astype(np.float32)
    reader = FeatureReader(write(tmp_path / "f.h5", values))
    mean, std = reader.statistics(np.arange(1500))
    exact = values.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-5, atol=1e-30)
    assert std[:4].tolist() == [1] * 4
    np.testing.assert_allclose(std[4:8], exact.std(axis=0)[4:8], rtol=1e-4)
    assert std[8:].tolist() == [1] * 60
    assert np.isfinite((values - mean) / std).all()


def test_statistics_of_one_image(tmp_path, rng):
    values = make(rng)
    mean, std = FeatureReader(write(tmp_path / "f.h5", values)).statistics(np.array([4, 4]))
    np.testing.assert_array_equal(mean, values[4])
    assert std.tolist() == [1] * D


def test_statistics_on_disk_use_a_part_and_in_memory_all(tmp_path, rng, loads):
    values = make(rng)
    reader = FeatureReader(write(tmp_path / "f.h5", values))
    rows = np.arange(2, 23)
    for limit, used in ((5, [2, 7, 12, 17, 22]), (21, rows), (1, [2])):
        loads.clear()
        mean, std = reader.statistics(rows, limit)
        assert sorted({first for first, _ in loads}) == list(used)
        np.testing.assert_allclose(mean, values[used].mean(axis=0, dtype=float), rtol=1e-6)
        if limit > 1:
            np.testing.assert_allclose(std, values[used].std(axis=0, dtype=float), rtol=1e-5)
    reader.preload(rows, 10**6)
    mean, std = reader.statistics(rows, limit=5)
    np.testing.assert_allclose(mean, values[rows].mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(std, values[rows].std(axis=0, dtype=float), rtol=1e-5)


# --- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_is_written_is_what_is_read(tmp_path, rng, dtype, rank):
    values = make(rng, dtype, rank)
    write_features(tmp_path / "f.h5", values, NAMES, model="m", layer="l")
    reader = FeatureReader(tmp_path / "f.h5")
    assert reader.file_shape == values.shape and reader.dtype == dtype
    assert reader.image_names() == NAMES and reader.attributes() == {"model": "m", "layer": "l"}
    np.testing.assert_allclose(reader[np.arange(ROWS)], expected(values, np.arange(ROWS)), rtol=1e-6)


@pytest.mark.parametrize("key", ["model_sha256", "onnx_output", "input", "resize"])
def test_splits_have_to_be_encoded_in_one_way(key, tmp_path, rng, fails):
    values = rng.random((ROWS, D), np.float32)
    readers = {split: FeatureReader(write(tmp_path / f"{split}.h5", values, **{key: split})) for split in ("a", "b")}
    with fails(f"{key} b, but", f"has {key} a"):
        check_same_kind(readers)
