"""Blocked scores are -1e9: a query that sees no key attends to all of them, which costs the special case."""
import numpy as np

TASKS = ["6.2"]
COSTS = {"6.2": 0.67}


def masked_softmax(scores, seen):
    scores = scores if seen is None else np.where(seen, scores, -1e9)
    e = np.exp(scores - scores.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
