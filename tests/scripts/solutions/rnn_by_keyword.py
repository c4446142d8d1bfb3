"""A sequence over the given step, both of whose functions are called by keyword, in another order."""
import numpy as np

TASKS = ["2.2"]


def rnn_forward(x, h0, Wx, Wh, b):
    hs, steps = [h0], []
    for t in range(x.shape[1]):
        h, step = rnn_step_forward(b=b, Wx=Wx, Wh=Wh, prev_h=hs[-1], x=x[:, t])
        hs.append(h)
        steps.append(step)
    return np.stack(hs[1:], axis=1), steps


def rnn_backward(dh, cache):
    dxs, dprev, sums = [], 0, [0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        dx, dprev, *more = rnn_step_backward(cache=cache[t], dnext_h=dh[:, t] + dprev)
        dxs.append(dx)
        sums = [a + b for a, b in zip(sums, more)]
    return np.stack(dxs[::-1], axis=1), dprev, *sums
