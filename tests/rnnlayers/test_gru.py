"""The GRU against its equations written out over numbers, and against torch.nn.GRU."""
import math

import numpy as np
import pytest

from rnnlayers import gru_backward, gru_forward, gru_step_forward, sigmoid
from tests.rnnlayers.kernel_args import Args

N, T, D, H = 2, 5, 3, 6


@pytest.fixture
def layer(rng):
    """x, h0, Wx, Wh, b, bn."""
    return [rng.standard_normal(shape) for shape in ((N, T, D), (N, H), (D, 3 * H), (H, 3 * H), 3 * H, H)]


def plain_gru(x, h, Wx, Wh, b, bn):
    """One caption, number by number -> h after each step."""
    hs = []
    for word in x:
        def product(column, vector, weights):
            return sum(vector[k] * weights[k][column] for k in range(len(vector)))

        def logistic(a):
            return 1 / (1 + math.exp(-a))
        new = []
        for j in range(H):
            r = logistic(product(j, word, Wx) + product(j, h, Wh) + b[j])
            z = logistic(product(H + j, word, Wx) + product(H + j, h, Wh) + b[H + j])
            n = math.tanh(product(2 * H + j, word, Wx) + b[2 * H + j] + r * (product(2 * H + j, h, Wh) + bn[j]))
            new.append((1 - z) * n + z * h[j])
        h = new
        hs.append(h)
    return hs


def test_the_equations_written_out_over_numbers(layer):
    x, h0, *weights = layer
    h, _ = gru_forward(*layer)
    for n in range(N):
        expected = plain_gru(x[n].tolist(), h0[n].tolist(), *(w.tolist() for w in weights))
        np.testing.assert_allclose(h[n], expected, rtol=1e-12)


def test_it_is_torchs_gru(layer, rng):
    torch = pytest.importorskip("torch", reason="compares with torch.nn.GRU: pip install -e \".[bench]\"")
    x, h0, Wx, Wh, b, bn = (torch.tensor(a, requires_grad=True) for a in layer)
    gru = torch.nn.GRU(D, H, batch_first=True, dtype=torch.float64)
    hidden_bias = torch.cat([torch.zeros(2 * H, dtype=torch.float64), bn])
    parameters = {"weight_ih_l0": Wx.T, "weight_hh_l0": Wh.T, "bias_ih_l0": b, "bias_hh_l0": hidden_bias}
    expected, _ = torch.func.functional_call(gru, parameters, (x, h0[None]))
    h, cache = gru_forward(*layer)
    np.testing.assert_allclose(h, expected.detach().numpy(), rtol=1e-12)
    dh = rng.standard_normal(h.shape)
    expected.backward(torch.tensor(dh))
    for found, tensor in zip(gru_backward(dh, cache), (x, h0, Wx, Wh, b, bn)):
        np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_a_sequence_may_be_cut(layer):
    x, h0, *weights = layer
    whole, _ = gru_forward(x, h0, *weights)
    first, _ = gru_forward(x[:, :2], h0, *weights)
    second, _ = gru_forward(x[:, 2:], first[:, -1], *weights)
    np.testing.assert_array_equal(whole, np.concatenate([first, second], axis=1))


@pytest.mark.parametrize("gate, kept", [("update", True), ("reset", False)])
def test_gates_that_are_shut_or_open(gate, kept, layer):
    x, h0, Wx, Wh, b, bn = layer
    if gate == "update":                                    # z = 1: the state stays
        b[H:2 * H] = 1e3
        np.testing.assert_allclose(gru_step_forward(x[:, 0], h0, Wx, Wh, b, bn)[0], h0, rtol=1e-12)
    else:                                                   # r = z = 0: the state before does not count
        b[:2 * H] = -1e3
        one, other = (gru_step_forward(x[:, 0], h, Wx, Wh, b, bn)[0] for h in (h0, -h0))
        np.testing.assert_array_equal(one, other)


class GRUArgs(Args):
    """What tests/rnnlayers/test_kernels.py calls the GRU's kernels with."""
    inputs = {"gru_step": (0, 1, 3, 4)}

    def gru_step(self):
        n, width = self.n, self.width
        return (self.large(n, 3 * width), self.large(3, 3 * width), self.index(n, 3), self.normal(width),
                self.normal(n, width), np.ones((n, width)), np.ones((n, width)))

    def gru_step_backward(self):
        n, width = self.n, self.width
        gates = np.hstack([sigmoid(self.large(n, 2 * width)), np.tanh(self.large(n, width))])
        return gates, self.normal(n, width), self.normal(n, width), self.normal(n, width), np.ones((n, 3 * width))

    def greedy_gru(self):
        return self.greedy(3, 1, (self.width,))
