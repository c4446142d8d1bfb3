"""Captions that were cut have no <END>: their last word is learnt, and no end after it."""
import numpy as np
import pytest

from data.vocabulary import Vocabulary
from models import CaptioningRNN
from models.likelihood import split_loss
from models.search import log_softmax

VOCABULARY = Vocabulary.build(["a b c d"])
#                                    cut        exactly three words  empty
CAPTIONS = VOCABULARY.encode_all(["a b c d", "a b c", "", "d c b a d"], max_words=3)
TARGETS = [[4, 5, 6], [4, 5, 6, 2], [2], [7, 6, 5]]


@pytest.mark.parametrize("backend", ["textbook", "engine"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_loss_is_of_the_words_alone(cell, backend, rng):
    model = CaptioningRNN(VOCABULARY.word_to_idx, 3, 4, 5, cell, seed=0, dtype=np.float64, backend=backend)
    features = rng.standard_normal((4, 3))
    log_p = log_softmax(model.scores(features, CAPTIONS))
    expected = -sum(log_p[n, t, i] for n, ids in enumerate(TARGETS) for t, i in enumerate(ids))
    assert model.loss(features, CAPTIONS)[0] == pytest.approx(expected / len(CAPTIONS), rel=1e-10)
    data = {"x_captions": CAPTIONS, "x_image_idxs": np.arange(4), "x_features": features}
    assert split_loss(model, data, "x") == pytest.approx(expected / sum(map(len, TARGETS)), rel=1e-10)


def test_the_rows():
    assert CAPTIONS.tolist() == [[1, *ids, *[0] * (4 - len(ids))] for ids in TARGETS]
