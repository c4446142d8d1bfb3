"""What holds for every pair. The gradient checker covers gradients, purity, dtypes, linearity and layouts."""
import numpy as np
import pytest

import rnnlayers
from gradcheck import check_pair
from gradcheck.check import BUDGET
from gradcheck.shapes import SIZES
from gradcheck.suite import SHAPES, H, N, T, V, axes_of, inputs_of, pair_of
from models.cells import CELLS
from models.cells.cell import axis_sizes
from rnnlayers import (
    lstm_backward,
    lstm_forward,
    lstm_step_backward,
    lstm_step_forward,
    rnn_backward,
    rnn_forward,
    sigmoid,
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)
from tests.cells import FEW, RECURRENT

PAIRS = [title for title in SHAPES if "loss" not in title and "penalty" not in title]
ATTENTION = "lstm_step, with attention"
MANY_WEIGHTS = ("attention", "bahdanau", "encoder_layer", "decoder_layer")


def run(title, inputs, douts=None, rng=None):
    forward, backward = pair_of(title.partition(", ")[0])
    *outs, cache = forward(*inputs.values())
    if douts is None:
        douts = [rng.standard_normal(out.shape).astype(out.dtype) for out in outs]
    grads = backward(*douts, cache)
    return outs, douts, grads if isinstance(grads, tuple) else (grads,)


def test_suite_has_every_public_pair():
    forwards = {name.removesuffix("_forward") for name in dir(rnnlayers) if name.endswith("_forward")}
    losses = {"temporal_softmax_loss", "transformer_temporal_softmax_loss", "doubly_stochastic_penalty",
              "label_smoothing_penalty"}
    assert forwards | losses == {title.partition(", ")[0] for title in SHAPES}
    assert all(hasattr(rnnlayers, f"{name}_backward") for name in forwards)


@pytest.mark.parametrize("title", SHAPES)
@pytest.mark.parametrize("method, dtype", [("complex", "float64"), ("central", "float32")])
def test_gradients(title, method, dtype, rng):
    differences = method == "central"
    inputs = inputs_of(title, rng, dtype, sizes=FEW if differences or title.startswith("bahdanau") else SIZES)
    budget = 300 if "coder_layer" in title else BUDGET              # a sample of many weights; the suite takes them all
    name = title.partition(", ")[0]
    wrt = [next(iter(inputs))] if differences and name in MANY_WEIGHTS else None     # of all it takes half a minute
    check_pair(*pair_of(name), inputs, axes=axes_of(title), method=method, wrt=wrt, budget=budget,
               rng=rng).raise_if_failed()


@pytest.mark.parametrize("title", PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_dtype_follows_inputs(title, dtype, rng):
    outs, _, grads = run(title, inputs_of(title, rng, dtype), rng=rng)
    assert {array.dtype for array in (*outs, *grads)} == {np.dtype(dtype)}


@pytest.mark.parametrize("title", PAIRS)
def test_permuting_the_batch_permutes_the_result(title, rng):
    inputs, order = inputs_of(title, rng), np.array([1, 0])
    batched = [key for key, axes in axes_of(title).items() if axes[0] == "N"]
    swapped = {key: x[order] if key in batched else x for key, x in inputs.items()}
    outs, douts, grads = run(title, inputs, rng=rng)
    outs2, _, grads2 = run(title, swapped, [d[order] for d in douts])
    for a, b in zip(outs, outs2):
        np.testing.assert_allclose(a[order], b, rtol=1e-12)
    keys = [key for key, x in inputs.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    for key, a, b in zip(keys, grads, grads2, strict=True):
        np.testing.assert_allclose(a[order] if key in batched else a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("cell", RECURRENT)
@pytest.mark.parametrize("n, steps", [(1, 1), (1, 4), (3, 1), (0, 2)])
def test_small_sequences(cell, n, steps, rng):
    cls = CELLS[cell]
    (forward, backward), shapes = cls.layer, cls().shapes()
    weights = [axis_sizes(shapes[name], {"W": 3, "H": H}) for name in cls.weights]
    args = [rng.standard_normal(s) for s in ((n, steps, 3), (n, H), *weights)]
    h, cache = forward(*args)
    assert h.shape == (n, steps, H)
    for grad, x in zip(backward(np.ones_like(h), cache), args, strict=True):
        assert grad.shape == x.shape


def test_rnn_in_two_halves(rng):
    x, h0, Wx, Wh, b = inputs_of("rnn", rng).values()
    h, cache = rnn_forward(x, h0, Wx, Wh, b)
    first, cache1 = rnn_forward(x[:, :2], h0, Wx, Wh, b)
    second, cache2 = rnn_forward(x[:, 2:], first[:, -1], Wx, Wh, b)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), h, rtol=1e-13)
    dh = rng.standard_normal(h.shape)
    whole = rnn_backward(dh, cache)
    late = rnn_backward(dh[:, 2:], cache2)
    carried = dh[:, :2].copy()
    carried[:, -1] += late[1]
    early = rnn_backward(carried, cache1)
    np.testing.assert_allclose(whole[1], early[1], rtol=1e-11)
    for w, a, b in zip(whole[2:], early[2:], late[2:]):
        np.testing.assert_allclose(w, a + b, rtol=1e-10)


def test_lstm_against_a_loop_over_scalars(rng):
    """The LSTM of the paper, written out entry by entry in plain Python."""
    x, h0, Wx, Wh, b = inputs_of("lstm", rng).values()
    h, _ = lstm_forward(x, h0, Wx, Wh, b)
    logistic = lambda a: 1 / (1 + np.exp(-a))       # noqa: E731
    for n in range(N):
        hidden, cell = h0[n].copy(), np.zeros(H)
        for t in range(T):
            a = [sum(x[n, t, d] * Wx[d, k] for d in range(x.shape[2])) + sum(hidden[j] * Wh[j, k] for j in range(H))
                 + b[k] for k in range(4 * H)]
            for k in range(H):
                cell[k] = logistic(a[H + k]) * cell[k] + logistic(a[k]) * np.tanh(a[3 * H + k])
            hidden = np.array([logistic(a[2 * H + k]) * np.tanh(cell[k]) for k in range(H)])
            np.testing.assert_allclose(h[n, t], hidden, rtol=1e-12)


def test_lstm_step_with_attention_of_zeros_is_the_plain_step(rng):
    *plain, attn, Wattn = inputs_of(ATTENTION, rng).values()
    h, c, cache = lstm_step_forward(*plain, attn=np.zeros_like(attn), Wattn=Wattn)
    h2, c2, cache2 = lstm_step_forward(*plain)
    np.testing.assert_allclose(h, h2, rtol=1e-14)
    grads = lstm_step_backward(h, c, cache)
    assert len(grads) == 8
    for a, b in zip(grads, lstm_step_backward(h, c, cache2)):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_lstm_ignores_later_inputs(rng):
    x, h0, Wx, Wh, b = inputs_of("lstm", rng).values()
    h, cache = lstm_forward(x, h0, Wx, Wh, b)
    dh = np.zeros_like(h)
    dh[:, 2] = 1
    assert not lstm_backward(dh, cache)[0][:, 3:].any()


@pytest.mark.parametrize("shape", [(), (4,), (2, 5), (2, 3, 4)])
def test_word_embedding_takes_ids_of_any_shape(shape, rng):
    W, x = rng.standard_normal((V, 3)), np.array(rng.integers(0, V, shape))
    out, cache = word_embedding_forward(x, W)
    dout = rng.standard_normal(out.shape)
    one_hot = np.eye(V)[x]                                  # an independent formula: a product with one-hot rows
    np.testing.assert_allclose(out, one_hot @ W)
    dW = np.einsum("nv,nd->vd", one_hot.reshape(-1, V), dout.reshape(-1, 3))
    np.testing.assert_allclose(word_embedding_backward(dout, cache), dW, atol=1e-14)


def test_sigmoid_is_stable_and_accurate():
    x = np.array([-1e4, -800, -745, -50, -1, 0, 1, 50, 800, 1e4])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = sigmoid(x)
    assert y[5] == 0.5 and y[-1] == 1 and y[0] == 0
    np.testing.assert_allclose(y[3], np.exp(-50), rtol=1e-14)
    np.testing.assert_allclose(y + sigmoid(-x), 1, rtol=1e-15)
    assert sigmoid(np.float32(3)).dtype == np.float32 and sigmoid([0, 1]).dtype == np.float64


@pytest.mark.parametrize("dtype, gap", [(np.float32, 1e4), (np.float64, 1e6)])
def test_softmax_loss_does_not_overflow(dtype, gap):
    x = np.array([[[0, gap, -gap], [gap, gap, 0]]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dx = temporal_softmax_loss(x, np.array([[0, 1]]), np.ones((1, 2), bool))
    assert loss == pytest.approx(gap + np.log(2), rel=1e-6) and loss.dtype == dx.dtype == dtype
    assert np.isfinite(dx).all()


def test_softmax_loss_against_its_definition(rng):
    x, y, mask = rng.standard_normal((N, T, V)), rng.integers(0, V, (N, T)), rng.random((N, T)) < 0.6
    loss, dx = temporal_softmax_loss(x, y, mask)
    p = np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)
    assert loss == pytest.approx(-sum(np.log(p[n, t, y[n, t]]) for n, t in np.argwhere(mask)) / N, rel=1e-13)
    np.testing.assert_allclose(dx, (p - np.eye(V)[y]) * mask[..., None] / N, atol=1e-15)


def test_softmax_loss_does_not_look_under_the_mask(rng):
    x, y, mask = rng.standard_normal((N, T, V)), rng.integers(0, V, (N, T)), np.ones((N, T), bool)
    mask[:, -1] = False
    loss, dx = temporal_softmax_loss(x, y, mask)
    x2, y2 = x.copy(), y.copy()
    x2[:, -1], y2[:, -1] = np.inf, -5
    with np.errstate(invalid="ignore"):
        loss2, dx2 = temporal_softmax_loss(x2, y2, mask)
    assert loss == loss2
    np.testing.assert_array_equal(dx, dx2)
    assert temporal_softmax_loss(x, y, np.zeros((N, T), bool))[0] == 0
