"""Gates and gradients through time, against numeric gradients with respect to the states of the model's own steps."""
from dataclasses import replace

import numpy as np
import pytest

from models import CaptioningRNN
from models.cells import CELLS, VARIANTS
from models.through_time import through_time
from rnnlayers import lstm_step_forward

WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"])}
N, D, W, H, L = 2, 3, 4, 6, 5
CAPTIONS = np.array([[1, 4, 7, 5, 9, 2], [1, 8, 6, 2, 0, 0]])
TARGETS = np.array([4, 3])          # the last word of the one, <END> of the other


def make(variant, rng):
    model = CaptioningRNN(WORDS, D, W, H, variant.name, np.float64, seed=3, backend="textbook", **variant.options)
    for name, value in model.params.items():                # larger than at the start: gates off their middle
        model.params[name] = value + 0.5 * rng.standard_normal(value.shape)
    return model, rng.standard_normal((N, L, D) if model.attends else (N, D))


def states(model, features, n):
    """The states of one caption after each word fed, from the model's own steps."""
    found = [model.initial_state(features[n:n + 1])]
    for word in CAPTIONS[n, :-1]:
        found.append(model.step(np.array([word]), found[-1])[1])
    return found[1:]


def loss_after(model, state, n, t):
    """-log p of the target, from the state after the word at t."""
    for word in CAPTIONS[n, t + 1:TARGETS[n]]:
        state = model.step(np.array([word]), state)[1]
    scores = (state.output @ model.params["W_vocab"] + model.params["b_vocab"])[0]
    return np.log(np.exp(scores).sum()) - scores[CAPTIONS[n, TARGETS[n]]]


def norm_for_h(model, state, n, t):
    return numeric_norm(lambda h: loss_after(model, replace(state, output=h), n, t), state.output)


def norm_for_c(model, state, n, t):
    """With what flows through h = o tanh(c)."""
    (prev_c,) = state.carried
    o = state.output / np.tanh(prev_c)
    return numeric_norm(lambda c: loss_after(model, replace(state, carried=(c,), output=o * np.tanh(c)), n, t), prev_c)


def numeric_norm(function, at, eps=1e-6):
    gradient = [(function(at + e) - function(at - e)) / (2 * eps) for e in eps * np.eye(at.size)[:, None]]
    return np.linalg.norm(gradient)


def own_words_act_alone(variant):
    """Whether each word acts by its vector, so that there is no state to differentiate."""
    return CELLS[variant.name].drops_inside


@pytest.mark.parametrize("variant", [v for v in VARIANTS if not own_words_act_alone(v)], ids=lambda v: v.title)
def test_norms_are_those_of_numeric_gradients(variant, rng):
    model, features = make(variant, rng)
    found = through_time(model, features, CAPTIONS, TARGETS)
    assert set(found.norms) == ({"h", "c"} if model.initial_state(features).carried else {"h"})
    assert found.h.shape == (N, 5, H) and all(norms.shape == (N, 5) for norms in found.norms.values())
    for n in range(N):
        for t, state in enumerate(states(model, features, n)):
            np.testing.assert_allclose(found.h[n, t], state.output[0], atol=1e-12)
            if t >= TARGETS[n]:
                assert not any(norms[n, t] for norms in found.norms.values())
                continue
            assert found.norms["h"][n, t] == pytest.approx(norm_for_h(model, state, n, t), rel=1e-6)
            if "c" in found.norms:
                assert found.norms["c"][n, t] == pytest.approx(norm_for_c(model, state, n, t), rel=1e-6)


def test_gates_are_those_of_the_cell(rng):
    model, features = make(next(v for v in VARIANTS if v.title == "lstm"), rng)
    gates = through_time(model, features, CAPTIONS, TARGETS).gates
    x = model.params["W_embed"][CAPTIONS[:, 0]]
    state = model.initial_state(features)
    *_, cache = lstm_step_forward(x, state.output, *state.carried, *(model.params[name] for name in ("Wx", "Wh", "b")))
    assert list(gates) == ["i", "f", "o"]
    for gate, values in gates.items():
        np.testing.assert_allclose(values[:, 0], getattr(cache, gate), rtol=1e-12)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if own_words_act_alone(v)], ids=lambda v: v.title)
def test_norms_with_respect_to_word_vectors(variant, rng):
    model, features = make(variant, rng)
    found = through_time(model, features, CAPTIONS, TARGETS)
    image, x = model.image(features), model.params["W_embed"][CAPTIONS[:, :-1]]
    assert set(found.norms) == {"x"}

    def loss(word, n, t):
        changed = x.copy()
        changed[n, t] = word[0]
        h, _, _ = model.cell.forward(model.params, image, changed)
        scores = h[n, TARGETS[n] - 1] @ model.params["W_vocab"] + model.params["b_vocab"]
        return np.log(np.exp(scores).sum()) - scores[CAPTIONS[n, TARGETS[n]]]
    for n in range(N):
        for t in range(5):
            expected = numeric_norm(lambda word, n=n, t=t: loss(word, n, t), x[n, t][None]) if t < TARGETS[n] else 0
            assert found.norms["x"][n, t] == pytest.approx(expected, rel=1e-5, abs=1e-15)
