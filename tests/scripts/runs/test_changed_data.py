"""scripts.train --resume where something of the data has changed, and scripts.prepare_data with broken features."""
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from data.features import write_features
from models.checkpoint import load_checkpoint, save_checkpoint
from scripts import caption, prepare_data, train
from tests.command import call
from tests.sealed_files import edited

FAST = ["--model", "lstm", "--hidden", "6", "--wordvec", "4", "--batch", "50", "--epochs", "1"]


@pytest.fixture(scope="module")
def done(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "run"
    assert call(train.main, "--data", small_scenes, "--out", out, *FAST) == 0
    return out


@pytest.fixture
def place(done, small_scenes, tmp_path):
    """A copy of the run and of its data."""
    return shutil.copytree(done, tmp_path / "run"), shutil.copytree(small_scenes, tmp_path / "data")


def change(path, name, *place):
    with edited(path) as f:
        f[name][place] = 5 if f[name][place] == 4 else 4


def add_reference(path):
    references = json.loads(path.read_text())
    references["val"]["scene-00061.png"].append("a ring")
    path.write_text(json.dumps(references))


def test_the_same_data_elsewhere_goes_on(place, capsys):
    folder, data = place
    assert call(train.main, "--resume", folder, "--data", data, "--epochs", 2) == 0
    assert "note" not in capsys.readouterr().out
    assert load_checkpoint(folder / "last.h5").run["data"]["folder"] == str(data.resolve())


@pytest.mark.parametrize("edit, words", [
    (lambda d: change(d / "captions.h5", "val_captions", 7, 1), "not the validation captions"),
    (lambda d: change(d / "captions.h5", "val_image_idxs", 7), "not the validation images"),
    (lambda d: add_reference(d / "references.json"), "not the validation references"),
    (lambda d: change(d / "features_pooled.h5", "features", 61, 3), "row 60 to 61"),
])
def test_what_changed_is_a_line_and_nothing_is_touched(edit, words, place, capsys):
    folder, data = place
    edit(data)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert call(train.main, "--resume", folder, "--data", data, "--epochs", 2) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said
    assert words.replace("row 60 to 61", "one of rows 60 to 61, 'scene-00060.png' to 'scene-00061.png'") in said
    assert "the checkpoint was trained with" in said
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    if "features" not in words and "row" not in words:       # captions of other pictures are welcome elsewhere
        assert call(caption.main, folder, "--data", data, "--n", 1, "--split", "val") == 0


def test_a_checkpoint_without_the_record_goes_on_with_a_note_and_gets_one(place, capsys):
    folder, data = place
    for name in ("last.h5", "best.h5"):
        checkpoint = load_checkpoint(folder / name)
        del checkpoint.run["data"]["contents"]
        solver = checkpoint.solver and SimpleNamespace(model=checkpoint.model, **checkpoint.solver)
        save_checkpoint(folder / name, checkpoint.model, checkpoint.run, solver)
    assert call(train.main, "--resume", folder, "--data", data, "--epochs", 2) == 0
    assert "only vocabulary, training captions and 16 rows of features were compared" in capsys.readouterr().out
    change(data / "captions.h5", "val_captions", 7, 1)
    assert call(train.main, "--resume", folder, "--epochs", 3) == 2
    assert "not the validation captions" in capsys.readouterr().err


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["features", "pooled"])
def test_prepare_data_refuses_features_that_are_not_finite(part, value, tmp_path, capsys):
    names = [f"{i:02d}.jpg" for i in range(40)]
    arrays = {"features": np.ones((40, 3, 2), np.float16), "pooled": np.ones((40, 5), np.float32)}
    arrays[part][2, 1], arrays[part][39] = value, value     # of the last there is no caption
    for name, x in arrays.items():
        write_features(tmp_path / f"{name}.h5", x, names)
    (tmp_path / "c.csv").write_text("image,caption\n" + "".join(f"{name},a dog runs\n" for name in names[:39]))
    argv = ["csv", "--captions", tmp_path / "c.csv", "--features", tmp_path / "features.h5", "--pooled",
            tmp_path / "pooled.h5", "--out", tmp_path / "data"]
    assert call(prepare_data.main, *argv) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / part}.h5: row 2 of features has NaN or infinity (image 02.jpg), expected finite numbers: "
        "extract that image's features again\n")
    assert not (tmp_path / "data").exists()
    arrays[part][2, 1] = 1
    write_features(tmp_path / f"{part}.h5", arrays[part], names)
    assert call(prepare_data.main, *argv) == 0
    assert (f"note: {tmp_path / part}.h5: NaN or infinity among the features of images without captions: 1 rows, the "
            "first is 39") in capsys.readouterr().out
