"""Moving averages of the weights: a <- d a + (1 - d) w after each step. Source: Polyak and Juditsky (1992)."""
import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnlayers.workspace import Workspace


def update_averages(averages: dict[str, np.ndarray], params: dict[str, np.ndarray], decay: float, iteration: int,
                    workspace: Workspace) -> None:
    """Move the averages, in place, towards the weights after a step.

    Early weights are far from the final ones, so the decay is at most iteration / (iteration + 10).
    """
    decay = min(decay, iteration / (iteration + 10))
    for name, average in averages.items():
        scratch = workspace(f"average of {name}", average.shape, average.dtype)
        np.subtract(params[name], average, out=scratch)
        scratch *= average.dtype.type(1 - decay)
        average += scratch


@contextlib.contextmanager
def averaged(model: Any, averages: dict[str, np.ndarray]) -> Iterator[None]:
    """Inside `with`, the model has the averages, if there are any, in place of its weights."""
    weights = model.params
    model.params = averages or weights
    try:
        yield
    finally:
        model.params = weights
