"""Packed batches against a plain loop, and what must not matter to a result: order, padding, a workspace."""
import numpy as np
import pytest

from rnnlayers.engine import pack
from rnnlayers.workspace import Workspace


def plain_pack(targets, null):
    """Captions longest first and where each row stands: [(caption, time)], time by time."""
    lengths = [max((t + 1 for t, word in enumerate(row) if word != null), default=0) for row in targets]
    order = sorted(range(len(targets)), key=lambda n: -lengths[n])
    places, starts = [], [0]
    for t in range(max(lengths)):
        places += [(n, t) for n in order if lengths[n] > t]
        starts.append(len(places))
    return order, starts, places, [lengths[n] for n in order if lengths[n]]


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


def test_the_order_of_the_batch_does_not_matter(variant, captioner, pictures, ragged, same_loss):
    model, captions, features = captioner(variant), ragged(9, 6), pictures(variant, 9)
    order = np.random.default_rng(0).permutation(9)
    moved = tuple(f if f is None else f[order] for f in features) if isinstance(features, tuple) else features[order]
    same_loss(model.loss(moved, captions[order]), model.loss(features, captions), 1e-12)


def test_padding_does_not_matter(variant, captioner, pictures, ragged, same_loss):
    model, captions, features = captioner(variant), ragged(9, 6), pictures(variant, 9)
    same_loss(model.loss(features, np.pad(captions, ((0, 0), (0, 4)))), model.loss(features, captions), 1e-14)


def copies(grads):
    return {name: g.copy() for name, g in grads.items()}


def test_results_are_new_arrays(variant, captioner, pictures, ragged):
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
    before = copies(model.params), captions.copy(), [np.copy(f) for f in features if f is not None]
    model.loss(features, captions)
    model.sample(features, 3)
    for name, w in model.params.items():
        np.testing.assert_array_equal(w, before[0][name])
    np.testing.assert_array_equal(captions, before[1])
    for f, g in zip([f for f in features if f is not None], before[2]):
        np.testing.assert_array_equal(f, g)


def test_a_workspace_changes_no_result(variant, captioner, pictures, ragged, same_loss):
    model, plain = captioner(variant, dropout=0.3), captioner(variant, dropout=0.3)
    workspace = Workspace()
    for N, T in ((5, 6), (9, 8), (2, 3), (9, 8)):
        args = pictures(variant, N, seed=T), ragged(N, T, seed=N)
        for rng in (None, 3):
            draws = [rng and np.random.default_rng(rng) for _ in range(2)]
            found = model.objective(*args, draws[0], workspace=workspace)
            same_loss((found.loss, found.grads), plain.loss(*args, draws[1]), 0)
