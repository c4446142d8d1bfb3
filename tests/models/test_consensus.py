"""The order of an image's captions, against scores by plain loops and worked examples."""
import numpy as np
import pytest

from models.consensus import WEIGHT, rank_by_consensus
from models.search import Hypothesis
from tests.models.test_cider import plain_cider, random_captions

CAPTIONS = [["a dog runs on the grass", "the dog is running", "dog"], ["a red ball", "a ball on the grass"],
            ["two dogs play with a red ball", "dogs play on the grass", ""], ["a man on a horse"]]
TEXTS = ["a red ball", "two dogs play with a red ball", "a dog runs on the grass"]


def hypothesis(words, log_prob, finished=True):
    return Hypothesis([3] * words, log_prob, finished, None)


BEAM = [hypothesis(4, -4.0), hypothesis(7, -14.0), hypothesis(7, -14.7)]


def test_the_caption_similar_to_those_of_neighbours_comes_first():
    """One call ranks all images, each with neighbours of its own."""
    ranked = rank_by_consensus([BEAM, BEAM, BEAM[:1]], [TEXTS, TEXTS, TEXTS[:1]], [[0], [1], [3]], CAPTIONS)
    assert ranked == [[BEAM[2], BEAM[0], BEAM[1]], BEAM, BEAM[:1]]


@pytest.mark.parametrize("normalisation", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_order_is_that_of_the_sum(seed, normalisation):
    rng = np.random.default_rng(seed)
    captions = [random_captions(rng, int(rng.integers(1, 4))) for _ in range(9)]
    texts = [random_captions(rng, int(rng.integers(1, 6))) for _ in range(5)]
    beams = [[hypothesis(len(text.split()) + 1, -rng.gamma(4)) for text in of_image] for of_image in texts]
    neighbours = [rng.permutation(9)[:3] for _ in range(5)]
    ranked = rank_by_consensus(beams, texts, neighbours, captions, normalisation)
    for beam, of_image, near, found in zip(beams, texts, neighbours, ranked):
        others = [text for i in near for text in captions[i]]
        values = [h.log_prob / len(h.ids)**normalisation + WEIGHT * plain_cider(text, others, captions)
                  for h, text in zip(beam, of_image)]
        assert found == [beam[k] for k in np.argsort(values)[::-1]]


def test_an_unfinished_caption_comes_last():
    beam = [hypothesis(3, -9.0), hypothesis(6, -0.1, finished=False)]
    assert rank_by_consensus([beam], [["horse", "a dog runs on the grass"]], [[0]], CAPTIONS) == [beam]


def test_equal_captions_keep_their_order():
    beam = [hypothesis(3, -9.0), hypothesis(3, -9.0), hypothesis(3, -9.0)]
    ((first, second, third),) = rank_by_consensus([beam], [["a red ball"] * 3], [[1, 2]], CAPTIONS)
    assert first is beam[0] and second is beam[1] and third is beam[2]
