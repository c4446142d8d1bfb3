"""Caption scores against the reference scorer's figures, against formulas written out, and by hand."""
import json
import math
from collections import Counter

import numpy as np
import pytest

from data.tokenizer import tokenize
from models.bootstrap import paired_bootstrap
from models.metrics import BLEU, MEASURES, longest_common_subsequences, score_captions
from tests.models.test_cider import ngrams, plain_cider

KEYS = dict(zip(MEASURES, ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "ROUGE_L", "CIDEr")))


def random_captions(rng, images, words=6, longest=11):
    """Captions of few words, so that n-grams repeat; some are empty."""
    def caption():
        return " ".join("abcdefgh"[i] for i in rng.integers(0, words, rng.integers(0, longest)))
    candidates = {f"image {i}": caption() for i in range(images)}
    references = {i: [*(caption() for _ in range(rng.integers(0, 5))), "a b"] for i in candidates}
    return candidates, references


def plain_bleu(candidates, references):
    """BLEU-1 to 4 of a set, by counting in dicts."""
    length = closest = 0
    guesses, matches = [0] * 4, [0] * 4
    for i, text in candidates.items():
        c = len(text.split())
        length += c
        closest += min((abs(len(r.split()) - c), len(r.split())) for r in references[i])[1]
        for n in range(4):
            most = Counter()
            for r in references[i]:
                most |= ngrams(r, n + 1)
            matches[n] += sum((ngrams(text, n + 1) & most).values())
            guesses[n] += max(c - n, 0)
    penalty = math.exp(min(0, 1 - (closest + 1e-9) / (length + 1e-15)))
    precision = [(m + 1e-15) / (g + 1e-9) for m, g in zip(matches, guesses)]
    return [penalty * math.prod(precision[:n]) ** (1 / n) for n in (1, 2, 3, 4)]


def plain_rouge(text, references):
    def common(a, b):
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
        return table[-1][-1]
    c, refs = text.split(" "), [r.split(" ") for r in references]
    p, r = max(common(c, ref) / len(c) for ref in refs), max(common(c, ref) / len(ref) for ref in refs)
    return (1 + 1.44) * p * r / (r + 1.44 * p) if p else 0.0


@pytest.mark.parametrize("seed", range(30))
def test_against_the_formulas_written_out(seed):
    rng = np.random.default_rng(seed)
    candidates, references = random_captions(rng, int(rng.integers(1, 9)))
    scores = score_captions(candidates, references)
    np.testing.assert_allclose([scores.corpus[name] for name in BLEU], plain_bleu(candidates, references), atol=1e-12)
    cider = [plain_cider(text, references[i], list(references.values())) for i, text in candidates.items()]
    rouge = [plain_rouge(text, references[i]) for i, text in candidates.items()]
    assert scores.corpus["CIDEr"] == pytest.approx(np.mean(cider), abs=1e-12)
    assert scores.corpus["ROUGE-L"] == pytest.approx(np.mean(rouge), abs=1e-12)
    for k, (i, text) in enumerate(candidates.items()):
        row = scores.per_image[i]
        expected = [*plain_bleu({i: text}, references), rouge[k], cider[k]]
        np.testing.assert_allclose([row[name] for name in MEASURES], expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_against_the_reference_scorer(seed):
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    candidates, references = random_captions(np.random.default_rng(seed), 6)
    scores, listed = score_captions(candidates, references), {i: [text] for i, text in candidates.items()}
    bleu, bleu_each = Bleu(4).compute_score(references, listed, verbose=0)
    rouge, rouge_each = Rouge().compute_score(references, listed)
    cider, cider_each = Cider().compute_score(references, listed)
    np.testing.assert_allclose(list(scores.corpus.values()), [*bleu, rouge, cider], atol=1e-9)
    for i, row in enumerate(zip(*bleu_each, rouge_each, cider_each)):
        np.testing.assert_allclose(list(scores.per_image[f"image {i}"].values()), row, atol=1e-9)


@pytest.fixture(scope="module")
def demonstration(real_data):
    folder = real_data / "caption_scores"
    candidates = {entry["image_id"]: tokenize(entry["caption"])
                  for entry in json.loads((folder / "candidates.json").read_text())}
    references = {i: [] for i in candidates}
    for entry in json.loads((folder / "references.json").read_text())["annotations"]:
        references[entry["image_id"]].append(tokenize(entry["caption"]))
    return folder, candidates, references


def test_the_published_demonstration(demonstration):
    folder, candidates, references = demonstration
    scores = score_captions(candidates, references)
    corpus, each = (json.loads((folder / f"expected_{name}.json").read_text()) for name in ("corpus", "per_image"))
    for name in MEASURES:
        assert scores.corpus[name] == pytest.approx(corpus[KEYS[name]], abs=1e-9)
        assert len(each) == len(scores.per_image) == 1000
        for i, row in scores.per_image.items():
            assert row[name] == pytest.approx(each[str(i)][KEYS[name]], abs=1e-9)


def test_order_of_images_and_references_does_not_matter(rng):
    candidates, references = random_captions(rng, 7)
    scores = score_captions(candidates, references)
    other = score_captions(dict(reversed(candidates.items())), {i: texts[::-1] for i, texts in references.items()})
    assert scores.corpus == pytest.approx(other.corpus, abs=1e-12)
    for i in candidates:
        assert scores.per_image[i] == pytest.approx(other.per_image[i], abs=1e-12)


def test_by_hand():
    scores = score_captions({1: "a dog runs", 2: "cat"}, {1: ["a dog runs", "the dog"], 2: ["a cat", "a b c d"]})
    assert scores.corpus["BLEU-1"] == pytest.approx(math.exp(1 - 5 / 4), abs=1e-9)      # 4 of 4 words, 3 + 2 expected
    assert scores.per_image[1]["BLEU-3"] == pytest.approx(1, abs=1e-8)
    assert scores.per_image[1]["ROUGE-L"] == 1 and scores.per_image[2]["ROUGE-L"] == pytest.approx(
        2.44 * 0.5 / (0.5 + 1.44))
    assert score_captions({1: "a"}, {1: ["a"]}).corpus["CIDEr"] == 0                    # one image: every idf is 0


@pytest.mark.parametrize("text", ["", " "])
def test_empty_captions_score_nothing(text):
    scores = score_captions({1: text, 2: "a b"}, {1: ["a b c"], 2: ["a b"]})
    assert scores.per_image[1]["CIDEr"] == scores.per_image[1]["ROUGE-L"] == 0 and scores.per_image[1]["BLEU-1"] < 1e-5
    assert score_captions({1: ""}, {1: [""]}).corpus["CIDEr"] == 0


def test_common_subsequences_beyond_a_machine_word(rng):
    words = [str(i) for i in rng.integers(0, 9, 150)]
    others = [[str(i) for i in rng.integers(0, 9, n)] for n in (1, 64, 65, 200)] + [words, []]
    for length, other in zip(longest_common_subsequences(words, others), others):
        best = [0] * (len(other) + 1)
        for a in words:
            best = [0] + [max(best[j + 1], (best[j] + 1) if a == b else 0) for j, b in enumerate(other)]
            for j in range(1, len(best)):
                best[j] = max(best[j], best[j - 1])
        assert length == best[-1]


@pytest.mark.parametrize("candidates, references, message", [
    ({}, {}, "no candidates"), ({1: "a"}, {}, "no references: 1"), ({1: "a"}, {1: ["a"], 2: ["a"]}, "no candidate: 2"),
    ({1: ["a"]}, {1: ["a"]}, "candidate of 1 is list"), ({1: "a"}, {1: []}, "references of 1"),
    ({1: "a"}, {1: "a"}, "references of 1"), ({1: "a"}, {1: [None]}, "references of 1"),
])
def test_wrong_input(candidates, references, message):
    with pytest.raises(ValueError, match="score_captions") as error:
        score_captions(candidates, references)
    assert message in str(error.value)


def test_bootstrap_intervals(rng):
    """Nothing between a captioner and itself; about 1.96 standard errors around the mean difference of CIDEr."""
    words = list("abcdefgh")
    references = {i: [" ".join(rng.permutation(words)[:6]) for _ in range(3)] for i in range(400)}
    good = score_captions({i: texts[0] if i % 3 else "a b" for i, texts in references.items()}, references)
    bad = score_captions({i: texts[0] if i % 2 else "c a d" for i, texts in references.items()}, references)
    same = paired_bootstrap(good, good, np.random.default_rng(0), 50)
    assert all(tuple(d) == (0, 0, 0) for d in same.values())
    found = paired_bootstrap(good, bad, np.random.default_rng(0), 2000)
    each = np.array([good.per_image[i]["CIDEr"] - bad.per_image[i]["CIDEr"] for i in references])
    spread = 1.96 * each.std() / 20
    assert found["CIDEr"].difference == pytest.approx(each.mean())
    assert found["CIDEr"].low == pytest.approx(each.mean() - spread, abs=0.15 * spread)
    assert found["CIDEr"].high == pytest.approx(each.mean() + spread, abs=0.15 * spread)
    d = found["BLEU-4"]
    assert d.low < d.difference < d.high and d.difference == good.corpus["BLEU-4"] - bad.corpus["BLEU-4"]
    assert paired_bootstrap(good, bad, np.random.default_rng(0), 2000) == found
    with pytest.raises(ValueError, match="different images"):
        paired_bootstrap(good, score_captions({1: "a"}, {1: ["a"]}), rng)
