"""Learning-rate schedules: a factor for the base learning rate, as a function of progress from 0 to 1."""
import math


def cosine(progress, warmup):
    """Linear rise from 0 during the first `warmup` share of training, then half a cosine down to 0."""
    if progress < warmup:
        return progress / warmup
    return _descent((progress - warmup) / (1 - warmup))


def one_cycle(progress, warmup):
    """Half a cosine up from 1/25 during the first `warmup` share of training, then half a cosine down to 0.

    Source: Smith and Topin (2019), "Super-convergence".
    """
    if progress < warmup:
        return 1 - (1 - 1 / 25) * _descent(progress / warmup)
    return _descent((progress - warmup) / (1 - warmup))


def _descent(share):
    return (1 + math.cos(math.pi * share)) / 2


SCHEDULES = {"cosine": cosine, "one-cycle": one_cycle}
