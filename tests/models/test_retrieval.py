import numpy as np
import pytest

from models import retrieval
from models.retrieval import Bags, Expected, nearest_images

WORDS = ["dog", "cat", "ball", "man", "horse", "grass"]


@pytest.fixture
def photos(rng):
    """What is seen: 23 images with two captions of two or three words each; features follow the words and noise."""
    said = [[" ".join(rng.choice(WORDS, 2 + i % 2)) for _ in range(2)] for i in range(23)]
    seen = np.array([[" ".join(texts).split().count(word) for word in WORDS] for texts in said])
    return said, (seen @ rng.standard_normal((6, 9)) + 0.3 * rng.standard_normal((23, 9)) + 3).astype(np.float32)


def bags(captions, least):
    """Bags by a second way, word by word."""
    counts = np.array([[" ".join(texts).split().count(word) for word in WORDS] for texts in captions], float)
    images = (counts > 0).sum(axis=0)
    weights = (counts * np.log(len(captions) / images))[:, images >= least]
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    weights -= weights.mean(axis=0)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)



def test_nearest_by_features(rng, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK", 4)
    known, asked = rng.standard_normal((11, 5)) + 3, rng.standard_normal((6, 5)) + 3
    rows = np.array([9, 2, 4, 0, 7, 8, 10, 1, 3])
    centred, mean = known[rows] - known[rows].mean(axis=0), known[rows].mean(axis=0)
    cosine = (asked - mean) @ centred.T / np.linalg.norm(centred, axis=1)
    for k in (1, 3, 20):
        found = nearest_images(known, rows, asked, np.arange(6), k, batch=4)
        np.testing.assert_array_equal(found, np.argsort(-cosine, axis=1)[:, :k])


@pytest.mark.parametrize("least", [1, 15])
def test_bags(photos, least, monkeypatch):
    monkeypatch.setattr(retrieval, "MIN_IMAGES", least)
    captions, _ = photos
    found, images = Bags(captions), np.arange(23)
    expected = bags(captions, least)
    assert 0 < found.words == expected.shape[1] and (least == 1) == (found.words == len(WORDS))
    np.testing.assert_allclose(found[images] @ found[images].T, expected @ expected.T, atol=1e-6)
    np.testing.assert_array_equal(found[[7, 2, 7]], found[images][[7, 2, 7]])


def test_words_expected_solve_the_ridge_problem(rng):
    looks, words = retrieval.unit(rng.standard_normal((12, 5))), rng.standard_normal((12, 4))
    asked = retrieval.unit(rng.standard_normal((7, 5)))
    found = Expected(looks, words)
    between = [np.exp(retrieval.WIDTH * (a.astype(float) @ looks.T.astype(float) - 1)) for a in (looks, asked)]
    # the minimum of |K c - Y|^2 + RIDGE c' K c, by least squares on stacked equations
    root = np.linalg.cholesky(between[0] + 1e-12 * np.eye(12)).T
    stacked = np.vstack([between[0], np.sqrt(retrieval.RIDGE) * root])
    coefficients = np.linalg.lstsq(stacked, np.vstack([words, np.zeros_like(words)]), rcond=None)[0]
    predicted = between[1] @ coefficients
    np.testing.assert_allclose(found(asked), predicted / np.linalg.norm(predicted, axis=1, keepdims=True), atol=1e-4)


def test_nearest_by_features_and_words(photos, rng, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK", 5)
    captions, features = photos
    rows, asked = rng.permutation(23), rng.standard_normal((6, 9)).astype(np.float32) + 3
    said = [captions[row] for row in rows]
    mean = features.mean(axis=0, dtype=np.float64)
    looks, wanted = retrieval.unit(features[rows] - mean), retrieval.unit(asked - mean)
    every = Bags(said)[np.arange(23)]
    value = wanted @ looks.T + Expected(looks, every)(wanted) @ every.T
    found = nearest_images(features, rows, asked, np.arange(6), 4, said, batch=4)
    np.testing.assert_array_equal(found, np.argsort(-value, axis=1)[:, :4])
    assert (found != nearest_images(features, rows, asked, np.arange(6), 4)).any()


def test_words_are_predicted_from_a_sample(photos, monkeypatch):
    monkeypatch.setattr(retrieval, "SAMPLE", 8)
    sizes, rows = [], np.arange(23)
    monkeypatch.setattr(retrieval, "Expected", lambda looks, words: sizes.append(len(looks)) or Expected(looks, words))
    captions, features = photos
    found = nearest_images(features, rows, features, rows, 1, captions)
    assert sizes == [8] and (found[:, 0] == rows).mean() > 0.5


def test_no_word_is_frequent_enough(photos, monkeypatch):
    monkeypatch.setattr(retrieval, "MIN_IMAGES", 24)
    captions, features = photos
    rows = np.arange(23)
    np.testing.assert_array_equal(nearest_images(features, rows, features[::-1], rows, 3, captions),
                                  nearest_images(features, rows, features[::-1], rows, 3))
