"""A trained model's weights in a model of other words and features, for every registered cell."""
import numpy as np
import pytest

from models import CaptioningRNN
from models.cells import CELLS, VARIANTS
from models.transfer import transferred
from tests.cells import features_for, few_units
from tests.models.conftest import WORDS

N, D, W, H = 3, 5, 4, 7
OTHER = ["dog", "<UNK>", "c", "<NULL>", "cat", "a", "<END>", "g", "<START>"]    # c, a and g are common


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.title)
def make(request):
    """Function: a model of the variant for these words."""
    def model(words, seed, D=D, H=H, W=W, **options):
        options = {"backend": "textbook", **few_units(request.param.name), **request.param.options, **options}
        ids = {word: i for i, word in enumerate(words)}
        model = CaptioningRNN(ids, D, W, H, request.param.name, np.float64, seed=seed, **options)
        model.params["b_vocab"] += seed * np.arange(len(words))         # biases are drawn as zeros
        return model
    return model


def of_words(model):
    """Word -> its row of W_embed, column of W_vocab and entry of b_vocab."""
    p = model.params
    return {word: (p["W_embed"][i].tolist(), [row[i] for row in p["W_vocab"].tolist()], p["b_vocab"][i])
            for word, i in model.word_to_idx.items()}


def test_common_words_keep_their_vectors_and_new_ones_are_those_of_a_fresh_model(make):
    source, fresh, again = make(WORDS, 1), make(OTHER, 2), make(OTHER, 2)
    before, old, new = of_words(source), of_words(source), of_words(fresh)
    fresh.params = transferred(fresh, source)
    assert of_words(fresh) == {word: old.get(word, new[word]) for word in OTHER}
    for name in source.cell.shapes():
        np.testing.assert_array_equal(fresh.params[name], source.params[name])
        fresh.params[name] += 1                                         # they are no views
        assert (fresh.params[name] != source.params[name]).all()
    assert of_words(source) == before and of_words(again) == new and list(again.params) == list(fresh.params)


def test_parameters_that_read_other_features_stay_fresh(make):
    source, fresh = make(WORDS, 1), make(OTHER, 2, D=D + 2)
    params, shapes = transferred(fresh, source, ""), fresh.cell.shapes()
    reads = {name for name, letters in shapes.items() if "D" in letters or "P" in letters}
    assert reads and {next(iter(shapes)), "W_proj", "Wa", "W_init_h"} & shapes.keys() <= reads
    for name in shapes:
        np.testing.assert_array_equal(params[name], (fresh if name in reads else source).params[name])
    with pytest.raises(ValueError, match=r"of the source is \(.*\), expected [DP] .* = "):
        transferred(fresh, source)


def test_each_width_is_asked_for_by_itself(word_to_idx):
    for name in (name for name, cls in CELLS.items() if "pooled_dim" in cls.options):
        source, fresh = (CaptioningRNN(word_to_idx, D, W, H, name, pooled_dim=P, seed=P) for P in (8, 9))
        params = transferred(fresh, source, "D")
        for key, letters in fresh.cell.shapes().items():
            np.testing.assert_array_equal(params[key], (fresh if "P" in letters else source).params[key])


@pytest.mark.parametrize("backend", ["engine", "textbook"])
def test_words_in_another_order_give_the_same_captions(backend, make, rng):
    source, fresh = make(WORDS, 1, backend=backend), make(WORDS[::-1], 2, backend=backend)
    fresh.params = transferred(fresh, source)
    features = features_for(source.cell_type, N, rng, D)
    captions = [model.sample(features, 6) for model in (source, fresh)]
    ids = [found[0] if source.attends else found for found in captions]
    assert [[source.idx_to_word[i] for i in row] for row in ids[0]] == [
        [fresh.idx_to_word[i] for i in row] for row in ids[1]]
    given = np.array([[1, 4, 7, 5, 9, 2]] * N)
    found = fresh.scores(features, len(WORDS) - 1 - given)[..., ::-1]
    np.testing.assert_allclose(found, source.scores(features, given), rtol=1e-12, atol=1e-14)


def test_another_size_is_refused(make):
    with pytest.raises(ValueError, match="of the source is"):
        transferred(make(WORDS, 1, H=H + 1, W=W + 2), make(WORDS, 1))
