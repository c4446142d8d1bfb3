"""scripts.convert_features: each form in which people keep features comes out as the same numbers."""
import base64
import io
import json

import h5py
import numpy as np
import pytest

from data import feature_conversion, foreign_features
from data.feature_axes import arrange
from data.feature_file import new_feature_file
from data.features import FeatureReader
from scripts.commandline.command import run
from scripts.convert_features import main

ROWS, H, W, D = 5, 2, 3, 4
L = H * W
NAMES = [f"{391895 + i}" for i in range(ROWS)]
COUNTS = np.array([3, 1, 6, 2, 6])


@pytest.fixture
def grid(rng):
    """Features (rows, h, w, D) that float16 holds exactly, without zeros."""
    return (rng.integers(1, 2000, (ROWS, H, W, D)) / 8).astype(np.float32)


@pytest.fixture
def boxes(grid):
    """Features (rows, L, D) of COUNTS regions and zeros after them."""
    x = grid.reshape(ROWS, L, D).copy()
    x[np.arange(L) >= COUNTS[:, None]] = 0
    return x


@pytest.fixture
def call(tmp_path, capsys):
    """Function: convert a file -> exit code, what is said, the new file's reader or None."""
    def convert(source, *flags):
        out = tmp_path / "made" / "features.h5"
        out.unlink(missing_ok=True)
        with pytest.raises(SystemExit) as stop:
            run(lambda: main([str(source), "--out", str(out), *flags]))
        said = capsys.readouterr()
        made = out if out.is_file() else None
        assert (stop.value.code or 0) == (0 if made else 2)
        assert made or said.out.count("error") == 0 and said.err.count("\n") == 1 and len(said.err) < 700
        assert not out.parent.exists() or {*out.parent.iterdir()} <= {out}
        return made, said.out + said.err
    return convert


def h5(path, datasets, **attributes):
    with h5py.File(path, "w") as f:
        for key, value in datasets.items():
            f[key] = value
        f.attrs.update(attributes)
    return path


def stored(path):
    with h5py.File(path) as f:
        regions = f["regions"][()] if "regions" in f else None
        return f["features"][()], [name.decode() for name in f["image_names"]], regions, dict(f.attrs)


def check(path, values, regions=None):
    """The file has these float16 numbers, NAMES and numbers of regions, and the reader takes it."""
    features, names, counts, _ = stored(path)
    assert features.dtype == np.float16 and names == NAMES
    np.testing.assert_array_equal(features, values)
    assert (counts is None) == (regions is None)
    np.testing.assert_array_equal(counts if regions is not None else 0, regions if regions is not None else 0)
    assert FeatureReader(path).image_names() == NAMES and not FeatureReader(path).notes()


# --- one array for all images -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order, letters", [
    ((0, 1, 2, 3), "rows,h,w,D"), ((0, 3, 1, 2), "rows,D,h,w"), ((3, 0, 2, 1), "D,rows,w,h"),
])
@pytest.mark.parametrize("dtype", ["<f2", ">f2", ">f4", "<f8", ">f8"])
def test_grids_in_any_order_and_type(order, letters, dtype, grid, call, tmp_path):
    path = h5(tmp_path / "in.h5", {"features": grid.transpose(order).astype(dtype), "image_id": np.array(NAMES, int)})
    made, said = call(path, "--layout", letters)
    check(made, grid.reshape(ROWS, L, D))
    attributes = stored(made)[3]
    assert attributes["grid"].tolist() == [H, W] and attributes["region_order"].startswith("row-major: region = 3*row")
    assert attributes["layout"] == f"{letters} of {np.dtype(dtype).name} {grid.transpose(order).shape}"
    size = {"rows": ROWS, "h": H, "w": W, "D": D}
    for axis, letter in enumerate(letters.split(",")):
        assert f"  axis {axis}, {size[letter]}: {letter}, " in said


@pytest.mark.parametrize("ids", [{"image_names": NAMES}, {"image_ids": np.array(NAMES, ">u8")},
                                 {"ids": np.char.encode(NAMES)}, {"image_id": [f"{name}.jpg" for name in NAMES]}])
def test_names_and_ids(ids, grid, call, tmp_path):
    made, _ = call(h5(tmp_path / "in.h5", {"features": grid[:, 0, 0], **ids}, model="m"))
    features, names, regions, attributes = stored(made)
    np.testing.assert_array_equal(features, grid[:, 0, 0])
    assert [name.removesuffix(".jpg") for name in names] == NAMES and regions is None and attributes["model"] == "m"


@pytest.mark.parametrize("listed", ["\n".join(NAMES), json.dumps(NAMES), json.dumps([int(name) for name in NAMES])])
def test_npy_and_npz_with_a_list_of_names(listed, grid, call, tmp_path):
    names = tmp_path / ("names.json" if listed[0] == "[" else "names.txt")
    names.write_text(listed)
    np.save(tmp_path / "in.npy", np.asfortranarray(grid.transpose(0, 3, 1, 2)))
    np.savez(tmp_path / "in.npz", grid.transpose(0, 3, 1, 2))
    for name in ("in.npy", "in.npz"):
        check(call(tmp_path / name, "--names", str(names), "--layout", "rows,D,h,w")[0], grid.reshape(ROWS, L, D))
        assert "no names of images" in call(tmp_path / name)[1]


def test_npz_with_names(grid, boxes, call, tmp_path):
    np.savez(tmp_path / "in.npz", feats=grid[:, 0, 0], image_ids=np.array(NAMES, int))
    check(call(tmp_path / "in.npz")[0], grid[:, 0, 0])
    np.savez_compressed(tmp_path / "in.npz", feat=boxes, names=NAMES, num_bbox=COUNTS, boxes=np.ones((ROWS, L, 4)))
    check(call(tmp_path / "in.npz")[0], boxes, COUNTS)


def test_int8_is_taken_as_it_is(rng, call, tmp_path):
    values = rng.integers(-128, 128, (ROWS, D), dtype=np.int8)
    check(call(h5(tmp_path / "in.h5", {"features": values, "ids": NAMES}))[0], values)


def test_an_array_of_another_name_and_several(grid, call, tmp_path):
    path = h5(tmp_path / "in.h5", {"pool5": grid[:, 0, 0], "ids": NAMES, "boxes": np.ones((ROWS, 7, 4))})
    check(call(path)[0], grid[:, 0, 0])
    path = h5(tmp_path / "in.h5", {"pool5": grid[:, 0, 0], "fc7": grid[:, 0, 1], "ids": NAMES})
    assert "more than one array may have the features, fc7, pool5: choose with --dataset" in call(path)[1]
    check(call(path, "--dataset", "fc7")[0], grid[:, 0, 1])
    assert "fc is not an array of features, expected one of fc7, pool5" in call(path, "--dataset", "fc")[1]


def test_a_pooled_layer_with_sides_of_one_is_a_vector(grid, call, tmp_path):
    made, said = call(h5(tmp_path / "in.h5", {"features": grid[:, 0, 0, :, None, None], "ids": NAMES}))
    check(made, grid[:, 0, 0])
    assert "axis 1, 4: D, features" in said and "one region an image, written as a vector" in said


def test_features_larger_than_a_block(grid, call, tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_features, "BLOCK_BYTES", 2 * L * D * 4)
    path = h5(tmp_path / "in.h5", {"features": grid.transpose(3, 0, 1, 2), "ids": NAMES})
    check(call(path, "--layout", "D,rows,h,w")[0], grid.reshape(ROWS, L, D))


# --- numbers of regions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["num_boxes", "num_bbox", "regions"])
def test_stated_numbers_of_regions(key, grid, boxes, call, tmp_path):
    full = grid.reshape(ROWS, L, D)                                          # padding that is not zero
    made, said = call(h5(tmp_path / "in.h5", {"features": full, "ids": NAMES, key: COUNTS}))
    check(made, boxes, COUNTS)
    assert "regions: 1 to 6 an image, as stated; the rest, 40 %, is padding" in said
    reader = FeatureReader(made)
    np.testing.assert_allclose(reader[[0, 3]], [full[0, :3].mean(axis=0), full[3, :2].mean(axis=0)], rtol=1e-6)


def test_zeros_at_the_end_are_padding(boxes, call, tmp_path):
    boxes[2, 1] = 0                                                          # a region between others stays
    path = h5(tmp_path / "in.h5", {"features": np.pad(boxes, ((0, 0), (0, 3), (0, 0))), "ids": NAMES})
    made, said = call(path, "--layout", "rows,L,D")
    check(made, boxes, COUNTS)                                               # without the three that nobody has
    assert "regions: 1 to 6 an image, without zeros at the end" in said


def test_zeros_of_a_grid_are_features(boxes, call, tmp_path):
    made, _ = call(h5(tmp_path / "in.h5", {"features": boxes, "ids": NAMES}, grid=[H, W]))
    assert stored(made)[2] is None and stored(made)[3]["grid"].tolist() == [H, W]
    made, _ = call(h5(tmp_path / "in.h5", {"features": boxes.reshape(ROWS, H, W, D), "ids": NAMES}), "--layout",
                   "rows,h,w,D")
    assert stored(made)[2] is None


@pytest.mark.parametrize("counts, part", [
    ([3, 1, 7, 2, 6], "up to 7 regions an image"), ([3, 0, 6, 2, 6], "391896: 0 regions are stated, expected 1 to 6"),
    ([3, 1, 6], "the numbers of regions are int64 (3,), expected integers (5,)"),
    ([3, 1, 6, 2.5, 6], "the numbers of regions are float64"),
])
def test_numbers_of_regions_that_do_not_fit(counts, part, boxes, call, tmp_path):
    assert part in call(h5(tmp_path / "in.h5", {"features": boxes, "ids": NAMES, "num_boxes": counts}))[1]


# --- one array an image -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["{}", "{}_features", "{}/features", "features/{}"])
def test_one_dataset_an_image(key, boxes, call, tmp_path):
    images = {key.format(name): x[:count] for name, x, count in zip(NAMES, boxes, COUNTS)}
    others = {} if key == "{}" else {key.replace("features", "boxes").format(name): np.ones((2, 4)) for name in NAMES}
    made, said = call(h5(tmp_path / "in.h5", {**images, **others}))
    check(made, boxes, COUNTS)
    assert "axis 0, 5: rows, images" in said and "axis 1, 1..6: L, regions" in said


def test_two_kinds_of_datasets_an_image(grid, boxes, call, tmp_path):
    path = h5(tmp_path / "in.h5", {f"{name}_features": x[:count] for name, x, count in zip(NAMES, boxes, COUNTS)} | {
        f"{name}_grids": x.transpose(2, 0, 1) for name, x in zip(NAMES, grid)})
    assert "more than one kind of arrays may have the features, features, grids: choose with --dataset" in call(path)[1]
    check(call(path, "--dataset", "features")[0], boxes, COUNTS)
    check(call(path, "--dataset", "grids", "--layout", "rows,D,h,w")[0], grid.reshape(ROWS, L, D))


def test_a_folder_of_npy_files(grid, boxes, call, tmp_path):
    for name, x in zip(NAMES, grid):
        (tmp_path / "v" / "val2014").mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "v" / "val2014" / f"{name}.jpg.npy", x[0, :1])    # (1, D)
    made, _ = call(tmp_path / "v")
    np.testing.assert_array_equal(stored(made)[0], grid[:, 0, 0])
    assert stored(made)[1] == [f"val2014/{name}.jpg" for name in NAMES]


def test_a_folder_of_npz_files_with_boxes(boxes, call, tmp_path):
    (tmp_path / "n").mkdir()
    for name, x, count in zip(NAMES, boxes, COUNTS):
        np.savez(tmp_path / "n" / f"{name}.npz", x=x.T, num_bbox=count, bbox=np.ones((L, 4)), image_h=np.float64(3))
    check(call(tmp_path / "n")[0], boxes, COUNTS)


def test_npz_with_an_array_an_image(boxes, call, tmp_path):
    np.savez(tmp_path / "in.npz", **{name: x[None, :count] for name, x, count in zip(NAMES, boxes, COUNTS)})
    check(call(tmp_path / "in.npz")[0], boxes, COUNTS)


def test_grids_of_different_sizes(rng, call, tmp_path):
    grids = {"a": rng.integers(1, 9, (2, 3, D)), "b": rng.integers(1, 9, (4, 1, D))}
    made, said = call(h5(tmp_path / "in.h5", {name: x.astype(np.float32) for name, x in grids.items()}))
    features, names, regions, attributes = stored(made)
    assert names == ["a", "b"] and regions.tolist() == [6, 4] and "grid" not in attributes
    np.testing.assert_array_equal(features[0], grids["a"].reshape(6, D))
    np.testing.assert_array_equal(features[1], np.pad(grids["b"].reshape(4, D), ((0, 2), (0, 0))))


def test_the_tsv_of_bottom_up_attention(boxes, call, tmp_path):
    with open(tmp_path / "in.tsv", "wb") as file:
        for name, x, count in zip(NAMES, boxes, COUNTS):
            box = base64.b64encode(np.ones((count, 4), np.float32).tobytes()).decode()
            data = base64.b64encode(x[:count].tobytes()).decode()
            file.write(f"{name}\t640\t480\t{count}\t{box}\t{data}\n".encode())
    check(call(tmp_path / "in.tsv")[0], boxes, COUNTS)
    check(call((tmp_path / "in.tsv").rename(tmp_path / "train.tsv.0"))[0], boxes, COUNTS)     # COCO's come in parts
    (tmp_path / "train.tsv.0").rename(tmp_path / "in.tsv")
    with open(tmp_path / "in.tsv", "a") as file:
        file.write("7\t640\t480\t2\tAAAA\tAAA\n")
    assert "in.tsv: line 6: expected image_id, ..., num_boxes, boxes and features" in call(tmp_path / "in.tsv")[1]


# --- numbers ------------------------------------------------------------------------------------------------------


def test_float32_stays_where_float16_would_round(rng, call, tmp_path):
    values = rng.standard_normal((ROWS, D)).astype(np.float32)
    path = h5(tmp_path / "in.h5", {"features": values.astype(">f8"), "ids": NAMES})
    made, said = call(path)
    assert stored(made)[0].dtype == np.float32 and "float16 would round" in said
    np.testing.assert_array_equal(stored(made)[0], values)
    check(call(path, "--float16")[0], values.astype(np.float16))


@pytest.mark.parametrize("value, flags, part", [
    (np.nan, [], "391898: NaN or infinity"), (1e39, [], "391898: NaN or infinity"),
    (7e4, ["--float16"], "391898: its features reach 7e+04, beyond float16's 65504"),
])
def test_numbers_that_cannot_be_kept(value, flags, part, call, tmp_path):
    values = np.ones((ROWS, D))
    values[3, 2] = value
    assert part in call(h5(tmp_path / "in.h5", {"features": values, "ids": NAMES}), *flags)[1]


# --- what is refused ----------------------------------------------------------------------------------------------


def test_two_readings_and_wrong_layouts(grid, call, tmp_path):
    path = h5(tmp_path / "in.h5", {"features": grid, "ids": NAMES})
    said = call(path)[1]
    assert "in.h5: features is float32 (5, 2, 3, 4) can be read in two ways" in said
    assert "(--layout rows,h,w,D)" in said and "(--layout rows,D,h,w)" in said
    assert "has 4 axes, --layout rows,L,D has 3" in call(path, "--layout", "rows,L,D")[1]
    assert "--layout rows,C,H,W: expected rows and D" in call(path, "--layout", "rows,C,H,W")[1]
    assert "does not go with --layout h,rows,w,D" in call(path, "--layout", "h,rows,w,D")[1]
    path = h5(tmp_path / "in.h5", {"features": grid[:, 0, 0].T, "ids": NAMES})
    assert "(4, 5) with the names of 5 images, expected 5 on axis 0" in call(path)[1]
    check(call(path, "--layout", "D,rows")[0], grid[:, 0, 0])


@pytest.mark.parametrize("datasets, part", [
    ({}, "no features, float16, float32, float64 or int8, found nothing"),
    ({"features": np.ones((ROWS, D))}, "no names of images, found features"),
    ({"features": np.ones((ROWS, D)), "ids": NAMES[:1] * ROWS}, "'391895' occurs twice among the names"),
    ({"features": np.ones((ROWS, D), int), "ids": NAMES}, "no features"),
    ({"features": np.ones((ROWS, 0)), "ids": NAMES}, "features is (5, 0), expected at least one number"),
    ({"a": np.ones(3), "b": np.ones((2, 3))}, "b is (2, 3) and a (3,), expected as many axes"),
    ({"a": np.ones(3), "b": np.ones(4)}, "(2, 3..4)"),
    ({f"{i:012d}": [b"text"] for i in range(80)}, "000000000004 and 75 more"),
])
def test_files_without_features_that_can_be_used(datasets, part, call, tmp_path):
    path = h5(tmp_path / "in.h5", {})
    with h5py.File(path, "w") as f:
        for key, value in datasets.items():
            f[key] = value
    assert part in call(path)[1]


def test_files_of_another_kind(call, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"features": 1}]), allow_pickle=True)
    for name, content, part in (("in.npy", buffer.getvalue(), "expected arrays of numbers that NumPy wrote"),
                                ("in.npz", b"PK nothing", "expected arrays"), ("in.npy", b"", "expected arrays"),
                                ("in.npy", b"\x93NUMPY\1\0\x0a\0{'descr': \n", "expected arrays"),
                                ("in.pkl", b"\x80\x04", "not an HDF5 file")):
        (tmp_path / name).write_bytes(content)
        assert f"{tmp_path / name}: " in (said := call(tmp_path / name)[1]) and part in said
    assert "no such file or folder" in call(tmp_path / "none.h5")[1]
    (tmp_path / "empty").mkdir()
    assert "no features" in call(tmp_path / "empty")[1]


def interrupted_at(count):
    """data.feature_axes.arrange, stopped by Ctrl-C at that image."""
    calls = []

    def stop(*args):
        calls.append(args)
        if len(calls) == count:
            raise KeyboardInterrupt
        return arrange(*args)
    return stop


def test_an_output_that_exists_and_failures_leave_things_as_they_were(grid, call, tmp_path, monkeypatch):
    path = h5(tmp_path / "in.h5", {"features": grid[:, 0, 0], "ids": NAMES})
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="already exists, nothing was done"):
        main([str(path), "--out", str(path)])
    assert path.read_bytes() == before
    monkeypatch.setattr(feature_conversion, "arrange", interrupted_at(ROWS + 3))
    with pytest.raises(SystemExit) as stop:
        run(lambda: main([str(path), "--out", str(tmp_path / "f.h5")]))
    assert stop.value.code == 130 and [file.name for file in tmp_path.iterdir()] == ["in.h5"]
    for error in (KeyboardInterrupt, OSError(28, "No space left on device")):
        with pytest.raises(type(error) if isinstance(error, OSError) else error), \
                new_feature_file(tmp_path / "f.h5", (2, 3), np.float16, ["a", "b"], {}) as file:
            file.write(bytes(6))
            raise error
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.h5"]
