"""data/features.py against NumPy on whole arrays, and against feature files that are wrong in every way known."""
import os
import shutil

import h5py
import numpy as np
import pytest

from data import features as module
from data.features import FeatureReader, check_same_kind, write_features

ROWS, L, D = 23, 5, 7
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": 4},
    "compressed": {"chunks": 4, "compression": "gzip"},
    "one row a chunk": {"chunks": 1, "compression": "lzf"},
    "columns": {"chunks": ROWS, "columns": 2, "compression": "gzip"},
}
NAMES = [f"bild_{i}_ü.jpg" for i in range(ROWS)]


def make(rng, dtype=np.float32, rank=2, rows=ROWS):
    return (3 + rng.standard_normal((rows, L, D) if rank == 3 else (rows, D))).astype(dtype)


def write(path, values, layout="contiguous", names=None, **attributes):
    options = dict(LAYOUTS[layout])
    if options:
        options["chunks"] = (options["chunks"], *values.shape[1:-1], options.pop("columns", values.shape[-1]))
    with h5py.File(path, "w") as f:
        f.create_dataset("features", data=values, **options)
        if names is not None:
            f["image_names"] = names
        f.attrs.update(attributes)
    return path


def expected(values, rows):
    values = values[rows].astype(np.float64)
    return values.mean(axis=-2) if values.ndim == 3 else values


@pytest.fixture
def loads(monkeypatch):
    """The first and last rows of each piece that any reader has read."""
    pieces, load = [], FeatureReader._load

    def spy(self, first, last):
        pieces.append((int(first), int(last)))
        return load(self, first, last)
    monkeypatch.setattr(FeatureReader, "_load", spy)
    return pieces


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


# --- files that are none -----------------------------------------------------------------------------------------


def test_a_missing_file_or_a_folder(tmp_path, fails):
    for path in (tmp_path / "none.h5", tmp_path, ""):
        with fails(path, "no such feature file", error=FileNotFoundError):
            FeatureReader(path)


@pytest.mark.parametrize("content", [b"", b"features, image_names\n1.0, a.jpg\n", b"\x89HDF\r\n\x1a\n"])
def test_a_file_of_another_kind(tmp_path, content, fails):
    (tmp_path / "f.h5").write_bytes(content)
    with fails(tmp_path / "f.h5", "not an HDF5 file"):
        FeatureReader(tmp_path / "f.h5")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_truncated_file(tmp_path, rng, layout, share, fails):
    whole = write(tmp_path / "whole.h5", make(rng, rank=3), layout, NAMES).read_bytes()
    (tmp_path / "f.h5").write_bytes(whole[:int(share * len(whole))])
    with fails(tmp_path / "f.h5", "truncated" if share > 0.1 else "not an HDF5 file"):
        FeatureReader(tmp_path / "f.h5")


FINE = np.ones((4, 3), np.float32)


@pytest.mark.parametrize("datasets, parts", [
    ({}, ["no dataset 'features'", "found nothing"]),
    ({"feature": FINE, "names": [b"a"]}, ["no dataset 'features'", "found feature, names"]),
    ({"features/inside": FINE}, ["no dataset 'features'"]),
    ({"features": FINE.astype(np.float64)}, ["float64 (4, 3)", "expected float16 or float32"]),
    ({"features": FINE.astype(np.int32)}, ["int32 (4, 3)"]),
    ({"features": FINE.astype(np.complex64)}, ["complex64 (4, 3)"]),
    ({"features": FINE.astype(">f4")}, [">f4 (4, 3)"]),
    ({"features": [b"a", b"b"]}, ["(2,)"]),
    ({"features": np.zeros(3, [("x", np.float32), ("y", np.float32)])}, ["(3,)"]),
    ({"features": FINE[0]}, ["float32 (3,)", "(rows, D) or (rows, L, D)"]),
    ({"features": np.float32(1)}, ["float32 ()"]),
    ({"features": FINE[None, None]}, ["float32 (1, 1, 4, 3)"]),
    ({"features": FINE[:0]}, ["float32 (0, 3)", "at least one row"]),
    ({"features": FINE[:, :0]}, ["float32 (4, 0)"]),
    ({"features": FINE[:, None][:, :0]}, ["float32 (4, 0, 3)"]),
    ({"features": h5py.Empty("f4")}, ["float32 None"]),
    ({"features": h5py.SoftLink("/nowhere")}, ["no dataset 'features'"]),
    ({"features": h5py.ExternalLink("nowhere.h5", "features")}, ["no dataset 'features'"]),
])
def test_features_that_are_missing_or_of_another_form(tmp_path, put, datasets, parts, fails):
    path = put(tmp_path / "f.h5", datasets)
    with fails(path, *parts):
        FeatureReader(path)


def test_types_that_numpy_has_not(tmp_path, rng, fails):
    with h5py.File(tmp_path / "f.h5", "w") as f:
        h5py.h5d.create(f.id, b"features", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((4, 3)))
    with fails(tmp_path / "f.h5", "No NumPy equivalent"):
        FeatureReader(tmp_path / "f.h5")
    with h5py.File(write(tmp_path / "g.h5", make(rng)), "a") as f:
        h5py.h5a.create(f.id, b"odd", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((1,)))
    with fails(tmp_path / "g.h5", "No NumPy equivalent"):
        FeatureReader(tmp_path / "g.h5").attributes()


def test_dataset_names_that_are_no_text(tmp_path, fails):
    with h5py.File(tmp_path / "f.h5", "w") as f:
        h5py.h5d.create(f.id, b"\xff", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4, 3)))
    with fails(tmp_path / "f.h5", "no dataset 'features'", "xff"):
        FeatureReader(tmp_path / "f.h5")


def damage_chunk(path, number):
    """Overwrite a compressed chunk of features."""
    with h5py.File(path) as f:
        place = f["features"].id.get_chunk_info(number)
    with open(path, "r+b") as file:
        file.seek(place.byte_offset)
        file.write(b"\xff" * place.size)


def test_a_damaged_chunk_is_named_when_it_is_read(tmp_path, rng, fails):
    values = make(rng)
    path = write(tmp_path / "f.h5", values, "compressed")
    damage_chunk(path, 2)                                                    # rows 8..11
    reader = FeatureReader(path)
    rows = np.array([12, 0, 7])
    np.testing.assert_array_equal(reader[rows], values[rows])
    for ask in (lambda: reader[np.array([10, 3, 9])], lambda: reader.preload([9, 10], 10**6)):
        with fails(path, "rows 9..10", "damaged"):
            ask()
    with fails(path, "damaged"):                                             # row 8 is among the 16 of the fingerprint
        reader.fingerprint()


# --- names and attributes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, lambda names: np.array(names, h5py.string_dtype()),
                                  lambda names: np.char.encode(names, "utf-8")])
def test_names_of_any_string_type(tmp_path, rng, form):
    reader = FeatureReader(write(tmp_path / "f.h5", make(rng), names=form(NAMES)))
    assert reader.image_names() == NAMES


def test_a_file_without_names(tmp_path, rng):
    reader = FeatureReader(write(tmp_path / "f.h5", make(rng)))
    assert reader.image_names() is None
    assert len(reader.fingerprint()) == 64


@pytest.mark.parametrize("names, parts", [
    (NAMES[:-1], ["image_names is (22,), expected (23,)"]),
    ([*NAMES, "more.jpg"], ["image_names is (24,), expected (23,)"]),
    ([NAMES], ["image_names is (1, 23), expected (23,)"]),
    ("a.jpg", ["image_names is ()"]),
    (7, ["image_names is ()"]),
    ([*NAMES[:-1], NAMES[3]], [f"{NAMES[3]!r} occurs twice", "one row an image"]),
    (np.array([b"a\xff%d" % i for i in range(ROWS)]), ["utf-8"]),
    (h5py.Empty("f4"), ["image_names is None"]),
])
def test_names_that_do_not_fit(tmp_path, rng, names, parts, fails):
    path = write(tmp_path / "f.h5", make(rng), names=names)
    reader = FeatureReader(path)
    for ask in (reader.image_names, reader.fingerprint):
        with fails(path, *parts):
            ask()


def test_names_that_are_a_group(tmp_path, rng, put, fails):
    path = put(write(tmp_path / "f.h5", make(rng)), {"image_names/inside": [1]})
    with fails(path, "image_names is a group"):
        FeatureReader(path).image_names()


def test_attributes_are_strings_whatever_the_print_options(tmp_path, rng):
    grid, mean = np.array([7, 7], np.int32), np.array([0.123456789, 100.5])
    path = write(tmp_path / "f.h5", make(rng), model="mobilenet", grid=grid, mean=mean, step=np.float32(0.125), n=3)
    reader = FeatureReader(path)
    attributes, fingerprint = reader.attributes(), reader.fingerprint()
    assert attributes == {
        "grid": "[7, 7]", "mean": "[0.123456789, 100.5]", "model": "mobilenet", "n": "3", "step": "0.125"}
    with np.printoptions(precision=2, threshold=1, legacy="1.13"):
        assert reader.attributes() == attributes and reader.fingerprint() == fingerprint


# --- fingerprints ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [2, 3])
def test_a_fingerprint_is_the_contents_wherever_the_file_is(tmp_path, rng, rank):
    values = make(rng, np.float16, rank)
    path = write(tmp_path / "f.h5", values, names=NAMES, model="m", layer="l")
    fingerprint = FeatureReader(path).fingerprint()
    assert len(fingerprint) == 64 and int(fingerprint, 16)
    assert FeatureReader(path).fingerprint() == fingerprint
    shutil.copy(path, tmp_path / "copy.h5")
    os.utime(tmp_path / "copy.h5", (1, 1))
    os.renames(path, tmp_path / "elsewhere" / "g.h5")
    assert FeatureReader(tmp_path / "copy.h5").fingerprint() == fingerprint
    assert FeatureReader(tmp_path / "elsewhere" / "g.h5").fingerprint() == fingerprint
    again = write(tmp_path / "h.h5", values, "compressed", NAMES, layer="l", model="m")
    assert FeatureReader(again).fingerprint() == fingerprint


def test_a_fingerprint_changes_with_whatever_makes_other_features(tmp_path, rng):
    values = make(rng, np.float16, 3)
    count = iter(range(100))

    def fingerprint(values=values, names=NAMES, **attributes):
        attributes = attributes or {"model": "m", "layer": "l"}
        return FeatureReader(write(tmp_path / f"{next(count)}.h5", values, names=names, **attributes)).fingerprint()

    changed = [values.copy(), values.copy(), values.copy()]
    changed[0][0, 0, 0] += 1
    changed[1][-1, -1, -1] += 1
    changed[2][ROWS // 2] *= 2
    fingerprints = [
        fingerprint(), *map(fingerprint, changed), fingerprint(values.astype(np.float32)), fingerprint(values[:, 0]),
        fingerprint(values.reshape(ROWS, D, L)), fingerprint(values[:-1], NAMES[:-1]),
        fingerprint(names=None), fingerprint(names=[*NAMES[:-1], "x"]), fingerprint(names=[*NAMES[1:], NAMES[0]]),
        fingerprint(model="m"), fingerprint(model="m", layer="k"), fingerprint(model="l", layer="m"),
        fingerprint(long=np.zeros(3000)), fingerprint(long=np.eye(3000)[1500]),
    ]
    assert len(set(fingerprints)) == len(fingerprints)


@pytest.mark.parametrize("rows", [1, 2, 15, 16])
def test_a_small_file_is_fingerprinted_whole(tmp_path, rng, rows):
    values = make(rng, rows=rows)
    fingerprints = {FeatureReader(write(tmp_path / "f.h5", values)).fingerprint()}
    for row in range(rows):
        other = values.copy()
        other[row, row % D] += 1
        fingerprints.add(FeatureReader(write(tmp_path / f"{row}.h5", other)).fingerprint())
    assert len(fingerprints) == 1 + rows


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
