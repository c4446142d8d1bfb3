"""The transformer's layers: attention's masks and heads, layer norm, GELU, positions, patches."""
import math
import warnings

import numpy as np
import pytest

import rnnlayers
from gradcheck.table import SHAPES, inputs_of, pair_in
from rnnlayers import (
    attention_weights,
    decoder_layer_forward,
    feed_forward_forward,
    gelu_backward,
    gelu_forward,
    layernorm_backward,
    layernorm_forward,
    multihead_attention_backward,
    multihead_attention_forward,
    patch_embedding_backward,
    patch_embedding_forward,
    positional_encoding,
    relu_backward,
    relu_forward,
    temporal_softmax_loss,
    transformer_temporal_softmax_loss,
)
from rnnlayers.erf import erfc
from rnnlayers.transformer import encoder_layer_forward

NEW = [title for title in SHAPES if title.partition(", ")[0] in (
    "relu", "gelu", "layernorm", "multihead_attention", "feed_forward", "decoder_layer", "encoder_layer",
    "patch_embedding")]
N, S, T, E, HEADS = 2, 4, 3, 6, 3
SCALES = np.r_[0, np.logspace(-300, 2, 400), np.linspace(0, 40, 4001)]
ADVICE = "pass mask == 0"


@pytest.fixture
def attend(rng):
    """Function: num_heads, mask, ... -> out, cache of an attention with random weights."""
    weights = [rng.standard_normal((E, E) if k % 2 == 0 else E) for k in range(8)]
    query, key, value = (rng.standard_normal((N, length, E)) for length in (S, T, T))

    def call(attn_mask=None, num_heads=HEADS, keep=None, dtype=np.float64, query=query, key=key, value=value):
        arrays = [a.astype(dtype) for a in (query, key, value, *weights)]
        return multihead_attention_forward(*arrays, num_heads=num_heads, attn_mask=attn_mask, keep=keep)
    call.arrays = query, key, value, weights
    return call


def one_head(query, key, value, weights, block, seen=None):
    """Attention of one head by loops, from its block of columns; what no key is seen from gets zeros."""
    Wq, bq, Wk, bk, Wv, bv = (w[..., block] for w in weights[:6])
    out = np.zeros((N, S, Wq.shape[1]))
    for n in range(N):
        for s in range(S):
            keys = [t for t in range(T) if seen is None or seen[n, s, t]]
            scores = [(query[n, s] @ Wq + bq) @ (key[n, t] @ Wk + bk) / math.sqrt(Wq.shape[1]) for t in keys]
            total = sum(math.exp(score) for score in scores)
            for t, score in zip(keys, scores):
                out[n, s] += math.exp(score) / total * (value[n, t] @ Wv + bv)
    return out


@pytest.mark.parametrize("num_heads", [1, 2, 3, 6])
def test_heads_are_consecutive_blocks_of_columns(num_heads, attend):
    query, key, value, weights = attend.arrays
    blocks = [slice(i * E // num_heads, (i + 1) * E // num_heads) for i in range(num_heads)]
    mixed = np.concatenate([one_head(query, key, value, weights, block) for block in blocks], axis=2)
    out, cache = attend(num_heads=num_heads)
    np.testing.assert_allclose(out, mixed @ weights[6] + weights[7], rtol=1e-12, atol=1e-13)
    assert attention_weights(cache).shape == (N, num_heads, S, T)


@pytest.mark.parametrize("dtype", [bool, int, np.int8, np.uint8, np.float32, float])
@pytest.mark.parametrize("shape", [(S, T), (N, S, T)])
def test_masks_of_every_type_block_keys(shape, dtype, rng, attend):
    mask = (rng.random(shape) < 0.6)
    seen = np.broadcast_to(mask, (N, S, T))
    query, key, value, weights = attend.arrays
    mixed = np.concatenate([one_head(query, key, value, weights, slice(2 * i, 2 * i + 2), seen) for i in range(3)], 2)
    out, cache = attend(mask.astype(dtype))
    np.testing.assert_allclose(out, mixed @ weights[6] + weights[7], rtol=1e-12, atol=1e-13)
    assert not attention_weights(cache)[np.broadcast_to(~seen[:, None], (N, HEADS, S, T))].any()


@pytest.mark.parametrize("bad, words", [
    (np.where(np.tri(S, T), 0, -np.inf), ADVICE), (np.full((S, T), np.nan), ADVICE), (np.full((S, T), 2), ADVICE),
    (np.full((S, T), 0.5), ADVICE), (np.ones((S, T), complex), "attn_mask is complex128"),
    (np.ones((T, S)), "expected (S, T) = (4, 3) or (N, S, T) = (2, 4, 3)"), (np.ones((N, T)), "expected (S, T)"),
    (np.ones((N, HEADS, S, T)), "expected (S, T)"), (np.full((S, T), "x"), "attn_mask is <U1")])
def test_other_masks_are_refused_with_advice(bad, words, attend):
    with pytest.raises(ValueError) as error:
        attend(bad)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_blocked_row_attends_to_nothing(rng, attend):
    mask = np.ones((N, S, T), int)
    mask[1, 2] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out, cache = attend(mask)
        grads = multihead_attention_backward(rng.standard_normal(out.shape), cache)
    weights = attention_weights(cache)
    assert not weights[1, :, 2].any() and np.isfinite(out).all() and all(np.isfinite(grad).all() for grad in grads)
    np.testing.assert_array_equal(out[1, 2], attend.arrays[3][7])
    np.testing.assert_allclose(np.delete(weights.sum(axis=-1).reshape(N * HEADS, S), 2, axis=1)[HEADS:], 1, rtol=1e-12)
    assert not grads[0][1, 2].any()                             # its query has no gradient


@pytest.mark.parametrize("scores", [1e3, 1e200])
def test_large_scores_neither_overflow_nor_warn(scores, attend):
    query, key, value, _ = attend.arrays
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out, cache = attend(np.tri(S, T), query=scores * query, dtype=float)
        assert np.isfinite(out).all() and np.isfinite(attention_weights(cache)).all()


@pytest.mark.parametrize("num_heads", [0, -1, 4, 2.0, "2", None])
def test_heads_that_do_not_divide_the_columns_are_refused(num_heads, attend):
    with pytest.raises(ValueError, match="expected a divisor of E = 6"):
        attend(num_heads=num_heads)


def test_a_later_word_changes_nothing_before_it(rng):
    x, *rest = inputs_of("encoder_layer", rng).values()
    forward, _ = pair_in(rnnlayers, "encoder_layer")
    moved = x.copy()
    moved[:, 3] += rng.standard_normal(moved[:, 3].shape)
    out, out2 = (forward(one, *rest)[0] for one in (x, moved))
    np.testing.assert_array_equal(out[:, :3], out2[:, :3])
    assert (out[:, 3:] != out2[:, 3:]).any(axis=-1).all()


@pytest.mark.parametrize("title", NEW)
@pytest.mark.parametrize("mask", [bool, np.float64, np.int64])
def test_masks_of_any_type_leave_float32_as_it_is(title, mask, rng):
    inputs = inputs_of(title, rng, "float32")
    inputs = {key: x.astype(mask) if "mask" in key and x is not None else x for key, x in inputs.items()}
    forward, backward = pair_in(rnnlayers, title.partition(", ")[0])
    out, cache = forward(*inputs.values())
    grads = backward(np.ones_like(out), cache)
    assert {array.dtype for array in (out, *(grads if isinstance(grads, tuple) else (grads,)))} == {np.dtype("float32")}


def test_whole_numbers():
    x = np.arange(-3, 4)
    np.testing.assert_allclose(gelu_forward(x)[0], gelu_forward(x.astype(float))[0], rtol=1e-15)
    assert relu_forward(x)[0].tolist() == np.maximum(x, 0).tolist()


def test_gelu_against_math_erf():
    for x in (SCALES, -SCALES):
        expected = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in x])
        assert (abs(gelu_forward(x)[0] - expected) <= 2e-15 * np.maximum(1, abs(x))).all()


def test_gelu_carries_complex_numbers_through(rng):
    x = np.r_[np.linspace(-12, 12, 301), 1e-8, -1e-8, 50, -50]
    step = gelu_forward(x + 1e-30j)[0].imag / 1e-30
    slope = gelu_backward(np.ones_like(x), gelu_forward(x)[1])
    phi = np.array([math.erfc(-v / math.sqrt(2)) / 2 + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi) for v in x])
    np.testing.assert_allclose(step, slope, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(slope, phi, rtol=1e-13, atol=1e-15)


def test_gelu_of_what_is_not_finite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(gelu_forward(np.array([np.nan, 1e300, -1e300]))[0], [np.nan, 1e300, 0])
        assert gelu_backward(np.ones(2), gelu_forward(np.array([1e300, -1e300]))[1]).tolist() == [1, 0]


def test_erfc_against_math():
    for x in (SCALES, -SCALES):
        exact = np.array([math.erfc(v) for v in x])
        normal = exact > 1e-300
        np.testing.assert_allclose(erfc(x)[normal], exact[normal], rtol=2e-15)
        np.testing.assert_allclose(erfc(x)[~normal], exact[~normal], rtol=0, atol=1e-299)
    np.testing.assert_array_equal(erfc(np.array([np.inf, -np.inf, np.nan])), [0, 2, np.nan])
    assert erfc(np.float32([0.3, 2])).dtype == np.float32 and erfc(np.array([1])).dtype == np.float64


@pytest.mark.filterwarnings("error")
def test_moderate_float16_numbers_neither_overflow_nor_lose_more_than_float16_has(rng):
    x, d = rng.uniform(-300, 300, (2, 3, 64)), rng.standard_normal((2, 3, 64))
    x[0, 0, :7] = -300, -40, -3, -0.0, 3, 40, 300
    weights = [rng.standard_normal(shape) / 8 for shape in 4 * [(64, 64), (64,)]]

    def results(dtype):
        y, dout, *w = (a.astype(np.float16).astype(dtype) for a in (x, d, *weights))
        for forward, backward in ((relu_forward, relu_backward), (gelu_forward, gelu_backward)):
            yield from (forward(y)[0], backward(dout, forward(y)[1]))
        out, cache = layernorm_forward(y, w[0][0], w[1])
        yield from (out, layernorm_backward(dout, cache)[0])
        yield multihead_attention_forward(y, y, y, *w, num_heads=4)[0]
    for found, expected in zip(results(np.float16), results(np.float64)):
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, expected, rtol=3e-3, atol=2e-3 * abs(expected).max())


def test_relu_takes_its_mask_from_x():
    out, cache = relu_forward(np.array([-2.0, 0.0, 3.0]))
    assert out.tolist() == [0, 0, 3] and relu_backward(np.array([-1.0, -1.0, -1.0]), cache).tolist() == [0, 0, -1]


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (2, 1, 3, 5)])
@pytest.mark.parametrize("eps", [None, 1e-5, 0.3])
def test_layernorm_against_a_plain_formula(shape, eps, rng):
    x, gamma, beta = rng.standard_normal(shape), rng.standard_normal(5), rng.standard_normal(5)
    out, _ = layernorm_forward(x, gamma, beta, None if eps is None else {"eps": eps})
    for row, found in zip(x.reshape(-1, 5), out.reshape(-1, 5)):
        mean = sum(row) / 5
        variance = sum((v - mean)**2 for v in row) / 5
        expected = [(v - mean) / math.sqrt(variance + (eps or 1e-5)) for v in row]
        np.testing.assert_allclose(found, gamma * expected + beta, rtol=1e-12, atol=1e-14)


def test_positions_by_the_papers_formula():
    for T, W in ((1, 2), (7, 6), (50, 128)):
        found = positional_encoding(T, W)
        expected = [[(math.sin, math.cos)[j % 2](t / 10000**((j - j % 2) / W)) for j in range(W)] for t in range(T)]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert positional_encoding(0, 4).shape == (0, 4)
    with pytest.raises(ValueError, match="T is -1, expected a number of positions"):
        positional_encoding(-1, 4)
    for W in (1, 3, 0, -2):
        with pytest.raises(ValueError, match="expected an even width"):
            positional_encoding(3, W)


def test_patches_come_row_by_row_each_as_channels_rows_columns(rng):
    images, p = rng.standard_normal((2, 3, 4, 6)), 2
    out, cache = patch_embedding_forward(images, np.eye(12), np.zeros(12), p)
    patches = [[images[n, :, i:i + p, j:j + p].ravel() for i in range(0, 4, p) for j in range(0, 6, p)]
               for n in range(2)]
    np.testing.assert_array_equal(out, patches)
    np.testing.assert_array_equal(patch_embedding_backward(out, cache)[0], images)
    for bad in (5, 0, 4, 2.0, None):
        with pytest.raises(ValueError, match="expected a divisor of H = 4 and W = 6"):
            patch_embedding_forward(images, np.eye(12), np.zeros(12), bad)


def test_no_pictures_and_no_keys_are_no_error():
    out, cache = patch_embedding_forward(np.ones((0, 3, 4, 6)), np.ones((12, 5)), np.ones(5), 2)
    assert out.shape == (0, 6, 5) and patch_embedding_backward(out, cache)[0].shape == (0, 3, 4, 6)
    weights, x = [np.ones(shape) for shape in 4 * [(E, E), (E,)]], np.ones((N, S, E))
    for mask in (np.ones((S, 0)), np.ones((N, S, 0), bool)):
        out, _ = multihead_attention_forward(x, x[:, :0], x[:, :0], *weights, HEADS, mask)
        np.testing.assert_array_equal(out, np.ones((N, S, E)))          # bo
    assert multihead_attention_forward(x[:0], x[:0], x[:0], *weights, HEADS, np.ones((0, S, S)))[0].shape == (0, S, E)


@pytest.mark.parametrize("keep", [np.ones(T), np.ones((N, S, T)), np.ones((1, HEADS, S, T)), 0.5])
def test_dropout_masks_are_not_broadcast(keep, attend, rng):
    with pytest.raises(ValueError, match=r"keep is .*, expected a dropout mask \(2, 3, 4, 3\)"):
        attend(keep=keep)
    x, W1, W2 = rng.standard_normal((N, T, E)), np.ones((E, 5)), np.ones((5, E))
    with pytest.raises(ValueError, match=r"keep is .*, expected a dropout mask \(2, 3, 5\)"):
        feed_forward_forward(x, W1, np.ones(5), W2, np.ones(E), keep=keep)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int8, np.int64, bool])
def test_whole_numbers_are_computed_in_float64(dtype):
    x = np.array([0, 1, 2, 100]).astype(dtype)
    for function in (rnnlayers.sigmoid, erfc, lambda x: gelu_forward(x)[0]):
        found = function(x)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, function(x.astype(np.float64)))


@pytest.mark.parametrize("size", [True, 2.0, 0, 5])
def test_patches_that_do_not_divide_a_picture_are_refused(size):
    with pytest.raises(ValueError, match="patch_size is .*, expected a divisor of H = 4 and W = 6"):
        patch_embedding_forward(np.ones((1, 3, 4, 6)), np.ones((12, 5)), np.ones(5), size)


def test_the_loss_is_a_mean_over_all_words_of_all_captions(rng):
    x, y, mask = rng.standard_normal((2, 5, 7)), rng.integers(0, 7, (2, 5)), rng.random((2, 5)) < 0.6
    loss, dx = transformer_temporal_softmax_loss(x, y, mask)
    p = np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)
    assert loss == pytest.approx(-sum(mask[n, t] * np.log(p[n, t, y[n, t]]) for n in range(2) for t in range(5)) / 10)
    whole, dwhole = temporal_softmax_loss(x, y, mask)
    assert loss == pytest.approx(whole / 5)
    np.testing.assert_allclose(dx, dwhole / 5, rtol=1e-13)
    assert not dx[~mask].any() and transformer_temporal_softmax_loss(x.astype("f4"), y, mask)[1].dtype == np.float32
    with pytest.raises(ValueError, match="T >= 1"):
        transformer_temporal_softmax_loss(x[:, :0], y[:, :0], mask[:, :0])


@pytest.mark.parametrize("changed, words", [
    ({"norm": "both"}, "norm is 'both', expected one of post, pre"),
    ({"activation": "tanh"}, "activation is 'tanh', expected one of gelu, relu"),
    ({"num_heads": 3}, "expected a divisor of E = 4"), ({"memory": np.ones((2, 3, 5))}, "memory is (2, 3, 5)"),
    ({"attn_mask": np.full((5, 5), -np.inf)}, ADVICE),
    ({"keep": {"cros": np.ones((2, 5, 4))}}, "keep has 'cros', expected masks named self, cross, ffn, self.weights"),
    ({"keep": {"ffn": np.ones(1)}}, "ffn: keep is (1,), expected a dropout mask"),
    ({"params": {}}, "params has no norm_self.gamma")])
def test_wrong_arguments_of_a_layer_are_named(changed, words, rng):
    names = [key for key in inputs_of("decoder_layer", rng) if "_" in key and "mask" not in key and key != "num_heads"]
    given = inputs_of("decoder_layer", rng)
    params = {".".join(name.rsplit("_", 1)): given[name] for name in names}
    own = {"x": given["x"], "memory": given["memory"], "params": params, "num_heads": 2, **changed}
    with pytest.raises(ValueError) as error:
        decoder_layer_forward(**own)
    assert words in str(error.value)


def test_a_parameter_that_is_missing_is_named(rng):
    gamma = {"norm_self.gamma": np.ones(4), "norm_self.beta": np.zeros(4)}
    with pytest.raises(ValueError, match="params has no self.Wq, self.bq"):
        encoder_layer_forward(rng.standard_normal((1, 2, 4)), gamma, 2)
    with pytest.raises(ValueError, match="W2"):
        feed_forward_forward(*(rng.standard_normal(shape) for shape in ((1, 2, 4), (4, 3), 3, (4, 4), 4)))
