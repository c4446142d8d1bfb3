import numpy as np

from rnnlayers.lengths import sequence_lengths


def test_lengths_end_at_the_last_word(rng):
    ids = rng.integers(0, 3, (200, 5))                      # padding in all places
    for null in (0, 2, 9):
        expected = [max((t + 1 for t in range(5) if row[t] != null), default=0) for row in ids]
        assert sequence_lengths(ids, null).tolist() == expected
    assert sequence_lengths(np.zeros((2, 5), int), 0).tolist() == [0, 0] and sequence_lengths(ids[:0], 0).shape == (0,)
