"""scripts.convert_features: arrays that have a row for each of many images are not taken for one image."""
import numpy as np
import pytest

from data.foreign_features import open_foreign
from tests.scripts.test_convert_features import COUNTS, NAMES, ROWS, D, H, L, W, boxes, call, check, grid, h5

__all__ = ["boxes", "call", "grid"]             # fixtures


@pytest.mark.parametrize("keys", [["resnet"], ["data/features"], ["data/features", "data/image_names"],
                                  ["train", "val"], ["Train/features", "test/features"],
                                  ["train/features", "train/ids", "val/features", "val/ids"]])
def test_arrays_of_many_images_need_names(keys, call, tmp_path):
    datasets = {key: np.arange(300) if key.endswith("ids") else np.array([b"name"] * 300)
                if key.endswith("names") else np.ones((300 - i, 512), np.float16) for i, key in enumerate(sorted(keys))}
    made, said = call(h5(tmp_path / "in.h5", datasets))
    assert made is None and "no names of images for" in said and "--names" in said


def test_one_split_of_several_with_names(boxes, call, tmp_path):
    path = h5(tmp_path / "in.h5", {"train": boxes, "val": boxes[:2]})
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    flags = ["--layout", "rows,L,D", "--dataset", "train", "--names", str(tmp_path / "names.txt")]
    check(call(path, *flags)[0], boxes, COUNTS)


def test_a_folder_of_splits_and_a_folder_of_one_image(boxes, call, tmp_path):
    for folder, names in (("splits", ["train", "val"]), ("one", ["391895"])):
        (tmp_path / folder).mkdir()
        for name in names:
            np.save(tmp_path / folder / f"{name}.npy", boxes[2])
    assert "no names of images for train, val" in call(tmp_path / "splits", "--layout", "rows,L,D")[1]
    assert call(tmp_path / "one", "--layout", "rows,L,D")[0]


def test_more_regions_stated_than_there_are_do_not_turn_the_axes(call, tmp_path):
    path = h5(tmp_path / "in.h5", {"features": np.ones((ROWS, 36, 512), np.float16), "ids": np.arange(ROWS),
                                   "num_boxes": np.full(ROWS, 37)})
    assert "does not go with up to 37 regions an image that the file states" in call(path)[1]


def test_files_with_anothers_ending(grid, call, tmp_path):
    np.save(tmp_path / "a.npy", grid)
    np.savez(tmp_path / "b.npz", features=grid, ids=np.arange(ROWS))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    (tmp_path / "empty.tsv").write_bytes(b"")
    assert "should end in .npy" in call(tmp_path / "a.npz")[1]
    assert "should end in .npz" in call(tmp_path / "b.npy")[1]
    assert f"{tmp_path / 'empty.tsv'}: no features" in call(tmp_path / "empty.tsv")[1]


def test_an_npz_of_many_images_is_opened_few_times(call, tmp_path, monkeypatch):
    np.savez(tmp_path / "in.npz", **{f"{row:03d}.jpg": np.full(D, row, np.float16) for row in range(200)})
    opened, load = [], np.load
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: opened.append(args) or load(*args, **kwargs))
    foreign = open_foreign(tmp_path / "in.npz")
    assert [x[0] for x in foreign.read(0)] == list(range(200)) and len(opened) < 5


def test_padding_that_all_images_have_is_said(grid, call, tmp_path):
    x = np.concatenate([grid.reshape(ROWS, L, D), np.zeros((ROWS, 3, D))], axis=1)
    path = h5(tmp_path / "in.h5", {"features": x, "ids": [int(name) for name in NAMES]})
    made, said = call(path, "--layout", "rows,L,D")
    check(made, grid.reshape(ROWS, H * W, D))
    assert f"regions: {L} in each image, without zeros at the end; the others are padding in all images" in said
