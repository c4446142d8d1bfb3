"""The contract of cells: one name each, and a State that survives selecting and reordering, even where it grows."""
import itertools

import numpy as np
import pytest

from models import CaptioningRNN
from models.cells import ALIASES, CELLS, GRID, Cell, State, by_name
from models.cells.cell import take
from models.decoding import beam_search
from models.ensemble import Ensemble

WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "<UNK>", "a", "b", "c"])}
NULL, START, END, LENGTH = 0, 1, 2, 5
D, W, H, L = 5, 4, 6, 3


class Transforming(Cell):
    """One head of attention over the caption's own words, whose keys and values grow, and then over the regions."""
    name, aliases, features, attends = "transforming", ("growing",), GRID, True

    def shapes(self):
        return {"W_image": "D H", "Wq": "W H", "Wk": "W H", "Wv": "W H"}

    def initial_state(self, p, image):
        A = image.regions @ p["W_image"]
        nothing = np.zeros((len(A), 0, A.shape[2]))
        return State(A.mean(axis=1), (nothing, nothing), (A,))

    def step(self, p, x, state):
        (keys, values), (A,) = state.carried, state.memory
        query, key, value = (x @ w for w in take(p, ("Wq", "Wk", "Wv")))
        keys, values = np.append(keys, key[:, None], axis=1), np.append(values, value[:, None], axis=1)
        own = np.einsum("nt,nth->nh", softmax(np.einsum("nh,nth->nt", query, keys)), values)
        weights = softmax(np.einsum("nh,nlh->nl", own, A))
        return State(own + np.einsum("nl,nlh->nh", weights, A), (keys, values), (A,), attention=weights)

    def forward(self, p, image, x, dropout=None):
        """From scratch: all words at once, under a causal mask."""
        A, T = image.regions @ p["W_image"], x.shape[1]
        query, key, value = (x @ w for w in take(p, ("Wq", "Wk", "Wv")))
        own = softmax(np.where(np.tri(T, dtype=bool), query @ key.transpose(0, 2, 1), -np.inf)) @ value
        weights = softmax(own @ A.transpose(0, 2, 1))
        return own + weights @ A, weights, None


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture
def make(monkeypatch):
    """Makes captioners of strong opinions, one of them with the cell above, which is registered in this test alone."""
    monkeypatch.setitem(CELLS, Transforming.name, Transforming)

    def made(seed, cell_type="transforming"):
        model = CaptioningRNN(WORDS, D, W, H, cell_type, np.float64, seed=seed, backend="textbook")
        model.params["W_embed"] *= 150
        model.params["W_vocab"] *= 3
        return model
    return made


def likelihood(model, features, ids):
    """log p of one caption of one image, of all its words at once: no State takes part."""
    return -model.negative_log_likelihood(features, np.array([[START, *ids]]))[0]


def test_a_cell_of_a_test_is_registered_nowhere_else():
    assert "transforming" not in CELLS and "growing" not in ALIASES
    assert by_name([*CELLS.values(), Transforming]).keys() - CELLS.keys() == {"transforming"}


@pytest.mark.parametrize("name, aliases, shared", [("lstm", (), "lstm"), ("attn", (), "attn"), ("new", ("rnn",), "rnn"),
                                                   ("new", ("attn",), "attn"), ("new", ("new",), "new")])
def test_a_name_belongs_to_one_cell(name, aliases, shared):
    other = type("Other", (Cell,), {"name": name, "aliases": aliases})
    with pytest.raises(ValueError, match=f"models.cells: '{shared}' names both .*Other"):
        by_name([*CELLS.values(), other])


def a_state(rng, steps):
    """The state of four captions after some steps of Transforming: whoever's number is k has only numbers near k."""
    def part(*shape):
        return np.arange(4).reshape(-1, *[1] * len(shape)) + 0.1 * rng.random((4, *shape))
    return State(part(H), (part(steps, H), part(steps, H)), (part(L, H),), (rng.random((H, H)),), part(L))


def assert_rows(state, origin, carried, memory, steps):
    """Whose rows a state has: the numbers of captions in `carried` and everything else but `memory`."""
    assert len(state) == len(carried)
    own = state.output, *state.carried, state.attention
    for array, source in zip(own, (origin.output, *origin.carried, origin.attention)):
        np.testing.assert_array_equal(array, source[carried])
    np.testing.assert_array_equal(state.memory[0], origin.memory[0][memory])
    assert state.weights[0] is origin.weights[0]                # shared by all captions
    assert [keys.shape for keys in state.carried] == [(len(carried), steps, H)] * 2


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("rows, numbers", [
    (np.array([2, 0]), [2, 0]), (np.array([3, 1, 0, 2]), [3, 1, 0, 2]), (np.array([1, 1, 1, 0, 0]), [1, 1, 1, 0, 0]),
    (np.array([True, False, False, True]), [0, 3]), (slice(1, 3), [1, 2]), (slice(None, None, -1), [3, 2, 1, 0]),
    (np.zeros(0, int), [])])
def test_select_takes_everything_of_a_caption(rows, numbers, steps, rng):
    state = a_state(rng, steps)
    assert_rows(state.select(rows), state, numbers, numbers, steps)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_reorder_moves_what_captions_made_and_leaves_the_picture(steps, rng):
    state, order = a_state(rng, steps), np.array([1, 1, 3, 2])          # two pictures with two captions each
    moved = state.reorder(order)
    assert_rows(moved, state, order, np.arange(4), steps)
    assert moved.memory[0] is state.memory[0]                           # and copies nothing of it


def test_a_state_without_attention_or_memory(rng):
    state = State(rng.random((3, H)))
    for changed in (state.select(np.array([2, 0])), state.reorder(np.array([2, 0]))):
        np.testing.assert_array_equal(changed.output, state.output[[2, 0]])
        assert len(changed) == 2 and changed.attention is None and changed.carried == changed.memory == ()


def test_a_growing_memory_moves_with_its_caption(make, rng):
    """Steps of mixed and dropped captions, against all words of each at once."""
    model, features, ids = make(0), rng.standard_normal((3, L, D)), rng.integers(3, 7, (3, 6))
    state, of = model.initial_state(features), np.arange(3)             # the picture of each row
    for t, rows in enumerate([[0, 0, 1, 2], [1, 1, 2, 3], [1, 0, 2, 3], [3, 0, 1], [0, 2], [1]]):
        state, of, ids = state.select(np.array(rows)), of[rows], ids[rows]
        scores, state = model.step(ids[:, t], state)
        captions = np.hstack([ids[:, :t + 1], np.full((len(ids), 1), END)])
        np.testing.assert_allclose(scores, model.scores(features[of], captions)[:, -1], rtol=1e-12)
        np.testing.assert_allclose(state.attention, model.attention(features[of], captions)[:, -1], rtol=1e-12)
        assert state.carried[0].shape == (len(rows), t + 1, H)


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_every_hypothesis_has_the_likelihood_of_its_words(beam, make, rng):
    """Rows change places and images leave; a caption that loses its own keys gets another's probability."""
    model, features = make(1), rng.standard_normal((8, L, D))
    decoded = beam_search(model, features, beam, 7)
    assert len({len(h.ids) for hypotheses in decoded.beams for h in hypotheses}) > 1
    for i, hypotheses in enumerate(decoded.beams):
        for h in hypotheses:
            assert h.log_prob == pytest.approx(likelihood(model, features[i:i + 1], h.ids), rel=1e-9)
            attention = model.attention(features[i:i + 1], np.array([[START, *h.ids]]))[0]
            np.testing.assert_allclose(h.maps, attention, rtol=1e-9)


def best_of_all(model, features):
    """The best caption among all that end within the bound, as ids padded with <NULL>."""
    captions = [[*body, END] for n in range(LENGTH) for body in itertools.product([4, 5, 6], repeat=n)]
    best = max(captions, key=lambda ids: likelihood(model, features, ids) / len(ids))
    return best + [NULL] * (LENGTH - len(best))


def test_a_wide_beam_finds_the_best_of_all_captions(make, rng):
    model, features = make(2), rng.standard_normal((3, L, D))
    decoded = beam_search(model, features, 3**LENGTH, LENGTH)
    assert decoded.captions.tolist() == [best_of_all(model, features[i:i + 1]) for i in range(3)]


@pytest.mark.parametrize("beam", [2, 3])
def test_an_ensemble_with_a_growing_memory(beam, make, rng):
    """With a member whose state does not grow: each hypothesis has the mean of the members' probabilities."""
    ensemble, features = Ensemble([make(3), make(4), make(5, "attention")]), rng.standard_normal((6, L, D))
    decoded = beam_search(ensemble, features, beam, 6)
    for i, hypotheses in enumerate(decoded.beams):
        assert len({tuple(h.ids) for h in hypotheses}) == beam
        for h in hypotheses:
            assert h.log_prob == pytest.approx(likelihood(ensemble, features[i:i + 1], h.ids), rel=1e-9)
