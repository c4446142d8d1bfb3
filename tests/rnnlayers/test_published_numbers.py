"""The numbers that the assignments print for their checks: cs231n, and EECS 498 for attention."""
import numpy as np
import pytest

from models import CaptioningRNN
from rnnlayers import (
    attention_forward,
    dot_product_attention,
    lstm_forward,
    lstm_step_forward,
    rnn_forward,
    rnn_step_forward,
    temporal_softmax_loss,
    word_embedding_forward,
)
from rnnlayers.optim import adam, rmsprop, sgd_momentum


def line(first, last, *shape):
    return np.linspace(first, last, num=int(np.prod(shape))).reshape(shape)


def test_rnn_step():
    N, D, H = 3, 10, 4
    next_h, _ = rnn_step_forward(line(-0.4, 0.7, N, D), line(-0.2, 0.5, N, H), line(-0.1, 0.9, D, H),
                                 line(-0.3, 0.7, H, H), line(-0.2, 0.4, H))
    expected = [[-0.58172089, -0.50182032, -0.41232771, -0.31410098],
                [0.66854692, 0.79562378, 0.87755553, 0.92795967],
                [0.97934501, 0.99144213, 0.99646691, 0.99854353]]
    np.testing.assert_allclose(next_h, expected, atol=1e-8)


def test_rnn():
    N, T, D, H = 2, 3, 4, 5
    h, _ = rnn_forward(line(-0.1, 0.3, N, T, D), line(-0.3, 0.1, N, H), line(-0.2, 0.4, D, H),
                       line(-0.4, 0.1, H, H), line(-0.7, 0.1, H))
    expected = [[[-0.42070749, -0.27279261, -0.11074945, 0.05740409, 0.22236251],
                 [-0.39525808, -0.22554661, -0.0409454, 0.14649412, 0.32397316],
                 [-0.42305111, -0.24223728, -0.04287027, 0.15997045, 0.35014525]],
                [[-0.55857474, -0.39065825, -0.19198182, 0.02378408, 0.23735671],
                 [-0.27150199, -0.07088804, 0.13562939, 0.33099728, 0.50158768],
                 [-0.51014825, -0.30524429, -0.06755202, 0.17806392, 0.40333043]]]
    np.testing.assert_allclose(h, expected, atol=1e-8)


def test_lstm_step():
    N, D, H = 3, 4, 5
    next_h, next_c, _ = lstm_step_forward(
        line(-0.4, 1.2, N, D), line(-0.3, 0.7, N, H), line(-0.4, 0.9, N, H), line(-2.1, 1.3, D, 4 * H),
        line(-0.7, 2.2, H, 4 * H), line(0.3, 0.7, 4 * H))
    expected_h = [[0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
                  [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
                  [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299]]
    expected_c = [[0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
                  [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
                  [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676]]
    np.testing.assert_allclose(next_h, expected_h, atol=1e-8)
    np.testing.assert_allclose(next_c, expected_c, atol=1e-8)


def test_lstm():
    N, D, H, T = 2, 5, 4, 3
    h, _ = lstm_forward(line(-0.4, 0.6, N, T, D), line(-0.4, 0.8, N, H), line(-0.2, 0.9, D, 4 * H),
                        line(-0.3, 0.6, H, 4 * H), line(0.2, 0.7, 4 * H))
    expected = [[[0.01764008, 0.01823233, 0.01882671, 0.0194232],
                 [0.11287491, 0.12146228, 0.13018446, 0.13902939],
                 [0.31358768, 0.33338627, 0.35304453, 0.37250975]],
                [[0.45767879, 0.4761092, 0.4936887, 0.51041945],
                 [0.6704845, 0.69350089, 0.71486014, 0.7346449],
                 [0.81733511, 0.83677871, 0.85403753, 0.86935314]]]
    np.testing.assert_allclose(h, expected, atol=1e-8)


def test_word_embedding():
    out, _ = word_embedding_forward(np.array([[0, 3, 1, 2], [2, 1, 0, 3]]), line(0, 1, 5, 3))
    rows = np.array([[0, 0.07142857, 0.14285714], [0.21428571, 0.28571429, 0.35714286],
                     [0.42857143, 0.5, 0.57142857], [0.64285714, 0.71428571, 0.78571429]])
    np.testing.assert_allclose(out, rows[[[0, 3, 1, 2], [2, 1, 0, 3]]], atol=1e-8)


@pytest.mark.parametrize("N, T, p, low, high", [(100, 1, 1.0, 2.25, 2.35), (100, 10, 1.0, 22.5, 23.5),
                                                (5000, 10, 0.1, 2.2, 2.4)])
def test_softmax_loss_of_small_scores(N, T, p, low, high):
    np.random.seed(231)
    x, y = 0.001 * np.random.randn(N, T, 10), np.random.randint(10, size=(N, T))
    assert low < temporal_softmax_loss(x, y, np.random.rand(N, T) <= p)[0] < high


@pytest.mark.parametrize("cell, first, last, expected", [("rnn", -1.5, 0.3, 9.83235591003),
                                                         ("lstm", -0.5, 1.7, 9.82445935443)])
def test_captioning_loss(cell, first, last, expected):
    N, D, W, H, T = 10, 20, 30, 40, 13
    model = CaptioningRNN({"<NULL>": 0, "cat": 2, "dog": 3}, D, W, H, cell_type=cell, dtype=np.float64)
    for name, w in model.params.items():
        model.params[name] = line(-1.4, 1.3, *w.shape)
    loss, _ = model.loss(line(first, last, N, D), (np.arange(N * T) % 3).reshape(N, T))
    assert abs(loss - expected) < 1e-10


WEIGHTS, GRADIENT = line(-0.4, 0.6, 4, 5), line(-0.6, 0.4, 4, 5)


def test_sgd_momentum():
    config = {"learning_rate": 1e-3, "velocity": line(0.6, 0.9, 4, 5)}
    next_w, _ = sgd_momentum(WEIGHTS, GRADIENT, config=config)
    np.testing.assert_allclose(next_w[0], [0.1406, 0.20738947, 0.27417895, 0.34096842, 0.40775789], atol=1e-8)
    np.testing.assert_allclose(config["velocity"][0], [0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158],
                               atol=1e-8)        # in the caller's own dict, as the notebook reads it


def test_rmsprop():
    config = {"learning_rate": 1e-2, "cache": line(0.6, 0.9, 4, 5)}
    next_w, _ = rmsprop(WEIGHTS, GRADIENT, config=config)
    np.testing.assert_allclose(next_w[0], [-0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247], atol=1e-8)
    np.testing.assert_allclose(config["cache"][0], [0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321], atol=1e-8)


def test_adam():
    config = {"learning_rate": 1e-2, "m": line(0.6, 0.9, 4, 5), "v": line(0.7, 0.5, 4, 5), "t": 5}
    next_w, _ = adam(WEIGHTS, GRADIENT, config=config)
    np.testing.assert_allclose(next_w[0], [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977], atol=1e-8)
    np.testing.assert_allclose(config["v"][0], [0.69966, 0.68908382, 0.67851319, 0.66794809, 0.65738853], atol=1e-8)
    np.testing.assert_allclose(config["m"][0], [0.48, 0.49947368, 0.51894737, 0.53842105, 0.55789474], atol=1e-8)
    assert config["t"] == 6


def test_dot_product_attention():
    N, H = 2, 5
    attn, weights = dot_product_attention(line(-0.4, 0.6, N, H), line(-0.4, 1.8, N, H, 4, 4))
    expected_attn = [[-0.29784344, -0.07645979, 0.14492386, 0.36630751, 0.58769115],
                     [0.81412643, 1.03551008, 1.25689373, 1.47827738, 1.69966103]]
    expected_weights = [[[0.06511126, 0.06475411, 0.06439892, 0.06404568],
                         [0.06369438, 0.06334500, 0.06299754, 0.06265198],
                         [0.06230832, 0.06196655, 0.06162665, 0.06128861],
                         [0.06095243, 0.06061809, 0.06028559, 0.05995491]],
                        [[0.05717142, 0.05784357, 0.05852362, 0.05921167],
                         [0.05990781, 0.06061213, 0.06132473, 0.06204571],
                         [0.06277517, 0.06351320, 0.06425991, 0.06501540],
                         [0.06577977, 0.06655312, 0.06733557, 0.06812722]]]
    np.testing.assert_allclose(attn, expected_attn, atol=1e-8)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-8)


def test_lstm_step_with_attention():
    N, D, H = 3, 4, 5
    next_h, next_c, _ = lstm_step_forward(
        line(-0.4, 1.2, N, D), line(-0.3, 0.7, N, H), line(-0.4, 0.9, N, H), line(-2.1, 1.3, D, 4 * H),
        line(-0.7, 2.2, H, 4 * H), line(0.3, 0.7, 4 * H), line(0.6, 1.8, N, H), line(1.3, 4.2, H, 4 * H))
    expected_h = [[0.53704256, 0.59980774, 0.65596820, 0.70569729, 0.74932626],
                  [0.78729857, 0.82010653, 0.84828362, 0.87235677, 0.89283167],
                  [0.91017981, 0.92483119, 0.93717126, 0.94754073, 0.95623746]]
    expected_c = [[0.59999328, 0.69285041, 0.78570758, 0.87856479, 0.97142202],
                  [1.06428558, 1.15714276, 1.24999992, 1.34285708, 1.43571424],
                  [1.52857143, 1.62142857, 1.71428571, 1.80714286, 1.90000000]]
    np.testing.assert_allclose(next_h, expected_h, atol=1e-8)
    np.testing.assert_allclose(next_c, expected_c, atol=1e-8)


def test_attention():
    N, D, H, T = 2, 5, 4, 3
    h, _ = attention_forward(line(-0.4, 0.6, N, T, D), line(-0.4, 1.8, N, H, 4, 4), line(-0.2, 0.9, D, 4 * H),
                             line(-0.3, 0.6, H, 4 * H), line(1.3, 4.2, H, 4 * H), line(0.2, 0.7, 4 * H))
    expected = [[[0.56141729, 0.70274849, 0.80000386, 0.86349400],
                 [0.89556391, 0.92856726, 0.94950579, 0.96281018],
                 [0.96792077, 0.97535465, 0.98039623, 0.98392994]],
                [[0.95065880, 0.97135490, 0.98344373, 0.99045552],
                 [0.99317679, 0.99607466, 0.99774317, 0.99870293],
                 [0.99907382, 0.99946784, 0.99969426, 0.99982435]]]
    np.testing.assert_allclose(h, expected, atol=1e-8)
