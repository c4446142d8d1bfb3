"""The doubly stochastic penalty with loops over captions and steps, in zeros without a dtype."""
import numpy as np

TASKS = ["5.4"]


def doubly_stochastic_penalty(weights, mask, regions=None):
    N, T, L = weights.shape
    penalty = 0.0
    dweights = np.zeros((N, T, L))
    for n in range(N):
        total = np.zeros_like(weights[n, 0])
        for t in range(T):
            if mask[n, t]:
                total += weights[n, t]
        penalty += np.sum((1 - total) ** 2) / N
        for t in range(T):
            if mask[n, t]:
                dweights[n, t] = -2 * (1 - total) / N
    return penalty, dweights
