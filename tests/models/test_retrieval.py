import numpy as np
import pytest

from models import retrieval
from models.retrieval import BagOfWords, KernelRidge, nearest_images

WORDS = ["dog", "cat", "ball", "man", "horse", "grass"]


@pytest.fixture
def photos(rng):
    """23 images with two captions of two or three words each; features are linear in the words, plus noise."""
    captions = [[" ".join(rng.choice(WORDS, 2 + i % 2)) for _ in range(2)] for i in range(23)]
    counts = np.array([[" ".join(texts).split().count(word) for word in WORDS] for texts in captions])
    return captions, (counts @ rng.standard_normal((6, 9)) + 0.3 * rng.standard_normal((23, 9)) + 3).astype(np.float32)


def bags(captions, least):
    """BagOfWords from a dense table of counts."""
    counts = np.array([[" ".join(texts).split().count(word) for word in WORDS] for texts in captions], float)
    images = (counts > 0).sum(axis=0)
    weights = (counts * np.log(len(captions) / images))[:, images >= least]
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    weights -= weights.mean(axis=0)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def test_nearest_by_features(rng, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK", 4)
    train, queries = rng.standard_normal((11, 5)) + 3, rng.standard_normal((6, 5)) + 3
    rows = np.array([9, 2, 4, 0, 7, 8, 10, 1, 3])
    centred, mean = train[rows] - train[rows].mean(axis=0), train[rows].mean(axis=0)
    cosine = (queries - mean) @ centred.T / np.linalg.norm(centred, axis=1)
    for k in (1, 3, 20):
        found = nearest_images(train, rows, queries, np.arange(6), k, batch=4)
        np.testing.assert_array_equal(found, np.argsort(-cosine, axis=1)[:, :k])


def test_equal_distances_keep_the_order_of_training_images(monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK", 2)
    train = np.array([[3, 0], [0, 3], [3, 0], [-6, -6], [0, 3]])            # their mean is 0
    found = nearest_images(train, np.arange(5), np.array([[1, 0], [0, 1]]), np.arange(2), 4)
    assert found.tolist() == [[0, 2, 1, 4], [1, 4, 0, 2]]


@pytest.mark.parametrize("least", [1, 15])
def test_bags(photos, least, monkeypatch):
    monkeypatch.setattr(retrieval, "MIN_IMAGES", least)
    captions, _ = photos
    found, images = BagOfWords(captions), np.arange(23)
    expected = bags(captions, least)
    assert 0 < found.words == expected.shape[1] and (least == 1) == (found.words == len(WORDS))
    np.testing.assert_allclose(found[images] @ found[images].T, expected @ expected.T, atol=1e-6)
    np.testing.assert_array_equal(found[[7, 2, 7]], found[images][[7, 2, 7]])


def test_predicted_words_solve_the_ridge_problem(rng):
    features, words = retrieval.unit(rng.standard_normal((12, 5))), rng.standard_normal((12, 4))
    queries = retrieval.unit(rng.standard_normal((7, 5)))
    found = KernelRidge(features, words)
    kernels = [np.exp(retrieval.WIDTH * (a.astype(float) @ features.T.astype(float) - 1)) for a in (features, queries)]
    # the minimum of |K c - Y|^2 + RIDGE c' K c, by least squares on stacked equations
    root = np.linalg.cholesky(kernels[0] + 1e-12 * np.eye(12)).T
    stacked = np.vstack([kernels[0], np.sqrt(retrieval.RIDGE) * root])
    coefficients = np.linalg.lstsq(stacked, np.vstack([words, np.zeros_like(words)]), rcond=None)[0]
    predicted = kernels[1] @ coefficients
    np.testing.assert_allclose(found(queries), predicted / np.linalg.norm(predicted, axis=1, keepdims=True), atol=1e-4)


def test_nearest_by_features_and_words(photos, rng, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK", 5)
    captions, features = photos
    rows, queries = rng.permutation(23), rng.standard_normal((6, 9)).astype(np.float32) + 3
    ordered = [captions[row] for row in rows]
    mean = features.mean(axis=0, dtype=np.float64)
    train, asked = retrieval.unit(features[rows] - mean), retrieval.unit(queries - mean)
    words = BagOfWords(ordered)[np.arange(23)]
    value = asked @ train.T + KernelRidge(train, words)(asked) @ words.T
    found = nearest_images(features, rows, queries, np.arange(6), 4, ordered, batch=4)
    np.testing.assert_array_equal(found, np.argsort(-value, axis=1)[:, :4])
    assert (found != nearest_images(features, rows, queries, np.arange(6), 4)).any()


def test_words_are_predicted_from_a_sample(photos, monkeypatch):
    monkeypatch.setattr(retrieval, "SAMPLE", 8)
    sizes, rows = [], np.arange(23)
    monkeypatch.setattr(retrieval, "KernelRidge", lambda x, words: sizes.append(len(x)) or KernelRidge(x, words))
    captions, features = photos
    found = nearest_images(features, rows, features, rows, 1, captions)
    assert sizes == [8] and (found[:, 0] == rows).mean() > 0.5


def test_no_word_is_frequent_enough(photos, monkeypatch):
    monkeypatch.setattr(retrieval, "MIN_IMAGES", 24)
    captions, features = photos
    rows = np.arange(23)
    np.testing.assert_array_equal(nearest_images(features, rows, features[::-1], rows, 3, captions),
                                  nearest_images(features, rows, features[::-1], rows, 3))
