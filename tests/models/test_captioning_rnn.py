import numpy as np
import pytest

from gradcheck import check_model
from models import CaptioningRNN
from models.dropout import drop
from tests.cells import NAMES, TAKE_A_VECTOR

N, T, D, W, H, V = 3, 6, 5, 4, 7, 11


def make(word_to_idx, cell, dtype=np.float64, **options):
    return CaptioningRNN(word_to_idx, D, W, H, cell, dtype, seed=3, **options)


def ragged(rng):
    captions = rng.integers(3, V, (N, T))
    captions[:, 0] = 1
    captions[0, 4:], captions[1, 2:] = 0, 0
    return captions


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
def test_loss_at_the_start_is_log_v_a_word(cell, word_to_idx, rng):
    model = make(word_to_idx, cell)
    model.params["W_vocab"] *= 0.01
    captions = ragged(rng)
    loss, _ = model.loss(rng.standard_normal((N, D)), captions)
    assert loss == pytest.approx((captions[:, 1:] != 0).sum() / N * np.log(V), rel=0.01)


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
def test_padding_changes_nothing(cell, word_to_idx, rng):
    model, features, captions = make(word_to_idx, cell), rng.standard_normal((N, D)), ragged(rng)
    loss, grads = model.loss(features, captions)
    loss2, grads2 = model.loss(features, np.pad(captions, ((0, 0), (0, 4))))
    assert loss == pytest.approx(loss2, rel=1e-14)
    for name in grads:
        np.testing.assert_allclose(grads[name], grads2[name], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
def test_loss_of_a_batch_is_the_mean_of_its_rows(cell, word_to_idx, rng):
    model, features, captions = make(word_to_idx, cell), rng.standard_normal((N, D)), ragged(rng)
    rows = [model.loss(features[n:n + 1], captions[n:n + 1]) for n in range(N)]
    loss, grads = model.loss(features, captions)
    assert loss == pytest.approx(np.mean([row[0] for row in rows]), rel=1e-13)
    for name in grads:
        np.testing.assert_allclose(grads[name], np.mean([row[1][name] for row in rows], axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
def test_gradients_with_dropout_and_standardised_features(cell, word_to_idx, rng):
    stats = rng.standard_normal(D), 1 + rng.random(D)
    model = make(word_to_idx, cell, dropout=0.4, feature_stats=stats)
    features, captions = rng.standard_normal((N, D)), ragged(rng)

    def loss():
        return model.loss(features, captions, np.random.default_rng(11))        # the same masks every time
    check_model(loss, model.params, rng=rng).raise_if_failed()
    check_model(loss, model.params, rng=rng, burn_in=3).raise_if_failed()


def test_dropout_keeps_the_mean_and_only_with_a_generator(word_to_idx, rng):
    model = make(word_to_idx, "rnn", dropout=0.25)
    x = np.ones((200, 300), np.float32)
    kept, mask = drop(x, rng, 0.25)
    assert kept.dtype == np.float32 and kept.mean() == pytest.approx(1, abs=0.01)
    assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)}
    features, captions = rng.standard_normal((N, D)), ragged(rng)
    plain = make(word_to_idx, "rnn").loss(features, captions)[0]
    assert model.loss(features, captions)[0] == plain != model.loss(features, captions, rng)[0]


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_have_the_parameters_dtype_and_shape(cell, dtype, word_to_idx, rng):
    model = make(word_to_idx, cell, dtype, dropout=0.3)
    for features in (rng.standard_normal((N, D)), rng.standard_normal((N, D)).astype(np.float16)):
        _, grads = model.loss(features, ragged(rng), rng)
        assert {name: (g.shape, g.dtype) for name, g in grads.items()} == {
            name: (w.shape, np.dtype(dtype)) for name, w in model.params.items()}


def test_parameters_are_read_afresh_and_gradients_are_fresh(word_to_idx, rng):
    model, features, captions = make(word_to_idx, "lstm"), rng.standard_normal((N, D)), ragged(rng)
    loss, grads = model.loss(features, captions)
    kept = {name: g.copy() for name, g in grads.items()}
    model.params["W_vocab"] = model.params["W_vocab"] * 1.5           # replaced
    model.params["Wx"][0, 0] += 0.1                                   # and changed in place
    assert model.loss(features, captions)[0] != loss
    for name in grads:
        np.testing.assert_array_equal(grads[name], kept[name])


def test_initial_parameters_follow_the_course(word_to_idx):
    np.random.seed(4)
    model = CaptioningRNN(word_to_idx, D, W, H, "lstm")
    np.random.seed(4)
    expected = {"W_embed": np.random.randn(V, W) / 100, "W_proj": np.random.randn(D, H) / np.sqrt(D),
                "Wx": np.random.randn(W, 4 * H) / np.sqrt(W), "Wh": np.random.randn(H, 4 * H) / np.sqrt(H),
                "W_vocab": np.random.randn(H, V) / np.sqrt(H)}
    for name, w in expected.items():
        np.testing.assert_array_equal(model.params[name], w.astype(np.float32))
    assert not any(model.params[name].any() for name in ("b_proj", "b", "b_vocab"))
    assert list(model.params) == ["W_embed", "W_proj", "b_proj", "Wx", "Wh", "b", "W_vocab", "b_vocab"]
    assert (model._null, model._start, model._end) == (0, 1, 2) and model.idx_to_word[4] == "a"


def test_forget_bias_is_on_the_forget_gates_alone(word_to_idx):
    b = make(word_to_idx, "lstm", forget_bias=1.5).params["b"]
    assert (b[H:2 * H] == 1.5).all() and not b[:H].any() and not b[2 * H:].any()


@pytest.mark.parametrize("cell", TAKE_A_VECTOR)
def test_sample_is_greedy_and_ends(cell, word_to_idx, rng):
    """Each word is the best after those before it, by the teacher-forced scores: an independent path."""
    model, features = make(word_to_idx, cell), rng.standard_normal((40, D))
    for name in model.params:
        model.params[name] = model.params[name] * 3                   # sharp and varied choices
    captions = model.sample(features, max_length=9)
    assert captions.dtype == np.int32 and captions.shape == (40, 9)
    scores = model.scores(features, np.column_stack([np.full(40, 1), captions]))
    ended = 0
    for row, score in zip(captions, scores):
        stop = list(row).index(2) + 1 if 2 in row else 9
        np.testing.assert_array_equal(row[:stop], score[:stop].argmax(axis=1))
        assert not row[stop:].any()
        ended += stop < 9
    assert 0 < ended < 40


def test_negative_log_likelihood_counts_words(word_to_idx, rng):
    model, features, captions = make(word_to_idx, "lstm"), rng.standard_normal((N, D)), ragged(rng)
    nll, words = model.negative_log_likelihood(features, captions)
    assert words == (captions[:, 1:] != 0).sum() and nll == pytest.approx(model.loss(features, captions)[0] * N)


def test_complex_parameters_carry_a_complex_step(word_to_idx, rng):
    model, features, captions = make(word_to_idx, "lstm"), rng.standard_normal((N, D)), ragged(rng)
    check_model(lambda: model.loss(features, captions), model.params, method="complex").raise_if_failed()


@pytest.mark.parametrize("make_call, message", [
    (lambda words: CaptioningRNN(words, cell_type="grue"), f"'grue', expected one of {', '.join(NAMES)}"),
    (lambda words: CaptioningRNN({"a": 0}), "no '<NULL>'"),
    (lambda words: CaptioningRNN(words, dropout=1.0), "dropout is 1.0"),
    (lambda words: make({"<NULL>": 0, "a": 1}, "rnn").sample(np.zeros((1, D))), "no '<START>'"),
    (lambda words: make(words, "rnn").loss(np.zeros((2, 4)), np.zeros((2, 3), int)),
     "features is (2, 4), expected (N, D) = (2, 5) with D=5 from W_proj"),
    (lambda words: make(words, "rnn").loss(np.zeros((2, D)), np.zeros((3, 3), int)),
     "features has 2 rows and captions 3"),
    (lambda words: make(words, "rnn").loss(np.zeros((2, D)), np.zeros((2, 1), int)), "expected (N, T) with T >= 2"),
    (lambda words: make(words, "rnn").loss(np.zeros((2, D)), np.full((2, 3), V)), "is 11, expected word ids in 0..10"),
    (lambda words: make(words, "rnn").loss(np.zeros((2, D)), np.zeros((2, 3))), "expected integer word ids"),
])
def test_errors(make_call, message, word_to_idx):
    with pytest.raises(ValueError) as error:
        make_call(word_to_idx)
    assert message in str(error.value)
