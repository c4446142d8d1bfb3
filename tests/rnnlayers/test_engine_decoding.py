"""Captions and single steps of the engine against the textbook's."""
import numpy as np
import pytest

from tests.cells import RECURRENT


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("N", [1, 2, 5, 6, 23])
def test_sample(variant, dtype, N, captioner, pictures, close, tolerance):
    models = [captioner(variant, backend, dtype) for backend in ("engine", "textbook")]
    samples = [model.sample(pictures(variant, N), 8) for model in models]
    if not models[0].attends:
        np.testing.assert_array_equal(*samples)
        assert samples[0].dtype == np.int32 and samples[0].shape == (N, 8)
    else:
        np.testing.assert_array_equal(samples[0][0], samples[1][0])
        close(samples[0][1], samples[1][1], tolerance[dtype])
        assert samples[0][1].shape == (N, 8, 1, 6) and samples[0][1].dtype == dtype


@pytest.mark.parametrize("variant", RECURRENT)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_caption_of_one_picture_is_that_of_the_picture_among_others(variant, dtype, captioner, pictures):
    model, features = captioner(variant, "engine", dtype), pictures(variant, 30)
    model.params["b_vocab"][:], model.params["W_vocab"][:] = 0, 3 * model.params["W_vocab"]
    together = model.sample(features, 9)
    np.testing.assert_array_equal(np.concatenate([model.sample(features[n:n + 1], 9) for n in range(30)]), together)
    assert (together == 2).any() and not (together == 2).any(axis=1).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 5, 6, 11])
def test_steps(variant, dtype, n, captioner, pictures, close, tolerance):
    models = [captioner(variant, backend, dtype) for backend in ("engine", "textbook")]
    states, words = [m.initial_state(pictures(variant, n)) for m in models], np.arange(n) % 4 + 1
    rows = np.arange(n)[::-2]
    for t in range(3):
        if t == 2:
            states, words = [state.select(rows) for state in states], words[rows]
        scores, states = zip(*(m.step(words, state) for m, state in zip(models, states)))
        close(*scores, tolerance[dtype])
        close(states[0].output, states[1].output, tolerance[dtype])
        assert scores[0].dtype == dtype
        if models[0].attends:
            close(states[0].attention, states[1].attention, tolerance[dtype])


def test_a_step_leaves_the_state_before_it_alone(variant, captioner, pictures):
    model = captioner(variant)
    state = model.initial_state(pictures(variant, 3))
    before = [np.copy(array) for array in (state.output, *state.carried)]
    first, _ = model.step(np.array([1, 4, 5]), state)
    again, _ = model.step(np.array([1, 4, 5]), state)
    for old, new in zip(before, (state.output, *state.carried)):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(first, again)
