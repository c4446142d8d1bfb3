"""The vanilla recurrent network: one step, and a sequence of steps."""
from typing import NamedTuple

import numpy as np

from rnnlayers.shapes import Array, check_like, check_shapes


class RNNStepCache(NamedTuple):
    x: Array
    prev_h: Array
    Wx: Array
    Wh: Array
    next_h: Array


def rnn_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, RNNStepCache]:
    """One step of a vanilla RNN, next_h = tanh(x Wx + prev_h Wh + b).

    x (N, D), prev_h (N, H), Wx (D, H), Wh (H, H), b (H,) -> next_h (N, H), cache.
    Raises ValueError on shapes that do not fit. Source: Elman (1990), "Finding structure in time".
    """
    check_shapes("rnn_step_forward", x=(x, "N D"), prev_h=(prev_h, "N H"), Wx=(Wx, "D H"), Wh=(Wh, "H H"), b=(b, "H"))
    # BEGIN SOLUTION 2.1
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, RNNStepCache(x, prev_h, Wx, Wh, next_h)
    # END SOLUTION 2.1


def rnn_step_backward(dnext_h: Array, cache: RNNStepCache) -> tuple[Array, ...]:
    """Gradients of rnn_step_forward.

    dnext_h (N, H) -> dx (N, D), dprev_h (N, H), dWx (D, H), dWh (H, H), db (H,).
    Raises ValueError if the shape of dnext_h is not that of next_h.
    """
    # BEGIN SOLUTION 2.1
    x, prev_h, Wx, Wh, next_h = cache
    check_like("rnn_step_backward", dnext_h=(dnext_h, next_h.shape))
    da = dnext_h * (1 - next_h**2)                                      # next_h = tanh(a)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)   # a = x Wx + prev_h Wh + b
    # END SOLUTION 2.1


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[RNNStepCache]]:
    """A vanilla RNN over whole sequences, h[:, t] = tanh(x[:, t] Wx + h[:, t-1] Wh + b) with h[:, -1] = h0.

    x (N, T, D) with T >= 1, h0 (N, H), Wx (D, H), Wh (H, H), b (H,) -> h (N, T, H), cache; h0 is not part of h.
    Raises ValueError on shapes that do not fit.
    """
    check_shapes("rnn_forward", x=(x, "N T D"), h0=(h0, "N H"), Wx=(Wx, "D H"), Wh=(Wh, "H H"), b=(b, "H"))
    check_steps("rnn_forward", x)
    # BEGIN SOLUTION 2.2
    h, hs, cache = h0, [], []
    for t in range(x.shape[1]):
        h, step = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        hs.append(h)
        cache.append(step)
    return np.stack(hs, axis=1), cache
    # END SOLUTION 2.2


def rnn_backward(dh: Array, cache: list[RNNStepCache]) -> tuple[Array, ...]:
    """Gradients of rnn_forward, by backpropagation through time.

    dh (N, T, H) is the gradient of each h[:, t] from above; the gradients from the later steps are added here.
    -> dx (N, T, D), dh0 (N, H), dWx (D, H), dWh (H, H), db (H,). Raises ValueError if the shape of dh is not that of h.
    Source: Werbos (1990), "Backpropagation through time".
    """
    # BEGIN SOLUTION 2.2
    N, H = cache[0].next_h.shape
    check_like("rnn_backward", dh=(dh, (N, len(cache), H)))
    dx, dprev_h, dweights = [], np.zeros_like(cache[0].next_h), []      # nothing comes back from beyond the last step
    for t in reversed(range(len(cache))):
        dx_t, dprev_h, *dstep = rnn_step_backward(dh[:, t] + dprev_h, cache[t])
        dx.append(dx_t)
        accumulate(dweights, dstep)                         # every step used the same Wx, Wh, b
    return np.stack(dx[::-1], axis=1), dprev_h, *dweights
    # END SOLUTION 2.2


def check_steps(function: str, x: Array) -> None:
    """Require at least one time step in x (N, T, D). Raises ValueError."""
    if x.shape[1] < 1:
        raise ValueError(f"{function}: x is {x.shape}, expected at least one time step, T >= 1")


def accumulate(totals: list[Array], terms: list[Array]) -> None:
    """Add each of `terms` into `totals` in place; an empty `totals` takes the terms themselves."""
    if not totals:
        totals.extend(terms)
        return
    for total, term in zip(totals, terms):
        total += term
