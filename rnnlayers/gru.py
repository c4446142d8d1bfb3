"""The gated recurrent unit: one step, and a sequence of steps.

The gates lie along the 3H axis in the order r, z, n: reset, update, and the candidate n.
"""
from typing import NamedTuple

import numpy as np

from rnnlayers.activations import sigmoid
from rnnlayers.rnn import accumulate, check_steps
from rnnlayers.shapes import Array, check_like, check_shapes


class GRUStepCache(NamedTuple):
    x: Array
    prev_h: Array
    Wx: Array
    Wh: Array
    r: Array                        # the gates, after their nonlinearity
    z: Array
    n: Array
    m: Array                        # prev_h Wh_n + bn, of which the reset gate lets a part through


def gru_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bn: Array) -> tuple[Array, GRUStepCache]:
    """One step of a GRU: the state moves from prev_h towards a candidate n, as far as the update gate z is shut.

    a = x Wx + b;  u = prev_h Wh;  r, z = sigmoid(a_r + u_r, a_z + u_z);  n = tanh(a_n + r * (u_n + bn))
    next_h = (1 - z) * n + z * prev_h

    x (N, D), prev_h (N, H), Wx (D, 3H), Wh (H, 3H), b (3H,), bn (H,) -> next_h (N, H), cache.
    torch.nn.GRU has b = bias_ih + bias_hh, but for n bias_ih alone, and bn = bias_hh of n.
    Raises ValueError on shapes that do not fit. Source: Cho et al. (2014), "Learning phrase representations using RNN
    encoder-decoder", arXiv 1406.1078v1: the reset gate is applied after the matrix product, as in cuDNN.
    """
    check_shapes("gru_step_forward", x=(x, "N D"), prev_h=(prev_h, "N H"), Wx=(Wx, "D 3H"), Wh=(Wh, "H 3H"),
                 b=(b, "3H"), bn=(bn, "H"))
    # BEGIN SOLUTION 3.3
    H, a, u = prev_h.shape[1], x @ Wx + b, prev_h @ Wh
    r, z = np.split(sigmoid(a[:, :2 * H] + u[:, :2 * H]), 2, axis=1)
    m = u[:, 2 * H:] + bn
    n = np.tanh(a[:, 2 * H:] + r * m)
    return (1 - z) * n + z * prev_h, GRUStepCache(x, prev_h, Wx, Wh, r, z, n, m)
    # END SOLUTION 3.3


def gru_step_backward(dnext_h: Array, cache: GRUStepCache) -> tuple[Array, ...]:
    """Gradients of gru_step_forward.

    dnext_h (N, H) -> dx (N, D), dprev_h (N, H), dWx (D, 3H), dWh (H, 3H), db (3H,), dbn (H,).
    Raises ValueError if the shape of dnext_h is not that of next_h.
    """
    # BEGIN SOLUTION 3.3
    x, prev_h, Wx, Wh, r, z, n, m = cache
    check_like("gru_step_backward", dnext_h=(dnext_h, n.shape))
    dz, dn = dnext_h * (prev_h - n), dnext_h * (1 - z)          # next_h = (1 - z) * n + z * prev_h
    da_n = dn * (1 - n**2)                                      # n = tanh(a_n + r * m)
    da_r, da_z, dm = da_n * m * r * (1 - r), dz * z * (1 - z), da_n * r
    da, du = np.hstack([da_r, da_z, da_n]), np.hstack([da_r, da_z, dm])     # r, z of a + u; m = u_n + bn
    dprev_h = du @ Wh.T + dnext_h * z                           # u = prev_h Wh, and prev_h goes on to next_h
    return da @ Wx.T, dprev_h, x.T @ da, prev_h.T @ du, da.sum(axis=0), dm.sum(axis=0)      # a = x Wx + b
    # END SOLUTION 3.3


def gru_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, bn: Array) -> tuple[Array, list[GRUStepCache]]:
    """A GRU over whole sequences: gru_step_forward at each t, from h0.

    x (N, T, D) with T >= 1, h0 (N, H), Wx (D, 3H), Wh (H, 3H), b (3H,), bn (H,) -> h (N, T, H), cache; h0 is not part
    of h. Raises ValueError on shapes that do not fit.
    """
    check_shapes("gru_forward", x=(x, "N T D"), h0=(h0, "N H"), Wx=(Wx, "D 3H"), Wh=(Wh, "H 3H"), b=(b, "3H"),
                 bn=(bn, "H"))
    check_steps("gru_forward", x)
    # BEGIN SOLUTION 3.4
    h, hs, cache = h0, [], []
    for t in range(x.shape[1]):
        h, step = gru_step_forward(x[:, t], h, Wx, Wh, b, bn)
        hs.append(h)
        cache.append(step)
    return np.stack(hs, axis=1), cache
    # END SOLUTION 3.4


def gru_backward(dh: Array, cache: list[GRUStepCache]) -> tuple[Array, ...]:
    """Gradients of gru_forward, by backpropagation through time.

    dh (N, T, H) is the gradient of each h[:, t] from above; the gradients from the later steps are added here.
    -> dx (N, T, D), dh0 (N, H), dWx (D, 3H), dWh (H, 3H), db (3H,), dbn (H,).
    Raises ValueError if the shape of dh is not that of h.
    """
    # BEGIN SOLUTION 3.4
    N, H = cache[0].n.shape
    check_like("gru_backward", dh=(dh, (N, len(cache), H)))
    dx, dprev_h, dweights = [], np.zeros_like(cache[0].n), []   # nothing comes back from beyond the last step
    for t in reversed(range(len(cache))):
        dx_t, dprev_h, *dstep = gru_step_backward(dh[:, t] + dprev_h, cache[t])
        dx.append(dx_t)
        accumulate(dweights, dstep)                             # every step used the same Wx, Wh, b, bn
    return np.stack(dx[::-1], axis=1), dprev_h, *dweights
    # END SOLUTION 3.4
