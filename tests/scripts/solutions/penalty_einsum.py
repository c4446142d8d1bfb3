"""The doubly stochastic penalty with einsum and a float mask."""
import numpy as np

TASKS = ["5.4"]


def doubly_stochastic_penalty(weights, mask, regions=None):
    N = weights.shape[0]
    m = mask.astype(float)
    diff = np.einsum("ntl,nt->nl", weights, m) - 1
    penalty = np.mean(np.sum(diff * diff, axis=1))
    return penalty, 2.0 / N * np.einsum("nl,nt->ntl", diff, m)
