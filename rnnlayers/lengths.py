"""Lengths of padded sequences."""
import numpy as np


def sequence_lengths(ids: np.ndarray, null: int) -> np.ndarray:
    """Length of each sequence up to its last id that is not `null`: integer (N, T) -> int64 (N,), 0 where all are."""
    real = ids != null
    return np.where(real.any(axis=1), ids.shape[1] - real[:, ::-1].argmax(axis=1), 0)
