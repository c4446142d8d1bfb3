import json
import struct

import numpy as np
import pytest

from models import CaptioningRNN
from models.safetensors_file import load_model, save_model
from tests.cells import TAKE_A_VECTOR

numpy_file = pytest.importorskip("safetensors.numpy",
                                 reason="models in safetensors need it: pip install -e \".[safetensors]\"")


def make_model(word_to_idx, cell="lstm", dtype=np.float32):
    return CaptioningRNN(word_to_idx, 5, 4, 7, cell, dtype, dropout=0.3, seed=3,
                         feature_stats=(np.ones(5), np.full(5, 2.0)))


@pytest.fixture
def path(tmp_path, word_to_idx):
    save_model(tmp_path / "m.safetensors", make_model(word_to_idx), {"note": "ü"})
    return tmp_path / "m.safetensors"


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_whole(cell, dtype, word_to_idx, tmp_path, rng):
    model = make_model(word_to_idx, cell, dtype)
    save_model(tmp_path / "m.safetensors", model, {"epoch": 3})
    checkpoint = load_model(tmp_path / "m.safetensors")
    loaded, features = checkpoint.model, rng.standard_normal((6, 5))
    np.testing.assert_array_equal(loaded.sample(features), model.sample(features))
    assert all(loaded.params[name].tobytes() == w.tobytes() for name, w in model.params.items())
    assert (loaded.dtype, loaded.dropout, loaded.word_to_idx) == (dtype, 0.3, word_to_idx)
    assert (checkpoint.run, checkpoint.solver) == ({"epoch": 3}, None)


def test_other_programs_read_the_weights(path, word_to_idx):
    arrays = numpy_file.load_file(path)
    assert arrays["W_vocab"].shape == (7, len(word_to_idx)) and arrays["feature_stats"].shape == (2, 5)


def rewritten(path, change):
    """The file with its header changed by `change`, which gets it as a dict."""
    content = path.read_bytes()
    size, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size:])


@pytest.mark.parametrize("change, found", [
    (lambda h: h.pop("__metadata__"), "format None"),
    (lambda h: h["__metadata__"].update(format="pt"), "format 'pt'"),
    (lambda h: h["__metadata__"].pop("sha256"), "sha256"),
    (lambda h: h["__metadata__"].update(vocabulary="[]"), "vocabulary is"),
    (lambda h: h["__metadata__"].update(config="[" * 100_000), "m.safetensors"),
    (lambda h: h["__metadata__"].update(run='{"note": "u"}'), "SHA-256"),
    (lambda h: h["__metadata__"].update(config=h["__metadata__"]["config"].replace('"hidden_dim": 7',
                                                                                   '"hidden_dim": 6000')), "expected"),
    (lambda h: h["b"].update(dtype="I32"), "an array is I32"),
    (lambda h: h["b"].update(shape=[2, 14]), "b is float32"),
    (lambda h: h["b"].update(shape=[10**18]), "not a whole model"),
    (lambda h: h["b"].update(data_offsets=[0, 112]), "not a whole model"),
    (lambda h: h["b"].update(data_offsets=[2**62, 2**62 + 112]), "not a whole model"),
    (lambda h: h.update(other=h.pop("b")), "b is missing"),
    (lambda h: h.update(b=h["W_proj"], W_proj=h["b"]), "is float32"),
])
def test_a_header_that_does_not_fit_is_one_clear_error(path, change, found):
    rewritten(path, change)
    with pytest.raises(ValueError, match=f"m.safetensors: not a whole model.*{found}|{found}"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"x", struct.pack("<Q", 2**63), struct.pack("<Q", 10) + b"{",
                                     b"\x89HDF\r\n\x1a\n"])
def test_other_files_are_one_clear_error(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="m.safetensors: not a whole model"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(path.with_name("absent"))


def test_an_array_too_many_is_refused(path):
    content = numpy_file.load_file(path)
    with numpy_file.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    numpy_file.save_file({**content, "more": np.zeros(3, np.float32)}, path, metadata)
    with pytest.raises(ValueError, match="arrays 'more' are not the model's"):
        load_model(path)
