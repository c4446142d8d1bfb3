"""data/loading.py: data sets by name and folder, and what the data say of themselves."""
from pathlib import Path

import numpy as np
import pytest

from data import decode_captions, load, load_coco_data, sample_coco_minibatch
from data import loading as module
from data.caption_data import CaptionData
from data.dataset import open_dataset
from models import CaptioningRNN, CaptioningSolver


@pytest.mark.parametrize("kind, cell", [("vector", "lstm"), ("grid", "attention"), ("both", "bahdanau")])
def test_the_solver_takes_what_load_returns(kind, cell, pristine):
    data = load(pristine / "both", kind)
    features = data["train_features"]
    pooled = {"pooled_dim": features.pooled.shape[1]} if kind == "both" else {}
    model = CaptioningRNN(data["word_to_idx"], features.shape[-1], 4, 6, cell, seed=1, backend="textbook", **pooled)
    solver = CaptioningSolver(model, data, num_epochs=1, batch_size=2, validate=True, verbose=False)
    solver.train()
    assert solver.history[0]["val_loss"] > 0


def test_it_has_the_courses_keys_for_every_split(pristine):
    data = load(pristine / "both")
    assert set(data) == {"idx_to_word", "word_to_idx", *(f"{split}_{kind}" for split in ("train", "val", "test")
                                                         for kind in ("captions", "image_idxs", "features", "urls"))}
    np.random.seed(0)
    captions, features, urls = sample_coco_minibatch(data, 5)
    assert features.shape == (5, 7) and set(urls) <= {"a.jpg", "b.jpg"}
    assert all(text.startswith("<START> ") for text in decode_captions(captions, data["idx_to_word"]))
    reader = data["train_features"]
    np.testing.assert_array_equal(reader[1:5:2], reader[np.array([1, 3])])
    assert reader[2].shape == (7,) and repr(reader) == f"FeatureReader (6, 7) of {pristine / 'pooled.h5'}"


def test_the_courses_folder_has_its_addresses(pristine):
    data, theirs = load(pristine / "course"), load_coco_data(pristine / "course")
    assert set(data["val_urls"]) == {"http://pictures.example/x.jpg"}
    for key in ("train_captions", "val_image_idxs", "train_urls", "idx_to_word"):
        np.testing.assert_array_equal(data[key], theirs[key])
    np.testing.assert_array_equal(data["val_features"][:], theirs["val_features"])
    assert theirs.dataset is None


def test_names_and_folders(pristine, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    drawn = []
    monkeypatch.setattr(module, "make_scene_dataset", drawn.append)
    assert module.find_dataset("scenes") == module.find_dataset(Path("datasets/scenes")) == Path("datasets/scenes")
    assert drawn == [module.SCENES] * 2 and capsys.readouterr() == ("", "")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/tiny").symlink_to(pristine / "both")
    assert module.find_dataset("tiny") == Path("datasets/tiny")
    (tmp_path / "datasets/scenes").mkdir()
    assert module.find_dataset("scenes") == module.SCENES and len(drawn) == 2       # they are there already


def test_mistakes_say_what_was_expected(pristine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nix: no such data set in .*expected 'scenes'.*\(there: none\)"):
        load("nix")
    with pytest.raises(FileNotFoundError, match="no dataset here, expected a folder with dataset.json"):
        load(tmp_path)
    with pytest.raises(TypeError, match="expected a name or a folder, found int"):
        load(3)
    with pytest.raises(ValueError, match="features 'grids': expected one of vector, grid, both"):
        load(pristine / "both", "grids")
    with pytest.raises(ValueError, match="one vector an image, expected a grid"):
        load(pristine / "inside", "grid")


def test_data_say_what_they_hold(pristine):
    folder, dataset = pristine / "both", open_dataset(pristine / "both", "both")
    held = ("\n  train 2 images with 3 captions, val 2 images with 3 captions, test 1 images with 1 captions"
            "\n  vocabulary of 9 words, captions of 4 or 5 ids\n  features ")
    assert repr(load(folder)) == f"CaptionData tiny in {folder}{held}(6, 7)"
    assert repr(dataset) == f"Dataset tiny in {folder}{held}(6, 4, 3) and (6, 7)"
    text = repr(load_coco_data(pristine / "course"))
    assert text.splitlines() == [f"CaptionData in {pristine / 'course'}",
                                 "  train 2 images with 3 captions, val 2 images with 2 captions",
                                 "  vocabulary of 8 words, captions of 5 ids", "  features train (4, 6), val (2, 6)"]


def test_incomplete_data_have_a_repr_too():
    assert repr(CaptionData()) == "CaptionData, not complete: "
    assert repr(CaptionData(train_captions=None)) == "CaptionData, not complete: train_captions"
