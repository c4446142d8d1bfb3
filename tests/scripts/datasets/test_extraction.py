"""scripts.datasets.extraction: regions and vectors of the same pictures in two files, from one run of the model."""
import errno
import os

import numpy as np
import pytest
from PIL import Image

from data.encoder import Encoder, differences, open_picture
from data.feature_rows import FeatureRows
from data.features import FeatureReader, PairReader
from data.photos import list_pictures
from scripts.datasets import extraction
from scripts.datasets.extraction import extract_to

RAW = {"normalisation": "raw"}
NAMES = ["a.png", "b.png", "c.png", "d.png", "e.png"]


@pytest.fixture
def place(make_onnx, rng, tmp_path):
    """A folder with m.onnx and five pictures in photos/."""
    (tmp_path / "photos").mkdir()
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "photos" / name)
    make_onnx(tmp_path / "m.onnx", **RAW)
    return tmp_path


def call(place, batch=2, **options):
    pictures = list_pictures([place / "photos"]).pictures
    return extract_to(place / "grid.h5", place / "pooled.h5", place / "m.onnx", options, pictures, batch)


def expected(place, **options):
    encoder = Encoder(place / "m.onnx", **options)
    features = encoder.encode([open_picture(place / "photos" / name, 2 * max(encoder.size)) for name in NAMES])
    return features.astype(np.float16), encoder.attributes()


def same(path, features, attributes):
    reader = FeatureReader(path, regions=features.ndim == 3)
    assert reader.image_names() == NAMES and np.array_equal(reader[np.arange(5)].astype(np.float16), features)
    assert reader.attributes().keys() == attributes.keys() and not differences(reader.attributes(), attributes)


def stop_at(monkeypatch, count):
    """Ctrl-C at the (count + 1)-th picture; -> the pictures that were opened."""
    opened = []

    def open_few(path, side):
        if len(opened) == count:
            raise KeyboardInterrupt
        opened.append(path.name)
        return open_picture(path, side)
    monkeypatch.setattr(extraction, "open_picture", open_few)
    return opened


def test_regions_and_the_models_vectors_come_from_one_run(place, monkeypatch):
    runs, run = [], Encoder._run
    monkeypatch.setattr(Encoder, "_run", lambda self, x, *rest: runs.append(len(x)) or run(self, x, *rest))
    made = call(place)
    assert made == (place / "grid.h5", place / "pooled.h5", 5, 0, ["the vectors are the model's output pooled"])
    assert runs == [1, 1, 2, 2, 1]                               # the two encoders' built-in pictures, and the batches
    same(made.grid, *expected(place))
    same(made.pooled, *expected(place, layer="pooled"))
    PairReader(FeatureReader(made.grid, regions=True), FeatureReader(made.pooled))
    assert sorted(os.listdir(place)) == ["grid.h5", "m.onnx", "photos", "pooled.h5"]


@pytest.mark.parametrize("turned", [False, True])
def test_without_one_pooled_output_vectors_are_the_mean_over_the_regions(turned, place, make_onnx):
    make_onnx(place / "m.onnx", turned=turned, also=["mean"], **RAW)
    made = call(place)
    assert made.notes == ["the vectors are the mean over the regions of grid"]
    same(made.grid, *expected(place))
    same(made.pooled, *expected(place, pool=True))
    assert np.allclose(expected(place)[0].mean(axis=1), expected(place, pool=True)[0], rtol=0.01, atol=1)


@pytest.mark.parametrize("options", [{"layer": "pooled"}, {"pool": True}])
def test_without_regions_only_vectors_are_written(options, place):
    made = call(place, **options)
    assert made.grid is None and made.done == 5 and not (place / "grid.h5").exists()
    assert f"{options.get('layer', 'grid')} gives one vector for each picture" in made.notes[0]
    same(made.pooled, *expected(place, **options))


def test_options_reach_both(place):
    made = call(place, bgr=True, normalise="unit", resize="lanczos")
    same(made.grid, *expected(place, bgr=True, normalise="unit", resize="lanczos"))
    same(made.pooled, *expected(place, layer="pooled", bgr=True, normalise="unit", resize="lanczos"))


def test_a_stopped_extraction_goes_on(place, monkeypatch):
    stop_at(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt, match="stopped with 3 of 5 pictures done; the same command goes on"):
        call(place, batch=1)
    assert not (place / "grid.h5").exists() and not (place / "pooled.h5").exists()
    opened = stop_at(monkeypatch, 9)
    assert call(place).done == 5 and opened == ["d.png", "e.png"]
    same(place / "grid.h5", *expected(place))
    same(place / "pooled.h5", *expected(place, layer="pooled"))


def test_a_row_that_only_one_file_has_is_made_again(place, monkeypatch):
    """As after a crash between the two files."""
    append, count = FeatureRows.append, []

    def fail(self, *row):
        count.append(self.path.name)
        if len(count) == 4:
            raise KeyboardInterrupt
        append(self, *row)
    monkeypatch.setattr(FeatureRows, "append", fail)
    with pytest.raises(KeyboardInterrupt, match="stopped with 1 of 5"):
        call(place)
    monkeypatch.undo()
    opened = stop_at(monkeypatch, 9)
    assert call(place).done == 5 and opened == NAMES[1:]
    same(place / "grid.h5", *expected(place))
    same(place / "pooled.h5", *expected(place, layer="pooled"))


def test_a_disk_that_is_full_at_the_second_file_leaves_none_and_loses_nothing(place, monkeypatch):
    sync, count = os.fsync, []

    def full(file):
        count.append(file)
        if len(count) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError) as caught:
        call(place)
    assert str(caught.value).count("run the same command to continue") == 1
    assert sorted(os.listdir(place)) == ["grid.h5.part", "m.onnx", "photos", "pooled.h5.part"]
    monkeypatch.undo()
    opened = stop_at(monkeypatch, 0)
    assert call(place).done == 5 and not opened


def test_a_bad_picture_is_left_out_of_both(place, capsys):
    (place / "photos/c.png").write_text("no picture")
    made = call(place)
    assert (made.done, made.failed) == (4, 1) and "c.png: expected a picture" in capsys.readouterr().err
    for path in (made.grid, made.pooled):
        assert FeatureReader(path).image_names() == ["a.png", "b.png", "d.png", "e.png"]
    with pytest.raises(FileExistsError, match="grid.h5: already exists, nothing was done"):
        call(place)
