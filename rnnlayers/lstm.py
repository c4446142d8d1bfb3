"""The long short-term memory: one step, and a sequence of steps.

The gates are along the 4H axis in the order i, f, o, g: input, forget, output, and the candidate g.
"""
from typing import NamedTuple

import numpy as np

from rnnlayers.activations import sigmoid
from rnnlayers.rnn import accumulate, check_steps
from rnnlayers.shapes import Array, check_like, check_shapes


class LSTMStepCache(NamedTuple):
    x: Array
    prev_h: Array
    prev_c: Array
    Wx: Array
    Wh: Array
    i: Array                        # the four gates, after their nonlinearity
    f: Array
    o: Array
    g: Array
    tanh_c: Array                   # tanh(next_c)
    attn: Array | None
    Wattn: Array | None


def lstm_step_forward(x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array, attn: Array | None = None,
                      Wattn: Array | None = None) -> tuple[Array, Array, LSTMStepCache]:
    """One step of an LSTM, with an optional attention vector as a third input.

    a = x Wx + prev_h Wh + attn Wattn + b;  i, f, o = sigmoid(a_i, a_f, a_o);  g = tanh(a_g)
    next_c = f * prev_c + i * g;  next_h = o * tanh(next_c)

    x (N, D), prev_h and prev_c (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,), attn (N, E), Wattn (E, 4H)
    -> next_h (N, H), next_c (N, H), cache. Raises ValueError on shapes that do not fit.
    Source: Hochreiter and Schmidhuber (1997); forget gate from Gers, Schmidhuber and Cummins (2000).
    """
    _check_step(x, prev_h, prev_c, Wx, Wh, b, attn, Wattn)
    # BEGIN SOLUTION 3.1
    a = x @ Wx + prev_h @ Wh + b
    if attn is not None:
        a = a + attn @ Wattn
    H = prev_h.shape[1]
    i, f, o = np.split(sigmoid(a[:, :3 * H]), 3, axis=1)
    g = np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, LSTMStepCache(x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c, attn, Wattn)
    # END SOLUTION 3.1


def lstm_step_backward(dnext_h: Array, dnext_c: Array, cache: LSTMStepCache) -> tuple[Array, ...]:
    """Gradients of lstm_step_forward.

    dnext_h, dnext_c (N, H) -> dx (N, D), dprev_h (N, H), dprev_c (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,),
    and after them dattn (N, E), dWattn (E, 4H) if forward had attention. Raises ValueError on shapes.
    """
    # BEGIN SOLUTION 3.1
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c, attn, Wattn = cache
    check_like("lstm_step_backward", dnext_h=(dnext_h, i.shape), dnext_c=(dnext_c, i.shape))
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)            # next_h = o * tanh(next_c)
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * tanh_c, dc * i     # next_c = f * prev_c + i * g
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])   # i, f, o, g of a
    grads = da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)     # a = x Wx + prev_h Wh + b
    return grads if attn is None else (*grads, da @ Wattn.T, attn.T @ da)             # ... + attn Wattn
    # END SOLUTION 3.1


def _check_step(x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array, attn: Array | None,
                Wattn: Array | None) -> None:
    if (attn is None) != (Wattn is None):
        raise ValueError("lstm_step_forward: attn and Wattn belong together, expected both or neither")
    attention = {} if attn is None else {"attn": (attn, "N E"), "Wattn": (Wattn, "E 4H")}
    check_shapes("lstm_step_forward", x=(x, "N D"), prev_h=(prev_h, "N H"), prev_c=(prev_c, "N H"),
                 Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), b=(b, "4H"), **attention)


class LSTMCache(NamedTuple):
    steps: list[LSTMStepCache]
    starts_from_c0: bool            # whether forward was given c0


def lstm_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array,
                 c0: Array | None = None) -> tuple[Array, LSTMCache]:
    """An LSTM over whole sequences: lstm_step_forward at each t, from h0 and c0, a cell state of zeros by default.

    x (N, T, D) with T >= 1, h0 and c0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,) -> h (N, T, H), cache; h0 is not part of
    h. Raises ValueError on shapes that do not fit.
    """
    first = np.zeros_like(h0) if c0 is None else c0
    check_shapes("lstm_forward", x=(x, "N T D"), h0=(h0, "N H"), Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), b=(b, "4H"),
                 c0=(first, "N H"))
    check_steps("lstm_forward", x)
    # BEGIN SOLUTION 3.2
    h, c, hs, cache = h0, first, [], []
    for t in range(x.shape[1]):
        h, c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        hs.append(h)
        cache.append(step)
    return np.stack(hs, axis=1), LSTMCache(cache, c0 is not None)
    # END SOLUTION 3.2


def lstm_backward(dh: Array, cache: LSTMCache) -> tuple[Array, ...]:
    """Gradients of lstm_forward, by backpropagation through time.

    dh (N, T, H) is the gradient of each h[:, t] from above; the gradients from the later steps are added here.
    -> dx (N, T, D), dh0 (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,), and after them dc0 (N, H) if forward had c0.
    Raises ValueError if the shape of dh is not that of h.
    """
    # BEGIN SOLUTION 3.2
    steps = cache.steps
    N, H = steps[0].i.shape
    check_like("lstm_backward", dh=(dh, (N, len(steps), H)))
    dx, dweights = [], []
    dprev_h, dprev_c = np.zeros_like(steps[0].i), np.zeros_like(steps[0].i)     # nothing from beyond the last step
    for t in reversed(range(len(steps))):
        dx_t, dprev_h, dprev_c, *dstep = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, steps[t])
        dx.append(dx_t)
        accumulate(dweights, dstep)                         # every step used the same Wx, Wh, b
    grads = np.stack(dx[::-1], axis=1), dprev_h, *dweights
    return (*grads, dprev_c) if cache.starts_from_c0 else grads
    # END SOLUTION 3.2
