"""The positional encoding entry by entry, by powers of 10000 or, where the width is small, by logarithms."""
import math

import numpy as np

TASKS = ["6.3"]


def positional_encoding(T, W):
    pe = np.zeros((T, W))
    for t in range(T):
        for k in range(0, W, 2):
            pe[t, k] = math.sin(t * math.exp(-math.log(10000.0) * k / W))
            pe[t, k + 1] = math.cos(t / 10000 ** (k / W))
    return pe
