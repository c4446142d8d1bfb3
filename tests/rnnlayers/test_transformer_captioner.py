"""The captioning transformer on the textbook. Its gradients are checked by gradcheck's suite."""
import numpy as np
import pytest

from models import CaptioningSolverTransformer, CaptioningTransformer
from rnnlayers import decoder_layer_forward, layernorm_forward, positional_encoding, transformer_temporal_softmax_loss

WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", *"abcde"])}
N, T, D, P, L, W, F, V = 3, 6, 5, 7, 4, 4, 3, len(WORDS)
KINDS = {"vector": {}, "grid": {"region_positions": L}, "pair": {"pooled_dim": P}, "ragged": {"pooled_dim": P}}
FORMS = [{"norm": "post", "num_layers": 2}, {"norm": "pre", "num_layers": 3, "tie": True, "activation": "relu"}]


@pytest.fixture(params=[(kind, form) for kind in KINDS for form in (0, 1)], ids=lambda p: f"{p[0]}-{p[1]}")
def made(request, rng):
    """A captioner with random parameters, and features of the kind it takes."""
    kind, form = request.param
    return captioner(rng, **KINDS[kind], **FORMS[form]), features_of(kind, rng)


def captioner(rng, num_heads=2, dtype=np.float64, **options):
    model = CaptioningTransformer(WORDS, D, W, num_heads, dim_feedforward=F, dtype=dtype, seed=0, backend="textbook",
                                  max_length=10, **options)
    for name, w in model.params.items():
        model.params[name] = rng.standard_normal(w.shape).astype(dtype)
    return model


def features_of(kind, rng):
    grid, pooled = rng.standard_normal((N, L, D)), rng.standard_normal((N, P))
    return {"vector": grid[:, 0], "grid": grid, "pair": (grid, pooled), "ragged": (grid, pooled, np.array([1, 4, 2]))
            }[kind]


def captions_of(rng):
    captions = rng.integers(3, V, (N, T))
    captions[:, 0] = 1
    return captions


def rows_of(features, order):
    return tuple(a[order] for a in features) if isinstance(features, tuple) else features[order]


def test_parameters_are_drawn_as_in_the_course():
    model = CaptioningTransformer(WORDS, 50, 40, num_layers=3, seed=1, backend="textbook")
    assert (model.num_heads, model.max_length, model.dim_feedforward) == (4, 50, 2048)
    assert model.params["W_embed"].shape == (V, 40) and model.params["W_vocab"].shape == (40, V)
    assert {w.dtype for w in model.params.values()} == {np.dtype(np.float32)}
    layers = [name for name in model.params if name.startswith("layer")]
    assert len(layers) == 3 * (8 + 8 + 4 + 6) and "layer2.cross.Wo" in layers
    for name, w in model.params.items():
        kind = name.rpartition(".")[2]
        if kind == "gamma":
            assert (w == 1).all()
        elif name.endswith("vocab"):
            assert 0.8 * 40**-0.5 < abs(w).max() <= 40**-0.5
        elif kind[0] == "b":
            assert not w.any()
        else:
            assert 0.7 * 0.02 < w.std() < 1.3 * 0.02, name


def test_scores_against_the_layers(rng):
    """One layer, a vector: words and positions, the layer with one region, the output layer."""
    model, features, captions = captioner(rng, num_layers=1), features_of("vector", rng), captions_of(rng)
    p = model.params
    x = p["W_embed"][captions[:, :-1]] + positional_encoding(T - 1, W)
    memory = (features @ p["W_proj"] + p["b_proj"])[:, None]
    layer = {name.partition(".")[2]: w for name, w in p.items() if name.startswith("layer0.")}
    h, _ = decoder_layer_forward(x, memory, layer, 2, np.tri(T - 1))
    np.testing.assert_allclose(model.scores(features, captions), h @ p["W_vocab"] + p["b_vocab"], rtol=1e-12)


def test_pre_norm_has_a_last_layer_norm_and_tied_words_are_the_output_weights(rng):
    model = captioner(rng, num_layers=1, norm="pre", tie=True)
    features, captions, p = features_of("vector", rng), captions_of(rng), model.params
    x = p["W_embed"][captions[:, :-1]] + positional_encoding(T - 1, W)
    layer = {name.partition(".")[2]: w for name, w in p.items() if name.startswith("layer0.")}
    h, _ = decoder_layer_forward(x, (features @ p["W_proj"] + p["b_proj"])[:, None], layer, 2, np.tri(T - 1),
                                 norm="pre")
    h, _ = layernorm_forward(h, p["norm.gamma"], p["norm.beta"])
    np.testing.assert_allclose(model.scores(features, captions), h @ p["W_embed"].T + p["b_vocab"], rtol=1e-11)


def test_decoding_word_by_word_gives_the_scores_of_whole_captions(made, rng):
    model, features = made
    captions = captions_of(rng)
    whole, state = model.scores(features, captions), model.initial_state(features)
    one_region = isinstance(features, np.ndarray) and features.ndim == 2
    maps = None if one_region else model.attention(features, captions)
    for t in range(T - 1):
        scores, state = model.step(captions[:, t], state)
        np.testing.assert_allclose(scores, whole[:, t], rtol=0, atol=1e-10)
        if maps is not None:
            np.testing.assert_allclose(state.attention, maps[:, t], rtol=0, atol=1e-12)


def test_captions_of_one_picture_change_places_with_their_words(rng):
    model, grid = captioner(rng), features_of("grid", rng)
    captions, order = captions_of(rng), np.array([2, 0, 0])
    same = np.repeat(grid[:1], N, axis=0)
    state = model.initial_state(same)
    for t in range(3):
        _, state = model.step(captions[:, t], state)
    moved = captions[order]
    for changed in (state.reorder(order), state.select(order)):
        scores, _ = model.step(moved[:, 3], changed)
        np.testing.assert_allclose(scores, model.scores(same, moved)[:, 3], rtol=0, atol=1e-10)


def test_a_later_word_changes_no_score_before_it(made, rng):
    model, features = made
    captions = captions_of(rng)
    other = captions.copy()
    other[:, 3] = 3 + (captions[:, 3] - 2) % (V - 3)
    a, b = model.scores(features, captions), model.scores(features, other)
    np.testing.assert_array_equal(a[:, :3], b[:, :3])
    assert (a[:, 3:] != b[:, 3:]).any(axis=2).all()


def test_the_order_of_words_counts(rng):
    model, features = captioner(rng), features_of("vector", rng)
    captions = np.tile([1, 3, 4, 5, 6], (N, 1))
    swapped = captions[:, [0, 2, 1, 3, 4]]
    assert (abs(model.scores(features, captions) - model.scores(features, swapped))[:, 3] > 1e-6).all()


def test_permuting_the_batch_permutes_the_scores(made, rng):
    model, features = made
    captions, order = captions_of(rng), np.array([2, 0, 1])
    np.testing.assert_allclose(model.scores(rows_of(features, order), captions[order]),
                               model.scores(features, captions)[order], rtol=0, atol=1e-12)


def test_padding_of_regions_counts_for_nothing(rng):
    model, captions = captioner(rng, pooled_dim=P), captions_of(rng)
    grid, pooled, counts = features_of("ragged", rng)
    garbage = np.where(np.arange(L)[:, None] >= counts[:, None, None], np.nan, grid)
    scores = model.scores((grid, pooled, counts), captions)
    np.testing.assert_array_equal(model.scores((garbage, pooled, counts), captions), scores)
    alone = model.scores((grid[:1, :1], pooled[:1]), captions[:1])
    np.testing.assert_allclose(alone, scores[:1], rtol=0, atol=1e-12)
    assert not model.attention((grid, pooled, counts), captions)[0, :, 1:].any()


def test_dtype_follows_the_parameters_at_the_time_of_the_call(rng):
    model, features, captions = captioner(rng, dtype=np.float32), features_of("grid", rng), captions_of(rng)
    assert model.scores(features, captions).dtype == np.float32
    assert {g.dtype for g in model.loss(features, captions, np.random.default_rng(0))[1].values()} == {
        np.dtype(np.float32)}
    model.params = {name: w.astype(np.float64) for name, w in model.params.items()}
    assert model.scores(features, captions).dtype == np.float64


def test_a_loss_changes_nothing_and_drops_nothing_without_rng(made, rng):
    model, features = made
    model.dropout = model.input_dropout = 0.5
    captions = captions_of(rng)
    before = {name: w.copy() for name, w in model.params.items()}
    loss = model.loss(features, captions)[0]
    dropped = [model.loss(features, captions, np.random.default_rng(seed))[0] for seed in (0, 0, 1)]
    assert loss == model.loss(features, captions)[0] and dropped[0] == dropped[1] != dropped[2] != loss
    assert all(np.array_equal(w, before[name]) for name, w in model.params.items())
    likelihood, words = model.negative_log_likelihood(features, captions)
    assert likelihood / N == pytest.approx(loss) and words == N * (T - 1)


def test_attention_maps_are_the_mean_over_heads_of_the_last_layer(rng):
    model, features, captions = captioner(rng, num_layers=2, pooled_dim=P), features_of("pair", rng), captions_of(rng)
    _, attention, cache = model.cell.forward(model.params, model.image(features),
                                             model.params["W_embed"][captions[:, :-1]])
    heads = model.cell.heads(cache)
    assert heads.shape == (N, 2, T - 1, L)
    np.testing.assert_allclose(heads.mean(axis=1), attention, rtol=1e-12)
    np.testing.assert_allclose(model.attention(features, captions), attention, rtol=1e-12)
    assert (attention.sum(axis=2) < 1).all()                    # the rest is attention to the pooled features


@pytest.mark.parametrize("call", ["loss", "scores", "sample"])
def test_captions_longer_than_the_model_can_take_are_refused(call, rng):
    model, features = captioner(rng), features_of("vector", rng)
    long = model.max_length + 1
    captions = np.ones((N, long + 1), int)
    with pytest.raises(ValueError, match="11.*max_length = 10"):
        model.sample(features, long) if call == "sample" else getattr(model, call)(features, captions)
    assert model.scores(features, captions[:, :long]).shape == (N, model.max_length, V)
    assert np.shape(model.sample(features, model.max_length)) == (N, model.max_length)


@pytest.mark.parametrize("options, words", [
    ({"num_heads": 3}, "expected an even multiple of it"), ({"norm": "last"}, "norm is 'last'"),
    ({"num_layers": 0}, "num_layers"), ({"activation": "tanh"}, "activation is 'tanh'")])
def test_options_that_do_not_fit_are_refused(options, words, rng):
    with pytest.raises(ValueError, match=words):
        captioner(rng, **options)


def test_more_regions_than_positions_are_refused(rng):
    with pytest.raises(ValueError, match="features have 4 regions, expected at most region_positions = 3"):
        captioner(rng, region_positions=3).scores(features_of("grid", rng), captions_of(rng))


def test_the_courses_solver_reports_the_courses_loss(rng):
    model, features, captions = captioner(rng), features_of("vector", rng), captions_of(rng)
    data = {"train_captions": captions, "train_features": features, "train_image_idxs": np.arange(N)}
    scores = model.scores(features, captions)
    expected, _ = transformer_temporal_softmax_loss(scores, captions[:, 1:], captions[:, 1:] != 0)
    solver = CaptioningSolverTransformer(model, data, None, num_epochs=1, batch_size=N, sampling="epochs",
                                         verbose=False)
    solver.train()
    assert solver.loss_history[0] == pytest.approx(expected)
