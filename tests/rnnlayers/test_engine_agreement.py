"""Loss, gradients and likelihood of the engine against the textbook's, over batches, dtypes and options."""
import numpy as np
import pytest

from tests.rnnlayers.conftest import RAGGED

BATCHES = {
    "one caption of one word": [[1, 4]],
    "one word each": [[1, word] for word in range(3, 10)],
    "many": None,                                           # by `ragged`
    "one length": [[1, 5, 6, 7, 2], [1, 3, 3, 9, 2], [1, 10, 4, 8, 2]],
    "very different lengths": [[1] + n * [5 + n % 4] + (11 - n) * [0] for n in (1, 11, 2, 11, 1)],
    "one word again and again": [[4] * 6] * 3,
    "null everywhere": [[0, 3, 0, 4], [1, 0, 0, 5], [0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0], [0, 0, 6, 0]],
    "no targets": [[1, 0, 0], [2, 0, 0], [0, 0, 0]],
}


@pytest.fixture(params=BATCHES)
def captions(request, ragged):
    rows = BATCHES[request.param]
    return ragged(130, 5) if rows is None else np.array(rows)


def error_of(grads, expected):
    """The largest error of gradients as a share of the largest entry: the norm of few numbers that hardly differ, as
    dropout leaves them, loses digits in float32."""
    largest = max(np.abs(g).max() for g in expected.values())
    return max(np.abs(grads[name] - g).max() for name, g in expected.items()) / max(largest, 1e-30)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.4, "input_dropout": 0.3, "feature_dropout": 0.2,
                                         "grid_dropout": 0.3, "feature_clip": 1.2, "smoothing": 0.1}],
                         ids=["plain", "all options"])
def test_loss_and_gradients(variant, dtype, options, captions, captioner, pictures, same_loss, tolerance):
    engine = captioner(variant, "engine", dtype, **options)
    textbook, exact = (captioner(variant, "textbook", d, **options) for d in (dtype, np.float64))
    exact.params = {name: w.astype(np.float64) for name, w in engine.params.items()}
    features = pictures(variant, len(captions))
    results = [m.objective(features, captions, np.random.default_rng(3)) for m in (engine, textbook, exact)]
    found, same, expected = ((result.loss, result.grads) for result in results)
    same_loss(found, expected, max(tolerance[dtype], 10 * error_of(same[1], expected[1])))
    assert found[0].dtype == same[0].dtype == dtype
    assert {name: (g.dtype, g.shape) for name, g in found[1].items()} == {
        name: (np.dtype(dtype), w.shape) for name, w in engine.params.items()}
    assert results[0].regularisers == pytest.approx(results[2].regularisers, rel=tolerance[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1e-3, 0.1])
def test_small_weights(variant, dtype, scale, captioner, pictures, ragged, same_loss, tolerance):
    engine, textbook = (captioner(variant, backend, dtype, scale) for backend in ("engine", "textbook"))
    features, captions = pictures(variant, 7), ragged(7, 6)
    same_loss(engine.loss(features, captions), textbook.loss(features, captions), tolerance[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("N, T", [(7, 2), (7, 7), (130, 5)])
def test_large_weights(variant, dtype, N, T, captioner, pictures, ragged, close, tolerance):
    """Saturated gates: as near to the truth as the textbook in the same dtype, up to a factor of ten."""
    features, captions = pictures(variant, N), ragged(N, T)
    engine, textbook, exact = (captioner(variant, *how, 10) for how in (
        ("engine", dtype), ("textbook", dtype), ("textbook", np.float64)))
    exact.params = {name: w.astype(np.float64) for name, w in engine.params.items()}
    (loss, grads), (_, same), (exact_loss, expected) = (m.loss(features, captions) for m in (engine, textbook, exact))
    close(loss, exact_loss, tolerance[dtype])
    largest = max(np.abs(g).max() for g in expected.values())
    for name in grads:
        error = np.abs(same[name] - expected[name]).max() / largest
        close(grads[name], expected[name], max(10 * error, tolerance[dtype]), largest)


def test_no_target_no_gradient(variant, captioner, pictures):
    model, features = captioner(variant), pictures(variant, 2)
    loss, grads = model.loss(features, np.array([[1, 0, 0], [0, 0, 0]]))
    unseen = features[2].mean() if RAGGED in variant else 6
    assert loss == model.penalty * unseen                   # for each region that nobody looked at
    assert not any(g.any() for g in grads.values())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_likelihood(variant, dtype, captions, captioner, pictures, close, tolerance):
    features, results = pictures(variant, len(captions)), []
    for backend in ("engine", "textbook"):
        results.append(captioner(variant, backend, dtype).negative_log_likelihood(features, captions))
    close(results[0][0], results[1][0], tolerance[dtype])
    assert results[0][1] == results[1][1] and type(results[0][0]) is float


def test_null_may_be_any_id(variant, captioner, pictures, same_loss):
    words = ["<START>", "<END>", "a", "<NULL>", "b", "c"]
    engine, textbook = (captioner(variant, backend, words=words) for backend in ("engine", "textbook"))
    captions, features = np.array([[0, 2, 4, 1], [0, 5, 1, 3], [0, 3, 4, 3]]), pictures(variant, 3)
    same_loss(engine.loss(features, captions), textbook.loss(features, captions), 1e-10)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_ids_of_other_dtypes(dtype, captioner, pictures, ragged):
    model, captions = captioner("lstm"), ragged(4, 5)
    assert model.loss(pictures("lstm", 4), captions.astype(dtype))[0] == model.loss(pictures("lstm", 4), captions)[0]


@pytest.mark.parametrize("kind", [np.float16, np.complex128, "mixed"])
def test_other_dtypes_are_the_textbooks(kind, variant, captioner, pictures, ragged):
    features, captions, results = pictures(variant, 3), ragged(3, 5), []
    for backend in ("engine", "textbook"):
        model = captioner(variant, backend, np.float32, 0.1)
        for name in ["b_vocab"] if kind == "mixed" else model.params:
            model.params[name] = model.params[name].astype(np.float64 if kind == "mixed" else kind)
        sampled = model.sample(features, 3) if kind == "mixed" else ()
        scores, _ = model.step(captions[:, 0], model.initial_state(features))
        results.append((*model.loss(features, captions), scores, sampled))
    (loss, grads, scores, sampled), (loss2, grads2, scores2, sampled2) = results
    assert loss == loss2 and type(loss) is type(loss2)
    np.testing.assert_array_equal(scores, scores2)
    assert all(np.array_equal(a, b) for a, b in zip(sampled, sampled2))
    for name in grads:
        np.testing.assert_array_equal(grads[name], grads2[name])
        assert grads[name].dtype == grads2[name].dtype


def test_parameters_are_read_again_at_every_call(variant, captioner, pictures, ragged, same_loss):
    engine, textbook = captioner(variant), captioner(variant, "textbook")
    features, captions = pictures(variant, 4), ragged(4, 5)
    losses = [engine.loss(features, captions)[0]]
    for name in engine.params:
        for replace in (True, False):
            for model in (engine, textbook):
                if replace:
                    model.params[name] = model.params[name] * 1.5
                else:
                    model.params[name][..., ::2] += 0.1
            result = engine.loss(features, captions)
            if np.abs(result[1][name]).max() > 1e-12:       # a key's bias changes no loss
                losses.append(result[0])
        same_loss(result, textbook.loss(features, captions), 1e-10)
    assert len(set(losses)) == len(losses)
