"""scripts.extract_features as a user meets it: bad pictures, runs that are stopped, what cannot be done."""
import io
import os

import h5py
import numpy as np
import pytest
from PIL import Image

from data.encoder import Encoder, open_picture
from data.feature_rows import FeatureRows
from data.features import FeatureReader
from scripts.commandline.command import run
from scripts.datasets import extraction
from scripts.extract_features import main

RAW = {"normalisation": "inside the graph"}


@pytest.fixture
def place(make_onnx, rng, tmp_path):
    """A folder with m.onnx and six pictures in photos/, of which two lie deeper."""
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("d.png", "b.jpg", "sub/a.png", "sub/d.png", "c.png", "e.png"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "photos" / name)
    make_onnx(tmp_path / "m.onnx", **RAW)
    return tmp_path


NAMES = ["b.jpg", "c.png", "d.png", "e.png", "sub/a.png", "sub/d.png"]


def call(place, *more, images=("photos",), out="f.h5", encoder="m.onnx"):
    """Exit code of the command line run in this process."""
    paths = [str(place / image) for image in images]
    with pytest.raises(SystemExit) as stop:
        run(lambda: main(["--encoder", str(place / encoder), "--images", *paths, "--out", str(place / out),
                          "--threads", "1", *more]))
    return stop.value.code or 0


def read(path):
    with h5py.File(path) as file:
        return file["features"][()], [name.decode() for name in file["image_names"]], dict(file.attrs)


@pytest.mark.parametrize("options", [{}, {"pool": True}, {"layer": "pooled"}, {"resize": "lanczos", "bgr": True}])
@pytest.mark.parametrize("batch", [1, 4, 16])
def test_the_file_has_the_encoders_features_in_order(options, batch, place, capsys):
    flags = [flag for k, v in options.items() for flag in ([f"--{k}"] if v is True else [f"--{k}", v])]
    assert call(place, "--batch", str(batch), *flags) == 0
    features, names, attributes = read(place / "f.h5")
    encoder = Encoder(place / "m.onnx", **options)
    expected = encoder.encode([open_picture(place / "photos" / name, 2 * max(encoder.size)) for name in NAMES])
    assert names == NAMES and features.dtype == np.float16 and features.shape == expected.shape
    assert np.abs(features - expected).max() <= 2e-3 * np.abs(expected).max()
    for key, value in encoder.attributes().items():
        assert np.array_equal(attributes[key], value)
    assert FeatureReader(place / "f.h5").image_names() == NAMES
    assert sorted(path.name for path in place.iterdir()) == ["f.h5", "m.onnx", "photos"]
    assert "for 6 pictures" in capsys.readouterr().out


def test_bad_pictures_are_named_and_the_others_done(place, capsys):
    (place / "photos/text.jpg").write_text("hello")
    (place / "photos/cut.png").write_bytes((place / "photos/c.png").read_bytes()[:700])
    Image.new("L", (20_000, 10)).save(place / "photos/wide.png")
    assert call(place) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3 and all(line.startswith(f"error: {place / 'photos'}") for line in said)
    assert read(place / "f.h5")[1] == NAMES


def test_files_are_named_without_folders_and_once(place, capsys):
    assert call(place, images=["photos/d.png", "photos/sub/d.png", "photos/gone.png", "photos/b.jpg"]) == 2
    said = capsys.readouterr().err
    assert "has the same name as" in said and "gone.png: cannot be used: No such file" in said
    assert read(place / "f.h5")[1] == ["b.jpg", "d.png"]


@pytest.mark.parametrize("weight, message", [(7.8e36, "grid has NaN or infinity"), (3e3, "beyond float16's 65504")])
def test_a_picture_whose_features_overflow_does_not_spoil_its_batch(weight, message, place, make_onnx, capsys):
    """White is just too much for the model, or for the file; the built-in picture and black are not."""
    make_onnx(place / "m.onnx", weights=np.full((5, 3, 4, 4), weight, np.float32), normalisation="unit")
    (place / "extremes").mkdir()
    for colour in ("black", "white"):
        Image.new("RGB", (9, 9), colour).save(place / f"extremes/{colour}.png")
    assert call(place, images=["extremes"]) == 2
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and "white.png: " in said and message in said
    assert read(place / "f.h5")[1] == ["black.png"]


def stopped_after(monkeypatch, count):
    """Make the command be stopped at the (count + 1)-th picture that it opens."""
    opened = []

    def open_few(path, side):
        if len(opened) == count:
            raise KeyboardInterrupt
        opened.append(path)
        return open_picture(path, side)
    monkeypatch.setattr(extraction, "open_picture", open_few)
    return opened


def test_a_stopped_run_goes_on(place, monkeypatch, capsys):
    assert call(place, out="whole.h5") == 0
    stopped_after(monkeypatch, 5)
    assert call(place, "--batch", "2") == 130
    assert "stopped with 4 of 6 pictures done; the same command goes on" in capsys.readouterr().err
    assert not (place / "f.h5").exists()
    opened = stopped_after(monkeypatch, 9)
    assert call(place) == 0
    assert [path.name for path in opened] == ["a.png", "d.png"]
    for stopped, whole in zip(read(place / "f.h5"), read(place / "whole.h5")):
        assert str(stopped) == str(whole)
    assert not (place / "f.h5.part").exists()


def test_a_run_killed_at_any_byte_goes_on(place, monkeypatch):
    assert call(place, out="whole.h5") == 0
    stopped_after(monkeypatch, 4)
    assert call(place, "--batch", "1") == 130
    part = (place / "f.h5.part").read_bytes()
    monkeypatch.undo()
    for end in (0, 20, 30, part.index(b"\n"), *range(part.index(b"\n") + 1, len(part), 23)):
        (place / "f.h5").unlink(missing_ok=True)
        (place / "f.h5.part").write_bytes(part[:end])
        assert call(place) == 0
        assert np.array_equal(read(place / "f.h5")[0], read(place / "whole.h5")[0]), end


def test_a_row_that_was_damaged_is_made_again(place, monkeypatch, capsys):
    assert call(place, out="whole.h5") == 0
    stopped_after(monkeypatch, 4)
    assert call(place, "--batch", "1") == 130
    part = bytearray((place / "f.h5.part").read_bytes())
    part[part.index(b'["c.png"') + 90] ^= 64                         # among the numbers
    (place / "f.h5.part").write_bytes(part)
    opened = stopped_after(monkeypatch, 9)
    capsys.readouterr()
    assert call(place) == 0 and [path.name for path in opened] == ["c.png", "a.png", "d.png"]
    assert capsys.readouterr().err == (f"note: {place / 'f.h5.part'}: rows are damaged or of version 0.1, their "
                                       "pictures are encoded again\n")
    assert np.array_equal(read(place / "f.h5")[0], read(place / "whole.h5")[0])


def test_a_run_killed_and_stopped_again_goes_on(place, monkeypatch):
    assert call(place, out="whole.h5") == 0
    for end in (-9, 10**6):                                          # inside a row, then where it is
        stopped_after(monkeypatch, 2)
        assert call(place, "--batch", "1") == 130
        part = (place / "f.h5.part").read_bytes()
        (place / "f.h5.part").write_bytes(part[:end])
    opened = stopped_after(monkeypatch, 9)
    assert call(place) == 0 and len(opened) == 3
    assert np.array_equal(read(place / "f.h5")[0], read(place / "whole.h5")[0])


def test_going_on_does_again_what_changed_and_drops_what_is_gone(place, monkeypatch):
    stopped_after(monkeypatch, 5)
    assert call(place, "--batch", "1") == 130
    Image.new("RGB", (40, 40), "red").save(place / "photos/c.png")
    (place / "photos/d.png").unlink()
    (place / "photos/a.png").write_bytes((place / "photos/e.png").read_bytes())
    opened = stopped_after(monkeypatch, 9)
    assert call(place) == 0
    assert sorted(path.name for path in opened) == ["a.png", "c.png", "d.png"]
    features, names, _ = read(place / "f.h5")
    assert names == ["a.png", "b.jpg", "c.png", "e.png", "sub/a.png", "sub/d.png"]
    assert np.array_equal(features[0], features[3])
    assert (features[2] == features[2][0]).all()                     # one colour: all regions alike


def test_another_encoder_does_not_go_on(place, monkeypatch, capsys):
    stopped_after(monkeypatch, 2)
    assert call(place, "--batch", "1") == 130
    for more, message in ((["--resize", "bicubic"], "resize was 'squeezed, bilinear', is 'squeezed, bicubic'"),
                          (["--pool"], "shape was [6, 5], is [5]")):
        capsys.readouterr()
        assert call(place, *more) == 2
        said = capsys.readouterr().err
        assert "f.h5.part: an unfinished run with another encoder" in said and message in said
    for other in (b"[1]\n", b"text\nmore", b"\x89HDF"):
        (place / "f.h5.part").write_bytes(other)
        assert call(place) == 2
        assert "expected an unfinished run, found another file" in capsys.readouterr().err
        assert (place / "f.h5.part").read_bytes() == other


def test_what_cannot_be_done_is_said_in_one_line(place, capsys):
    (place / "empty").mkdir()
    (place / "bad").mkdir()
    (place / "bad/text.jpg").write_text("hello")
    (place / "there.h5").touch()
    for more, kwargs, message in (
            ([], {"images": ["empty"]}, "holds no pictures"), ([], {"images": ["bad"]}, "none of 1 pictures"),
            ([], {"out": "there.h5"}, "there.h5: already exists"), (["--batch", "0"], {}, "--batch 0: expected at"),
            ([], {"encoder": "photos/c.png"}, "not an ONNX model"), (["--layer", "x"], {}, "no output 'x'"),
            (["--size", "4x4"], {}, "found --size (4, 4)")):
        assert call(place, *more, **kwargs) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (place / "f.h5").exists() and not (place / "f.h5.part").exists()
    for argv in ([], ["--encoder", "m.onnx"], ["--size", "x"]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 2


def test_a_full_disk_is_said_and_leaves_what_was_done(place, monkeypatch, capsys):
    def full(*args):
        raise OSError(28, "No space left on device", "f.h5")
    monkeypatch.setattr("data.feature_rows.os.fsync", full)
    assert call(place) == 2 and "No space left" in capsys.readouterr().err
    assert sorted(path.name for path in place.iterdir()) == ["f.h5.part", "m.onnx", "photos"]
    monkeypatch.undo()
    opened = stopped_after(monkeypatch, 0)
    assert call(place) == 0 and not opened


def test_a_disk_that_is_full_half_way_is_said_with_what_to_do(place, monkeypatch, capsys):
    class Full(io.BufferedRandom):
        """A file that takes so many bytes and no more."""
        def flush(self):
            if self.tell() > 900:
                raise OSError(28, "No space left on device")
            super().flush()

    def full(path, mode):
        return Full(io.FileIO(path, mode.replace("b", "")))
    monkeypatch.setattr("data.feature_rows.open", full, raising=False)
    assert call(place, "--batch", "1") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {place / 'f.h5'}: No space left on device: finished rows are kept in {place / 'f.h5.part'}; run the "
        "same command to continue, with about 0.1 MB free for it")
    monkeypatch.undo()
    opened = stopped_after(monkeypatch, 9)
    assert call(place) == 0 and 0 < len(opened) < 6


def test_two_runs_do_not_write_one_file(place, capsys):
    encoder = Encoder(place / "m.onnx")
    with FeatureRows(place / "f.h5", encoder.shape, encoder.attributes()):
        assert call(place) == 2
        said = capsys.readouterr().err
        assert "f.h5.part: another run is writing it, expected one at a time (process" in said
        assert f"process {os.getpid()} on " in said and said.endswith(": wait for it or stop it\n")
    assert call(place) == 0


def test_several_folders_and_files_that_are_not_called_pictures(place, capsys):
    for name in ("photos/x.txt", "more/y.zip", "more/z.zip"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).touch()
    (place / "photos/sub/d.png").rename(place / "more/d.jfif")
    assert call(place, images=["photos", "more"]) == 0
    assert capsys.readouterr().err == "left out: 3 files that are not called pictures (.zip 2, .txt 1)\n"
    features, names, _ = read(place / "f.h5")
    assert names == ["more/d.jfif", *(f"photos/{name}" for name in NAMES[:-1])]
    alone = Encoder(place / "m.onnx").encode([open_picture(place / "more/d.jfif", 24)])
    assert np.array_equal(features[:1], alone.astype(np.float16))
    assert call(place, images=["photos", "photos/b.jpg"], out="g.h5") == 2
    assert "expected --images with either folders or files" in capsys.readouterr().err


def test_the_layout_that_was_given_is_asked_for_and_kept(place, make_onnx, capsys):
    make_onnx(place / "m.onnx", ("n", 3, 16, 16), weights=np.ones((4, 3, 4, 4), np.float32), **RAW)
    assert call(place) == 2 and "expected --output-layout NCHW or NHWC" in capsys.readouterr().err
    assert call(place, "--output-layout", "NCHW") == 0
    features, _, attributes = read(place / "f.h5")
    assert attributes["output_layout"] == "NCHW" and features.shape == (6, 16, 4)
    assert (features == features[:, :, :1]).all()                    # four filters alike


def test_a_model_is_listed(place, capsys):
    assert main(["--list", str(place / "m.onnx")]) == 0
    said = capsys.readouterr().out
    assert "output  pooled  float" in said and "  grid is regions 2x3 of 5 numbers (NCHW), the default\n" in said


def test_a_model_that_may_not_be_read_is_said_as_such(place, monkeypatch, capsys):
    def denied(path, mode):                                          # tests may run as root
        raise PermissionError(13, "Permission denied", path)
    monkeypatch.setattr("data.onnx_models.open", denied, raising=False)
    for argv in (["--list", str(place / "m.onnx")],
                 ["--encoder", str(place / "m.onnx"), "--images", str(place / "photos"), "--out", str(place / "f.h5")]):
        with pytest.raises(SystemExit) as stop:
            run(lambda argv=argv: main(argv))
        assert stop.value.code == 2
        assert capsys.readouterr().err == f"error: {place / 'm.onnx'}: cannot be read: permission denied\n"
