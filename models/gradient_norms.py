"""How far back a loss reaches: norms of its gradients with respect to a recurrent cell's states, step by step.

It stands apart from the cells because it is a backward pass like those that students have to write: they do not get it.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnlayers import lstm_step_backward


def norms_of_h(dh: np.ndarray, steps: list[Any], step_backward: Callable) -> dict[str, np.ndarray]:
    """Norms of the gradients with respect to h after each step, for a cell whose only state is h.

    dh (N, T, H): the gradient of each h from above; steps: the cache of each step; step_backward(dh, step) returns the
    gradient with respect to the h before as its second result -> {"h": (N, T)}.
    """
    norms, back = np.zeros(dh.shape[:2], dh.dtype), np.zeros_like(dh[:, 0])
    for t in reversed(range(len(steps))):
        back = back + dh[:, t]
        norms[:, t] = np.linalg.norm(back, axis=1)
        back = step_backward(back, steps[t])[1]
    return {"h": norms}


def norms_of_h_and_c(dh: np.ndarray, steps: list[Any],
                     attend_backward: Callable[[int, np.ndarray], np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """The same for a cell built on an LSTM, whose steps are LSTMStepCaches -> {"h": (N, T), "c": (N, T)}.

    attend_backward(t, dattn): gradient of the h before step t through its attention; None if the cell does not attend.
    """
    of_h, of_c = np.zeros((2, *dh.shape[:2]), dh.dtype)
    back, dc = np.zeros_like(dh[:, 0]), np.zeros_like(dh[:, 0])
    for t in reversed(range(len(steps))):
        back, step = back + dh[:, t], steps[t]
        of_h[:, t] = np.linalg.norm(back, axis=1)
        of_c[:, t] = np.linalg.norm(dc + back * step.o * (1 - step.tanh_c**2), axis=1)     # also through h = o tanh(c)
        _, back, dc, _, _, _, *dattn = lstm_step_backward(back, dc, step)
        if attend_backward is not None:
            back = back + attend_backward(t, dattn[0])
    return {"h": of_h, "c": of_c}
