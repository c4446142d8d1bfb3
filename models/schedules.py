"""Learning-rate schedules: a factor of the base learning rate, as a function of progress from 0 to 1."""
import math


def cosine(progress: float, warmup: float) -> float:
    """Linear rise from 0 during the first `warmup` share of training, then half a cosine down to 0.

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5 without restarts.
    """
    if progress < warmup:
        return progress / warmup
    return _fall((progress - warmup) / (1 - warmup))


def one_cycle(progress: float, warmup: float) -> float:
    """Half a cosine up from 1/25 during the first `warmup` share of training, then half a cosine down to 0.

    Source: Smith and Topin (2019), "Super-convergence".
    """
    if progress < warmup:
        return 1 - (1 - 1 / 25) * _fall(progress / warmup)
    return _fall((progress - warmup) / (1 - warmup))


def _fall(share: float) -> float:
    """Half a cosine from 1 down to 0."""
    return (1 + math.cos(math.pi * share)) / 2


SCHEDULES = {"cosine": cosine, "one-cycle": one_cycle}
