"""Reading pretrained word vectors in the text form of GloVe."""
import numpy as np
import pytest

from data.word_vectors import read_word_vectors

TEXT = "the 0.5 -1 2e-1\nzebra 1 2 3\ncafé -0.25 0 4\nthe 9 9 9\n"


def write(tmp_path, content):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("content", [TEXT, "4 3\n" + TEXT, TEXT.replace("\n", "\r\n"), TEXT.replace("\n", " \n"),
                                     TEXT.replace(" ", "  "), "\ufeff" + TEXT, TEXT.replace(" ", "\t"),
                                     TEXT.replace("\n", "\n ")])
def test_the_first_vector_of_each_word_that_is_asked_for(content, tmp_path):
    found = read_word_vectors(write(tmp_path, content), {"the", "café", "dog"}, 3)
    assert list(found) == ["the", "café"] and all(vector.dtype == np.float32 for vector in found.values())
    np.testing.assert_array_equal(found["the"], np.array([0.5, -1, 0.2], np.float32))
    np.testing.assert_array_equal(found["café"], [-0.25, 0, 4])


def test_words_with_spaces_are_passed_over(tmp_path):
    """The largest of GloVe's files has ". . ." and "at name@domain.com" among its words."""
    path = write(tmp_path, "a 1 2\n. . . 3 4\nat name@domain.com 5 6\n. 7 8\n")
    assert read_word_vectors(path, {".", "at", "a"}, 2).keys() == {"a", "."}
    np.testing.assert_array_equal(read_word_vectors(path, {"."}, 2)["."], [7, 8])


@pytest.mark.parametrize("content, message", [
    (TEXT.replace("zebra 1 2 3", "zebra 1 2"), "line 2: 2 numbers behind the word, expected 3, the size of the word"),
    ("the 1 2 3 4\n", "line 1: 4 numbers behind the word, expected 3"),
    ("other 1 2\n", "line 1: 2 numbers"),
    ("the 1 x 3\n", "line 1: '1 x 3', expected 3 numbers"),
    ("the 1 nan 3\n", "line 1: has numbers that are not finite"),
    ("the 1 1e39 3\n", "line 1: has numbers that are not finite"),
    (b"PK\x03\x04\xff\xfe\x00\x00", "not a text in UTF-8, expected word vectors in the text form of GloVe, unpacked"),
])
def test_a_file_that_does_not_fit(content, message, tmp_path):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_word_vectors(path, {"the", "zebra"}, 3)
    assert str(path) in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file, expected word vectors"):
        read_word_vectors(tmp_path / "glove.txt", {"a"}, 3)
