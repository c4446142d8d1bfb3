"""Grouping captions into batches."""
import numpy as np

from rnnlayers.lengths import sequence_lengths


def trim(captions: np.ndarray, null: int) -> np.ndarray:
    """Drop the last columns that are `null` in every row: integer (N, T) -> (N, T') with 2 <= T' <= T."""
    return captions[:, :max(sequence_lengths(captions, null).max(initial=0), 2)]


def epoch_batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator, pool: int = 20) -> list[np.ndarray]:
    """Each caption once, in batches of similar length: shuffled, then sorted by length within pools of `pool` batches.

    lengths: int (M,) -> a list of index arrays in random order. All have batch_size indices but one, which may have
    fewer.
    """
    order = rng.permutation(len(lengths))
    pools = [order[i:i + pool * batch_size] for i in range(0, len(order), pool * batch_size)]
    order = np.concatenate([p[np.argsort(lengths[p], kind="stable")] for p in pools])
    batches = [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Each caption once, the shortest first, for evaluation, where the order does not matter."""
    order = np.argsort(lengths, kind="stable")
    return [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
