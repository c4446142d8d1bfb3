"""Label smoothing with loops, skipping what is masked."""
import numpy as np

TASKS = ["5.5"]


def label_smoothing_penalty(x, y, mask):
    N, T, V = x.shape
    penalty, dx = 0, np.zeros_like(x)
    for n in range(N):
        for t in range(T):
            if mask[n, t]:
                penalty = penalty + (x[n, t, y[n, t]] - np.mean(x[n, t])) / N
                dx[n, t] -= 1 / (N * V)
                dx[n, t, y[n, t]] += 1 / N
    return penalty, dx
