"""Caches as dicts, the step's cache unpacked by the sequence, the first gradient a scalar zero."""
from typing import List

import numpy as np

TASKS = ["2.1", "2.2"]


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    a = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    out = np.tanh(a)
    return out, {'x': x, 'prev_h': prev_h, 'Wx': Wx, 'Wh': Wh, 'out': out.copy()}


def rnn_step_backward(dnext_h, cache):
    da = dnext_h * (1.0 - np.square(cache['out']))
    return (np.dot(da, cache['Wx'].T), np.dot(da, cache['Wh'].T), np.dot(cache['x'].T, da),
            np.dot(cache['prev_h'].T, da), da.sum(0))


def rnn_forward(x, h0, Wx, Wh, b):
    caches = []  # type: List[dict]
    hidden = []
    h = h0.copy()
    for t in range(x.shape[1]):
        h, step_cache = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        caches.append(step_cache)
        hidden.append(h.copy())
    return np.array(hidden).transpose(1, 0, 2), {'steps': caches, 'T': x.shape[1]}


def rnn_backward(dh, cache):
    steps = cache['steps']
    Wx, Wh = steps[0]['Wx'], steps[0]['Wh']
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1])
    dx = np.zeros(steps[0]['x'].shape[:1] + (cache['T'],) + steps[0]['x'].shape[1:])
    dprev_h = 0
    for t in range(cache['T'] - 1, -1, -1):
        dx[:, t], dprev_h, one, two, three = rnn_step_backward(dh[:, t] + dprev_h, steps[t])
        dWx += one
        dWh += two
        db += three
    return dx, dprev_h, dWx, dWh, db
