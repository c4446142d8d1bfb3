"""Feature files whose images have different numbers of regions, unusual types, and layouts against the attributes."""
import numpy as np
import pytest

from data.features import FeatureReader, PairReader, write_features
from tests.data.feature_files import ROWS, D, L, make, write

ALL = np.arange(ROWS)
COUNTS = np.array([1, L, *np.random.default_rng(0).integers(1, L + 1, ROWS - 2)])
REAL = np.arange(L) < COUNTS[:, None]                                        # (rows, L)


@pytest.fixture
def values(rng):
    """A grid (rows, L, D) in float32 with anything but zeros as padding."""
    values = make(rng, rank=3)
    values[~REAL] = rng.choice([np.nan, np.inf, -70.0], ((~REAL).sum(), D))
    return values


@pytest.mark.parametrize("budget", [0, 10**6])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_padding_has_no_share(tmp_path, values, put, dtype, budget):
    values = values.astype(dtype)
    path = put(write(tmp_path / "f.h5", values), {"regions": COUNTS.astype(np.uint8)})
    rows = np.array([3, 0, 1, 3, 22])
    grid, vector = FeatureReader(path, regions=True), FeatureReader(path)
    grid.preload(ALL, budget)
    vector.preload(ALL, budget)
    x, nothing, counts = grid[rows]
    assert nothing is None and x.dtype == np.float32 and counts.dtype == np.int64 and grid.shape == (ROWS, L, D)
    np.testing.assert_array_equal(counts, COUNTS[rows])
    np.testing.assert_array_equal(x, np.where(REAL[rows, :, None], values[rows], 0).astype(np.float32))

    means = np.array([image[:count].astype(float).mean(axis=0) for image, count in zip(values, COUNTS)])
    np.testing.assert_allclose(vector[rows], means[rows], rtol=1e-6)
    for reader, every in ((vector, means), (grid, values[REAL].astype(float))):
        mean, std = reader.statistics(ALL)
        np.testing.assert_allclose(mean, every.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(std, every.std(axis=0), rtol=1e-4)


def test_all_regions_real_are_the_numbers_without_regions(tmp_path, rng, put):
    values = make(rng, np.float16, 3)
    plain = write(tmp_path / "plain.h5", values)
    counted = put(write(tmp_path / "counted.h5", values), {"regions": np.full(ROWS, L)})
    assert FeatureReader(plain)[ALL].tobytes() == FeatureReader(counted)[ALL].tobytes()
    readers = [FeatureReader(path, regions=True) for path in (plain, counted)]
    assert readers[0][ALL].tobytes() == readers[1][ALL][0].tobytes()
    for ours, theirs in zip(*(reader.statistics(ALL) for reader in readers)):
        assert ours.tobytes() == theirs.tobytes()
    assert readers[0].fingerprint() != readers[1].fingerprint()


def test_a_pair_gives_three(tmp_path, values, rng, put):
    path = put(write(tmp_path / "f.h5", values), {"regions": COUNTS})
    pooled = rng.random((ROWS, 3), np.float32)
    write_features(tmp_path / "pooled.h5", pooled, [f"{row}.jpg" for row in ALL])
    grid, vector, counts = PairReader(FeatureReader(path, True), FeatureReader(tmp_path / "pooled.h5"))[[7, 2]]
    np.testing.assert_array_equal(grid, np.where(REAL[[7, 2], :, None], values[[7, 2]], 0))
    np.testing.assert_array_equal(vector, pooled[[7, 2]])
    np.testing.assert_array_equal(counts, COUNTS[[7, 2]])


def test_numbers_of_regions_change_the_fingerprint(tmp_path, values, put):
    path = put(write(tmp_path / "f.h5", values), {"regions": COUNTS})
    before = FeatureReader(path).fingerprint()
    counts = COUNTS.copy()
    counts[1] -= 1
    assert FeatureReader(put(path, {"regions": counts})).fingerprint() != before
    assert FeatureReader(put(path, {"regions": COUNTS.astype(">i2")})).fingerprint() == before


def test_a_broken_real_region_is_named(tmp_path, values, put, fails):
    values[5, 0, 2] = np.nan
    path = put(write(tmp_path / "f.h5", values), {"regions": COUNTS})
    for regions in (False, True):
        with fails(path, "row 5 of features has NaN"):
            FeatureReader(path, regions)[ALL]


@pytest.mark.parametrize("regions, part", [
    ([*COUNTS[:-1], 0], "row 22 of regions is 0, expected 1 to 5"),
    ([*COUNTS[:-2], 6, 0], "row 21 of regions is 6, expected 1 to 5"),
    (np.array([*COUNTS[:-1], 255], np.uint8), "row 22 of regions is 255"),
    ([-1, *COUNTS[1:]], "row 0 of regions is -1"),
    (COUNTS[:-1], "regions is int64 (22,), expected integers (23,)"),
    (COUNTS[:, None], "regions is int64 (23, 1)"),
    (COUNTS.astype(float), "regions is float64 (23,)"),
])
def test_numbers_of_regions_that_do_not_fit(tmp_path, values, put, regions, part, fails):
    path = put(write(tmp_path / "f.h5", values), {"regions": regions})
    with fails(path, part):
        FeatureReader(path)


def test_a_group_is_no_numbers_and_vectors_have_no_regions(tmp_path, values, put, fails, rng):
    with fails("regions is a group"):
        FeatureReader(put(write(tmp_path / "f.h5", values), {"regions/inside": COUNTS}))
    assert FeatureReader(put(write(tmp_path / "v.h5", make(rng)), {"regions": COUNTS})).counts is None


# --- types and notes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, noted", [("<f2", ""), (">f2", ""), (">f4", ""), ("<f8", "float64"), (">f8", "float64"),
                                          ("i1", "int8")])
@pytest.mark.parametrize("budget", [0, 10**6])
def test_numbers_of_any_type_and_byte_order(tmp_path, rng, dtype, noted, budget):
    values = (40 * rng.standard_normal((ROWS, L, D))).astype(dtype)
    path = write(tmp_path / "f.h5", values, "chunked")
    grid, vector = FeatureReader(path, regions=True), FeatureReader(path)
    assert grid.preload(ALL, budget) == (values.size * (2 if dtype in ("<f2", ">f2", "i1") else 4) if budget else 0)
    assert grid[ALL].dtype == np.float32 and grid[ALL].tobytes() == values.astype(np.float32).tobytes()
    np.testing.assert_allclose(vector[ALL], values.mean(axis=1, dtype=float), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(vector.statistics(ALL)[1], values.mean(axis=1, dtype=float).std(axis=0), rtol=1e-5)
    assert grid.notes() == ([f"{path}: features is {noted}, read as float32"] if noted else [])


def test_a_float64_beyond_float32_is_named(tmp_path, rng, fails):
    values = make(rng, np.float64)
    values[4, 1] = 1e39
    with fails("row 4 of features has NaN or infinity"):
        FeatureReader(write(tmp_path / "f.h5", values))[ALL]


def test_zeros_at_the_end_are_said(tmp_path, rng, put):
    values = make(rng, rank=3)
    values[~REAL] = 0
    values[3, 0] = 0                                                         # a real region may be zero, before others
    path = write(tmp_path / "f.h5", values)
    share = f"{100 * (~REAL).mean():.0f} %"
    assert share == "37 %"
    [note] = FeatureReader(path).notes()
    assert f"{path}: {share} of the regions are zero" in note and "python -m scripts.convert_features" in note
    assert FeatureReader(write(tmp_path / "g.h5", values, grid=[1, L])).notes() == []
    assert FeatureReader(put(path, {"regions": COUNTS})).notes() == []
    values[:, 0], values[~REAL] = 1, 1
    values[8, -1] = 0
    assert "1 % of the regions" in FeatureReader(write(tmp_path / "f.h5", values)).notes()[0]


def test_numbers_of_boxes_that_are_not_read_are_said(tmp_path, rng, put):
    path = put(write(tmp_path / "f.h5", make(rng, rank=3) + 9), {"num_boxes": COUNTS[:, None]})
    [note] = FeatureReader(path).notes()
    assert f"{path}: num_boxes is not read, all regions count" in note and "python -m scripts.convert_features" in note
    assert FeatureReader(put(path, {"regions": COUNTS})).notes() == []
    path = put(write(tmp_path / "g.h5", make(rng, rank=3) + 9), {"num_boxes": np.full(ROWS, L)})
    assert FeatureReader(path).notes() == []


# --- layouts against attributes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape, attributes, parts", [
    ((4, 320, 49), {"grid": [7, 7]}, ["(4, 320, 49)", "grid is (7, 7)", "expected 49 regions, (rows, 49, D)",
                                      "scripts.convert_features"]),
    ((4, 48, 3), {"grid": "7x7"}, ["expected 49 regions"]),
    ((4, 112, 7), {"grid": [7, 16], "input": "224x224 RGB, raw"}, ["out of proportion to the input, 224x224"]),
    ((4, 112, 7), {"grid": [16, 7], "input": "224x224 RGB, raw"}, ["grid is (16, 7), out of proportion"]),
])
def test_a_layout_against_its_attributes_is_refused(tmp_path, shape, attributes, parts, fails):
    path = write(tmp_path / "f.h5", np.ones(shape, np.float16), **attributes)
    with fails(path, *parts):
        FeatureReader(path)


@pytest.mark.parametrize("shape, attributes", [
    ((4, 112, 7), {"grid": [7, 16], "input": "512x224 RGB, raw"}),
    ((4, 112, 20), {"grid": [7, 16], "input": "9x9 RGB"}),
    ((4, 6, 7), {"grid": "unknown"}), ((4, 6), {"grid": [7, 7]}), ((4, 6, 2), {"grid": (2, 3)}),
])
def test_attributes_that_do_not_contradict(tmp_path, shape, attributes):
    assert FeatureReader(write(tmp_path / "f.h5", np.ones(shape, np.float16), **attributes)).file_shape == shape
