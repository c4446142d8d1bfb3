"""data/word_counts.py: the least count of a word, unknown words, captions cut."""
import pytest

from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from data.word_counts import WITHOUT_BLANKS, check_has_words, count_words, default_min_count, unspaced_share

TEXTS = ["a dog", "a b c", "a", "a dog b c d"]


def counts_of(texts, min_count=1, max_words=20):
    vocabulary = Vocabulary.build(texts, min_count)
    return count_words(texts, vocabulary.encode_all(texts, max_words), vocabulary), vocabulary


@pytest.mark.parametrize("captions, least", [(1, 1), (499, 1), (500, 2), (9_999, 2), (10_000, 4), (600_000, 4)])
def test_the_least_count_follows_the_captions(captions, least):
    assert default_min_count(captions) == least


@pytest.mark.parametrize("min_count, max_words, unknown, cut", [
    (1, 5, 0, 0), (2, 5, 1 / 11, 0), (4, 5, 7 / 11, 0), (4, 3, 5 / 9, 1 / 4), (2, 2, 0, 2 / 4), (4, 1, 0, 3 / 4)])
def test_shares_of_words_and_captions(min_count, max_words, unknown, cut):
    counts, _ = counts_of(TEXTS, min_count, max_words)
    assert counts == {"captions": 4, "unknown": pytest.approx(unknown), "cut": cut, "one_word": 1 / 4, "unspaced": 0,
                      "unbroken": 0, "words_of_99_percent": 5}


def test_full_stops_of_chinese_are_no_words():
    counts, _ = counts_of([tokenize(text) for text in ("一只狗在跑。", "狗。", "一只黑狗、一只白狗。", "a dog。")])
    assert counts["one_word"] == 2 / 4 and counts["unbroken"] == 0
    assert counts_of([tokenize("一只黑色的狗跑，一只白色的狗跑。")])[0]["unbroken"] == 1


def test_how_many_words_hold_99_percent():
    texts = [*["a"] * 98, "a b c", "a b c d e"]
    assert counts_of(texts)[0]["words_of_99_percent"] == 3
    assert counts_of([*texts, "a b c d e f"])[0]["words_of_99_percent"] == 5


def test_a_vocabulary_without_words(fails):
    with fails("x: a vocabulary without words: no word occurs --min-count 4 times in the 2 training captions: "
               "--min-count 1 keeps all words"):
        check_has_words("x", Vocabulary.build([], 4), 4, ["a b", "c d"])
    with fails("x: a vocabulary without words", f"--min-count 1 keeps all words; {WITHOUT_BLANKS}"):
        check_has_words("x", Vocabulary.build([], 4), 4, ["一只狗", "猫在"])
    check_has_words("x", Vocabulary.build(["a"]), 4, ["a"])
    assert unspaced_share(["a 狗 猫在", "b"]) == 1 / 2 and unspaced_share([]) == 0
