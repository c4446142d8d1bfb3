"""data/cocopt.py: the attention course's file becomes a dataset folder that trains."""
import numpy as np
import pytest

from data import cocopt
from data.cocopt import make_cocopt_dataset
from data.dataset import open_dataset
from data.encoder import Encoder
from scripts.commandline.command import run
from scripts.prepare_data import main

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "cat"]
CAPTIONS = {"train": [[1, 4, 5, 2, 0], [1, 4, 6, 2, 0], [1, 3, 5, 4, 2]], "val": [[1, 4, 5, 2, 0], [1, 5, 2, 0, 0]]}


@pytest.fixture
def content(rng):
    """What the course's file holds, in small."""
    data = {"vocab": {"idx_to_token": WORDS, "token_to_idx": {word: i for i, word in enumerate(WORDS)}}}
    for split, rows in CAPTIONS.items():
        data[f"{split}_images"] = rng.integers(0, 256, (len(rows), 3, 16, 12), dtype=np.uint8)
        data[f"{split}_captions"] = np.array(rows)
    return data


@pytest.fixture
def given(content, monkeypatch):
    """The content, which reading any file gives."""
    monkeypatch.setattr(cocopt, "read_torch", lambda path: content)
    return content


@pytest.fixture
def model(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", ("n", 3, 16, 12), normalisation="inside the graph")
    return tmp_path / "m.onnx"


def test_a_dataset_that_opens(given, model, tmp_path, capsys):
    assert main(["cocopt", "--file", "coco.pt", "--out", f"{tmp_path}/out", "--encoder", str(model)]) is None
    assert "features (5, 12, 5) in features.h5" in capsys.readouterr().out
    dataset = open_dataset(tmp_path / "out", "grid")
    assert dataset.vocabulary.idx_to_word == WORDS and dataset.name == "out"
    encoder, row = Encoder(model), 0
    for split, captions in CAPTIONS.items():
        assert dataset.captions[split].tolist() == captions
        for i, image in enumerate(given[f"{split}_images"].transpose(0, 2, 3, 1)):
            assert dataset.image_idxs[split][i] == row and np.array_equal(dataset.picture(row), image)
            features = encoder.encode([np.ascontiguousarray(image)])[0]
            assert np.abs(dataset.features[split][[row]][0] - features).max() <= 1e-3 * np.abs(features).max()
            row += 1
    assert dataset.images("val")[1] == ["val-0", "val-1"]
    assert dataset.features["train"].attributes()["onnx_output"] == "grid"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "captions.h5", "dataset.json", "features.h5", "pictures.h5", "vocab.json"]


def test_references_are_the_captions_as_they_are(given, model, tmp_path):
    make_cocopt_dataset(tmp_path / "out", "coco.pt", Encoder(model))
    dataset = open_dataset(tmp_path / "out")
    assert not dataset.uncut and dataset.references("train") == {
        "train-0": ["a dog"], "train-1": ["a cat"], "train-2": ["<UNK> dog a"]}


def test_without_an_encoder_it_says_what_lacks(given, tmp_path, capsys):
    main(["cocopt", "--file", "coco.pt", "--out", f"{tmp_path}/out"])
    assert "3 captions  no features: --encoder" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no features: run scripts.prepare_data again, with --encoder"):
        open_dataset(tmp_path / "out")


WRONG = {
    "a list": ([], "has no 'train_images', expected a dict with train_images, val_images"),
    "no captions": ({"val_captions": None}, "val_captions is NoneType, expected integer"),
    "floats": ({"train_images": np.zeros((3, 3, 16, 12))}, r"train_images is float64 \(3, 3, 16, 12\), expected uint8"),
    "words": ({"train_images": np.zeros((3, 3, 16, 12), np.uint16)}, "train_images is uint16"),
    "channels last": ({"train_images": np.zeros((3, 16, 12, 3), np.uint8)}, "of one size"),
    "other sizes": ({"val_images": np.zeros((2, 3, 12, 12), np.uint8)}, "val_images is .*, expected .* of one size"),
    "too few": ({"val_images": np.zeros((1, 3, 16, 12), np.uint8)}, "2 val_captions of 1 val_images"),
    "none": ({"val_images": np.zeros((0, 3, 16, 12), np.uint8)}, "val_images is"),
    "flat": ({"train_captions": np.zeros(3, int)}, r"train_captions is int64 \(3,\)"),
    "a word too many": ({"train_captions": np.full((3, 4), 7)}, "word ids 7 to 7, expected 0 to 6"),
    "no words": ({"vocab": {}}, "vocab has no idx_to_token, a list"),
    "a text": ({"vocab": "words"}, "vocab has no idx_to_token, a list"),
    "disagreeing": ({"vocab": {"idx_to_token": WORDS, "token_to_idx": {}}}, "disagree"),
    "unhashable": ({"vocab": {"idx_to_token": [[]], "token_to_idx": {}}}, "disagree"),
    "no end": ({"vocab": {"idx_to_token": ["a"], "token_to_idx": {"a": 0}}}, "vocabulary lacks"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_and_nothing_is_written(kind, content, monkeypatch, tmp_path):
    changes, message = WRONG[kind]
    monkeypatch.setattr(cocopt, "read_torch", lambda path: changes and {**content, **changes})
    with pytest.raises(ValueError, match=f"^coco.pt.*{message}"):
        make_cocopt_dataset(tmp_path / "out", "coco.pt")
    assert not list(tmp_path.iterdir())


def test_the_command_line_reads_what_torch_wrote(content, tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="torch writes the file that is read here: pip install -e \".[bench]\"")
    tensors = {name: value if name == "vocab" else torch.from_numpy(value) for name, value in content.items()}
    torch.save(tensors, tmp_path / "coco.pt")
    main(["cocopt", "--file", f"{tmp_path}/coco.pt", "--out", f"{tmp_path}/out"])
    assert "cocopt, 7 words" in capsys.readouterr().out
    torch.save({**tensors, "extra": torch.nn.Linear(1, 1)}, tmp_path / "coco.pt")
    with pytest.raises(SystemExit) as stop:
        run(lambda: main(["cocopt", "--file", f"{tmp_path}/coco.pt", "--out", f"{tmp_path}/other"]))
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "nothing was read" in said and said.count("\n") == 1
    assert not (tmp_path / "other").exists()
