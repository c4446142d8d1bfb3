"""The captioning transformer as the course calls it, and what is its own among the captioners."""
import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver, CaptioningSolverTransformer, CaptioningTransformer
from models.checkpoint import load_checkpoint, save_checkpoint
from models.decoding import beam_search, greedy, sample
from models.transfer import transferred
from rnnlayers import transformer_temporal_softmax_loss
from rnnlayers.optim import adam

D, W, L, P, F = 5, 6, 4, 7, 9
BACKENDS = ["engine", "textbook"]


def make(words, **options):
    options = {"num_heads": 2, "dim_feedforward": F, "dtype": np.float64, "seed": 1, **options}
    return CaptioningTransformer(words, D, W, **options)


def larger(model, rng):
    """The model with weights that make a difference: those drawn are small."""
    model.params = {name: w + 0.4 * rng.standard_normal(w.shape) for name, w in model.params.items()}
    return model


@pytest.fixture
def captions(rng):
    captions = rng.integers(3, 11, (3, 7))
    captions[:, 0], captions[1, 4:] = 1, 0
    return captions


FEATURES = {
    "vector": ({}, lambda rng: rng.standard_normal((3, D))),
    "grid": ({}, lambda rng: rng.standard_normal((3, L, D))),
    "map": ({}, lambda rng: rng.standard_normal((3, D, 2, 2))),
    "pair": ({"pooled_dim": P}, lambda rng: (rng.standard_normal((3, L, D)), rng.standard_normal((3, P)))),
    "ragged": ({"pooled_dim": P}, lambda rng: (rng.standard_normal((3, L, D)), rng.standard_normal((3, P)),
                                               np.array([2, 4, 1]))),
    "places": ({"region_positions": L + 1}, lambda rng: rng.standard_normal((3, L, D))),
}


def test_defaults_and_parameters_are_the_courses(word_to_idx):
    model = CaptioningTransformer(word_to_idx, 20, 32, seed=0)
    assert (model.cell.num_heads, model.cell.num_layers, model.cell.max_length) == (4, 2, 50)
    p, V = model.params, len(word_to_idx)
    assert p["W_embed"].shape == (V, 32) and p["W_proj"].shape == (20, 32) and p["b_proj"].shape == (32,)
    for k in range(2):
        for part in ("self", "cross"):
            assert all(p[f"layer{k}.{part}.W{x}"].shape == (32, 32) for x in "qkvo")
            assert all(not p[f"layer{k}.{part}.b{x}"].any() for x in "qkvo")
        assert p[f"layer{k}.ffn.W1"].shape == (32, 2048) and p[f"layer{k}.ffn.W2"].shape == (2048, 32)
        for norm in ("norm_self", "norm_cross", "norm_ffn"):
            assert (p[f"layer{k}.{norm}.gamma"] == 1).all() and not p[f"layer{k}.{norm}.beta"].any()
    assert p["W_vocab"].shape == (32, V) and all(w.dtype == np.float32 for w in p.values())
    assert p["layer1.ffn.W1"].std() == pytest.approx(0.02, rel=0.02)
    bound = 1 / np.sqrt(32)
    assert all(abs(p[name]).max() <= bound and abs(p[name]).max() > 0.8 * bound for name in ("W_vocab", "b_vocab"))


@pytest.mark.parametrize("tie, words", [(False, 0.5**0.5), (True, 0.125)])
def test_weights_drawn_by_their_number_of_inputs(tie, words, word_to_idx):
    many = {**word_to_idx, **{str(i): len(word_to_idx) + i for i in range(200)}}
    p = CaptioningTransformer(many, 150, 64, dim_feedforward=256, tie=tie, seed=0, init="fan_in").params
    expected = {"W_embed": words, "W_proj": 150**-0.5, "layer1.cross.Wv": 1 / 8, "layer0.ffn.W2": 1 / 16}
    assert {name: p[name].std() for name in expected} == pytest.approx(expected, rel=0.03)
    assert (p["layer0.norm_ffn.gamma"] == 1).all() and not p["layer0.norm_ffn.beta"].any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("kind", FEATURES)
def test_decoding_with_kept_keys_and_values_is_decoding_without(kind, norm, backend, word_to_idx, captions, rng):
    options, draw = FEATURES[kind]
    model, features = larger(make(word_to_idx, norm=norm, backend=backend, **options), rng), draw(rng)
    scores, state = model.scores(features, captions), model.initial_state(features)
    for t in range(6):
        found, state = model.step(captions[:, t], state)
        np.testing.assert_allclose(found, scores[:, t], atol=1e-10)
    some, rows = state.select(np.array([2, 0, 0])), np.array([2, 0, 0])
    one, _ = model.step(np.array([5, 6, 7]), some)
    all_, _ = model.step(np.array([6, 3, 5]), state)
    np.testing.assert_allclose(one[:2], all_[rows[:2]], atol=1e-10)
    attends = kind != "vector"
    assert (state.attention is not None) == attends == isinstance(model.sample(features, 5), tuple)
    if attends:
        assert model.attention(features, captions).shape == (3, 6, L)


def test_a_beam_keeps_the_keys_and_values_of_its_captions(word_to_idx, rng):
    model, features = larger(make(word_to_idx), rng), rng.standard_normal((3, L, D))
    for i, hypotheses in enumerate(beam_search(model, features, 4, 6, allow_unknown=True).beams):
        for found in hypotheses:
            z = model.scores(features[i:i + 1], np.array([[1, *found.ids]]))[0]
            log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
            assert found.log_prob == pytest.approx(log_p[np.arange(len(found.ids)), found.ids].sum(), rel=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_captions_are_at_most_max_length_words_long(backend, word_to_idx, rng):
    model, features = make(word_to_idx, max_length=5, backend=backend), rng.standard_normal((2, D))
    captions = rng.integers(3, 11, (2, 7))
    assert np.isfinite(model.loss(features, captions[:, :6])[0])
    for call in (lambda: model.loss(features, captions), lambda: model.scores(features, captions),
                 lambda: model.sample(features, max_length=6), lambda: beam_search(model, features, 2, 6)):
        with pytest.raises(ValueError, match=r"6 words, expected at most max_length = 5"):
            call()


def test_without_a_length_captions_are_as_long_as_the_model_takes(word_to_idx, rng):
    features, draws = rng.standard_normal((2, D)), np.random.default_rng(0)
    for length, expected in ((5, 5), (40, 30)):
        model = make(word_to_idx, max_length=length)
        assert np.asarray(model.sample(features)).shape == (2, expected)
        for found in (beam_search(model, features, 2), greedy(model, features), sample(model, features, draws)):
            assert found.captions.shape == (2, expected)


@pytest.mark.parametrize("options, words", [
    ({"num_layers": 2.0}, "num_layers is 2.0, expected a whole number, 1 to 32"),
    ({"num_layers": "2"}, "num_layers is '2'"),
    ({"dim_feedforward": 7.5}, "dim_feedforward is 7.5"), ({"region_positions": True}, "region_positions is True"),
    ({"pooled_dim": -1}, "pooled_dim is -1, expected None or at least 1"),
    ({"num_heads": True}, "num_heads is True"), ({"max_length": None}, "max_length is None"),
    ({"dropout": "a"}, "dropout is 'a', expected a share"),
    ({"one_region": True, "pooled_dim": 3}, "one_region with pooled_dim 3, expected one of the two")])
def test_what_is_no_number_or_does_not_go_together_is_named(options, words, word_to_idx):
    with pytest.raises(ValueError, match=words):
        make(word_to_idx, **options)


def test_features_that_do_not_fit_together_are_named(word_to_idx, captions, rng):
    pair = rng.standard_normal((3, D)), rng.standard_normal((3, P))
    with pytest.raises(ValueError, match=r"features are tuple of arrays \(3, 5\), \(3, 7\), expected \(N, L, D\)"):
        make(word_to_idx, pooled_dim=P).loss(pair, captions)
    data = {"train_captions": captions, "train_image_idxs": np.arange(3), "train_features": pair}
    with pytest.raises(ValueError, match="train_features is a tuple, expected an array, or a reader"):
        CaptioningSolver(make(word_to_idx, pooled_dim=P), data)


def test_features_and_arithmetic_follow_the_parameters(word_to_idx, captions, rng):
    model, features = make(word_to_idx, dtype=np.float32), rng.standard_normal((3, L, D))
    assert model.loss(features, captions)[0].dtype == np.float32
    model.params = {name: w.astype(np.float64) for name, w in model.params.items()}
    loss, grads = model.loss(features, captions)
    assert loss.dtype == np.float64 and all(dw.dtype == np.float64 for dw in grads.values())
    model.params = {name: w.astype(complex) for name, w in model.params.items()}
    assert model.loss(features, captions)[0] == pytest.approx(loss, rel=1e-12)


def test_nothing_is_dropped_without_a_generator(word_to_idx, captions, rng):
    model, features = make(word_to_idx, dropout=0.5), rng.standard_normal((3, D))
    assert model.loss(features, captions)[0] == make(word_to_idx).loss(features, captions)[0]
    losses = {float(model.loss(features, captions, np.random.default_rng(k))[0]) for k in (0, 0, 1)}
    assert len(losses) == 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", ["transformer", "lstm", "bahdanau"])
def test_tied_words_are_the_output_weights(cell, backend, word_to_idx, captions, rng):
    features = rng.standard_normal((3, L, D) if cell == "bahdanau" else (3, D))
    options = {"num_heads": 2, "dim_feedforward": F} if cell == "transformer" else {}
    tied, free = (CaptioningRNN(word_to_idx, D, W, W, cell, np.float64, seed=2, backend=backend, tie=tie, **options)
                  for tie in (True, False))
    assert "W_vocab" not in tied.params
    free.params = {**tied.params, "W_vocab": tied.params["W_embed"].T.copy()}
    (loss, grads), (expected, apart) = tied.loss(features, captions), free.loss(features, captions)
    assert loss == pytest.approx(expected, rel=1e-12) and grads.keys() == tied.params.keys()
    np.testing.assert_allclose(grads["W_embed"], apart["W_embed"] + apart["W_vocab"].T, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(tied.sample(features, 4)[0], free.sample(features, 4)[0])
    with pytest.raises(ValueError, match=f"tie is True with wordvec_dim {W} and hidden_dim {W + 1}"):
        CaptioningRNN(word_to_idx, D, W, W + 1, "lstm", tie=True)


def test_a_tied_model_learns(word_to_idx, toy_data):
    model = CaptioningRNN(word_to_idx, D, W, W, "lstm", seed=2, tie=True)
    few = {**toy_data, **{f"train_{name}": toy_data[f"train_{name}"][:5] for name in ("captions", "image_idxs")}}
    solver = CaptioningSolver(model, few, update_rule="adam", optim_config={"learning_rate": 0.05}, num_epochs=80,
                              verbose=False, seed=0, average=0.5)
    solver.train()
    assert solver.loss_history[-1] < 0.2 * solver.loss_history[0]


@pytest.mark.parametrize("options", [{}, {"norm": "pre", "tie": True}, {"region_positions": L, "activation": "relu"},
                                     {"num_layers": 1, "one_region": True}])
def test_a_checkpoint_brings_it_back(options, word_to_idx, tmp_path, rng):
    model = larger(make(word_to_idx, **options), rng)
    features = rng.standard_normal((3, D) if options.get("one_region") else (3, L, D))
    save_checkpoint(tmp_path / "m.h5", model)
    back = load_checkpoint(tmp_path / "m.h5").model
    assert back.attends == model.attends and vars(back.cell) == vars(model.cell)
    for name, w in model.params.items():
        np.testing.assert_array_equal(back.params[name], w)
    one, other = (np.asarray(m.sample(features, 6)[0]) for m in (model, back))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("options, message", [
    ({"num_heads": 4}, r"wordvec_dim \(--wordvec\) is 6 with num_heads \(--heads\) 4, expected an even multiple of it"),
    ({"norm": "middle"}, "norm is 'middle', expected one of post, pre"),
    ({"activation": "tanh"}, "activation is 'tanh', expected one of gelu, relu"),
    ({"num_layers": 0}, "num_layers is 0, expected 1 to 32"),
])
def test_options_that_do_not_fit(options, message, word_to_idx):
    with pytest.raises(ValueError, match=message):
        make(word_to_idx, **options)
    with pytest.raises(ValueError, match=r"wordvec_dim .* is 5 with num_heads .* 1, expected an even multiple"):
        CaptioningTransformer(word_to_idx, D, 5, 1)


def test_more_regions_than_places(word_to_idx, captions, rng):
    for backend in BACKENDS:
        model = make(word_to_idx, region_positions=3, backend=backend)
        with pytest.raises(ValueError, match="4 regions, expected at most region_positions = 3"):
            model.loss(rng.standard_normal((3, 4, D)), captions)


def test_a_picture_of_one_vector_has_no_attention(word_to_idx, captions, rng):
    model = make(word_to_idx, one_region=True)
    assert not model.attends and make(word_to_idx).attends
    for one in (model, make(word_to_idx)):
        with pytest.raises(ValueError, match="features are one vector per picture"):
            one.attention(rng.standard_normal((3, D)), captions)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pooled", [None, P])
def test_a_grid_of_one_region_is_a_grid(pooled, backend, word_to_idx, captions, rng):
    model, grid = make(word_to_idx, pooled_dim=pooled, backend=backend), rng.standard_normal((3, 1, D))
    features = (grid, rng.standard_normal((3, P))) if pooled else grid
    said, maps = model.sample(features, 4)
    assert maps.shape == (3, 4, 1, 1) and model.attention(features, captions).shape == (3, 6, 1)
    assert beam_search(model, features, 2, 4).maps.shape == (3, 4, 1)
    loss, other = (make(word_to_idx, pooled_dim=pooled, backend=b).loss(features, captions)[0] for b in BACKENDS)
    assert loss == pytest.approx(other, rel=1e-12)


def test_the_courses_solver_makes_the_courses_steps(word_to_idx, toy_data):
    """Against a plain loop: Adam on the mean loss over all N T words, from batches that numpy.random draws."""
    def fresh():
        return make(word_to_idx, dtype=np.float64, backend="textbook")
    np.random.seed(3)
    solver = CaptioningSolverTransformer(fresh(), toy_data, model_words(word_to_idx), num_epochs=2, batch_size=10,
                                         learning_rate=0.01, verbose=False)
    solver.train()
    model, configs, losses = fresh(), {}, []
    np.random.seed(3)
    for _ in range(6):
        chosen = np.random.choice(37, 10)
        captions, features = toy_data["train_captions"][chosen], toy_data["train_features"]
        features = features[toy_data["train_image_idxs"][chosen]]
        scores, mask = model.scores(features, captions), captions[:, 1:] != 0
        losses.append(transformer_temporal_softmax_loss(scores, captions[:, 1:], mask)[0])
        _, grads = model.loss(features, captions)
        for name, w in model.params.items():
            config = configs.get(name, {"learning_rate": 0.01})
            model.params[name], configs[name] = adam(w, grads[name] / 7, config)
    np.testing.assert_allclose(solver.loss_history, losses, rtol=1e-9)
    for name, w in model.params.items():
        np.testing.assert_allclose(solver.model.params[name], w, rtol=1e-6, atol=1e-9)


def model_words(word_to_idx):
    return {i: word for word, i in word_to_idx.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_captions_are_no_scores(backend, dtype, word_to_idx, rng):
    model = make(word_to_idx, backend=backend, dtype=dtype)
    state = model.initial_state(rng.standard_normal((3, L, D))).select(np.zeros(3, bool))
    scores, state = model.step(np.zeros(0, int), state)
    assert scores.shape == (0, len(word_to_idx)) and len(state) == 0


def test_a_nan_in_a_hidden_unit_is_not_hidden_by_relu(word_to_idx, captions, rng):
    for backend in BACKENDS:
        model = make(word_to_idx, backend=backend, activation="relu")
        model.params["layer0.ffn.b1"][:] = np.nan
        with np.errstate(invalid="ignore"):
            assert np.isnan(model.loss(rng.standard_normal((3, D)), captions)[0])


def test_the_pictures_side_stays_fresh_where_features_differ(word_to_idx, rng):
    def params(one, other, widths):
        return transferred(make(word_to_idx, seed=1, **one), make(word_to_idx, seed=2, **other), widths)
    assert params({"region_positions": 3}, {"region_positions": 5}, "")["W_regions"].shape == (3, W)
    assert params({"region_positions": 3}, {}, "").keys() == make(word_to_idx, region_positions=3).params.keys()
    fresh = make(word_to_idx, seed=1, pooled_dim=P)
    fresh.params["b_pool"] += 1
    kept = transferred(fresh, make(word_to_idx, seed=2), "D")
    np.testing.assert_array_equal(kept["b_pool"], fresh.params["b_pool"])
    np.testing.assert_array_equal(kept["W_proj"], make(word_to_idx, seed=2).params["W_proj"])


def test_heads_are_those_that_the_attention_is_the_mean_of(word_to_idx, captions, rng):
    model, features = larger(make(word_to_idx, backend="textbook"), rng), rng.standard_normal((3, L, D))
    x = model.params["W_embed"][captions[:, :-1]]
    _, attention, cache = model.cell.forward(model.params, model.image(features), x)
    heads = model.cell.heads(cache)
    assert heads.shape == (3, 2, 6, L)
    np.testing.assert_allclose(heads.mean(axis=1), attention, rtol=1e-12)
    np.testing.assert_allclose(attention, model.attention(features, captions), rtol=1e-12)
