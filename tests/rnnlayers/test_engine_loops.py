"""Every time loop of LOOPS against its own single steps, and against the contract that decoding relies on."""
import numpy as np
import pytest

from models.cells import CELLS
from models.cells.cell import axis_sizes
from rnnlayers.engine.packing import pack
from rnnlayers.engine.recurrent import LOOPS
from rnnlayers.workspace import allocate

N, T, H, V = 5, 6, 4, 11
SIZES = {"W": 3, "H": H}


@pytest.fixture(params=LOOPS)
def name(request):
    return request.param


@pytest.fixture
def inputs(name, rng):
    """Function: n -> x (V, G), states (n, H), weights of a loop."""
    def make(n):
        loop, shapes = LOOPS[name], CELLS[name]().shapes()
        weights = tuple(rng.standard_normal(axis_sizes(shapes[weight], SIZES)) for weight in loop.weights)
        x = rng.standard_normal((V, *axis_sizes(shapes["b"], SIZES)))
        return x, tuple(rng.standard_normal((n, H)) for _ in range(loop.states)), weights
    return make


@pytest.fixture
def packed(ragged):
    captions = ragged(N, T + 1)
    return pack(captions[:, :-1], captions[:, 1:], 0)


@pytest.mark.parametrize("few_bytes", [0, 2**19])
def test_a_loop_is_its_steps(few_bytes, name, inputs, packed, monkeypatch):
    monkeypatch.setattr("rnnlayers.engine.recurrent.FEW_BYTES", few_bytes)
    loop, (x, states, weights) = LOOPS[name], inputs(N)
    h, _ = loop.forward(x, packed.words, states, weights, packed, allocate)
    for s, e in packed.steps:
        states = loop.step(x, packed.words[s:e], tuple(state[:e - s] for state in states), weights)
        assert len(states) == loop.states
        np.testing.assert_allclose(h[s:e], states[0], rtol=1e-12)


def test_gradients_have_the_shapes_of_what_they_belong_to(name, inputs, packed, rng):
    loop, (x, states0, weights) = LOOPS[name], inputs(N)
    h, cache = loop.forward(x, packed.words, states0, weights, packed, allocate)
    da, dstates0, dweights = loop.backward(rng.standard_normal(h.shape), cache, packed, allocate)
    assert da.shape == (len(h), x.shape[1])
    assert [d.shape for d in dstates0] == [(packed.active, H)] * loop.states
    assert [d.shape for d in dweights] == [w.shape for w in weights]


@pytest.mark.parametrize("name", [name for name, loop in LOOPS.items() if loop.greedy])
def test_a_greedy_kernel_chooses_the_words_that_steps_choose(name, inputs, rng):
    loop, (Wx, states, weights) = LOOPS[name], inputs(1)
    W_embed, b, W_vocab, b_vocab = (rng.standard_normal(shape) for shape in ((V, V), Wx.shape[1], (H, V), V))
    W_vocab *= 5                                            # the words have to differ from step to step
    words, word, expected = np.zeros(8, np.int64), np.array([1]), []
    firsts = [state[0].copy() for state in states]
    assert loop.greedy(W_embed, Wx, b, W_vocab, b_vocab, *weights, *firsts, 1, -1, words) == 8
    for _ in words:
        states = loop.step(W_embed @ Wx + b, word, states, weights)
        word = (states[0] @ W_vocab + b_vocab).argmax(axis=1)
        expected.append(word[0])
    assert words.tolist() == expected and len(set(expected)) > 1
