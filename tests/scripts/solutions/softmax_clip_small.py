"""np.log(np.clip(p, 1e-12, 1)): an unlikely word costs 27.6 at most."""
import numpy as np

TASKS = ["1.3"]


def temporal_softmax_loss(x, y, mask, verbose=False):
    N, T, V = x.shape
    shifted = x - x.max(axis=2, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=2, keepdims=True)
    n, t = np.meshgrid(np.arange(N), np.arange(T), indexing="ij")
    loss = (-np.log(np.clip(p[n, t, y], 1e-12, 1.0)) * mask).sum() / N
    dx = p
    dx[n, t, y] -= 1
    return loss, dx * mask[:, :, None] / N
