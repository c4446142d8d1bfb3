"""Bleu, Rouge and Cider in the place of pycocoevalcap's: against its figures, itself where it is installed, by hand."""
import json
import math

import numpy as np
import pytest

from data.tokenizer import tokenize
from models.metrics import MEASURES, Bleu, Cider, Rouge, score_captions
from tests.models.test_metrics import plain_bleu, random_captions


def listed(seed, images):
    """Random captions as pycocoevalcap takes them: gts, and res in another order."""
    candidates, references = random_captions(np.random.default_rng(seed), images)
    return references, {i: [text] for i, text in reversed(candidates.items())}


def every_class(gts, res):
    """The scores of the set, and of each image, in the order of MEASURES."""
    found = Bleu(4).compute_score(gts, res, verbose=0), Rouge().compute_score(gts, res), Cider().compute_score(gts, res)
    (bleu, bleu_each), (rouge, rouge_each), (cider, cider_each) = found
    return [*bleu, rouge, cider], [*bleu_each, rouge_each, cider_each]


def test_the_reference_figures_of_the_demonstration(real_data):
    def read(name):
        return json.loads((real_data / "caption_scores" / f"{name}.json").read_text())
    res = {entry["image_id"]: [tokenize(entry["caption"])] for entry in read("candidates")}
    gts = {i: [] for i in sorted(res)}
    for entry in read("references")["annotations"]:
        gts[entry["image_id"]].append(tokenize(entry["caption"]))
    scores, each = every_class(gts, res)
    names = [name.replace("BLEU-", "Bleu_").replace("-", "_") for name in MEASURES]
    corpus, images = read("expected_corpus"), read("expected_per_image")
    np.testing.assert_allclose(scores, [corpus[name] for name in names], atol=1e-12)
    np.testing.assert_allclose(each, [[images[str(i)][name] for i in gts] for name in names], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_scores_as_score_captions_in_the_order_of_gts(seed):
    gts, res = listed(seed, 5)
    scores, each = every_class(gts, res)
    expected = score_captions({i: text for i, (text,) in res.items()}, gts)
    assert scores == pytest.approx(list(expected.corpus.values()), abs=1e-15)
    assert np.transpose(each).tolist() == [list(expected.per_image[i].values()) for i in gts]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7])
def test_other_orders_and_widths(n):
    gts, res = listed(n, 5)
    bleu, bleu_each = Bleu(n).compute_score(gts, res, verbose=0)
    assert len(bleu) == len(bleu_each) == n and {len(each) for each in bleu_each} == {5}
    expected = plain_bleu({i: text for i, (text,) in res.items()}, gts)
    np.testing.assert_allclose(bleu[:4], expected[:n], atol=1e-12)
    identical = Bleu(n).compute_score({1: ["a b c d e f g"]}, {1: ["a b c d e f g"]}, 0)[0]
    np.testing.assert_allclose(identical, 1, atol=1e-8)


def test_cider_by_hand():
    """sigma is the width of the penalty for a difference in length, here of 1 word."""
    gts, res = {1: ["a b"], 2: ["c"]}, {2: ["x"], 1: ["a b d"]}
    cosine = 2 / math.sqrt(2 * 3)                       # all words are in one image: of equal weight
    for sigma, penalty in ((6, math.exp(-1 / 72)), (0.5, math.exp(-2))):
        mean, each = Cider(n=1, sigma=sigma).compute_score(gts, res)
        np.testing.assert_allclose(each, [10 * cosine * penalty, 0], atol=1e-12)
        assert mean == pytest.approx(5 * cosine * penalty, abs=1e-12)
    both = (cosine + 1 / math.sqrt(2)) / 2              # and of 2-grams: "a b" of "a b", "b d"
    np.testing.assert_allclose(Cider(n=2).compute_score(gts, res)[1], [10 * both * math.exp(-1 / 72), 0], atol=1e-12)


def test_what_is_printed(capsys):
    Bleu().compute_score({1: ["a dog runs", "the dog"], 2: ["a cat", "a b c d"]}, {1: ["a dog runs"], 2: ["cat"]})
    counts, ratio = capsys.readouterr().out.splitlines()
    assert counts == "{'testlen': 4, 'reflen': 5, 'guess': [4, 2, 1, 0], 'correct': [4, 2, 1, 0]}"
    assert ratio.startswith("ratio: 0.79999999")
    Bleu().compute_score({1: ["a"]}, {1: ["a"]}, verbose=0)
    assert capsys.readouterr().out == ""


def test_types_and_names():
    gts, res = listed(0, 3)
    bleu, bleu_each = Bleu().compute_score(gts, res, 0)
    assert {type(x) for x in [*bleu, *sum(bleu_each, [])]} == {float}
    for mean, each in Rouge().compute_score(gts, res), Cider(None, None, 4, 6.0).compute_score(gts, res):
        assert type(mean) is np.float64 and each.dtype == np.float64 and each.shape == (3,) and each.mean() == mean
    assert [Bleu().method(), Rouge().method(), Cider().method()] == ["Bleu", "Rouge", "CIDEr"]


@pytest.mark.parametrize("measure", [Bleu(), Rouge(), Cider()])
@pytest.mark.parametrize("gts, res, message", [
    ({1: ["a"]}, {1: ["a", "b"]}, "res of 1 is ['a', 'b'], expected a list of one caption"),
    ({1: ["a"]}, {1: "a"}, "res of 1 is 'a', expected a list of one caption"),
    ({1: ["a"]}, {1: []}, "res of 1 is [], expected"), ({1: ["a"]}, {1: [None]}, "candidate of 1 is NoneType"),
    ({1: ["a"]}, {2: ["a"]}, "1 of 1 images have no references: 2"),
    ({1: ["a"], 2: ["a"]}, {2: ["a"]}, "1 of 2 images have no candidate: 1"),
    ({1: []}, {1: ["a"]}, "references of 1 are []"), ({1: "a"}, {1: ["a"]}, "references of 1 are 'a'"),
    ({}, {}, "no candidates"), ({1: ["a"]}, {1: ["a" * 9999] * 2}, "res of 1 is"),
])
def test_what_asserts_there_says_here_what_it_found(measure, gts, res, message):
    with pytest.raises(ValueError) as error:
        measure.compute_score(gts, res)
    assert message in str(error.value) and len(str(error.value)) < 300
    assert str(error.value).startswith(f"{type(measure).__name__}: ")


@pytest.mark.parametrize("make", [lambda: Bleu(0), lambda: Cider(n=0), lambda: Cider(sigma=0)])
def test_sizes_that_cannot_be(make):
    with pytest.raises(ValueError, match="expected"):
        make()


@pytest.mark.parametrize("seed", range(30))
def test_against_pycocoevalcap(seed, capsys):
    """Scores, their order, types and what is printed; its Bleu takes n up to 4, its Cider 4 alone."""
    theirs = pytest.importorskip("pycocoevalcap.bleu.bleu")
    from pycocoevalcap.cider.cider import Cider as TheirCider
    from pycocoevalcap.rouge.rouge import Rouge as TheirRouge
    gts, res = listed(seed, 1 + seed % 7)
    n, sigma = 1 + seed % 4, [6.0, 1.5, 20.0][seed % 3]
    for pair in ((Bleu(n), theirs.Bleu(n)), (Rouge(), TheirRouge()), (Cider(sigma=sigma), TheirCider(sigma=sigma))):
        (mean, each), (their_mean, their_each) = (scorer.compute_score(gts, res) for scorer in pair)
        np.testing.assert_allclose(mean, their_mean, rtol=0, atol=1e-12)
        np.testing.assert_allclose(each, their_each, rtol=0, atol=1e-12)
        assert (type(mean), type(each)) == (type(their_mean), type(their_each))
        assert pair[0].method() == pair[1].method()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:1] == lines[2:3] and float(lines[1].split()[1]) == pytest.approx(float(lines[3].split()[1]))
