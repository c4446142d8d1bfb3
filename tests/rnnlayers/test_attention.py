"""The attention layers against formulas written out entry by entry, and what holds for all of them."""
import numpy as np
import pytest

from gradcheck.suite import inputs_of
from rnnlayers import (
    additive_attention_forward,
    attention_backward,
    attention_forward,
    bahdanau_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
    doubly_stochastic_penalty,
    initial_state_forward,
    lstm_step_forward,
)

N, T, H, L = 2, 5, 6, 9


def logistic(a):
    return 1 / (1 + np.exp(-a))


def softmax(e):
    e = np.exp(e - max(e))
    return e / sum(e)


@pytest.mark.parametrize("grid", [(4, 4), (2, 3), (7,), (1,), (2, 2, 2)])
def test_dot_product_attention_over_any_grid(grid, rng):
    h, A = rng.standard_normal((N, H)), rng.standard_normal((N, H, *grid))
    attn, weights, _ = dot_product_attention_forward(h, A)
    assert weights.shape == (N, *grid)
    for n in range(N):
        flat = A[n].reshape(H, -1)
        expected = softmax([sum(flat[:, i] * h[n]) / np.sqrt(H) for i in range(flat.shape[1])])
        np.testing.assert_allclose(weights[n].ravel(), expected, rtol=1e-12)
        np.testing.assert_allclose(attn[n], sum(expected[i] * flat[:, i] for i in range(len(expected))), rtol=1e-12)


def test_the_weights_may_be_left_out_of_backward(rng):
    h, A = rng.standard_normal((N, H)), rng.standard_normal((N, H, 3, 4))
    attn, weights, cache = dot_product_attention_forward(h, A)
    dattn = rng.standard_normal(attn.shape)
    for one, two in zip(dot_product_attention_backward(dattn, cache),
                        dot_product_attention_backward(dattn, cache, np.zeros_like(weights))):
        np.testing.assert_array_equal(one, two)


def test_attention_starts_from_the_mean_and_looks_with_the_last_state(rng):
    inputs = inputs_of("attention", rng)
    x, A, Wx, Wh, Wattn, b = inputs.values()
    h, _ = attention_forward(*inputs.values())
    state = cell = A.mean(axis=(2, 3))
    for t in range(x.shape[1]):
        attn, _, _ = dot_product_attention_forward(state, A)
        state, cell, _ = lstm_step_forward(x[:, t], state, cell, Wx, Wh, b, attn, Wattn)
        np.testing.assert_allclose(h[:, t], state, rtol=1e-13)


def test_additive_attention_against_a_loop(rng):
    h, A, keys, Wq, v, Wbeta, bbeta = inputs_of("additive_attention", rng).values()
    context, weights, _ = additive_attention_forward(h, A, keys, Wq, v, Wbeta, bbeta)
    for n in range(N):
        expected = softmax([v @ np.tanh(keys[n, i] + h[n] @ Wq) for i in range(A.shape[1])])
        np.testing.assert_allclose(weights[n], expected, rtol=1e-12)
        seen = sum(expected[i] * A[n, i] for i in range(A.shape[1]))
        np.testing.assert_allclose(context[n], logistic(h[n] @ Wbeta + bbeta) * seen, rtol=1e-12)


def test_bahdanau_against_its_steps(rng):
    inputs = inputs_of("bahdanau", rng)
    x, h0, c0, A, Wx, Wh, Wattn, b, Wa, ba, *look = inputs.values()
    h, weights, _ = bahdanau_forward(*inputs.values())
    state, cell = h0, c0
    for t in range(x.shape[1]):
        context, w, _ = additive_attention_forward(state, A, A @ Wa + ba, *look)
        state, cell, _ = lstm_step_forward(x[:, t], state, cell, Wx, Wh, b, context, Wattn)
        np.testing.assert_allclose(h[:, t], state, rtol=1e-12)
        np.testing.assert_allclose(weights[:, t], w, rtol=1e-12)


def test_initial_state(rng):
    f, Wh, bh, Wc, bc = inputs_of("initial_state", rng).values()
    h0, c0, _ = initial_state_forward(f, Wh, bh, Wc, bc)
    np.testing.assert_allclose(h0, np.tanh(f @ Wh + bh), rtol=1e-13)
    np.testing.assert_allclose(c0, np.tanh(f @ Wc + bc), rtol=1e-13)


def test_penalty_is_zero_where_every_region_was_looked_at_once(rng):
    weights = np.zeros((1, 4, 3))
    weights[0, 0], weights[0, 1], weights[0, 2] = np.eye(3)
    weights[0, 3] = rng.random(3)                                       # behind the caption's end: does not count
    penalty, dweights = doubly_stochastic_penalty(weights, np.array([[True, True, True, False]]))
    assert penalty == 0 and not dweights.any()
    penalty, _ = doubly_stochastic_penalty(weights, np.ones((1, 4), bool))
    assert penalty == pytest.approx((weights[0, 3]**2).sum())


def test_permuting_the_regions_permutes_the_maps_alone(rng):
    inputs, order = inputs_of("attention", rng), rng.permutation(8)
    A = inputs["A"].reshape(N, H, 8)
    h, cache = attention_forward(*{**inputs, "A": A}.values())
    h2, cache2 = attention_forward(*{**inputs, "A": A[:, :, order]}.values())
    np.testing.assert_allclose(h, h2, rtol=1e-11)
    dh = rng.standard_normal(h.shape)
    np.testing.assert_allclose(attention_backward(dh, cache)[1][:, :, order], attention_backward(dh, cache2)[1],
                               rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("call, message", [
    (lambda z: dot_product_attention_forward(z(2, 6), z(2, 6)), "A is (2, 6), expected (N, H, L) or"),
    (lambda z: dot_product_attention_forward(z(2, 6), z(2, 5, 3)), "A is (2, 5, 3), expected (N, H, L)"),
    (lambda z: attention_forward(z(2, 0, 3), z(2, 6, 4), z(3, 24), z(6, 24), z(6, 24), z(24)), "one time step"),
    (lambda z: attention_forward(z(2, 1, 3), z(2, 6, 4), z(3, 24), z(6, 24), z(5, 24), z(24)), "Wattn is (5, 24)"),
    (lambda z: additive_attention_forward(z(2, 6), z(2, 9, 3), z(2, 8, 4), z(6, 4), z(4), z(6, 3), z(3)),
     "keys is (2, 8, 4), expected (N, L, K) = (2, 9, 4)"),
    (lambda z: doubly_stochastic_penalty(z(2, 5, 9), z(2, 4)), "mask is (2, 4), expected (N, T) = (2, 5)"),
])
def test_errors(call, message):
    with pytest.raises(ValueError) as error:
        call(lambda *shape: np.zeros(shape))
    assert message in str(error.value)
