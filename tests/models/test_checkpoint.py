import errno
import json
import os

import h5py
import numpy as np
import pytest

from data import sealed
from models import CaptioningRNN, CaptioningSolver, stored_model
from models.checkpoint import load_checkpoint, restore_solver, save_checkpoint, write_atomically
from models.safetensors_file import load_model, save_model
from tests.cells import TAKE_A_VECTOR
from tests.sealed_files import edited

OPTIONS = {"update_rule": "adam", "batch_size": 8, "num_epochs": 3, "sampling": "epochs", "validate": True, "clip": 1.0,
           "seed": 4, "verbose": False, "schedule": "one-cycle", "optim_config": {"learning_rate": 1e-2}}


def make_model(word_to_idx, cell="lstm", dtype=np.float32):
    stats = np.ones(5), np.full(5, 2.0)
    return CaptioningRNN(word_to_idx, 5, 4, 7, cell, dtype, dropout=0.3, seed=3, feature_stats=stats)


@pytest.mark.parametrize("rule", ["sgd", "sgd_momentum", "rmsprop", "adam", "adam, averaged"])
@pytest.mark.parametrize("stop_at", [0, 3, 5, 14])
def test_a_stopped_run_ends_as_one_that_was_not(rule, stop_at, word_to_idx, toy_data, tmp_path):
    options = {**OPTIONS, "update_rule": rule.partition(",")[0], "average": 0.9 if "averaged" in rule else 0.0}
    whole = CaptioningSolver(make_model(word_to_idx), toy_data, **options)
    whole.train()

    def stop(solver):
        solver.stop = solver.iteration >= stop_at
    first = CaptioningSolver(make_model(word_to_idx), toy_data, **options, callbacks=[stop])
    if stop_at:
        first.train()
    save_checkpoint(tmp_path / "last.h5", first.model, {"note": "ü"}, first)
    np.random.seed(99)
    checkpoint = load_checkpoint(tmp_path / "last.h5")
    second = CaptioningSolver(checkpoint.model, toy_data, **options)
    restore_solver(second, checkpoint)
    second.train()
    assert checkpoint.run == {"note": "ü"} and second.loss_history == whole.loss_history
    assert second.word_losses == whole.word_losses
    for name, w in whole.model.params.items():
        assert second.model.params[name].tobytes() == w.tobytes(), name
    assert second.averages.keys() == whole.averages.keys() and bool(whole.averages) == ("averaged" in rule)
    for name, w in whole.averages.items():
        assert second.averages[name].tobytes() == w.tobytes(), name
    drop = [[{k: v for k, v in row.items() if k != "seconds"} for row in s.history] for s in (whole, second)]
    assert drop[0] == drop[1] and second.best_val_loss == whole.best_val_loss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_halved_weights_come_back_in_the_models_type(dtype, word_to_idx, tmp_path):
    model = make_model(word_to_idx, "lstm", dtype)
    pytest.importorskip("safetensors", reason="models in safetensors need it: pip install -e \".[safetensors]\"")
    for save, load, name in ((save_checkpoint, load_checkpoint, "m.h5"), (save_model, load_model, "m.safetensors")):
        save(tmp_path / "whole", model)
        save(tmp_path / name, model, halved=("W_vocab", "b"))
        found = load(tmp_path / name).model.params
        for key, w in model.params.items():
            expected = w.astype(np.float16) if key in ("W_vocab", "b") else w
            assert found[key].dtype == dtype and np.array_equal(found[key], expected)
        assert (tmp_path / name).stat().st_size < (tmp_path / "whole").stat().st_size


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_whole(cell, dtype, word_to_idx, tmp_path, rng):
    model = make_model(word_to_idx, cell, dtype)
    save_checkpoint(tmp_path / "best.h5", model)
    state = np.random.get_state()[1].copy()
    loaded = load_checkpoint(tmp_path / "best.h5").model
    np.testing.assert_array_equal(state, np.random.get_state()[1])       # loading draws no random numbers
    features = rng.standard_normal((6, 5))
    np.testing.assert_array_equal(loaded.sample(features), model.sample(features))
    assert loaded.dtype == dtype and loaded.dropout == 0.3 and loaded.word_to_idx == word_to_idx
    with pytest.raises(ValueError, match="holds a model only"):
        restore_solver(None, load_checkpoint(tmp_path / "best.h5"))


@pytest.mark.parametrize("dtype, back", [({}, np.float64), ({"W_vocab": np.float16}, np.float64),
                                         (dict.fromkeys(("W_embed", "b"), np.float32), None),
                                         ({"b": np.complex128}, None), ({"b": np.int64}, None)])
def test_parameters_that_were_replaced_by_another_type_come_back_or_are_refused(dtype, back, word_to_idx, toy_data,
                                                                                        tmp_path):
    solver = CaptioningSolver(make_model(word_to_idx), toy_data, **{**OPTIONS, "num_epochs": 1, "average": 0.9})
    solver.train()
    model = solver.model
    model.params = {name: w.astype(dtype.get(name, np.float64)) for name, w in model.params.items()}
    if back is None:
        with pytest.raises(ValueError, match=r"b is .*expected one floating-point type for all: convert them"):
            save_checkpoint(tmp_path / "m.h5", model)
        return
    save_checkpoint(tmp_path / "m.h5", model, solver=solver)
    loaded = load_checkpoint(tmp_path / "m.h5")
    for name, w in loaded.model.params.items():
        assert w.dtype == back == loaded.solver["optim_configs"][name]["m"].dtype
        np.testing.assert_array_equal(w, model.params[name])
        assert loaded.solver["averages"][name].dtype == back


def test_a_large_vocabulary_fits(tmp_path):
    words = {"<NULL>": 0, **{f"wörd-{i}": i for i in range(1, 20000)}}
    save_checkpoint(tmp_path / "a.h5", CaptioningRNN(words, 2, 2, 2, seed=0))
    assert load_checkpoint(tmp_path / "a.h5").model.word_to_idx == words


def test_any_truncation_is_one_clear_error(word_to_idx, tmp_path):
    path = tmp_path / "last.h5"
    save_checkpoint(path, make_model(word_to_idx))
    content = path.read_bytes()
    for size in (0, 1, 100, 512, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="not a whole checkpoint") as error:
            load_checkpoint(path)
        assert str(path) in str(error.value)


def test_other_files_are_one_clear_error(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["features"] = np.zeros((2, 3))
    for name in ("text.h5", "other.h5"):
        with pytest.raises(ValueError, match="not a whole checkpoint"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "absent.h5")


def test_weights_of_another_shape_are_an_error(word_to_idx, tmp_path):
    save_checkpoint(tmp_path / "a.h5", make_model(word_to_idx))
    with edited(tmp_path / "a.h5") as f:
        del f["params/Wx"]
        f["params/Wx"] = np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"Wx is float64 \(2, 2\), expected float32 \(4, 28\)"):
        load_checkpoint(tmp_path / "a.h5")


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(where, word_to_idx, tmp_path, monkeypatch):
    path = tmp_path / "last.h5"
    save_checkpoint(path, make_model(word_to_idx))
    before = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, where, full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, make_model(word_to_idx, "rnn"))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["last.h5"]


def test_written_files_have_ordinary_permissions(tmp_path):
    write_atomically(tmp_path / "a", b"1")
    (tmp_path / "b").write_bytes(b"1")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("entry, text", [
    ("config", "[]"), ("config", "5"), ("config", "[" * 100_000), ("config", '{"hidden_dim": ' + "9" * 5000 + "}"),
    ("vocabulary", "[]"), ("vocabulary", '{"a": []}'), ("vocabulary", "{"), ("run", "[]"), ("solver", "[]"),
    ("solver", "{}"),
])
def test_json_of_another_form_is_one_clear_error(entry, text, word_to_idx, tmp_path):
    save_checkpoint(tmp_path / "a.h5", make_model(word_to_idx))
    with edited(tmp_path / "a.h5") as f:
        f.pop(entry, None)
        f[entry] = text
    with pytest.raises(ValueError, match="a.h5: not a whole checkpoint"):
        load_checkpoint(tmp_path / "a.h5")


@pytest.mark.parametrize("change, found", [
    ({"hidden_dim": 6000}, "expected float32"), ({"hidden_dim": 10**12}, "sizes are"),
    ({"hidden_dim": 7.0}, "sizes are"), ({"input_dim": True}, "sizes are"), ({"wordvec_dim": "4"}, "sizes are"),
    ({"pooled_dim": [1]}, "sizes are"), ({"dropout": float("nan")}, "a setting is nan"),
    ({"feature_clip": {}}, "a setting is"), ({"dtype": "object"}, "dtype"), ({"cell_type": "gru2"}, "cell_type"),
    ({"seed": 3}, "unknown"), ({"num_layers": 10**9}, "num_layers is 1000000000, expected 1 to 32"),
    ({"cell_type": "transformer", "num_heads": 0}, "num_heads is 0"), ({"tie": 1}, "a setting is 1"),
    ({"norm": "mid"}, "norm is 'mid'"), ({"penalty": float("inf")}, "a setting is inf"),
])
def test_sizes_and_settings_are_checked_before_a_model_is_made(change, found, word_to_idx, tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.h5", make_model(word_to_idx))
    with edited(tmp_path / "a.h5") as f:
        config = json.loads(f["config"][()])
        del f["config"]
        f["config"] = json.dumps({**config, **change})
    monkeypatch.setattr(stored_model, "CaptioningRNN", None)
    with pytest.raises(ValueError, match=f"a.h5: not a whole checkpoint.*{found}"):
        load_checkpoint(tmp_path / "a.h5")


def test_weights_that_are_claimed_and_not_stored_are_refused(word_to_idx, tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.h5", make_model(word_to_idx))
    with edited(tmp_path / "a.h5") as f:
        config = json.loads(f["config"][()])
        for name, shape in (("Wx", (4, 24000)), ("Wh", (6000, 24000)), ("b", (24000,)), ("W_proj", (5, 6000)),
                            ("b_proj", (6000,)), ("W_vocab", (6000, len(word_to_idx)))):
            del f[f"params/{name}"]
            f.create_dataset(f"params/{name}", shape, np.float32)
        del f["config"]
        f["config"] = json.dumps({**config, "hidden_dim": 6000})
    monkeypatch.setattr(stored_model, "CaptioningRNN", None)
    with pytest.raises(ValueError, match="Wh claims 576,000,000 bytes"):
        load_checkpoint(tmp_path / "a.h5")


def test_a_file_that_may_not_be_read_is_said_as_such(word_to_idx, tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.h5", make_model(word_to_idx))

    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied", "a.h5")
    monkeypatch.setattr(sealed, "open", refuse, raising=False)
    with pytest.raises(PermissionError):
        load_checkpoint(tmp_path / "a.h5")


def test_a_file_without_losses_a_word_goes_on_bit_for_bit(word_to_idx, toy_data, tmp_path):
    """Older files have none. Losses that do not fit together are refused."""
    def stop(solver):
        solver.stop = solver.iteration >= 5
    first = CaptioningSolver(make_model(word_to_idx), toy_data, **OPTIONS, callbacks=[stop])
    first.train()
    full = {}
    for name, losses in (("new", first.word_losses), ("wrong", first.word_losses[1:])):
        first.word_losses = losses
        save_checkpoint(tmp_path / name, first.model, {}, first)
    with pytest.raises(ValueError, match="loss_history and word_losses are of different lengths"):
        load_checkpoint(tmp_path / "wrong")
    for name in ("new", "old"):
        checkpoint = load_checkpoint(tmp_path / "new")
        if name == "old":
            checkpoint.solver.pop("word_losses")
        solver = full[name] = CaptioningSolver(checkpoint.model, toy_data, **OPTIONS)
        restore_solver(solver, checkpoint)
        solver.train()
    assert full["old"].loss_history == full["new"].loss_history
    assert full["old"].word_losses[5:] == full["new"].word_losses[5:]
    captions = toy_data["train_captions"]
    words = (captions[:, 1:] != 0).sum() / len(captions)
    assert full["old"].word_losses[:5] == pytest.approx(np.array(full["old"].loss_history[:5]) / words)
