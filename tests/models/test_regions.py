"""Captioners on pictures that differ in their number of regions: padding has no share in anything."""
import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver
from models.cells import Image
from models.decoding import beam_search, sample
from models.ensemble import Ensemble
from models.images import split_features
from models.likelihood import split_loss
from models.packed.cell import region_counts
from models.through_time import through_time
from tests.cells import ATTEND, few_units, takes

N, T, D, W, H, L, P = 4, 6, 5, 4, 7, 9, 8
REGIONS = np.array([4, 9, 1, 6])
PADDING = np.arange(L) >= REGIONS[:, None]


@pytest.fixture(params=["engine", "textbook"])
def backend(request):
    return request.param


@pytest.fixture(params=[*ATTEND, "pooled"])
def make(request, backend, word_to_idx, rng):
    """Function: a captioner that attends, with all its options."""
    name, pooled = ("bahdanau", {"pooled_dim": P}) if request.param == "pooled" else (request.param, {})
    options = {"penalty": 0.5, **pooled} if takes(name, "penalty") else {}

    def model(dtype=np.float64, **more):
        stats = {"feature_stats": (np.linspace(-1, 1, D), np.linspace(0.5, 2, D))}
        more = {**few_units(name), **options, **stats, **more}
        return CaptioningRNN(word_to_idx, D, W, H, name, dtype, seed=3, backend=backend, **more)
    return model


@pytest.fixture
def captions(rng):
    captions = rng.integers(3, 11, (N, T))
    captions[:, 0] = 1
    captions[0, 4:], captions[1, 2:] = 0, 0
    return captions


@pytest.fixture
def features(rng):
    grid, pooled = rng.standard_normal((N, L, D)), rng.standard_normal((N, P))
    grid[PADDING] = 0
    return grid, pooled, REGIONS


def results(model, features, captions):
    """All that a captioner says of some pictures: arrays and numbers."""
    found = model.objective(features, captions, np.random.default_rng(1))
    beams = beam_search(model, features, 3, 5)
    said, maps = model.sample(features, 5)
    depth = through_time(model, features, captions, np.array([2, 1, 4, 3]))
    return [found.loss, found.regularisers, *found.grads.values(), model.scores(features, captions),
            model.attention(features, captions), model.negative_log_likelihood(features, captions)[0], said, maps,
            beams.captions, beams.log_probs, beams.maps, *depth.gates.values(), *depth.norms.values()]


def same(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -3e38, 7.0])
def test_what_the_padding_holds_changes_nothing(garbage, dtype, make, features, captions):
    grid = np.where(PADDING[:, :, None], garbage, features[0])
    model, kept = make(dtype, grid_dropout=0.2, dropout=0.3, feature_clip=1.5), grid.copy()
    expected = results(model, features, captions)
    same(results(model, (grid, *features[1:]), captions), expected)
    assert all(np.isfinite(a).all() for a in expected)
    np.testing.assert_array_equal(grid, kept)


def test_a_picture_is_its_own_regions(make, features, captions):
    """Each alone, without padding and without `regions`, gives what it gives among the others."""
    model = make()
    loss, grads = model.loss(features, captions)
    alone = []
    for n, count in enumerate(REGIONS):
        grid, row = features[0][n:n + 1, :count], captions[n:n + 1]
        alone.append(model.loss((grid, features[1][n:n + 1]), row))
        weights = model.attention(features, captions)[n]
        own = model.attention((grid, features[1][n:n + 1]), row)[0]
        np.testing.assert_allclose(weights[:, :count], own, rtol=1e-10)
        assert not weights[:, count:].any()
    assert loss == pytest.approx(np.mean([found for found, _ in alone]), rel=1e-12)
    for name in grads:
        np.testing.assert_allclose(grads[name], np.mean([g[name] for _, g in alone], axis=0), rtol=1e-8, atol=1e-12)


def test_more_padding_changes_only_rounding(make, features, captions):
    longer = np.pad(features[0], ((0, 0), (0, 3), (0, 0)), constant_values=np.nan), *features[1:]
    for a, b in zip(results(make(), longer, captions), results(make(), features, captions), strict=True):
        if np.ndim(b):                                      # maps have more regions
            b = np.pad(b, [(0, more - size) for more, size in zip(a.shape, b.shape)])
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_regions_are_as_none_said(dtype, make, rng, captions):
    grid, pooled = rng.standard_normal((N, L, D)), rng.standard_normal((N, P))
    every = results(make(dtype), (grid, pooled, np.full(N, L)), captions)
    plain = results(make(dtype), (grid, pooled), captions)
    same([np.ravel(a) for a in every], [np.ravel(a) for a in plain])    # without `regions` 9 of them are drawn 3 by 3


def test_maps_of_boxes_are_one_row_and_zero_at_padding(make, features):
    said, maps = make().sample(features, 5)
    assert maps.shape == (N, 5, 1, L)
    for own, count, row in zip(maps[:, :, 0], REGIONS, said):
        stop = list(row).index(2) + 1 if 2 in row else 5
        assert not own[:, count:].any() and np.allclose(own[:stop].sum(axis=1), 1)


def test_a_state_keeps_its_regions_where_captions_move(make, features):
    model, rows = make(), np.array([3, 0, 0, 2])
    moved = tuple(part[rows] for part in features)
    words = np.array([4, 5, 6, 7])
    for state in (model.initial_state(features).select(rows), model.initial_state(moved).reorder(np.arange(4))):
        scores, after = model.step(words, state)
        expected, _ = model.step(words, model.initial_state(moved))
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
        assert not after.attention[np.arange(L) >= REGIONS[rows][:, None]].any()


def test_an_ensemble_draws_and_likelihoods(make, features, captions):
    model = make()
    pair = Ensemble([model, make()])
    assert pair.negative_log_likelihood(features, captions)[0] == pytest.approx(
        model.negative_log_likelihood(features, captions)[0])
    drawn = sample(pair, features, np.random.default_rng(0), 4)
    assert not drawn.maps[np.broadcast_to(PADDING[:, None], drawn.maps.shape)].any()


class Reader:
    """Rows of features with `regions`, as data.features reads them."""
    shape = (N, L, D)

    def __init__(self, features):
        self.parts = features

    def __getitem__(self, rows):
        return tuple(part[rows] for part in self.parts)

    def in_memory(self, rows):
        return False                                        # so that another thread reads ahead


def test_training_reads_triples(make, features, captions):
    model, reader = make(np.float32), Reader(features)
    data = {f"{split}_{key}": value for split in ("train", "val") for key, value in (
        ("captions", captions), ("image_idxs", np.array([1, 0, 3, 2])), ("features", reader))}
    before = split_loss(model, data, "val")
    CaptioningSolver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-2}, batch_size=3, num_epochs=5,
                     verbose=False, seed=2, sampling="epochs").train()
    assert split_loss(model, data, "val") < before


def test_the_vector_is_the_mean_of_the_real_regions(word_to_idx, features):
    model = CaptioningRNN(word_to_idx, D, W, H, "bahdanau", np.float64, seed=1)
    image = model.image((np.where(PADDING[:, :, None], np.nan, features[0]), None, REGIONS.astype(np.uint8)))
    for n, count in enumerate(REGIONS):
        np.testing.assert_allclose(image.vector[n], features[0][n, :count].mean(axis=0), rtol=1e-13)
    assert not image.grid[PADDING].any() and image.counts.dtype == np.int64


def test_what_features_are(rng):
    grid, pooled = np.zeros((N, L, D)), np.zeros((N, P))
    assert [part is None for part in split_features(grid)] == [False, True, True]
    assert [part is None for part in split_features([grid, pooled])] == [False, False, True]
    assert [part is None for part in split_features((grid, None, REGIONS))] == [False, True, False]
    assert split_features([grid[0]] * 3)[1:] == split_features([np.zeros((D, 2, 2))] * 3)[1:] == (None, None)
    assert region_counts(Image(grid[:, 0], grid)).tolist() == [L] * N


@pytest.mark.parametrize("regions, message", [
    ([4, 0, 1, 6], "regions[1] is 0, expected a number of regions from 1 to L = 9"),
    ([4, 9, 1, 10], "regions[3] is 10, expected a number of regions from 1 to L = 9"),
    ([4, 9, 1, -1], "regions[3] is -1"),
    ([4, 9, 1], "regions is int64 (3,), expected integers (N,) = (4,)"),
    ([4.0, 9, 1, 6], "regions is float64 (4,), expected integers"),
    (4, "regions is int64 (), expected integers"),
    ([True] * 4, "regions is bool (4,), expected integers"),
])
def test_numbers_of_regions_that_cannot_be(regions, message, make, features, captions):
    for call in (lambda m, f: m.loss(f, captions), lambda m, f: m.sample(f), lambda m, f: m.initial_state(f)):
        with pytest.raises(ValueError) as error:
            call(make(), (*features[:2], np.array(regions)))
        assert message in str(error.value)
