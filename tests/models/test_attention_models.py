"""The captioners that look at a grid of regions."""
import numpy as np
import pytest

from gradcheck import check_model
from models import CaptioningRNN, CaptioningSolver
from models.cells import Image
from models.checkpoint import load_checkpoint, save_checkpoint
from models.images import feature_masks, grid_shape
from tests.cells import ATTEND, few_units, takes

N, T, D, W, H, L, P = 3, 6, 4, 2, 5, 6, 7


def make(word_to_idx, cell, dtype=np.float64, **options):
    return CaptioningRNN(word_to_idx, D, W, H, cell, dtype, seed=3, **{**few_units(cell), **options})


def ragged(rng):
    captions = rng.integers(3, 11, (N, T))
    captions[:, 0] = 1
    captions[0, 4:], captions[1, 2:] = 0, 0
    return captions


def test_attn_is_the_other_courses_name_of_attention(word_to_idx):
    assert make(word_to_idx, "attn").cell_type == "attention"


@pytest.mark.parametrize("cell", ATTEND)
def test_gradients(cell, word_to_idx, rng):
    model, captions = make(word_to_idx, cell, dropout=0.4, num_layers=1), ragged(rng)
    grid = rng.standard_normal((N, L, D))
    check_model(lambda: model.loss(grid, captions, np.random.default_rng(5)), model.params, rng=rng).raise_if_failed()
    _, expected = model.loss(grid, captions, np.random.default_rng(5))
    model.params = {name: w.astype(np.float32) for name, w in model.params.items()}
    _, grads = model.loss(grid.astype(np.float32), captions, np.random.default_rng(5))
    size = max(np.abs(dw).max() for dw in expected.values())
    for name, dw in grads.items():
        assert dw.dtype == np.float32
        np.testing.assert_allclose(dw, expected[name], rtol=1e-3, atol=1e-5 * size)


@pytest.mark.parametrize("cell", ATTEND)
def test_grid_dropout_drops_a_feature_from_all_regions_of_an_image(cell, word_to_idx, rng):
    model, image = make(word_to_idx, cell, grid_dropout=0.25), Image(np.ones((40, D)), np.ones((40, L, D)))
    keep_vector, keep_grid = feature_masks(model, image, rng)
    assert keep_vector == 1 and keep_grid.shape == (40, 1, D)
    assert set(np.unique(keep_grid)) == {0, 1 / 0.75} and 0.15 < (keep_grid == 0).mean() < 0.35
    assert (keep_grid[0] != keep_grid).any()                # not the same for all images
    assert feature_masks(model, image, None) == (1, 1)


def test_gradients_with_pooled_features_and_a_penalty(word_to_idx, rng):
    model = make(word_to_idx, "bahdanau", pooled_dim=P, penalty=2.0)
    features, captions = (rng.standard_normal((N, L, D)), rng.standard_normal((N, P))), ragged(rng)
    check_model(lambda: model.loss(features, captions), model.params, rng=rng).raise_if_failed()


def test_the_penalty_is_in_the_loss_but_not_in_the_likelihood(word_to_idx, rng):
    grid, captions = rng.standard_normal((N, L, D)), ragged(rng)
    plain, weighed = (make(word_to_idx, "bahdanau", penalty=weight) for weight in (0.0, 2.0))
    used = (captions[:, 1:] != 0)[:, :, None]
    rest = 1 - (used * plain.attention(grid, captions)).sum(axis=1)
    assert weighed.loss(grid, captions)[0] - plain.loss(grid, captions)[0] == pytest.approx(2 * (rest**2).sum() / N)
    data = {"train_captions": captions, "train_image_idxs": np.arange(N), "train_features": grid}
    losses = [CaptioningSolver(model, data, batch_size=N, num_epochs=1, verbose=False, seed=1, sampling="epochs")
              for model in (plain, weighed)]
    for solver in losses:
        solver.train()
    assert losses[0].loss_history == pytest.approx(losses[1].loss_history)       # what is reported is the likelihood
    plain, weighed = (make(word_to_idx, "bahdanau", penalty=weight) for weight in (0.0, 2.0))
    assert plain.negative_log_likelihood(grid, captions) == weighed.negative_log_likelihood(grid, captions)


@pytest.mark.parametrize("cell", ATTEND)
def test_features_as_a_list_of_regions_or_as_a_map(cell, word_to_idx, rng):
    model, captions = make(word_to_idx, cell), ragged(rng)
    maps = rng.standard_normal((N, D, 2, 3))
    regions = maps.reshape(N, D, 6).transpose(0, 2, 1)
    assert model.loss(maps, captions)[0] == model.loss(regions, captions)[0]
    assert model.sample(maps, 4)[1].shape == (N, 4, 2, 3) and model.sample(regions, 4)[1].shape == (N, 4, 1, 6)
    assert grid_shape(49) == (7, 7)


def test_a_pair_may_be_a_list_and_a_list_of_grids_is_a_batch(word_to_idx, rng):
    model, captions = make(word_to_idx, "bahdanau", pooled_dim=P), ragged(rng)
    grid, pooled = rng.standard_normal((N, L, D)), rng.standard_normal((N, P))
    assert model.loss([grid, pooled], captions)[0] == model.loss((grid, pooled), captions)[0]
    plain = make(word_to_idx, "attention")
    assert plain.loss((grid, pooled), captions)[0] == plain.loss(grid, captions)[0]     # made without pooled_dim
    assert plain.loss(list(grid[:2]), captions[:2])[0] == plain.loss(grid[:2], captions[:2])[0]


@pytest.mark.parametrize("cell", ATTEND)
def test_padding_and_batches_change_nothing(cell, word_to_idx, rng):
    model = make(word_to_idx, cell, penalty=0.5 if takes(cell, "penalty") else 0.0)
    grid, captions = rng.standard_normal((N, L, D)), ragged(rng)
    loss, grads = model.loss(grid, captions)
    padded, _ = model.loss(grid, np.pad(captions, ((0, 0), (0, 3))))
    rows = [model.loss(grid[n:n + 1], captions[n:n + 1]) for n in range(N)]
    assert loss == pytest.approx(padded, rel=1e-13) == pytest.approx(np.mean([row[0] for row in rows]), rel=1e-12)
    for name in grads:
        np.testing.assert_allclose(grads[name], np.mean([row[1][name] for row in rows], axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", ATTEND)
def test_sample_is_greedy_and_shows_where_it_looked(cell, word_to_idx, rng):
    model, grid = make(word_to_idx, cell), rng.standard_normal((40, 9, D))
    for name in model.params:
        model.params[name] = model.params[name] * 3                     # sharp and varied choices
    captions, maps = model.sample(grid, max_length=8)
    assert captions.dtype == np.int32 and maps.shape == (40, 8, 3, 3)
    fed = np.column_stack([np.full(40, 1), captions])
    scores, looks = model.scores(grid, fed), model.attention(grid, fed)
    for row, score, seen, look in zip(captions, scores, maps, looks):
        stop = list(row).index(2) + 1 if 2 in row else 8
        np.testing.assert_array_equal(row[:stop], score[:stop].argmax(axis=1))
        np.testing.assert_allclose(seen[:stop].reshape(stop, 9), look[:stop], rtol=1e-9)
        np.testing.assert_allclose(seen[:stop].sum(axis=(1, 2)), 1)
        assert not row[stop:].any() and not seen[stop:].any()


@pytest.mark.parametrize("cell", ATTEND)
def test_standardised_features_and_float16(cell, word_to_idx, rng):
    mean, std = rng.standard_normal(D), 1 + rng.random(D)
    model, plain = (make(word_to_idx, cell, feature_stats=stats) for stats in ((mean, std), None))
    grid, captions = rng.standard_normal((N, L, D)), ragged(rng)
    assert model.loss(grid * std + mean, captions)[0] == pytest.approx(plain.loss(grid, captions)[0], rel=1e-10)
    single = make(word_to_idx, cell, np.float32, feature_stats=(mean, std))
    loss, grads = single.loss(grid.astype(np.float16), captions)
    assert loss.dtype == np.float32 and {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("cell", ATTEND)
def test_it_learns_where_to_look(cell, word_to_idx):
    """One region in nine holds a one, in the channel of the word to say: only looking finds it."""
    rng = np.random.default_rng(0)
    words, places = rng.integers(0, 4, 200), rng.integers(0, 9, 200)
    grid = np.zeros((200, 9, D), np.float32)
    grid[np.arange(200), places, words] = 1
    captions = np.column_stack([np.full(200, 1), words + 4, np.full(200, 2)]).astype(np.int32)
    data = {"train_captions": captions, "train_image_idxs": np.arange(200), "train_features": grid}
    more = few_units(cell) and {"num_heads": 1, "num_layers": 1, "dim_feedforward": 16}
    model = CaptioningRNN(word_to_idx, D, 8, 24, cell, seed=1, **more)
    CaptioningSolver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-2}, batch_size=50,
                     num_epochs=50 if more else 25, verbose=False, seed=2).train()
    said, maps = model.sample(grid)
    assert (said[:, 0] == words + 4).mean() > 0.98


@pytest.mark.parametrize("options", [{}, {"pooled_dim": P, "penalty": 0.5}])
def test_a_checkpoint_brings_it_back_whole(options, word_to_idx, tmp_path, rng):
    stats = {"feature_stats": (rng.standard_normal(D), np.ones(D))}
    if options:
        stats["pooled_stats"] = (rng.standard_normal(P), np.ones(P))
    model = make(word_to_idx, "bahdanau", np.float32, **options, **stats)
    save_checkpoint(tmp_path / "m.h5", model)
    back = load_checkpoint(tmp_path / "m.h5").model
    grid, pooled = rng.standard_normal((N, L, D)), rng.standard_normal((N, P))
    captions = ragged(rng)
    features = (grid, pooled) if options else grid
    assert model.loss(features, captions)[0] == back.loss(features, captions)[0]
    assert (back.pooled_dim, back.penalty) == (model.pooled_dim, model.penalty)


@pytest.mark.parametrize("call, message", [
    (lambda m: m("attention").loss(np.zeros((2, 9, 3)), np.ones((2, 3), int)), "features is (2, 9, 3), expected (N,"),
    (lambda m: m("attention").loss(np.zeros((2, D)), np.ones((2, 3), int)), "with D=4, or a pair"),
    (lambda m: m("bahdanau", pooled_dim=P).loss(np.zeros((2, 9, D)), np.ones((2, 3), int)), "pooled features are ()"),
    (lambda m: m("bahdanau", pooled_dim=P).loss((np.zeros((2, 9, D)), np.zeros((2, 6))), np.ones((2, 3), int)),
     "pooled features are (2, 6), expected (N, P) = (2, 7)"),
    (lambda m: m("attention").loss([np.zeros((9, D))] * 3, np.ones((2, 3), int)), "features has 3 rows and captions 2"),
    (lambda m: m("attention").loss(np.zeros((2, 0, D)), np.ones((2, 3), int)), "expected real numbers of at least one"),
    (lambda m: m("attention").sample(np.zeros((2, 9, D)), 0), "max_length is 0, expected a whole number"),
    (lambda m: m("attention", penalty=1.0), "belong to cell_type 'bahdanau'"),
    (lambda m: m("lstm").attention(np.zeros((2, D)), np.ones((2, 3), int)), "cell_type is 'lstm'"),
])
def test_errors(call, message, word_to_idx):
    with pytest.raises(ValueError) as error:
        call(lambda cell, **options: make(word_to_idx, cell, **options))
    assert message in str(error.value)
