"""Ids, parameters, features and states that do not fit: the engine names them before a compiled loop runs."""
from dataclasses import replace

import numpy as np
import pytest

from tests.cells import NAMES, carries


@pytest.mark.parametrize("bad", [-1, 11, 10**6])
@pytest.mark.parametrize("place", [(0, 0), (2, 1), (1, 4)])
@pytest.mark.parametrize("call", ["loss", "negative_log_likelihood"])
def test_ids_out_of_range(bad, place, call, variant, captioner, pictures, ragged):
    captions = ragged(3, 5)
    captions[place] = bad
    with pytest.raises(ValueError, match=rf"captions.* is {bad}, expected word ids in 0\.\.10"):
        getattr(captioner(variant), call)(pictures(variant, 3), captions)


@pytest.mark.parametrize("call", ["loss", "negative_log_likelihood", "sample", "sample one"])
def test_parameters_that_do_not_fit(call, variant, captioner, pictures, ragged):
    for name, w in captioner(variant).params.items():
        for axis in range(w.ndim):
            model = captioner(variant)                                      # float64: no compiled loop is at risk
            model.params[name] = np.delete(w, 0, axis)
            N = 1 if call == "sample one" else 3
            args = (pictures(variant, N),) if "sample" in call else (pictures(variant, N), ragged(N, 5))
            with pytest.raises(ValueError) as error:
                getattr(model, call.removesuffix(" one"))(*args)
            assert name in str(error.value), f"{name} without a row of axis {axis}"


def test_features_of_wrong_count(variant, captioner, pictures, ragged):
    with pytest.raises(ValueError, match="features has 4 rows and captions 3"):
        captioner(variant).loss(pictures(variant, 4), ragged(3, 5))


@pytest.mark.parametrize("words", [[1], [1, 4], [1, 4, 5, 6], [[1, 4, 5]]])
def test_words_of_wrong_count(words, variant, captioner, pictures):
    model = captioner(variant)                                              # float64: no compiled loop is at risk
    with pytest.raises(ValueError):
        model.step(np.array(words), model.initial_state(pictures(variant, 3)))


@pytest.mark.parametrize("words", [[1, 4, 11], [1, -1, 4], [1.0, 4.0, 5.0]])
def test_words_that_are_none(words, variant, captioner, pictures):
    model = captioner(variant, dtype=np.float32)
    with pytest.raises(ValueError, match="words"):
        model.step(np.array(words), model.initial_state(pictures(variant, 3)))


def test_a_start_that_is_no_word(variant, captioner, pictures):
    model = captioner(variant)
    for N in (1, 2):
        model._start = 11
        with pytest.raises(ValueError, match="expected word ids in 0..10"):
            model.sample(pictures(variant, N), 3)


@pytest.mark.parametrize("variant", [name for name in NAMES if carries(name)])
def test_a_state_that_does_not_fit(variant, captioner, pictures):
    model = captioner(variant)                                              # float64: no compiled loop is at risk
    state, words = model.initial_state(pictures(variant, 3)), np.ones(3, int)
    other = "rnn" if state.memory else "attention"
    wrong = [replace(state, carried=(state.carried[0][:1],)), replace(state, carried=(np.zeros((3, 50)),)), None,
             replace(state, carried=()), state.select(0), captioner(other).initial_state(pictures(other, 3))]
    wrong += [replace(state, memory=tuple(a[:1] for a in state.memory))] if state.memory else []
    for other in wrong:
        with pytest.raises(ValueError):
            model.step(words, other)
    name = "Wx" if "Wx" in model.params else "W_proj"
    model.params[name] = model.params[name][:, :1]
    with pytest.raises(ValueError, match=name):
        model.step(words, state)
