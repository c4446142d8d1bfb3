"""Training on the engine against training on the textbook, and updates of parameters in place."""
import numpy as np
import pytest

from models import CaptioningSolver
from tests.cells import NAMES, takes

RULES = {"sgd": {}, "sgd_momentum": {"momentum": 0.8}, "rmsprop": {"epsilon": 1e-3}, "adam": {"epsilon": 1e-3}}
TRAINED = [*NAMES, *(f"{name}, penalty" for name in NAMES if takes(name, "penalty"))]


@pytest.fixture
def data(ragged, pictures):
    """Function: variant -> 20 captions to train on and 6 to validate, of 5 pictures each."""
    def make(variant):
        return {f"{split}_{name}": value for split, n in (("train", 20), ("val", 6)) for name, value in (
            ("captions", ragged(n, 7, seed=n)), ("image_idxs", np.arange(n) % 5), ("features", pictures(variant, 5)))}
    return make


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", TRAINED)
def test_training(rule, dtype, cell, captioner, data, close, tolerance):
    models = [captioner(cell, backend, dtype, 0.5, dropout=0.3) for backend in ("engine", "textbook")]
    before = dict(models[0].params)
    options = {"update_rule": rule, "optim_config": {"learning_rate": 1e-2, **RULES[rule]}, "clip": 0.5,
               "weight_decay": 0.1, "batch_size": 4, "num_epochs": 1, "seed": 2, "verbose": False}
    solvers = [CaptioningSolver(model, data(cell), **options) for model in models]
    for solver in solvers:
        solver.train()
    assert solvers[0].iteration == 5
    close(solvers[0].loss_history, solvers[1].loss_history, tolerance[dtype])
    for name, w in models[0].params.items():
        assert w is before[name] and w.dtype == dtype
        close(w, models[1].params[name], tolerance[dtype])
        state, state2 = (solver.optim_configs[name] for solver in solvers)
        assert list(state) == list(state2) and state.get("t", 5) == 5


CHANGES = (np.asfortranarray, lambda w: np.repeat(w, 2, axis=-1)[..., ::2], "read-only")


@pytest.mark.parametrize("cell, change", list(zip(TRAINED, 2 * CHANGES)))   # each layout compiles a cell's loops anew
def test_parameters_that_cannot_be_updated_in_place(change, cell, captioner, data, close):
    models = [captioner(cell, backend, np.float32, 0.5) for backend in ("engine", "textbook")]
    for name in ("W_embed", *models[0].cell.shapes(), "b_vocab")[::2]:
        if change == "read-only":
            models[0].params[name].flags.writeable = False
        else:
            models[0].params[name] = change(models[0].params[name])
    for model in models:
        CaptioningSolver(model, data(cell), update_rule="adam", optim_config={"epsilon": 1e-3}, batch_size=4,
                         num_epochs=1, seed=2, verbose=False, weight_decay=0.1).train()
    for name, w in models[0].params.items():
        close(w, models[1].params[name], 1e-5)


def test_best_params_are_kept(captioner, data):
    model = captioner("lstm", dtype=np.float32)
    solver = CaptioningSolver(model, data("lstm"), update_rule="adam", validate=True, num_epochs=1, batch_size=4,
                              seed=2, verbose=False)
    solver.train()
    kept, best = {name: w.copy() for name, w in solver.best_params.items()}, solver.best_params
    features, captions = data("lstm")["val_features"], data("lstm")["val_captions"][:5]
    result = model.loss(features, captions)[1]
    seen = {name: g.copy() for name, g in result.items()}
    for _ in range(3):
        solver.step(features, captions)
    for name in kept:
        np.testing.assert_array_equal(best[name], kept[name])
        np.testing.assert_array_equal(result[name], seen[name])         # the solver's workspace is its own
        assert not np.array_equal(model.params[name], kept[name])


def test_adam_moves_words_that_are_not_in_the_batch(captioner, data):
    model = captioner("rnn", dtype=np.float32)
    solver = CaptioningSolver(model, data("rnn"), update_rule="adam", verbose=False)
    features = data("rnn")["train_features"][:1]
    solver.step(features, np.array([[1, 5, 2]]))
    before = model.params["W_embed"].copy()
    solver.step(features, np.array([[1, 6, 2]]))
    moved = (model.params["W_embed"] != before).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [1, 5, 6]


def test_a_loss_that_adds_up_two_calls(captioner, data):
    """A second call within a step has arrays of its own."""
    params = []
    for backend in ("engine", "textbook"):
        model = captioner("lstm", backend)
        single = model.loss

        def loss(features, captions, single=single):
            (l1, g1), (l2, g2) = single(features[:2], captions[:2]), single(features[2:], captions[2:])
            return (l1 + l2) / 2, {name: (g1[name] + g2[name]) / 2 for name in g1}
        model.loss = loss
        solver = CaptioningSolver(model, data("lstm"), optim_config={"learning_rate": 0.5}, verbose=False)
        for _ in range(3):
            solver.step(data("lstm")["train_features"][:4], data("lstm")["train_captions"][:4])
        params.append(model.params)
    for name in params[0]:
        np.testing.assert_allclose(params[0][name], params[1][name], rtol=1e-9, atol=1e-12)
