"""data/markers.py: which markers are stripped, and which words are left alone."""
import pytest

from data.markers import strip_markers

PLAIN = ["A dog runs.", "two men sit on a bench", "the end"]


@pytest.mark.parametrize(("opening", "closing"), [
    ("<start>", "<end>"), ("<START>", "<End>"), ("startseq", "endseq"), ("[CLS]", "[SEP]"), ("<s>", "</s>"),
    ("<sos>", "<eos>"), ("<bos>", "<eos>"), ("[BOS]", "[EOS]"), ("sos", "eos"), ("<|startoftext|>", "<|endoftext|>"),
])
def test_markers_around_all_captions_are_stripped(opening, closing):
    captions, counts = strip_markers([f"{opening} {caption} {closing}" for caption in PLAIN])
    assert captions == PLAIN
    assert counts == {opening.lower(): 3, closing.lower(): 3}


def test_markers_without_blanks_and_padding_after_them():
    captions, counts = strip_markers([f"<start>{caption}<end> <pad> <pad>" for caption in PLAIN])
    assert captions == PLAIN
    assert counts == {"<start>": 3, "<end>": 3, "<pad>": 6}


def test_what_most_carry_is_stripped_from_all_that_carry_it():
    captions, counts = strip_markers(["startseq a endseq", "startseq b", "c endseq", "startseq d endseq"])
    assert captions == ["a", "b", "c", "d"]
    assert counts == {"startseq": 3, "endseq": 3}


@pytest.mark.parametrize("captions", [
    PLAIN, [], [""], ["start of a race", "end of a pier"], ["<start> a dog", "a cat"], ["a man at the end"] * 3,
    ["eosin stain"] * 3, ["a [end] in the middle"] * 3, ["<unk> dog"] * 3,
])
def test_other_captions_stay_as_they_are(captions):
    assert strip_markers(captions) == (captions, {})


def test_a_caption_of_markers_alone_becomes_empty():
    assert strip_markers(["<s> </s>", "<s> a </s>"])[0] == ["", "a"]
