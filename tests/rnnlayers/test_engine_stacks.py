"""Stacks on packed rows against the textbook's, on ragged captions and pictures, with dropout between the layers."""
import numpy as np
import pytest

from tests.cells import takes
from tests.rnnlayers.conftest import RAGGED, VARIANTS

STACKED = [title for title, (name, _) in VARIANTS.items() if takes(name, "residual")]
BATCHES = {
    "one caption of one word": [[1, 4]],
    "one caption": [[1, 5, 6, 7, 2]],
    "very different lengths": [[1] + n * [5 + n % 4] + (9 - n) * [0] for n in (1, 9, 2, 9, 1)],
    "null everywhere": [[0, 3, 0, 4], [1, 0, 0, 5], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 6, 0]],
    "no targets": [[1, 0, 0], [2, 0, 0]],
    "many": None,                                           # by `ragged`
}


@pytest.fixture
def pair(captioner):
    """Function: variant, dtype, options -> the engine's and the textbook's model, of which the latter is in float64."""
    def make(variant, dtype, **options):
        engine = captioner(variant, "engine", dtype, 0.5, **options)
        textbook = captioner(variant, "textbook", **options)
        textbook.params = {name: w.astype(np.float64) for name, w in engine.params.items()}
        return engine, textbook
    return make


@pytest.mark.parametrize("title", STACKED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("num_layers, residual, dropout", [(2, False, 0.0), (3, True, 0.4)])
def test_loss_and_gradients(title, dtype, num_layers, residual, dropout, pair, pictures, ragged, same_loss, close,
                            tolerance, monkeypatch):
    if "step by step" in title:
        monkeypatch.setattr("rnnlayers.engine.recurrent.FEW_BYTES", 0)
    models = pair(title, dtype, num_layers=num_layers, residual=residual, dropout=dropout)
    for rows in BATCHES.values():
        captions = ragged(130, 5) if rows is None else np.array(rows)
        features = pictures(title, len(captions))
        found, expected = (model.loss(features, captions, np.random.default_rng(3)) for model in models)
        same_loss(found, expected, tolerance[dtype])
        assert all(g.dtype == dtype for g in found[1].values())
        likelihoods = [model.negative_log_likelihood(features, captions)[0] for model in models]
        close(*likelihoods, tolerance[dtype])


@pytest.mark.parametrize("title", [title for title in STACKED if RAGGED in title or "," not in title])
def test_a_workspace_is_not_confused_by_layers(title, pair, pictures, ragged, close):
    """Two batches in one workspace: layers keep arrays of their own."""
    from rnnlayers.workspace import Workspace
    (model, textbook), workspace = pair(title, np.float64, num_layers=3, residual=True, dropout=0.3), Workspace()
    for seed, n in ((0, 9), (1, 4), (2, 12)):
        captions, features = ragged(n, 7, seed), pictures(title, n)
        _, _, found = model.objective(features, captions, np.random.default_rng(seed), workspace=workspace)
        _, _, expected = textbook.objective(features, captions, np.random.default_rng(seed))
        largest = max(np.abs(g).max() for g in expected.values())
        for name, g in expected.items():
            close(found[name], g, 1e-10, largest)


def test_a_state_of_another_depth_is_refused(captioner, pictures):
    single, stack = captioner("lstm"), captioner("lstm", num_layers=2)
    with pytest.raises(ValueError, match="expected what initial_state, step or select"):
        stack.step(np.array([1, 1]), single.initial_state(pictures("lstm", 2)))
