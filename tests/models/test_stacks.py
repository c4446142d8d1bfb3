"""Stacks: layers on top of each other, against equations written out, numeric gradients, and their own single steps.

That the engine agrees is in tests/rnnlayers/test_engine_stacks.py.
"""
from dataclasses import replace

import numpy as np
import pytest

from gradcheck import check_model
from models import CaptioningRNN
from models.cells import CELLS, VARIANTS, Cell
from models.checkpoint import load_checkpoint, save_checkpoint
from models.decoding import beam_search
from models.dropout import Dropout, drop
from models.through_time import through_time
from rnnlayers import (
    additive_attention_forward,
    dot_product_attention_forward,
    gru_step_forward,
    lstm_step_forward,
    rnn_step_forward,
)
from tests.cells import takes

WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"])}
FEW_WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "a"])}
N, T, D, W, H, L = 3, 5, 5, 4, 6, 4
CAPTIONS = np.array([[1, 4, 7, 5, 9, 2], [1, 8, 6, 2, 0, 0], [1, 3, 2, 0, 0, 0]])
STACKED = [variant for variant in VARIANTS if takes(variant.name, "residual")]
CHECKED = {"rnn": [(2, False), (2, True), (3, False), (3, True)], "lstm, started": [(2, True)]}    # others are slow
STEPS = {"rnn": rnn_step_forward, "lstm": lstm_step_forward, "gru": gru_step_forward}


@pytest.fixture(params=STACKED, ids=lambda variant: variant.title)
def variant(request):
    return request.param


def make(variant, num_layers=2, words=WORDS, sizes=(D, W, H), **options):
    """A stack in float64 whose parameters, biases too, are off their start."""
    options = {"backend": "textbook", "seed": 3, **variant.options, **options}
    model = CaptioningRNN(words, *sizes, variant.name, np.float64, num_layers=num_layers, **options)
    rng = np.random.default_rng(7)
    for name, value in model.params.items():
        model.params[name] = value + 0.3 * rng.standard_normal(value.shape)
    return model


def pictures(model, n, rng, width=D):
    """Vectors, or grids of 2 to L regions."""
    grid = rng.standard_normal((n, L, width))
    return (grid, None, 2 + np.arange(n) % (L - 1)) if model.attends else grid[:, 0]


def test_cells_with_layers_are_those_that_can_be_residual():
    assert {variant.name for variant in STACKED} == {"rnn", "lstm", "gru", "attention", "bahdanau"}
    assert all(takes(variant.name, "num_layers") for variant in STACKED)


@pytest.mark.parametrize("variant, num_layers, residual", [
    pytest.param(variant, k, residual, id=f"{variant.title}-{k}-{residual}") for variant in STACKED
    for k, residual in CHECKED.get(variant.title, [(2, False), (3, True)])])
def test_gradients(variant, num_layers, residual, rng):
    """With dropout between the layers, regions that differ in number, and the penalty where there is one."""
    penalty = {"penalty": 0.4} if takes(variant.name, "penalty") else {}
    model = make(variant, num_layers, FEW_WORDS, (2, 3, 2), residual=residual, dropout=0.3, **penalty)
    features, captions = pictures(model, 2, rng, 2), np.array([[1, 3, 3, 2], [1, 3, 2, 0]])
    check_model(lambda: model.loss(features, captions, np.random.default_rng(5)), model.params).raise_if_failed()


def layer_by_layer(model, p, x, states, t, masks, residual):
    """What the docstring of models.cells.stack says, word for word -> output; states are replaced."""
    step = STEPS.get(model.cell_type, lstm_step_forward)
    names = ("Wx", "Wh", "b", "bn") if model.cell_type == "gru" else ("Wx", "Wh", "b")
    h, *further, _ = step(x, *states[0], *(p[name] for name in names))
    states[0], y = (h, *further), h
    for k in range(1, len(states)):
        u = y * masks[k - 1][:, t]
        h, *further, _ = step(u, *states[k], *(p[f"layer{k}.{name}"] for name in names))
        states[k], y = (h, *further), h + u if residual else h
    return y


@pytest.mark.parametrize("residual", [False, True])
def test_layers_are_fed_the_layer_below_and_the_last_one_attends(variant, residual, rng):
    model = make(variant, 3, residual=residual)
    p, image, x = model.params, model.image(pictures(model, N, rng)), rng.standard_normal((N, T, W))
    found, seen, _ = model.cell.forward(p, image, x, Dropout(np.random.default_rng(2), 0.4))
    masks_rng, start = np.random.default_rng(2), model.cell.initial_state(p, image)
    masks = [drop(np.ones((N, T, H)), masks_rng, 0.4)[0] for _ in range(2)]
    size = len(start.carried) // 3
    states = [start.carried[:size] for _ in range(3)]
    p = dict(p)
    if model.attends:
        p["Wx"] = np.vstack([p["Wx"], p["Wattn"]])
    for t in range(T):
        u = x[:, t]
        if model.attends:
            looked = states[-1][0]                          # the last layer's h, not its output
            context, weights = attended(model, p, looked, start.memory)
            np.testing.assert_allclose(seen[:, t], weights, atol=1e-12)
            u = np.hstack([u, context])
        y = layer_by_layer(model, p, u, states, t, masks, residual)
        np.testing.assert_allclose(found[:, t], y, atol=1e-12)


def attended(model, p, h, memory):
    if model.cell_type == "attention":
        return dot_product_attention_forward(h, *memory)[:2]
    A, keys, *mask = memory
    return additive_attention_forward(h, A, keys, p["Wq"], p["v"], p["Wbeta"], p["bbeta"], *mask)[:2]


@pytest.mark.parametrize("backend", ["textbook", "engine"])
@pytest.mark.parametrize("residual", [False, True])
def test_whole_captions_are_their_steps(variant, residual, backend, rng):
    model, order = make(variant, 3, residual=residual, backend=backend), np.array([2, 0])
    features = pictures(model, N, rng)
    scores, state = model.scores(features, CAPTIONS), model.initial_state(features)
    for t in range(T):
        some, _ = model.step(CAPTIONS[order, t], state.select(order))
        found, state = model.step(CAPTIONS[:, t], state)
        np.testing.assert_allclose(found, scores[:, t], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(some, found[order], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", ["textbook", "engine"])
def test_every_hypothesis_of_a_beam_has_the_likelihood_of_its_words(variant, backend, rng):
    """Captions of a picture change places: a stack that moves one layer's state alone gets another's probability."""
    model = make(variant, residual=True, backend=backend)
    model.params["W_embed"] *= 20
    features = rng.standard_normal((4, L, D) if model.attends else (4, D))
    for i, hypotheses in enumerate(beam_search(model, features, 3, 5).beams):
        for h in hypotheses:
            nll, _ = model.negative_log_likelihood(features[i:i + 1], np.array([[1, *h.ids]]))
            assert h.log_prob == pytest.approx(-nll, rel=1e-9)


def test_one_picture_is_captioned_as_among_others(variant, rng):
    """By single steps: the compiled loop for one picture knows one layer."""
    models = [make(variant, backend=backend) for backend in ("engine", "textbook")]
    features = rng.standard_normal((4, L, D) if models[0].attends else (4, D))
    for i in range(4):
        alone, expected = (model.sample(features[i:i + 1], 6) for model in models)
        np.testing.assert_array_equal(alone[0], expected[0])


def test_a_stack_draws_its_first_layer_as_a_single_layer_is_drawn(variant):
    single, stack = (CaptioningRNN(WORDS, D, W, H, variant.name, seed=3, num_layers=k, forget_bias=1.5,
                                   **variant.options) for k in (1, 3))
    below = [name for name in single.params if name not in ("W_vocab", "b_vocab")]
    for name in below:
        np.testing.assert_array_equal(stack.params[name], single.params[name])
    new = [name for name in stack.params if name not in single.params]
    weights = ("Wx", "Wh", "b", "bn") if variant.name == "gru" else ("Wx", "Wh", "b")
    assert new == [f"layer{k}.{name}" for k in (1, 2) for name in weights]
    for k in (1, 2):
        assert stack.params[f"layer{k}.Wx"].shape == stack.params[f"layer{k}.Wh"].shape == single.params["Wh"].shape
        np.testing.assert_array_equal(stack.params[f"layer{k}.b"], single.params["b"])      # raised forget gates too
    assert ("bn" in weights) == ("layer1.bn" in new) and not stack.params.get("layer1.bn", np.zeros(1)).any()


def numeric_norm(function, size, eps=1e-6):
    """Norm of the gradient, at 0, of a function of (1, size)."""
    return np.linalg.norm([(function(e) - function(-e)) / (2 * eps) for e in eps * np.eye(size)[:, None]])


def loss_after(model, caption, target, state, t):
    """-log p of the target from the state after the word at t."""
    for word in caption[0, t + 1:target]:
        _, state = model.step(np.array([word]), state)
    scores = (state.output @ model.params["W_vocab"] + model.params["b_vocab"])[0]
    return np.log(np.exp(scores).sum()) - scores[caption[0, target]]


def moved(model, state, dh, dc=0):
    """The state with another h, and maybe c, of the last layer, whose output moves as h does."""
    states = list(state.carried)
    last = slice(-1, None) if model.cell_type in ("rnn", "gru") else slice(-2, None)
    states[last] = [array + change for array, change in zip(states[last], (dh, dc))]
    return replace(state, output=state.output + dh, carried=tuple(states))


@pytest.mark.parametrize("residual", [False, True])
def test_norms_of_gradients_are_those_of_the_last_layers_states(variant, residual, rng):
    """Against numeric gradients with respect to h of the last layer, on all paths: a stack may attend from it."""
    model, target, caption = make(variant, residual=residual), 4, CAPTIONS[:1]
    features = rng.standard_normal((1, L, D) if model.attends else (1, D))
    found, state = through_time(model, features, caption, np.array([target])).norms, model.initial_state(features)
    for t in range(target):
        _, state = model.step(caption[:, t], state)

        def of_h(dh, state=state, t=t):
            return loss_after(model, caption, target, moved(model, state, dh), t)

        def of_c(dc, state=state, t=t):
            """With what flows through h = o tanh(c)."""
            h, c = state.carried[-2:]
            dh = h / np.tanh(c) * np.tanh(c + dc) - h
            return loss_after(model, caption, target, moved(model, state, dh, dc), t)
        assert found["h"][0, t] == pytest.approx(numeric_norm(of_h, H), rel=1e-6)
        assert "c" not in found or found["c"][0, t] == pytest.approx(numeric_norm(of_c, H), rel=1e-6)
    assert ("c" in found) == (model.cell_type not in ("rnn", "gru"))


def test_a_report_shows_the_last_layer(variant, rng):
    model = make(variant)
    x, image = model.params["W_embed"][CAPTIONS[:, :-1]], model.image(pictures(model, N, rng))
    _, _, cache = model.cell.forward(model.params, image, x)
    before = model.cell.activity(cache)
    assert list(before) == list(model.cell.about.labels) and all(a.shape[:2] == (N, T) for a in before.values())
    assert model.cell.saturated(cache).shape[:2] == (N, T)
    model.params["layer1.b"] = model.params["layer1.b"] + 3
    _, _, cache = model.cell.forward(model.params, image, x)
    for name, after in model.cell.activity(cache).items():
        assert not np.allclose(after[:, 0], before[name][:, 0])
    model.params["layer1.b"] = model.params["layer1.b"] + 300
    _, _, cache = model.cell.forward(model.params, image, x)
    assert model.cell.saturated(cache).all()


def test_a_checkpoint_has_all_layers(variant, tmp_path, rng):
    model = make(variant, 3, residual=True)
    save_checkpoint(tmp_path / "stack.h5", model, {})
    again = load_checkpoint(tmp_path / "stack.h5").model
    features = pictures(model, N, rng)
    assert (again.num_layers, again.residual) == (3, True)
    again.backend = "textbook"
    np.testing.assert_array_equal(again.scores(features, CAPTIONS), model.scores(features, CAPTIONS))


def test_a_cell_without_layers_refuses_them(monkeypatch):
    flat = type("Flat", (Cell,), {"name": "flat", "shapes": lambda self: {"W_proj": "D H"}})
    monkeypatch.setitem(CELLS, "flat", flat)
    cells = "'rnn' or 'lstm' or 'gru' or 'attention' or 'bahdanau'"
    with pytest.raises(ValueError, match=f"num_layers is 2 with cell_type 'flat', expected 1: .* cell_type {cells} or"):
        CaptioningRNN(WORDS, D, W, H, "flat", num_layers=2)
    with pytest.raises(ValueError, match=f"residual is True with cell_type 'flat', expected False: .* {cells}$"):
        CaptioningRNN(WORDS, D, W, H, "flat", residual=True)
    with pytest.raises(ValueError, match="num_layers is 0, expected 1 to 32"):
        CaptioningRNN(WORDS, D, W, H, "lstm", num_layers=0)
