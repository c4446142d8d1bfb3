import math

import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver
from models.options import OPTIONS
from models.schedules import SCHEDULES
from rnnlayers import optim


def make_model(word_to_idx, cell="lstm", **options):
    return CaptioningRNN(word_to_idx, 5, 4, 7, cell, seed=3, **options)


def make(model, data, **options):
    return CaptioningSolver(model, data, **{"verbose": False, "update_rule": "adam", "batch_size": 8, **options})


def test_course_mode_draws_and_updates_as_the_course_does(word_to_idx, toy_data):
    """Against a transcription of the course's training loop on NumPy's global state."""
    options = {"num_epochs": 3, "lr_decay": 0.9, "optim_config": {"learning_rate": 1e-2}}
    model, twin = make_model(word_to_idx), make_model(word_to_idx)
    np.random.seed(8)
    solver = make(model, toy_data, **options)
    solver.train()
    np.random.seed(8)
    configs, losses = {name: {"learning_rate": 1e-2} for name in twin.params}, []
    for t in range(3 * (37 // 8)):
        batch = np.random.choice(37, 8)
        captions, images = toy_data["train_captions"][batch], toy_data["train_image_idxs"][batch]
        loss, grads = twin.loss(toy_data["train_features"][images], captions)
        losses.append(loss)
        for name, w in twin.params.items():
            twin.params[name], configs[name] = optim.adam(w, grads[name], configs[name])
        if (t + 1) % 4 == 0:
            for config in configs.values():
                config["learning_rate"] *= 0.9
    np.testing.assert_allclose(solver.loss_history, losses, rtol=1e-5)
    for name, w in twin.params.items():
        np.testing.assert_allclose(model.params[name], w, atol=1e-6)
    assert solver.epoch == 3 and solver.optim_configs["Wx"]["learning_rate"] == pytest.approx(1e-2 * 0.9**3)
    assert all(isinstance(loss, float) for loss in solver.loss_history)


def test_dropout_does_not_disturb_the_courses_batches(word_to_idx, toy_data):
    solver = make(make_model(word_to_idx, dropout=0.3), toy_data)
    np.random.seed(8)
    solver._step()                                          # draws a batch, then once a seed for dropout's own stream
    state = np.random.get_state()[1:3]
    batch = solver._minibatches.chosen(solver.iteration, solver._generator)
    np.random.set_state(("MT19937", *state))
    np.testing.assert_array_equal(batch, np.random.choice(37, 8))
    assert solver.seed is None


@pytest.mark.parametrize("name", [option.name for option in OPTIONS if option.drops])
def test_every_kind_of_dropout_drops_when_it_is_the_only_one(name, word_to_idx, toy_data, rng):
    """Against the model's own loss with and without random numbers."""
    grids, captions = rng.standard_normal((3, 9, 5)), toy_data["train_captions"][:3]
    losses = []
    for share in (0.5, 0.0):
        solver = make(make_model(word_to_idx, "bahdanau", **{name: share}), toy_data, seed=1)
        losses.append(solver.step(grids, captions))
    assert losses[0] != losses[1]


def test_prints_as_the_course_does(word_to_idx, toy_data, capsys):
    make(make_model(word_to_idx), toy_data, num_epochs=2, verbose=True, print_every=3, seed=1).train()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" loss")[0] for line in lines] == [f"(Iteration {t} / 8)" for t in (1, 4, 7)]


def test_overfits_a_small_set_in_the_courses_settings(word_to_idx, toy_data):
    for cell, bound, decay in (("rnn", 0.1, 0.95), ("lstm", 0.5, 0.995)):
        distinct = {"train_captions": toy_data["train_captions"][:9], "train_image_idxs": np.arange(9),
                    "train_features": toy_data["train_features"]}
        model = CaptioningRNN(word_to_idx, 5, 64, 512, cell, seed=0)
        solver = make(model, distinct, num_epochs=50, batch_size=4, lr_decay=decay,
                      optim_config={"learning_rate": 5e-3}, seed=0)
        solver.train()
        assert solver.loss_history[-1] < bound
        assert solver.check_accuracy(distinct["train_features"], distinct["train_captions"]) > 0.95


def test_epochs_visit_every_caption_once(word_to_idx, toy_data):
    solver = make(make_model(word_to_idx), toy_data, sampling="epochs", seed=2)
    assert solver.iterations_per_epoch == 5
    epochs = []
    for _ in range(2):
        seen = []
        for _ in range(5):
            seen.append(solver._minibatches.chosen(solver.iteration, solver._generator))
            solver.iteration += 1
        assert sorted(np.concatenate(seen)) == list(range(37))
        epochs.append(np.concatenate(seen))
    assert (epochs[0] != epochs[1]).any()


def test_seed_makes_runs_equal_and_leaves_the_global_state_alone(word_to_idx, toy_data):
    def run(seed):
        model = make_model(word_to_idx, dropout=0.3)
        make(model, toy_data, sampling="epochs", num_epochs=2, seed=seed).train()
        return model.params["Wx"]
    state = np.random.get_state()[1].copy()
    a, b, c = run(1), run(1), run(2)
    np.testing.assert_array_equal(run(np.random.default_rng(4)), run(np.random.default_rng(4)))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_array_equal(state, np.random.get_state()[1])


def test_losses_in_nats_a_word_are_those_of_each_step(word_to_idx, toy_data):
    model = make_model(word_to_idx)
    solver = make(model, toy_data, sampling="epochs", num_epochs=2, seed=0)
    words, captions, step = [], [], solver.step

    def spy(features, batch):
        words.append(int((batch[:, 1:] != 0).sum()))
        captions.append(len(batch))
        return step(features, batch)
    solver.step = spy
    solver.train()
    assert len({*captions}) > 1                             # the last batch of an epoch is smaller
    expected = np.array(solver.loss_history) * captions / words
    np.testing.assert_allclose(solver.word_losses, expected, rtol=1e-12)
    n = solver.iterations_per_epoch
    for k, row in enumerate(solver.history):
        part = slice(k * n, (k + 1) * n)
        assert row["train_loss"] == pytest.approx(np.average(solver.word_losses[part], weights=words[part]))


def test_trimming_changes_nothing(word_to_idx, toy_data):
    features, captions = toy_data["train_features"][:3], toy_data["train_captions"][:3]
    a, b = (make(make_model(word_to_idx), toy_data, seed=0) for _ in range(2))
    assert a.step(features, captions) == pytest.approx(b.step(features, np.pad(captions, ((0, 0), (0, 9)))), rel=1e-6)
    np.testing.assert_allclose(a.model.params["Wh"], b.model.params["Wh"], atol=1e-7)
    assert a.step_words == b.step_words == (captions[:, 1:] != 0).sum()


def test_clipping_scales_the_whole_gradient(word_to_idx, toy_data):
    features, captions = toy_data["train_features"][:3], toy_data["train_captions"][:3]
    model = make_model(word_to_idx)
    before = {name: w.copy() for name, w in model.params.items()}
    _, grads = model.loss(features, captions)
    norm = math.sqrt(sum((g.astype(np.float64)**2).sum() for g in grads.values()))
    solver = make(model, toy_data, update_rule="sgd", clip=norm / 4, optim_config={"learning_rate": 0.1})
    solver.step(features, captions)
    for name, w in model.params.items():
        np.testing.assert_allclose(w, before[name] - 0.1 * grads[name] / 4, atol=1e-6)


def test_weight_decay_shrinks_matrices_apart_from_the_rule(word_to_idx, toy_data):
    features, captions = toy_data["train_features"][:3], toy_data["train_captions"][:3]
    models = [make_model(word_to_idx, forget_bias=1.0) for _ in range(2)]
    start = {name: w.copy() for name, w in models[0].params.items()}
    for model, decay in zip(models, (0.0, 0.5)):
        make(model, toy_data, weight_decay=decay, optim_config={"learning_rate": 0.1}).step(features, captions)
    for name, w in models[1].params.items():
        expected = models[0].params[name] - (0.05 * start[name] if w.ndim == 2 else 0)
        np.testing.assert_allclose(w, expected, atol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_rise_then_fall(name):
    rates = [SCHEDULES[name](t / 100, 0.2) for t in range(101)]
    assert max(rates) == pytest.approx(1) and rates[20] == pytest.approx(1) and rates[-1] == pytest.approx(0)
    assert all(a <= b for a, b in zip(rates[:20], rates[1:21])) and all(a >= b for a, b in zip(rates[20:], rates[21:]))
    assert SCHEDULES[name](0.0, 0.0) == 1


def test_schedule_sets_the_rate_of_every_step(word_to_idx, toy_data):
    rates = []
    solver = make(make_model(word_to_idx), toy_data, num_epochs=5, schedule="one-cycle", seed=0,
                  optim_config={"learning_rate": 0.02},
                  callbacks=[lambda s: rates.append(s.optim_configs["b"]["learning_rate"])])
    solver.train()
    assert len(rates) == 20 and max(rates) <= 0.02 and rates[0] < 0.02 > rates[-1] > 0
    assert rates == [0.02 * SCHEDULES["one-cycle"]((t + 0.5) / 20, 0.1) for t in range(20)]


def test_validation_history_and_best(word_to_idx, toy_data):
    model = make_model(word_to_idx)
    solver = make(model, toy_data, sampling="epochs", num_epochs=12, validate=True, seed=0,
                  optim_config={"learning_rate": 0.05})
    solver.train()
    losses = [row["val_loss"] for row in solver.history]
    assert [row["epoch"] for row in solver.history] == list(range(1, 13))
    assert solver.best_val_loss == min(losses) < losses[-1]          # it overfits: the best is not the last
    model.params = solver.best_params
    assert solver.validation_loss() == pytest.approx(min(losses), rel=1e-6)
    total = sum(model.negative_log_likelihood(toy_data["val_features"][[i]], c[None])[0]
                for i, c in zip(toy_data["val_image_idxs"], toy_data["val_captions"]))
    words = (toy_data["val_captions"][:, 1:] != 0).sum()
    assert solver.validation_loss() == pytest.approx(total / words, rel=1e-5)
    assert solver.history[3]["val_perplexity"] == pytest.approx(math.exp(losses[3]))


def test_patience_stops_early(word_to_idx, toy_data):
    solver = make(make_model(word_to_idx), toy_data, sampling="epochs", num_epochs=200, validate=True, patience=3,
                  seed=0, optim_config={"learning_rate": 0.05})
    solver.train()
    losses = [row["val_loss"] for row in solver.history]
    assert len(losses) < 200 and losses.index(min(losses)) == len(losses) - 4
    solver.train()                                                   # it stays stopped
    assert len(solver.history) == len(losses)


def test_training_again_trains_on_as_the_courses_solver_does(word_to_idx, toy_data):
    solver = make(make_model(word_to_idx), toy_data, num_epochs=2, seed=0)
    for k in (1, 2, 3):
        solver.train()
        assert solver.iteration == len(solver.loss_history) == 8 * k and solver.epoch == 2 * k


def test_validation_that_is_not_finite_stops(word_to_idx, toy_data):
    toy_data["val_features"][:] = np.inf
    solver = make(make_model(word_to_idx), toy_data, sampling="epochs", validate=True, seed=0)
    with pytest.raises(FloatingPointError, match="validation loss is nan"), np.errstate(invalid="ignore"):
        solver.train()


@pytest.mark.parametrize("loss, perplexity", [(2.0, math.exp(2)), (708.0, math.exp(708)), (710.0, math.inf),
                                              (1684.0, math.inf)])
def test_the_perplexity_of_a_loss_that_exploded_is_infinite(loss, perplexity, word_to_idx, toy_data, monkeypatch):
    monkeypatch.setattr(CaptioningSolver, "validation_loss", lambda self: loss)
    solver = make(make_model(word_to_idx), toy_data, sampling="epochs", validate=True, num_epochs=1, seed=0)
    solver.train()
    assert solver.history[0]["val_loss"] == loss and solver.history[0]["val_perplexity"] == perplexity


def test_a_callback_can_stop_training_which_then_goes_on(word_to_idx, toy_data):
    def stop(solver):
        solver.stop = solver.iteration == 5
    models = [make_model(word_to_idx, dropout=0.2) for _ in range(2)]
    whole = make(models[0], toy_data, sampling="epochs", num_epochs=3, seed=1)
    whole.train()
    parts = make(models[1], toy_data, sampling="epochs", num_epochs=3, seed=1, callbacks=[stop])
    parts.train()
    assert parts.iteration == 5
    parts.train()
    assert parts.loss_history == whole.loss_history
    np.testing.assert_array_equal(models[0].params["Wx"], models[1].params["Wx"])


def test_loss_that_is_not_finite_leaves_the_parameters(word_to_idx, toy_data):
    model = make_model(word_to_idx)
    before = {name: w.copy() for name, w in model.params.items()}
    solver = make(model, toy_data)
    with pytest.raises(FloatingPointError, match="loss is nan at step 1"), np.errstate(invalid="ignore"):
        solver.step(np.full((2, 5), np.nan), toy_data["train_captions"][:2])
    assert all((model.params[name] == w).all() for name, w in before.items())


def test_a_students_model_trains(toy_data):
    """Anything with params, word_to_idx and loss(features, captions) will do."""
    class Unigrams:
        word_to_idx, params = {"<NULL>": 0}, {"scores": np.zeros(11)}

        def loss(self, features, captions):
            words = captions[:, 1:][captions[:, 1:] != 0]
            p = np.exp(self.params["scores"]) / np.exp(self.params["scores"]).sum()
            return -np.log(p[words]).mean(), {"scores": p - np.bincount(words, minlength=11) / len(words)}
    solver = make(Unigrams(), toy_data, update_rule="sgd", num_epochs=5, optim_config={"learning_rate": 1.0})
    solver.train()
    assert solver.loss_history[-1] < solver.loss_history[0] == pytest.approx(np.log(11))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_average_of_the_weights_is_validated_and_kept(dtype, word_to_idx, toy_data):
    """Against the recurrence in float64; training itself goes on as without."""
    weights, scored = [], []

    def note(solver):
        weights.append({name: w.astype(np.float64) for name, w in solver.model.params.items()})

    def scorer(model):
        scored.append({name: w.copy() for name, w in model.params.items()})
        return {}
    options = {"sampling": "epochs", "validate": True, "seed": 1, "num_epochs": 3, "callbacks": (note,)}
    solver = make(make_model(word_to_idx, dtype=dtype), toy_data, average=0.8, scorer=scorer, **options)
    expected, losses = {name: w.astype(np.float64) for name, w in solver.model.params.items()}, []
    solver.train()
    for k, w in enumerate(weights, 1):
        decay = min(0.8, k / (k + 10))
        expected = {name: decay * a + (1 - decay) * w[name] for name, a in expected.items()}
    for name, a in expected.items():
        np.testing.assert_allclose(scored[-1][name], a, rtol=1e-5, atol=1e-7)
        assert scored[-1][name].dtype == solver.model.params[name].dtype == dtype
    solver.model.params = solver.best_params
    losses = [row["val_loss"] for row in solver.history]
    assert solver.validation_loss() == min(losses)
    plain = make(make_model(word_to_idx, dtype=dtype), toy_data, **options)
    plain.train()
    assert plain.loss_history == solver.loss_history and plain.history[-1]["val_loss"] != losses[-1]


def test_a_score_selects_the_best_epoch_and_stops(word_to_idx, toy_data):
    scores, models = iter([0.2, 0.5, 0.5, 0.4, 0.9]), []

    def scorer(model):
        models.append({name: w.copy() for name, w in model.params.items()})
        return {"score": next(scores)}
    options = {"sampling": "epochs", "validate": True, "seed": 1, "scorer": scorer, "score_every": 2, "select": "score"}
    solver = make(make_model(word_to_idx), toy_data, num_epochs=40, patience=2, **options)
    solver.train()                                          # scores at epochs 2, 4, 6, 8: the first 0.5 is the best
    assert solver.epoch == 8 and solver.best_epoch == 4
    assert [row.get("score") for row in solver.history] == [None, 0.2, None, 0.5, None, 0.5, None, 0.4]
    for name, w in solver.best_params.items():
        np.testing.assert_array_equal(w, models[1][name])


@pytest.mark.parametrize("options, message", [
    ({"batchsize": 3}, "Unrecognized arguments 'batchsize', did you mean 'batch_size'"),
    ({"update_rule": "adamw"}, "Invalid update_rule 'adamw'"),
    ({"update_rule": "np"}, "Invalid update_rule"),
    ({"schedule": "linear"}, "schedule is 'linear'"),
    ({"schedule": "cosine"}, "needs optim_config"),
    ({"schedule": "cosine", "lr_decay": 0.9, "optim_config": {"learning_rate": 1}}, "lr_decay 0.9 belongs to"),
    ({"sampling": "all"}, "sampling is 'all'"),
    ({"patience": 2}, "patience needs validate=True"),
    ({"scorer": dict}, "a scorer needs validate=True"),
    ({"select": "score", "validate": True}, "select another than 'val_loss' a scorer"),
    ({"score_every": 0}, "score_every is 0"),
    ({"average": 1.0}, "average is 1.0"),
    ({"clip": 0}, "clip is 0, expected None or a number above 0"),
    ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
])
def test_wrong_options(options, message, word_to_idx, toy_data):
    with pytest.raises(ValueError, match=message):
        make(make_model(word_to_idx), toy_data, **options)


@pytest.mark.parametrize("change, message", [
    (lambda d: d.pop("train_features"), "data has no train_features"),
    (lambda d: d.update(train_captions=d["train_captions"][:5]), "train_captions has 5 rows and train_image_idxs 37"),
    (lambda d: d.update(train_image_idxs=d["train_image_idxs"] + 1), "train_image_idxs has rows 1..9, expected 0..8"),
    (lambda d: d.update(train_captions=d["train_captions"][:0], train_image_idxs=np.zeros(0, int)), "is empty"),
])
def test_data_that_does_not_fit(change, message, word_to_idx, toy_data):
    change(toy_data)
    with pytest.raises(ValueError, match=message):
        make(make_model(word_to_idx), toy_data)


class Overridden(CaptioningRNN):
    def loss(self, features, captions, rng=None):
        return super().loss(features, captions, rng)


@pytest.mark.parametrize("how", ["subclass", "attribute"])
def test_an_overridden_loss_is_used_and_reports_the_same_likelihood(how, word_to_idx, toy_data):
    histories = []
    for cls in (CaptioningRNN, Overridden if how == "subclass" else CaptioningRNN):
        model, calls = cls(word_to_idx, 5, 4, 6, "lstm", smoothing=0.2, seed=1), []
        if how == "attribute" and histories:
            own = model.loss
            model.loss = lambda *args, own=own, calls=calls: calls.append(1) or own(*args)
        solver = CaptioningSolver(model, toy_data, num_epochs=1, batch_size=10, seed=0, verbose=False)
        solver.train()
        histories.append(solver.loss_history)
        assert len(calls) == (len(solver.loss_history) if how == "attribute" and histories[1:] else 0)
    assert histories[0] == histories[1]                     # the likelihood alone, without the smoothing's share
