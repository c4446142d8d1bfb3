"""Label smoothing by a one-hot minus 1/V."""
import numpy as np

TASKS = ["5.5"]


def label_smoothing_penalty(x, y, mask):
    N, T, V = x.shape
    target = np.eye(V)[y]
    coefficient = (target - 1.0 / V) * mask[:, :, None] / N
    return np.sum(coefficient * x), coefficient
