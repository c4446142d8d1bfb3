"""data/vocabulary.py: which words get which ids, captions there and back, and vocabulary files of all kinds."""
import json

import numpy as np
import pytest

from data.vocabulary import SPECIAL, Vocabulary

CAPTIONS = ["a dog runs", "a dog sits", "a cat sits", "the cat", "an owl", "a a"]
COUNTED = ["a", "cat", "dog", "sits", "an", "owl", "runs", "the"]          # 5, 2, 2, 2, 1, 1, 1, 1
COURSE = ["a", "<END>", "cat", "dog", "<NULL>", "<UNK>", "<START>"]        # special words anywhere


def course_json(words, **changes):
    return json.dumps({"idx_to_word": words, "word_to_idx": {word: i for i, word in enumerate(words)}, **changes})


def test_ids_go_by_falling_count_and_ties_by_name():
    assert SPECIAL == ("<NULL>", "<START>", "<END>", "<UNK>")
    for captions in (CAPTIONS, CAPTIONS[::-1]):
        vocabulary = Vocabulary.build(captions)
        assert vocabulary.idx_to_word == [*SPECIAL, *COUNTED] and len(vocabulary) == 12
        assert vocabulary.word_to_idx == {word: i for i, word in enumerate([*SPECIAL, *COUNTED])}
        assert (vocabulary.null, vocabulary.start, vocabulary.end, vocabulary.unknown) == (0, 1, 2, 3)


@pytest.mark.parametrize("min_count, words", [(1, COUNTED), (2, COUNTED[:4]), (3, ["a"]), (5, ["a"]), (6, [])])
def test_min_count_is_the_smallest_count_that_stays(min_count, words):
    assert Vocabulary.build(CAPTIONS, min_count).idx_to_word == [*SPECIAL, *words]


def test_words_written_like_special_ones_are_not_added_again():
    assert Vocabulary.build(["<UNK> <UNK> x <END>"]).idx_to_word == [*SPECIAL, "x"]
    assert Vocabulary.build([]).idx_to_word == list(SPECIAL)


def test_encode_and_decode():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2)
    assert vocabulary.encode("a dog runs") == [1, 4, 6, 3, 2]
    assert vocabulary.decode([1, 4, 6, 3, 2]) == "a dog <UNK>"
    assert vocabulary.encode("") == [1, 2] and vocabulary.decode([1, 2]) == ""
    assert vocabulary.decode(np.array([1, 0, 4, 0, 5, 2, 6, 2])) == "a cat"            # nothing after the first END
    assert vocabulary.decode([4, 7]) == "a sits"                                        # a row that was cut has no END


@pytest.mark.parametrize("max_words, length, ended", [(None, 9, 1), (8, 9, 1), (7, 9, 1), (6, 7, 0), (1, 2, 0)])
def test_a_cut_caption_does_not_end_there(max_words, length, ended):
    vocabulary = Vocabulary.build(CAPTIONS)
    caption = "a cat sits a dog runs an"
    ids = vocabulary.encode(caption, max_words)
    assert len(ids) == length and ids[0] == vocabulary.start and (ids[-1] == vocabulary.end) == ended
    assert vocabulary.decode(ids).split() == caption.split()[:max_words]
    assert vocabulary.end not in ids[:-1] and vocabulary.encode("", max_words) == [1, 2]


def test_captions_as_people_write_them():
    words = ["一 只 dog 跑", "t-shirt 一 a b"]
    texts = {"characters": ["一只dog跑", "t-shirt一a b"], "treebank": words, "blanks": words}
    for tokens, expected in texts.items():
        vocabulary = Vocabulary.build(words, tokens=tokens)
        assert [vocabulary.text(vocabulary.encode(caption)) for caption in words] == expected
        assert [vocabulary.decode(vocabulary.encode(caption)) for caption in words] == words
    with pytest.raises(ValueError, match="tokens 'letters': expected one of treebank, characters, blanks"):
        Vocabulary(SPECIAL, "letters")


@pytest.mark.parametrize("vocabulary", [Vocabulary.build(CAPTIONS), Vocabulary(COURSE)], ids=["ours", "another order"])
def test_many_captions_are_padded_with_null(vocabulary):
    captions = ["a cat", "", "dog a dog cat"]
    ids = vocabulary.encode_all(captions, max_words=3)
    assert ids.dtype == np.int32 and ids.shape == (3, 4)
    for row, caption in zip(ids.tolist(), captions):
        expected = vocabulary.encode(caption, 3)
        assert row == expected + [vocabulary.null] * (4 - len(expected))
        assert vocabulary.decode(row).split() == caption.split()[:3]
    assert vocabulary.encode_all([]).shape == (0, 2)


def test_a_file_round_trip_and_its_form(tmp_path):
    vocabulary = Vocabulary.build(["größe größe 犬 naïve 's do n't \u2028 \"quoted\" 𝄞"])
    vocabulary.save(tmp_path / "vocab.json")
    again = Vocabulary.load(tmp_path / "vocab.json")
    assert again.idx_to_word == vocabulary.idx_to_word and again.word_to_idx == vocabulary.word_to_idx
    assert again.fingerprint() == vocabulary.fingerprint()
    content = json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))
    assert content == {"idx_to_word": vocabulary.idx_to_word, "word_to_idx": vocabulary.word_to_idx}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_courses_file_with_special_words_anywhere(tmp_path, encoding):
    path = tmp_path / "coco2014_vocab.json"
    path.write_text(course_json(COURSE, more=[1, 2]), encoding=encoding)
    vocabulary = Vocabulary.load(path)
    assert vocabulary.idx_to_word == COURSE
    assert (vocabulary.null, vocabulary.start, vocabulary.end, vocabulary.unknown) == (4, 6, 1, 5)
    assert vocabulary.encode("a dog unseen cat") == [6, 0, 3, 5, 2, 1]
    assert vocabulary.decode([6, 0, 3, 4, 5, 1, 2]) == "a dog <UNK>"


def test_the_fingerprint_is_that_of_the_words_in_their_order():
    words = [*SPECIAL, "a", "b"]
    fingerprint = Vocabulary(words).fingerprint()
    assert len(fingerprint) == 64 and fingerprint == Vocabulary(tuple(words)).fingerprint()
    others = [[*SPECIAL, "b", "a"], [*SPECIAL, "a"], [*SPECIAL, "a", "c"], [*SPECIAL, "ab"], [*words, "c"]]
    assert len({fingerprint, *(Vocabulary(other).fingerprint() for other in others)}) == 1 + len(others)


@pytest.mark.parametrize("words, part", [
    ([*SPECIAL, "a", "b", "a"], "a word twice"),
    (["<NULL>", "<START>", "a"], "lacks ['<END>', '<UNK>']"),
    ([], "lacks"),
])
def test_words_that_make_no_vocabulary(words, part, fails):
    with fails(part):
        Vocabulary(words)


@pytest.mark.parametrize("text, part", [
    (b"", "expected JSON"),
    (b"no JSON", "expected JSON"),
    (b'{"idx_to_word": ["<NUL', "expected JSON"),
    (b'"\xff\xfe"', "expected JSON in UTF-8"),
    (b"[" * 100_000, "expected JSON"),
    (b"[]", "no such idx_to_word"),
    (b"3", "no such idx_to_word"),
    (b'{"idx_to_word": null, "word_to_idx": {}}', "idx_to_word, a list"),
    (b'{"idx_to_word": "<NULL>", "word_to_idx": {}}', "idx_to_word, a list"),
    (b'{"idx_to_word": ["a"]}', "word_to_idx, a dict"),
    (b'{"idx_to_word": ["a"], "word_to_idx": [0]}', "word_to_idx, a dict"),
    (b'{"idx_to_word": ["a", "b"], "word_to_idx": {"a": 0}}', "of the same length, found 2 and 1"),
    (course_json(["a", "<NULL>"]), "lacks ['<START>', '<END>', '<UNK>']"),
    (course_json([*SPECIAL, "a", "a"], word_to_idx=dict.fromkeys("abcdef", 0)), "a word twice"),
    (course_json([*SPECIAL, "a"], word_to_idx={"a": 0, "<NULL>": 4, "<START>": 1, "<END>": 2, "<UNK>": 3}), "disagree"),
    (course_json([*SPECIAL, "a"], word_to_idx={"b": 4, **{word: i for i, word in enumerate(SPECIAL)}}), "disagree"),
    (course_json([*SPECIAL, 7]), "expected str"),
    (course_json([*SPECIAL, None]), "expected str"),
    (json.dumps({"idx_to_word": [*SPECIAL, ["a"]], "word_to_idx": dict.fromkeys("abcde", 0)}), "unhashable"),
    (course_json([*SPECIAL, "\ud83d"]), "surrogates"),
])
def test_a_file_that_is_no_vocabulary(tmp_path, text, part, fails):
    path = tmp_path / "vocab.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with fails(path, part):
        Vocabulary.load(path)


def test_a_missing_file(tmp_path, fails):
    for path in (tmp_path / "vocab.json", tmp_path):
        with fails(path, "no such file", error=FileNotFoundError):
            Vocabulary.load(path)
