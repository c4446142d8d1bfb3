"""Checkpoints that version 0.1 wrote, after 5 of 8 steps: they load, and training goes on as it did then.

data/checkpoint-0.1.json holds what version 0.1 itself made of each: greedy captions and a loss of the model as it
was stored, and, as hexadecimal floats, the losses of all 8 steps of the resumed run. On the processor that wrote them
today's numbers are the same to the last bit; another processor's matrix products may round otherwise, so the test asks
for a millionth.
"""
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from models import CaptioningSolver
from models.checkpoint import load_checkpoint, restore_solver

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "checkpoint-0.1.json").read_text("utf-8"))
OPTIONS = {
    "update_rule": "adam", "optim_config": {"learning_rate": 2e-2, "epsilon": 1e-3}, "batch_size": 4, "num_epochs": 2,
    "sampling": "epochs", "schedule": "one-cycle", "clip": 1.0, "weight_decay": 0.1, "average": 0.9, "validate": True,
    "seed": 4, "verbose": False,
}
D, P, L = 3, 2, 4


class Pairs:
    """Grids and pooled features by row, as data.features.PairReader gives them."""
    shape = (5,)

    def __init__(self, *parts):
        self.parts = parts

    def __getitem__(self, rows):
        return tuple(part[rows] for part in self.parts)


def captions_and_features(model):
    """What the stored runs were trained on: 20 captions of 5 images."""
    rng = np.random.default_rng(5)
    captions = np.zeros((20, 6), np.int32)
    for row in captions:
        n = rng.integers(1, 5)
        row[0], row[1:1 + n], row[1 + n] = 1, rng.integers(3, 8, n), 2
    grid, pooled = (rng.standard_normal(shape).astype(np.float32) for shape in ((5, L, D), (5, P)))
    features = Pairs(grid, pooled) if model.pooled_dim else grid if model.attends else grid[:, 0]
    return captions, np.arange(20) % 5, features


@pytest.fixture(params=EXPECTED)
def stored(request, tmp_path):
    """A file of version 0.1, and what that version made of it."""
    packed, path = DATA / f"checkpoint-0.1-{request.param}.h5.gz", tmp_path / "last.h5"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path, EXPECTED[request.param]


@pytest.mark.parametrize("backend", ["engine", "textbook"])
def test_a_file_of_version_0_1(backend, stored, monkeypatch, capsys):
    monkeypatch.setenv("RNNLAYERS_BACKEND", backend)
    path, expected = stored
    checkpoint, then = load_checkpoint(path), expected[backend]
    assert capsys.readouterr().err.startswith(f"note: {path} is of an old format without a digest")
    model = checkpoint.model
    assert (model.cell_type, checkpoint.run) == (expected["cell"], {"note": "version 0.1"})
    captions, images, features = captions_and_features(model)
    sampled = model.sample(features[np.arange(5)], 6)
    assert (sampled[0] if model.attends else sampled).tolist() == then["captions"]
    loss, _ = model.loss(features[images], captions)
    assert loss == pytest.approx(float.fromhex(then["loss"]), rel=1e-6)

    data = {f"{split}_{name}": value for split, rows in (("train", slice(16)), ("val", slice(16, None)))
            for name, value in (("captions", captions[rows]), ("image_idxs", images[rows]), ("features", features))}
    solver = CaptioningSolver(model, data, **OPTIONS)
    restore_solver(solver, checkpoint)
    words = (captions[:16, 1:] != 0).sum() / 16             # unknown for each step: the mean stands in
    assert solver.word_losses == pytest.approx([loss / words for loss in checkpoint.solver["loss_history"]])
    solver.train()
    assert len(solver.word_losses) == len(solver.loss_history)
    assert solver.loss_history == pytest.approx([float.fromhex(loss) for loss in then["losses"]], rel=1e-6)
    assert solver.best_val_loss == pytest.approx(float.fromhex(then["val"]), rel=1e-6)


def test_files_are_of_every_cell_and_start_of_version_0_1():
    assert {entry["cell"] for entry in EXPECTED.values()} == {"rnn", "lstm", "attention", "bahdanau"}
    assert {"lstm-both", "bahdanau-pooled"} < EXPECTED.keys()
