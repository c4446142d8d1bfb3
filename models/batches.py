"""How captions are put into batches."""
import numpy as np


def caption_lengths(captions, null):
    """Length of each caption up to its last id that is not `null`: integer (N, T) -> int64 (N,)."""
    words = captions != null
    return np.where(words.any(axis=1), words.shape[1] - words[:, ::-1].argmax(axis=1), 0)


def trim(captions, null):
    """Captions without the columns that are `null` in every row: integer (N, T) -> (N, T') with 2 <= T' <= T."""
    return captions[:, :max(caption_lengths(captions, null).max(initial=0), 2)]


def epoch_batches(lengths, batch_size, rng, pool=20):
    """Every caption once, in batches of like length: a shuffle, sorted by length within pools of `pool` batches.

    lengths (M,), rng Generator -> a list of index arrays in random order, all of batch_size but one.
    """
    order = rng.permutation(len(lengths))
    pools = [order[i:i + pool * batch_size] for i in range(0, len(order), pool * batch_size)]
    order = np.concatenate([p[np.argsort(lengths[p], kind="stable")] for p in pools])
    batches = [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths, batch_size):
    """Every caption once, shortest first: for evaluation, where the order does not matter."""
    order = np.argsort(lengths, kind="stable")
    return [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
