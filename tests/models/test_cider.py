"""CIDEr-D and n-gram counts against plain loops over dicts."""
import math
from collections import Counter

import numpy as np
import pytest

from models.cider import cider_d, tf_idf_vectors
from models.ngrams import ORDERS, count_grams, find_values


def ngrams(text, n):
    words = text.split()
    return Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))


def plain_cider(text, references, documents):
    """Mean CIDEr-D of a caption with references; documents: lists of captions, for the document frequencies."""
    frequency = Counter(gram for texts in documents
                        for gram in {g for other in texts for n in (1, 2, 3, 4) for g in ngrams(other, n)})

    def vector(caption, n):
        idf = {g: math.log(len(documents)) - math.log(max(1, frequency[g])) for g in ngrams(caption, n)}
        return {g: count * idf[g] for g, count in ngrams(caption, n).items()}
    total = 0.0
    for reference in references:
        apart = max(len(text.split()) - 1, 0) - max(len(reference.split()) - 1, 0)
        for n in (1, 2, 3, 4):
            a, b = vector(text, n), vector(reference, n)
            dot = sum(min(w, b.get(g, 0)) * b.get(g, 0) for g, w in a.items())
            norm = math.sqrt(sum(w * w for w in a.values())) * math.sqrt(sum(w * w for w in b.values()))
            total += (dot / norm if norm else 0) * math.exp(-apart**2 / 72) / 4
    return 10 * total / len(references)


def random_captions(rng, n):
    return [" ".join("abcdefgh"[i] for i in rng.integers(0, 6, rng.integers(0, 11))) for _ in range(n)]


@pytest.mark.parametrize("seed", range(10))
def test_counts(seed):
    captions = random_captions(np.random.default_rng(seed), 7)
    lengths, grams = count_grams([text.split() for text in captions], ORDERS)
    assert lengths.tolist() == [len(text.split()) for text in captions]
    for n, of_order in enumerate(grams, 1):
        counts = [ngrams(text, n) for text in captions]
        assert of_order.ids == len(set().union(*counts)) and (of_order.gram < of_order.ids).all()
        rows = list(zip(of_order.caption.tolist(), of_order.gram.tolist(), of_order.counts.tolist()))
        assert rows == sorted(set(rows))
        found = [{gram: count for caption, gram, count in rows if caption == k} for k in range(len(captions))]
        for i, own in enumerate(counts):
            assert sorted(found[i].values()) == sorted(own.values())
            for j, other in enumerate(counts):              # ids are equal where n-grams are
                shared = sorted((own[gram], other[gram]) for gram in own & other)
                assert sorted((found[i][g], found[j][g]) for g in found[i].keys() & found[j].keys()) == shared


def test_counts_of_nothing():
    for captions in ([], [[]], [["a"], []]):
        lengths, grams = count_grams(captions, 2)
        assert lengths.tolist() == [len(words) for words in captions]
        assert [of_order.counts.tolist() for of_order in grams] == [[1] * sum(lengths), []]


def test_values_of_keys(rng):
    table = {int(key): float(rng.standard_normal()) for key in np.sort(rng.choice(50, 20, replace=False))}
    wanted = rng.integers(-5, 60, 200)
    found = find_values(wanted, np.array(list(table)), np.array(list(table.values())))
    assert found.tolist() == [table.get(int(key), 0) for key in wanted]
    assert find_values(wanted, np.zeros(0, int), np.zeros(0)).tolist() == [0] * 200


@pytest.mark.parametrize("seed", range(20))
def test_some_candidates_with_some_references_of_each(seed):
    """Pairs in any order, with references of any image, some repeated; only candidates 2, 3 and 4."""
    rng = np.random.default_rng(seed)
    candidates, images = random_captions(rng, 6), int(rng.integers(1, 6))
    documents = [random_captions(rng, int(rng.integers(1, 4))) for _ in range(images)]
    references = [text for texts in documents for text in texts]
    lengths, grams = count_grams([text.split() for text in candidates + references], ORDERS)
    vectors = tf_idf_vectors(lengths, grams, np.repeat(np.arange(images), [len(texts) for texts in documents]))
    pairs = [(c, int(r)) for c in (3, 2, 4) for r in rng.integers(0, len(references), rng.integers(1, 5))]
    pairs = [pairs[k] for k in rng.permutation(len(pairs))]
    candidate, reference = np.array(pairs).T
    found = cider_d(vectors, lengths, candidate, reference + len(candidates))
    expected = [plain_cider(candidates[c], [references[r] for d, r in pairs if d == c], documents) for c in (2, 3, 4)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
