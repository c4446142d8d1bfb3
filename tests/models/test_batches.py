"""Batches of captions, the loss of a split, learning-rate schedules and dropout masks."""
import math
from types import SimpleNamespace

import numpy as np
import pytest

from models import CaptioningRNN
from models.batches import epoch_batches, sorted_batches, trim
from models.dropout import drop, keep_scale, kept
from models.likelihood import split_loss
from models.schedules import SCHEDULES
from tests.cells import TAKE_A_VECTOR


def test_trim():
    captions = np.array([[1, 5, 2, 0, 0], [1, 0, 5, 2, 0], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(trim(captions, 0), captions[:, :4])
    np.testing.assert_array_equal(trim(captions[:1], 0), captions[:1, :3])
    np.testing.assert_array_equal(trim(captions[2:], 0), [[0, 0]])
    assert trim(captions[:0], 0).shape == (0, 2)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_epoch_batches(size, rng):
    lengths = rng.integers(3, 20, size)
    batches = epoch_batches(lengths, 32, rng)
    assert sorted(np.concatenate(batches)) == list(range(size))
    assert sorted(map(len, batches)) == [size % 32] + [32] * (size // 32)


def test_batches_of_an_epoch_are_of_similar_length_and_in_random_order(rng):
    """The mean range of lengths in a batch: 10 drawn of 1000, or 10 neighbours of 50 drawn of 1000."""
    lengths = np.arange(1000)
    for pool, spread in ((1, 1000 * 9 / 11), (5, 1000 * 9 / 51)):
        batches = epoch_batches(lengths, 10, rng, pool=pool)
        assert np.mean([np.ptp(b) for b in batches]) == pytest.approx(spread, rel=0.1)
        assert all((np.diff(b) > 0).all() for b in batches)
    (one,) = {tuple(b) for b in epoch_batches(lengths, 1000, rng)}
    assert one == tuple(range(1000))
    firsts = [b[0] for b in epoch_batches(lengths, 10, rng, pool=100)]
    assert sorted(firsts) == list(range(0, 1000, 10)) != firsts


def test_sorted_batches(rng):
    lengths = rng.integers(3, 20, 75)
    batches = sorted_batches(lengths, 32)
    assert [len(b) for b in batches] == [32, 32, 11]
    assert np.concatenate(batches).tolist() == sorted(range(75), key=lambda i: (lengths[i], i))


class Disk:
    def __init__(self, values):
        self.values = values

    def __getitem__(self, rows):
        return self.values[rows]

    def in_memory(self, rows):
        return False


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
def test_loss_of_a_split_is_that_of_its_words_one_by_one(cell, word_to_idx, toy_data):
    model = CaptioningRNN(word_to_idx, 5, 4, 7, cell, np.float64, seed=1)
    features, captions = toy_data["train_features"][toy_data["train_image_idxs"]], toy_data["train_captions"]
    total, words = 0.0, 0
    for feature, caption in zip(features, captions):
        ids = caption[caption != 0]                         # word_to_idx["<NULL>"]; these captions have none inside
        scores = model.scores(feature[None], ids[None])[0]
        for score, target in zip(scores, ids[1:]):
            total, words = total + math.log(np.exp(score).sum()) - score[target], words + 1
    for wrap in (np.asarray, Disk):
        data = {**toy_data, "train_features": wrap(toy_data["train_features"])}
        for batch_size in (1, 8, 100):
            assert split_loss(model, data, "train", batch_size) == pytest.approx(total / words, rel=1e-12)


def test_loss_of_a_split_is_weighted_by_words():
    """Batches whose mean losses differ: the mean over words, not over batches."""
    model = SimpleNamespace(word_to_idx={"<NULL>": 0}, negative_log_likelihood=lambda features, captions: (
        float(features.sum()), int((captions != 0).sum())))
    data = {"val_captions": np.array([[3, 3, 0, 0], [3, 3, 3, 3], [3, 3, 0, 0]]), "val_image_idxs": np.array([2, 0, 1]),
            "val_features": np.array([[1.0], [10.0], [100.0]])}
    assert split_loss(model, data, "val", 2) == 111 / 8


def test_schedules():
    """The formulas, with a warmup of a fifth; without one both begin at 1."""
    def half_cosine(share):
        return 0.5 + 0.5 * math.cos(math.pi * share)
    for t in (0, 0.05, 0.1, 0.19, 0.2, 0.4, 0.6, 0.99, 1):
        fall = half_cosine((t - 0.2) / 0.8)
        assert SCHEDULES["cosine"](t, 0.2) == pytest.approx(5 * t if t < 0.2 else fall, abs=1e-12)
        rise = 1 / 25 + 24 / 25 * half_cosine(5 * t + 1)
        assert SCHEDULES["one-cycle"](t, 0.2) == pytest.approx(rise if t < 0.2 else fall, abs=1e-12)
    assert all(schedule(0.0, 0.0) == 1 and schedule(1.0, 0.0) == 0 for schedule in SCHEDULES.values())


@pytest.mark.parametrize("share", [0.25, 0.3, 0.999])
def test_dropout_keeps_the_expected_share_independently(share, rng):
    shape = (301, 333)
    keep, size = kept(shape, rng, share), math.prod(shape)
    assert keep.shape == shape and keep.dtype == bool
    deviation = math.sqrt(share * (1 - share))
    assert abs(keep.mean() - (1 - share)) < 4 * deviation / math.sqrt(size)
    for other in (keep[:, 1:] * keep[:, :-1], keep[1:] * keep[:-1]):        # neighbours are independent
        assert abs(other.mean() - (1 - share)**2) < 8 * deviation / math.sqrt(size)
    assert keep_scale(share) == pytest.approx(1 / (1 - share), rel=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropped_values(dtype, rng):
    x = rng.standard_normal((50, 30)).astype(dtype)
    dropped, mask = drop(x, np.random.default_rng(3), 0.25)
    keep = kept(x.shape, np.random.default_rng(3), 0.25)
    assert dropped.dtype == mask.dtype == dtype
    np.testing.assert_array_equal(dropped, np.where(keep, x * dtype(4 / 3), 0))
    np.testing.assert_array_equal(mask, np.where(keep, dtype(4 / 3), 0))
    for generator, share in ((None, 0.25), (rng, 0)):
        dropped, mask = drop(x, generator, share)
        assert dropped is x and mask == 1 and kept(x.shape, generator, share) is None
