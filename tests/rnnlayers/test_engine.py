"""The engine against the textbook: losses, gradients, states, packing, training, errors."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver
from rnnlayers.engine import pack
from rnnlayers.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"]
V = len(WORDS)
TOLERANCE = {np.float64: 1e-10, np.float32: 1e-5}
RULES = {"sgd": {}, "sgd_momentum": {"momentum": 0.8}, "rmsprop": {"epsilon": 1e-3}, "adam": {"epsilon": 1e-3}}
TRAINED = ["rnn", "lstm", "attention", "bahdanau", "bahdanau, penalty"]
BATCHES = {
    "one caption of one word": [[1, 4]],
    "one word each": [[1, word] for word in range(3, 10)],
    "many": None,                                           # by `ragged`
    "one length": [[1, 5, 6, 7, 2], [1, 3, 3, 9, 2], [1, 10, 4, 8, 2]],
    "very different lengths": [[1] + n * [5 + n % 4] + (11 - n) * [0] for n in (1, 11, 2, 11, 1)],
    "one word again and again": [[4] * 6] * 3,
    "null everywhere": [[0, 3, 0, 4], [1, 0, 0, 5], [0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0], [0, 0, 6, 0]],
    "no targets": [[1, 0, 0], [2, 0, 0], [0, 0, 0]],
}


@pytest.fixture(params=BATCHES)
def captions(request, ragged):
    rows = BATCHES[request.param]
    return ragged(130, 5) if rows is None else np.array(rows)


@pytest.fixture
def data(ragged, pictures):
    """Function: variant -> 20 captions to train on and 6 to validate, of 5 pictures each."""
    def make(variant):
        return {f"{split}_{name}": value for split, n in (("train", 20), ("val", 6)) for name, value in (
            ("captions", ragged(n, 7, seed=n)), ("image_idxs", np.arange(n) % 5), ("features", pictures(variant, 5)))}
    return make


def copies(grads):
    return {name: g.copy() for name, g in grads.items()}


def plain_pack(targets, null):
    """Captions longest first and where each row stands: [(caption, time)], time by time."""
    lengths = [max((t + 1 for t, word in enumerate(row) if word != null), default=0) for row in targets]
    order = sorted(range(len(targets)), key=lambda n: -lengths[n])
    places, starts = [], [0]
    for t in range(max(lengths)):
        places += [(n, t) for n in order if lengths[n] > t]
        starts.append(len(places))
    return order, starts, places, [lengths[n] for n in order if lengths[n]]


# agreement

@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.4, "input_dropout": 0.3, "feature_dropout": 0.2,
                                         "grid_dropout": 0.3, "feature_clip": 1.2, "smoothing": 0.1}],
                         ids=["plain", "all options"])
def test_loss_and_gradients(variant, dtype, options, captions, captioner, pictures, same_loss):
    engine = captioner(variant, "engine", dtype, **options)
    textbook, exact = (captioner(variant, "textbook", d, **options) for d in (dtype, np.float64))
    exact.params = {name: w.astype(np.float64) for name, w in engine.params.items()}
    features = pictures(variant, len(captions))
    found, same, expected = (m.loss(features, captions, np.random.default_rng(3)) for m in (engine, textbook, exact))
    same_loss(found, expected, TOLERANCE[dtype])
    assert found[0].dtype == same[0].dtype == dtype
    assert {name: (g.dtype, g.shape) for name, g in found[1].items()} == {
        name: (np.dtype(dtype), w.shape) for name, w in engine.params.items()}
    assert engine.last_penalty == pytest.approx(exact.last_penalty, rel=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1e-3, 0.1])
def test_small_weights(variant, dtype, scale, captioner, pictures, ragged, same_loss):
    engine, textbook = (captioner(variant, backend, dtype, scale) for backend in ("engine", "textbook"))
    features, captions = pictures(variant, 7), ragged(7, 6)
    same_loss(engine.loss(features, captions), textbook.loss(features, captions), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("N, T", [(7, 2), (7, 7), (130, 5)])
def test_large_weights(variant, dtype, N, T, captioner, pictures, ragged, close):
    """Saturated gates: as near to the truth as the textbook in the same dtype, up to a factor of ten."""
    features, captions = pictures(variant, N), ragged(N, T)
    engine, textbook, exact = (captioner(variant, *how, 10) for how in (
        ("engine", dtype), ("textbook", dtype), ("textbook", np.float64)))
    exact.params = {name: w.astype(np.float64) for name, w in engine.params.items()}
    (loss, grads), (_, same), (exact_loss, expected) = (m.loss(features, captions) for m in (engine, textbook, exact))
    close(loss, exact_loss, TOLERANCE[dtype])
    largest = max(np.abs(g).max() for g in expected.values())
    for name in grads:
        error = np.abs(same[name] - expected[name]).max() / largest
        close(grads[name], expected[name], max(10 * error, TOLERANCE[dtype]), largest)


def test_no_target_no_gradient(variant, captioner, pictures):
    loss, grads = captioner(variant).loss(pictures(variant, 2), np.array([[1, 0, 0], [0, 0, 0]]))
    assert loss == (3.0 if "penalty" in variant else 0)    # 0.5 for each region that nobody looked at
    assert not any(g.any() for g in grads.values())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_likelihood(variant, dtype, captions, captioner, pictures, close):
    features, results = pictures(variant, len(captions)), []
    for backend in ("engine", "textbook"):
        results.append(captioner(variant, backend, dtype).negative_log_likelihood(features, captions))
    close(results[0][0], results[1][0], TOLERANCE[dtype])
    assert results[0][1] == results[1][1] and type(results[0][0]) is float


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("N", [1, 2, 5, 6, 23])
def test_sample(variant, dtype, N, captioner, pictures, close):
    samples = [captioner(variant, backend, dtype).sample(pictures(variant, N), 8) for backend in ("engine", "textbook")]
    if variant.startswith(("rnn", "lstm")):
        np.testing.assert_array_equal(*samples)
        assert samples[0].dtype == np.int32 and samples[0].shape == (N, 8)
    else:
        np.testing.assert_array_equal(samples[0][0], samples[1][0])
        close(samples[0][1], samples[1][1], TOLERANCE[dtype])
        assert samples[0][1].shape == (N, 8, 1, 6) and samples[0][1].dtype == dtype


@pytest.mark.parametrize("variant", ["rnn", "lstm"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_caption_of_one_picture_is_that_of_the_picture_among_others(variant, dtype, captioner, pictures):
    model, features = captioner(variant, "engine", dtype), pictures(variant, 30)
    model.params["b_vocab"][:], model.params["W_vocab"][:] = 0, 3 * model.params["W_vocab"]
    together = model.sample(features, 9)
    np.testing.assert_array_equal(np.concatenate([model.sample(features[n:n + 1], 9) for n in range(30)]), together)
    assert (together == 2).any() and not (together == 2).any(axis=1).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 5, 6, 11])
def test_steps(variant, dtype, n, captioner, pictures, close):
    models = [captioner(variant, backend, dtype) for backend in ("engine", "textbook")]
    states, words = [m.start(pictures(variant, n)) for m in models], np.arange(n) % 4 + 1
    rows = np.arange(n)[::-2]
    for t in range(3):
        if t == 2:
            states, words = [state.select(rows) for state in states], words[rows]
        scores, states = zip(*(m.step(words, state) for m, state in zip(models, states)))
        close(*scores, TOLERANCE[dtype])
        close(states[0].h, states[1].h, TOLERANCE[dtype])
        assert scores[0].dtype == dtype
        if models[0].attends:
            close(states[0].map, states[1].map, TOLERANCE[dtype])


def test_a_step_leaves_the_state_before_it_alone(variant, captioner, pictures):
    model = captioner(variant)
    state = model.start(pictures(variant, 3))
    before = [np.copy(state.h), np.copy(state.c)]
    first, _ = model.step(np.array([1, 4, 5]), state)
    again, _ = model.step(np.array([1, 4, 5]), state)
    np.testing.assert_array_equal(before, [state.h, state.c])
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_ids_of_other_dtypes(dtype, captioner, pictures, ragged):
    model, captions = captioner("lstm"), ragged(4, 5)
    assert model.loss(pictures("lstm", 4), captions.astype(dtype))[0] == model.loss(pictures("lstm", 4), captions)[0]


# packing

@pytest.mark.parametrize("null", [0, 3])
def test_pack_against_a_loop(null, rng):
    for _ in range(100):
        N, T = rng.integers(1, 9), rng.integers(1, 7)
        words, targets = rng.integers(0, 9, (2, N, T))
        targets[rng.random((N, T)) < rng.random()] = null
        order, starts, places, lengths = plain_pack(targets, null)
        packed = pack(words, targets, null)
        assert packed.order.tolist() == order and packed.starts == starts and packed.lengths.tolist() == lengths
        assert list(zip(packed.caption, packed.time)) == places
        assert packed.words.tolist() == [words[place] for place in places]
        assert packed.targets.tolist() == [targets[place] for place in places]
        rows = np.arange(len(places))
        assert rows[packed.scored].tolist() == [r for r, place in enumerate(places) if targets[place] != null]
        assert packed.active == len(lengths) and packed.steps == list(zip(starts, starts[1:]))


def test_null_before_the_end_is_fed_but_not_scored(captioner, pictures):
    model, features = captioner("lstm"), pictures("lstm", 1)
    scores = model.scores(features, np.array([[1, 0, 5, 2, 0]]))[0]
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss, _ = model.loss(features, np.array([[1, 0, 5, 2, 0]]))
    assert loss == pytest.approx(-log_p[1, 5] - log_p[2, 2], rel=1e-12)


def test_null_may_be_any_id(variant, captioner, pictures, same_loss):
    words = ["<START>", "<END>", "a", "<NULL>", "b", "c"]
    engine, textbook = (captioner(variant, backend, words=words) for backend in ("engine", "textbook"))
    captions, features = np.array([[0, 2, 4, 1], [0, 5, 1, 3], [0, 3, 4, 3]]), pictures(variant, 3)
    same_loss(engine.loss(features, captions), textbook.loss(features, captions), 1e-10)


# properties

def test_the_order_of_the_batch_does_not_matter(variant, captioner, pictures, ragged, same_loss):
    model, captions, features = captioner(variant), ragged(9, 6), pictures(variant, 9)
    order = np.random.default_rng(0).permutation(9)
    moved = tuple(f[order] for f in features) if isinstance(features, tuple) else features[order]
    same_loss(model.loss(moved, captions[order]), model.loss(features, captions), 1e-12)


def test_padding_does_not_matter(variant, captioner, pictures, ragged, same_loss):
    model, captions, features = captioner(variant), ragged(9, 6), pictures(variant, 9)
    same_loss(model.loss(features, np.pad(captions, ((0, 0), (0, 4)))), model.loss(features, captions), 1e-14)


def test_results_are_fresh(variant, captioner, pictures, ragged):
    model = captioner(variant, dtype=np.float32)
    _, grads = model.loss(pictures(variant, 5), ragged(5, 6))
    kept = copies(grads)
    _, later = model.loss(pictures(variant, 5, seed=6), ragged(5, 6, seed=6))
    model.negative_log_likelihood(pictures(variant, 4), ragged(4, 6))
    for name in grads:
        np.testing.assert_array_equal(grads[name], kept[name])
        others = [*model.params.values(), *later.values(), *(g for other, g in grads.items() if other != name)]
        assert not any(np.shares_memory(grads[name], other) for other in others)


def test_inputs_are_not_written_to(variant, captioner, pictures, ragged):
    model, captions, features = captioner(variant, dtype=np.float32), ragged(5, 6), pictures(variant, 5)
    before = copies(model.params), captions.copy(), [np.copy(f) for f in features]
    model.loss(features, captions)
    model.sample(features, 3)
    for name, w in model.params.items():
        np.testing.assert_array_equal(w, before[0][name])
    np.testing.assert_array_equal(captions, before[1])
    assert all(np.array_equal(f, g) for f, g in zip(features, before[2]))


def test_memory_that_is_used_again_changes_no_result(variant, captioner, pictures, ragged, same_loss):
    model, plain = captioner(variant, dropout=0.3), captioner(variant, dropout=0.3)
    model.memory = Workspace()
    for N, T in ((5, 6), (9, 8), (2, 3), (9, 8)):
        args = pictures(variant, N, seed=T), ragged(N, T, seed=N)
        for rng in (None, 3):
            draws = [rng and np.random.default_rng(rng) for _ in range(2)]
            same_loss(model.loss(*args, draws[0]), plain.loss(*args, draws[1]), 0)
        assert model.negative_log_likelihood(*args) == plain.negative_log_likelihood(*args)


def test_parameters_are_read_afresh(variant, captioner, pictures, ragged, same_loss):
    engine, textbook = captioner(variant), captioner(variant, "textbook")
    features, captions = pictures(variant, 4), ragged(4, 5)
    losses = [engine.loss(features, captions)[0]]
    for name in engine.params:
        for replace in (True, False):
            for model in (engine, textbook):
                if replace:
                    model.params[name] = model.params[name] * 1.5
                else:
                    model.params[name][..., ::2] += 0.1
            result = engine.loss(features, captions)
            same_loss(result, textbook.loss(features, captions), 1e-10)
            losses.append(result[0])
    assert len(set(losses)) == len(losses)


# the solver

@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", TRAINED)
def test_training(rule, dtype, cell, captioner, data, close):
    models = [captioner(cell, backend, dtype, 0.5, dropout=0.3) for backend in ("engine", "textbook")]
    before = dict(models[0].params)
    options = {"update_rule": rule, "optim_config": {"learning_rate": 1e-2, **RULES[rule]}, "clip": 0.5,
               "weight_decay": 0.1, "batch_size": 4, "num_epochs": 1, "seed": 2, "verbose": False}
    solvers = [CaptioningSolver(model, data(cell), **options) for model in models]
    for solver in solvers:
        solver.train()
    assert solvers[0].iteration == 5
    close(solvers[0].loss_history, solvers[1].loss_history, TOLERANCE[dtype])
    for name, w in models[0].params.items():
        assert w is before[name] and w.dtype == dtype
        close(w, models[1].params[name], TOLERANCE[dtype])
        state, state2 = (solver.optim_configs[name] for solver in solvers)
        assert list(state) == list(state2) and state.get("t", 5) == 5


@pytest.mark.parametrize("change", [np.asfortranarray, lambda w: np.repeat(w, 2, axis=-1)[..., ::2], "read-only"])
@pytest.mark.parametrize("cell", TRAINED)
def test_parameters_that_cannot_be_updated_in_place(change, cell, captioner, data, close):
    models = [captioner(cell, backend, np.float32, 0.5) for backend in ("engine", "textbook")]
    for name in ("W_embed", "Wh", "b_vocab"):
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
    kept, best = copies(solver.best_params), solver.best_params
    features, captions = data("lstm")["val_features"], data("lstm")["val_captions"][:5]
    result = model.loss(features, captions)[1]
    seen = copies(result)
    for _ in range(3):
        solver.step(features, captions)
    for name in kept:
        np.testing.assert_array_equal(best[name], kept[name])
        np.testing.assert_array_equal(result[name], seen[name])         # the solver's memory is its own
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


# errors and other dtypes

@pytest.mark.parametrize("bad", [-1, V, 10**6])
@pytest.mark.parametrize("place", [(0, 0), (2, 1), (1, 4)])
@pytest.mark.parametrize("call", ["loss", "negative_log_likelihood"])
def test_ids_out_of_range(bad, place, call, variant, captioner, pictures, ragged):
    captions = ragged(3, 5)
    captions[place] = bad
    with pytest.raises(ValueError, match=rf"captions.* is {bad}, expected word ids in 0\.\.10"):
        getattr(captioner(variant), call)(pictures(variant, 3), captions)


@pytest.mark.parametrize("call", ["loss", "negative_log_likelihood", "sample", "sample one"])
def test_parameters_that_do_not_fit(call, variant, captioner, pictures, ragged):
    for name, w in captioner(variant).params.items():
        for axis in range(w.ndim):
            model = captioner(variant)                                      # float64: no compiled loop is at risk
            model.params[name] = np.delete(w, 0, axis)
            N = 1 if call == "sample one" else 3
            args = (pictures(variant, N),) if "sample" in call else (pictures(variant, N), ragged(N, 5))
            with pytest.raises(ValueError) as error:
                getattr(model, call.removesuffix(" one"))(*args)
            assert name in str(error.value), f"{name} without a row of axis {axis}"


def test_features_of_wrong_count(variant, captioner, pictures, ragged):
    with pytest.raises(ValueError, match="features has 4 rows and captions 3"):
        captioner(variant).loss(pictures(variant, 4), ragged(3, 5))


@pytest.mark.parametrize("words", [[1], [1, 4], [1, 4, 5, 6], [[1, 4, 5]]])
def test_words_of_wrong_count(words, variant, captioner, pictures):
    model = captioner(variant)                                              # float64: no compiled loop is at risk
    with pytest.raises(ValueError):
        model.step(np.array(words), model.start(pictures(variant, 3)))


@pytest.mark.parametrize("words", [[1, 4, 11], [1, -1, 4], [1.0, 4.0, 5.0]])
def test_words_that_are_none(words, variant, captioner, pictures):
    model = captioner(variant, dtype=np.float32)
    with pytest.raises(ValueError, match="words"):
        model.step(np.array(words), model.start(pictures(variant, 3)))


def test_a_start_that_is_no_word(variant, captioner, pictures):
    model = captioner(variant)
    for N in (1, 2):
        model._start = V
        with pytest.raises(ValueError, match="expected word ids in 0..10"):
            model.sample(pictures(variant, N), 3)


def test_the_argument_wins_over_the_environment(captioner, monkeypatch):
    for name in ("textbook", "engine"):
        monkeypatch.setenv("RNNLAYERS_BACKEND", name)
        assert captioner("rnn", None).backend == name
        assert captioner("rnn", "engine").backend == "engine" and captioner("rnn", "textbook").backend == "textbook"
    monkeypatch.delenv("RNNLAYERS_BACKEND")
    assert captioner("rnn", None).backend == "engine"


def test_a_backend_that_is_none(captioner, monkeypatch):
    with pytest.raises(ValueError, match="backend is 'nonsense', expected 'engine' or 'textbook'"):
        captioner("rnn", "nonsense")
    monkeypatch.setenv("RNNLAYERS_BACKEND", "nonsense")
    with pytest.raises(ValueError, match="RNNLAYERS_BACKEND"):
        captioner("rnn", None)


@pytest.mark.parametrize("kind", [np.float16, np.complex128, "mixed"])
def test_other_dtypes_are_the_textbooks(kind, variant, captioner, pictures, ragged):
    features, captions, results = pictures(variant, 3), ragged(3, 5), []
    for backend in ("engine", "textbook"):
        model = captioner(variant, backend, np.float32, 0.1)
        for name in ["b_vocab"] if kind == "mixed" else model.params:
            model.params[name] = model.params[name].astype(np.float64 if kind == "mixed" else kind)
        sampled = model.sample(features, 3) if kind == "mixed" else ()
        results.append((*model.loss(features, captions), model.step(captions[:, 0], model.start(features))[0], sampled))
    (loss, grads, scores, sampled), (loss2, grads2, scores2, sampled2) = results
    assert loss == loss2 and type(loss) is type(loss2)
    np.testing.assert_array_equal(scores, scores2)
    assert all(np.array_equal(a, b) for a, b in zip(sampled, sampled2))
    for name in grads:
        np.testing.assert_array_equal(grads[name], grads2[name])
        assert grads[name].dtype == grads2[name].dtype


@pytest.mark.parametrize("backend", [None, "textbook"])
def test_numba_is_imported_by_the_engines_first_call(backend):
    code = f"""
import sys
import numpy as np
import rnnlayers, models
model = models.CaptioningRNN({{"<NULL>": 0, "<START>": 1}}, 3, 3, 3, backend={backend!r})
if model.backend == "textbook":
    model.loss(np.zeros((1, 3)), np.ones((1, 3), int))
print(model.backend, "numba" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "RNNLAYERS_BACKEND"}
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.stdout.split() == [backend or "engine", "False"], result.stderr


def test_a_captioner_is_on_the_engine_by_default(monkeypatch):
    monkeypatch.delenv("RNNLAYERS_BACKEND", raising=False)
    assert CaptioningRNN({word: i for i, word in enumerate(WORDS)}, 3, 3, 3).backend == "engine"


def test_the_process_that_compiles_computes_the_same_bits(tmp_path):
    """Kernels taken from Numba's cache are the code that the first process ran."""
    code = """
import numpy as np
from models import CaptioningRNN
rng = np.random.default_rng(0)
words = {"<NULL>": 0, "<START>": 1, **{str(i): i for i in range(2, 70)}}
for cell in ("rnn", "lstm", "attention", "bahdanau"):
    model = CaptioningRNN(words, 20, 9, 24, cell, seed=1, backend="engine")
    features = rng.standard_normal((40, 7, 20) if model.attends else (40, 20), np.float32)
    loss, grads = model.loss(features, rng.integers(1, 70, (40, 5)))
    print(cell, [hash(g.tobytes()) for g in grads.values()])
"""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}
    first, second = (subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
                     for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout and first.stdout.count("\n") == 4


@pytest.mark.parametrize("variant", ["lstm", "attention", "bahdanau"])
def test_a_state_that_does_not_fit(variant, captioner, pictures):
    model = captioner(variant)                                              # float64: no compiled loop is at risk
    state, words = model.start(pictures(variant, 3)), np.ones(3, int)
    wrong = [state._replace(c=state.c[:1]), state._replace(c=np.zeros((3, 50))), None, state.select(0),
             captioner("rnn" if state.seen else "attention").start(pictures("rnn" if state.seen else "attention", 3))]
    wrong += [state._replace(seen=tuple(a[:1] for a in state.seen))] if state.seen else []
    for other in wrong:
        with pytest.raises(ValueError):
            model.step(words, other)
    model.params["Wx"] = model.params["Wx"][:, :1]
    with pytest.raises(ValueError, match="Wx"):
        model.step(words, state)


def test_a_loss_that_adds_up_two_calls(captioner, data):
    """A second call within a step has memory of its own."""
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
