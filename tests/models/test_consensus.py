import numpy as np
import pytest

from models.consensus import WEIGHT, Consensus, cider_d
from models.metrics import score_captions
from models.search import Hypothesis

REFERENCES = [["a dog runs on the grass", "the dog is running", "dog"], ["a red ball", "a ball on the grass"],
              ["two dogs play with a red ball", "dogs play on the grass", ""], ["a man on a horse"]]
CANDIDATES = ["a dog on the grass runs", "a red red ball", "ball", "a a a a man on a horse on a horse"]


def test_similarity_is_that_of_the_measure():
    ids = dict(enumerate(REFERENCES))
    scores = score_captions(dict(enumerate(CANDIDATES)), ids).per_image
    consensus = Consensus(REFERENCES)
    for i, candidate in enumerate(CANDIDATES):
        found = [cider_d(consensus.tf_idf(candidate), consensus.tf_idf(text)) for text in REFERENCES[i]]
        assert np.mean(found) == pytest.approx(scores[i]["CIDEr"], rel=1e-12)
    assert sum(row["CIDEr"] > 0.5 for row in scores.values()) >= 2


def hypothesis(words, log_prob, finished=True):
    return Hypothesis([3] * words, log_prob, finished, None)


def test_the_caption_like_those_of_near_images_comes_first():
    beam = [hypothesis(4, -4.0), hypothesis(7, -14.0), hypothesis(7, -14.7)]
    texts = ["a red ball", "two dogs play with a red ball", "a dog runs on the grass"]
    consensus = Consensus(REFERENCES)
    assert consensus.rank(beam, texts, [0]) == [beam[2], beam[0], beam[1]]
    assert consensus.rank(beam, texts, [1]) == beam
    values = [np.mean([cider_d(consensus.tf_idf(text), consensus.tf_idf(other)) for other in REFERENCES[2]])
              for text in texts]
    for normalisation in (0.0, 1.0):
        ranks = [WEIGHT * v + h.log_prob / len(h.ids)**normalisation for v, h in zip(values, beam)]
        expected = [beam[k] for k in np.argsort(ranks)[::-1]]
        assert consensus.rank(beam, texts, [2], normalisation) == expected


def test_an_unfinished_caption_stays_behind():
    beam = [hypothesis(3, -9.0), hypothesis(6, -0.1, finished=False)]
    assert Consensus(REFERENCES).rank(beam, ["horse", "a dog runs on the grass"], [0]) == beam
