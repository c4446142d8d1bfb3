"""data/features.py: files that are damaged or of another form, their names and attributes, and fingerprints."""
import os
import shutil

import h5py
import numpy as np
import pytest

from data.features import FeatureReader, write_features
from tests.data.feature_files import LAYOUTS, NAMES, ROWS, D, L, make, write

# --- damaged files and wrong forms --------------------------------------------------------------------------------


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
CONVERT = "python -m scripts.convert_features"


@pytest.mark.parametrize("datasets, parts", [
    ({}, ["no dataset 'features'", "found nothing"]),
    ({"feature": FINE, "names": [b"a"]}, ["no dataset 'features'", "found feature, names"]),
    ({"features/inside": FINE}, ["no dataset 'features'"]),
    ({f"{i:012d}": [1.0] for i in range(800)}, ["no dataset 'features'", "000000000004 and 795 more", CONVERT]),
    ({"features": FINE.astype(np.int32)}, ["int32 (4, 3)", "expected float16, float32, float64 or int8", CONVERT]),
    ({"features": FINE.astype(np.uint8)}, ["uint8 (4, 3)"]),
    ({"features": FINE.astype(np.longdouble)}, ["(4, 3)"]),
    ({"features": FINE.astype(np.complex64)}, ["complex64 (4, 3)"]),
    ({"features": [b"a", b"b"]}, ["(2,)"]),
    ({"features": np.zeros(3, [("x", np.float32), ("y", np.float32)])}, ["(3,)"]),
    ({"features": FINE[0]}, ["float32 (3,)", "(rows, D) or (rows, L, D)"]),
    ({"features": np.float32(1)}, ["float32 ()"]),
    ({"features": FINE[None, None]}, ["float32 (1, 1, 4, 3)", CONVERT]),
    ({"features": FINE[:0]}, ["float32 (0, 3)", "at least one row"]),
    ({"features": FINE[:, :0]}, ["float32 (4, 0)"]),
    ({"features": FINE[:, None][:, :0]}, ["float32 (4, 0, 3)"]),
    ({"features": h5py.Empty("f4")}, ["float32 None"]),
    ({"features": h5py.SoftLink("/nowhere")}, ["no dataset 'features'"]),
    ({"features": h5py.ExternalLink("nowhere.h5", "features")}, ["no dataset 'features'"]),
])
def test_features_that_are_missing_or_of_another_form(tmp_path, put, datasets, parts, fails):
    path = put(tmp_path / "f.h5", datasets)
    with fails(path, *parts) as caught:
        FeatureReader(path)
    assert len(str(caught.value)) < 400 + len(str(path))


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


@pytest.mark.parametrize("key", ["image_id", "image_ids", "ids"])
@pytest.mark.parametrize("ids, names", [
    (391895.0 + np.arange(23), [str(391895 + k) for k in range(23)]),            # as pandas makes of ids
    (391895 + np.arange(ROWS, dtype=np.uint32), [str(391895 + i) for i in range(ROWS)]),
    (np.arange(ROWS, dtype=">i8"), [str(i) for i in range(ROWS)]),
    (NAMES, NAMES), (np.char.encode(NAMES, "utf-8"), NAMES),
])
def test_ids_in_place_of_names(tmp_path, rng, put, key, ids, names):
    path = put(write(tmp_path / "f.h5", make(rng)), {key: ids})
    assert FeatureReader(path).image_names() == names
    put(path, {"image_names": NAMES[::-1]})
    assert FeatureReader(path).image_names() == NAMES[::-1]


def test_ids_that_do_not_fit(tmp_path, rng, put, fails):
    with fails("ids is (2,), expected (23,)"):
        FeatureReader(put(write(tmp_path / "f.h5", make(rng)), {"ids": [1, 2]})).image_names()
    with fails("'5' occurs twice in image_id"):
        FeatureReader(put(write(tmp_path / "g.h5", make(rng)), {"image_id": [5, *range(ROWS - 1)]})).image_names()


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


def test_fingerprints_of_files_that_datasets_and_runs_know_stay(tmp_path):
    values = (np.arange(6 * 4 * 3).reshape(6, 4, 3) / 8 - 4).astype(np.float16)
    names = [f"{i}.jpg" for i in range(6)]
    for form, known in ((values, "eb01c16e21b4ee77bbeb9d9a78393b64f1cee1ed8f6ba1deac6f1eb2709f4e60"),
                        (values[:, 0].astype(np.float32),
                         "4c68cbbd1cf3cc0c16ad4761f37f0d590f7ee35b5e29458f9a3406b5b4eb429f")):
        grid = {"grid": np.array([2, 2], np.int32)} if form.ndim == 3 else {}
        write_features(tmp_path / "f.h5", form, names, model="m", **grid)
        assert FeatureReader(tmp_path / "f.h5").fingerprint() == known


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
