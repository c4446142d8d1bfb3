"""What holds for every registered cell: a new one is tested by being registered.

That its engine and its textbook agree is in tests/rnnlayers/test_engine_agreement.py.
"""
import math

import numpy as np
import pytest

from models import CaptioningRNN
from models.cells import ALIASES, ANY, BOTH, CELLS, GRID, VARIANTS, VECTOR, cell_name
from models.cells.cell import Cell, axis_sizes, captioner_shapes
from models.options import MODEL, keywords
from models.packed.captioner import PACKED
from models.packed.cell import PackedCell
from tests.cells import NAMES, TAKE_A_VECTOR, features_for, few_units

N, T, D, W, H, V, P = 3, 5, 5, 4, 7, 11, 8
SIZES = {"V": V, "D": D, "P": D, "W": W, "H": H, "K": H, "F": 9}    # without pooled features P is D
CAPTIONS = np.array([[1, 4, 7, 5, 9, 2], [1, 8, 6, 2, 0, 0], [1, 3, 2, 0, 0, 0]])


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.title)
def variant(request):
    return request.param


@pytest.fixture
def make(variant, word_to_idx):
    """Function: a CaptioningRNN of the variant, in float64 on the textbook."""
    def model(**options):
        options = {"seed": 3, "backend": "textbook", **few_units(variant.name), **options}
        return CaptioningRNN(word_to_idx, D, W, H, variant.name, np.float64, **variant.options, **options)
    return model


class Draws:
    """A generator that remembers the shapes asked for."""

    def __init__(self):
        self.rng, self.shapes = np.random.default_rng(3), []

    def standard_normal(self, shape):
        self.shapes.append(shape)
        return self.rng.standard_normal(shape)


def test_each_cell_has_its_packed_twin():
    assert set(PACKED) == set(CELLS)
    for name, twin in PACKED.items():
        assert issubclass(twin, PackedCell) and twin(CELLS[name]()).cell.name == name


def test_a_cell_goes_by_its_name_and_by_its_aliases(word_to_idx):
    assert all(cell_name(name) == name == CELLS[name].name for name in CELLS) and not ALIASES.keys() & CELLS.keys()
    for alias, name in ALIASES.items():
        assert CaptioningRNN(word_to_idx, D, W, H, alias).cell_type == name


def test_a_variant_for_each_cell_and_each_start():
    assert [(v.name, v.options.get("start", CELLS[v.name].starts[0])) for v in VARIANTS] == [
        (name, start) for name, cls in CELLS.items() for start in cls.starts]
    assert len({v.title for v in VARIANTS}) == len(VARIANTS)
    assert all(("start" in cls.options) == (len(cls.starts) > 1) for cls in CELLS.values())


def test_options_of_some_cells_are_options_of_the_model():
    specific = {name for name, option in keywords(MODEL).items() if option.cell_specific}
    assert {option for cls in CELLS.values() for option in cls.options} == specific


def test_what_a_cell_declares_is_consistent(variant):
    cls = CELLS[variant.name]
    assert cls.features in (VECTOR, GRID, BOTH, ANY) and len(set(cls.gates)) == len(cls.gates)
    shapes, columns = cls(**variant.options).shapes(), f"{len(cls.gates) or ''}H"
    assert all(shapes[name].split()[-1] == columns for name in ("Wx", "Wh", "b") if name in shapes)
    assert set(cls.drawn_first) <= shapes.keys() and cls.about.compare in CELLS


@pytest.mark.parametrize("backend", ["engine", "textbook"])
def test_parameters_and_gradients_are_in_the_order_and_the_shapes_declared(backend, variant, make, rng):
    model = make(backend=backend)
    shapes = captioner_shapes(model.cell)
    expected = [(name, axis_sizes(letters, SIZES)) for name, letters in shapes.items()]
    assert [(name, w.shape) for name, w in model.params.items()] == expected
    _, grads = model.loss(features_for(variant.name, N, rng, D), CAPTIONS)
    assert [(name, dw.shape) for name, dw in grads.items()] == expected


def test_weights_can_be_counted_from_the_shapes(variant, make):
    for options in [{}, {"pooled_dim": P}] if "pooled_dim" in CELLS[variant.name].options else [{}]:
        model = make(**options)
        sizes = {**SIZES, "P": options.get("pooled_dim", D)}
        counted = sum(math.prod(axis_sizes(letters, sizes)) for letters in captioner_shapes(model.cell).values())
        assert counted == sum(w.size for w in model.params.values())


def test_a_cell_that_is_drawn_small_says_so(variant, make):
    """gradcheck's suite gives it larger weights, or nearly uniform attention would hide mistakes."""
    small = [name for name, w in make().params.items() if w.ndim == 2 and name not in ("W_embed", "W_vocab")
             and 0 < abs(w).mean() < 0.05]
    assert bool(small) == CELLS[variant.name].drawn_small


def test_draw_consumes_random_numbers_in_its_order(variant):
    """Those drawn first, then the others as they stand in shapes; none for biases, whose names begin with b."""
    cell, draws = CELLS[variant.name](**few_units(variant.name), **variant.options), Draws()
    shapes = cell.shapes()
    drawn = cell.draw(draws, SIZES)
    order = sorted(shapes, key=lambda name: (*cell.drawn_first, name).index(name))
    weights = [name for name in order if "W" in name or name == "v"]
    assert list(drawn) == list(shapes) and draws.shapes == [axis_sizes(shapes[name], SIZES) for name in weights]
    again = np.random.default_rng(3)
    for name in weights:
        shape = axis_sizes(shapes[name], SIZES)
        expected = again.standard_normal(shape)
        np.testing.assert_allclose(drawn[name] / drawn[name].std(), expected / expected.std(), rtol=1e-12)
        if cell.draw.__func__ is Cell.draw:
            np.testing.assert_array_equal(drawn[name], expected / np.sqrt(shape[0]))
    assert all((drawn[name] == name.endswith("gamma")).all() for name in shapes if name not in weights)


def test_a_seed_draws_the_embedding_then_the_cell_then_the_vocabulary(make):
    model, rng = make(), np.random.default_rng(3)
    cell, p = model.cell, model.params
    np.testing.assert_array_equal(p["W_embed"], cell.draw_words(rng, V, W, model.tie))
    for name, w in cell.draw(rng, SIZES).items():
        np.testing.assert_array_equal(p[name], w)
    for name, w in zip(("W_vocab", "b_vocab"), cell.draw_scores(rng, SIZES[cell.output], V)):
        np.testing.assert_array_equal(p[name], w)


def test_what_the_words_and_the_scores_of_most_cells_are_drawn_from():
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    np.testing.assert_array_equal(Cell().draw_words(one, V, W, False), other.standard_normal((V, W)) / 100)
    W_vocab, b_vocab = Cell().draw_scores(one, H, V)
    np.testing.assert_array_equal(W_vocab, other.standard_normal((H, V)) / np.sqrt(H))
    assert not b_vocab.any()


def test_the_forget_bias_is_on_forget_gates_alone(variant, make):
    with_bias, without, gates = make(forget_bias=1.5).params, make().params, CELLS[variant.name].gates
    if "b" in with_bias:
        expected = np.repeat([1.5 if gate == "f" else 0 for gate in gates or "-"], H)
        np.testing.assert_array_equal(with_bias["b"], expected)
    assert all((with_bias[name] == without[name]).all() for name in without if name != "b")


def test_whole_captions_are_their_steps(variant, make, rng):
    """forward against step, which shares no loop with it, and the state's own way of choosing rows."""
    model = make()
    features, order = features_for(variant.name, N, rng, D), np.array([2, 0])
    scores, state = model.scores(features, CAPTIONS), model.initial_state(features)
    for t in range(T):
        found, state = model.step(CAPTIONS[:, t], state)
        np.testing.assert_allclose(found, scores[:, t], rtol=1e-11, atol=1e-13)
        assert len(state) == N and state.output.shape == (N, SIZES[model.cell.output])
        assert (state.attention is not None) == model.attends
        if model.attends:
            np.testing.assert_allclose(state.attention, model.attention(features, CAPTIONS)[:, t], rtol=1e-11)
        some, _ = model.step(CAPTIONS[order, 0], state.select(order))
        everyone, _ = model.step(CAPTIONS[:, 0], state)
        assert len(state.select(order)) == 2
        np.testing.assert_allclose(some, everyone[order], rtol=1e-11, atol=1e-13)


def test_reordered_captions_of_one_picture_go_on_as_they_were(variant, make, rng):
    model, order = make(), np.array([1, 2, 2])
    state = model.initial_state(np.repeat(features_for(variant.name, 1, rng, D), 3, axis=0))
    for words in ([1, 1, 1], [4, 5, 6], [7, 8, 9]):
        before, state = model.step(np.array(words), state)
    expected, _ = model.step(np.array([3, 4, 5]), state)
    found, _ = model.step(np.array([3, 4, 5])[order], state.reorder(order))
    np.testing.assert_allclose(found, expected[order], rtol=1e-11, atol=1e-13)


def test_what_a_report_draws_of_a_cell(variant, make, rng):
    model = make()
    x = model.params["W_embed"][CAPTIONS[:, :-1]]
    h, _, cache = model.cell.forward(model.params, model.image(features_for(variant.name, N, rng, D)), x)
    activity, saturated = model.cell.activity(cache), model.cell.saturated(cache)
    assert list(activity) == list(model.cell.about.labels)
    assert all(a.shape[:2] == (N, T) and (a >= 0).all() and (a <= 1).all() for a in activity.values())
    assert saturated is None or saturated.dtype == bool and saturated.shape[:2] == (N, T)
    assert all(norms.shape == (N, T) for norms in model.cell.gradient_norms(np.ones_like(h), cache).values())


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_takes_the_features_that_it_declares(name, word_to_idx, rng):
    model, vector = CaptioningRNN(word_to_idx, D, W, H, name, seed=1), rng.standard_normal((N, D))
    grid, maps = rng.standard_normal((N, 6, D)), rng.standard_normal((N, D, 2, 3))
    good, bad = ([vector], [grid, maps]) if name in TAKE_A_VECTOR else ([grid, maps, (grid, vector)], [vector])
    if CELLS[name].features == ANY:
        good, bad = good + bad, [vector[0]]
    for features in good:
        assert model.loss(features, CAPTIONS)[0].dtype == np.float32
    for features in bad:
        with pytest.raises(ValueError, match="features is"):
            model.loss(features, CAPTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_only_cells_that_attend_have_attention(name, word_to_idx, rng):
    model, features = CaptioningRNN(word_to_idx, D, W, H, name, seed=1), features_for(name, N, rng, D, L=6)
    if model.attends:
        weights = model.attention(features, CAPTIONS)
        assert weights.shape == (N, T, 6) and np.allclose(weights.sum(axis=2), 1)
        assert model.sample(features, 4)[1].shape == (N, 4, 1, 6)
    else:
        assert model.sample(features, 4).shape == (N, 4)
        with pytest.raises(ValueError, match=f"cell_type is '{name}', expected one that attends"):
            model.attention(features, CAPTIONS)


def test_a_cell_without_a_packed_counterpart_says_so(word_to_idx, monkeypatch, rng):
    pytest.importorskip("rnnlayers.engine")
    from models.packed import captioner
    monkeypatch.setattr(captioner, "PACKED", {})
    model = CaptioningRNN(word_to_idx, 5, 4, 6, "rnn", seed=1, backend="engine")
    with pytest.raises(ValueError, match="'rnn' has no counterpart on packed rows, expected backend='textbook'"):
        model.sample(rng.standard_normal((2, 5)), 3)
