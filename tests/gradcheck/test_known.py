"""Layers that the checker knows: recognised in many layouts, with the right gradient if they make no mistake."""
import numpy as np
import pytest

from gradcheck import check_pair
from gradcheck.known.graph import ASSIGNED, Graph
from gradcheck.known.match import find
from gradcheck.suite import inputs_of, pair_of
from scripts.course import strangers
from scripts.course.kill_matrix import random_inputs, right_pair


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, h, c, W, b):
    """Gates i, f, g, o; weights of [h, x], turned; time first; states of all steps and the last cell."""
    hs = []
    for x_t in x:
        i, f, g, o = np.split(np.hstack([h, x_t]) @ W.T + b, 4, axis=1)
        c = _logistic(f) * c + _logistic(i) * np.tanh(g)
        h = _logistic(o) * np.tanh(c)
        hs.append(h)
    return np.stack(hs), c


def columns(x, h, W, V, b):
    """A tanh step on columns."""
    return (np.tanh(W @ x + V @ h + b),)


def gru(x, Wx, Wh, bx, bh):
    """Gates z, r, n with two biases; a first state of zeros; the last state alone."""
    h = np.zeros((len(x), Wh.shape[0]))
    for t in range(x.shape[1]):
        a, u = np.split(x[:, t] @ Wx + bx, 3, axis=1), np.split(h @ Wh + bh, 3, axis=1)
        z, r = _logistic(a[0] + u[0]), _logistic(a[1] + u[1])
        h = z * h + (1 - z) * np.tanh(a[2] + r * u[2])
    return (h,)


def spatial_norm(x, gamma):
    scale = 1 / np.sqrt(x.var(axis=(0, 2, 3), keepdims=True) + 1e-3)
    return (gamma.reshape(1, -1, 1, 1) * (x - x.mean(axis=(0, 2, 3), keepdims=True)) * scale,)


def group_norm(x):
    y = x.reshape(len(x), 2, -1)
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + 1e-5)
    return (y.reshape(x.shape),)


def rms_norm(x, gain):
    return (x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * gain,)


def cross_attention(q, m, Wq, bq, Wk, Wv):
    s = (q @ Wq + bq) @ (m @ Wk).T / np.sqrt(Wq.shape[1])
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True) @ (m @ Wv),)


def pool_last(x):
    """A mean over windows 2 by 3, pictures (N, H, W, C)."""
    N, H, W, C = x.shape
    return (x.reshape(N, H // 2, 2, W // 3, 3, C).mean(axis=(2, 4)),)


LAYERS = {
    lstm: {"x": (4, 2, 3), "h": (2, 5), "c": (2, 5), "W": (20, 8), "b": (20,)},
    columns: {"x": (3, 2), "h": (5, 2), "W": (5, 3), "V": (5, 5), "b": (5, 1)},
    gru: {"x": (2, 4, 3), "Wx": (3, 15), "Wh": (5, 15), "bx": (15,), "bh": (15,)},
    spatial_norm: {"x": (2, 3, 5, 4), "gamma": (3,)},
    group_norm: {"x": (2, 6, 5, 3)},
    rms_norm: {"x": (2, 4, 5), "gain": (5,)},
    cross_attention: {"q": (3, 4), "m": (5, 4), "Wq": (4, 6), "bq": (6,), "Wk": (4, 6), "Wv": (4, 7)},
    pool_last: {"x": (2, 4, 6, 3)},
    lambda x: (np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),): {"x": (3, 5, 2)},
    lambda x, w, b: (_logistic(w @ x + b),): {"x": (3, 4), "w": (5, 3), "b": (5, 1)},
}


def slopes(f, inputs, name, douts, h=1e-6):
    """The gradient of one input by central differences of forward alone."""
    x, found = inputs[name], np.zeros(inputs[name].shape)
    for place in np.ndindex(*x.shape):
        sums = []
        for step in (h, -h):
            moved = x.copy()
            moved[place] += step
            sums.append(sum((out * d).sum() for out, d in zip(f(*{**inputs, name: moved}.values()), douts)))
        found[place] = (sums[0] - sums[1]) / (2 * h)
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_recognised_and_its_graph_has_the_right_gradient(layer, rng):
    inputs = {name: rng.standard_normal(shape) for name, shape in LAYERS[layer].items()}
    outs = layer(*inputs.values())
    douts = [rng.standard_normal(out.shape) for out in outs]
    graph, nodes = find(inputs, outs)
    grads = graph.gradients(nodes, douts)
    for name in inputs:
        assert np.allclose(grads[name], slopes(layer, inputs, name, douts), rtol=1e-5, atol=1e-7), name
    wrong = [graph.gradients(nodes, douts, mistake) for mistake in graph.mistakes()]
    assert any(not np.allclose(one[name], grads[name]) for one in wrong for name in inputs)


@pytest.mark.parametrize("title", strangers.SHAPES)
def test_the_graph_of_each_strangers_layer_agrees_with_its_backward(title, rng):
    forward, backward = right_pair(title)
    inputs = random_inputs(title, rng, "float64", 1.0)
    out, cache = forward(*inputs.values())
    dout = rng.standard_normal(np.shape(out))
    own = backward(dout, cache)
    names = [name for name in inputs if inputs[name].dtype.kind == "f"]
    if title == "lookup":
        assert find(inputs, [out]) is None          # mistakes in an embedding show without a graph
        return
    graph, nodes = find(inputs, [out])
    grads = graph.gradients(nodes, [dout])
    for name, grad in zip(names, own if isinstance(own, tuple) else (own,)):
        assert np.allclose(grads[name], grad, rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize("title", [
    "rnn", "lstm", "gru", "rnn_step", "lstm_step", "gru_step", "lstm_step, with attention"])
def test_the_projects_cells_are_recognised(title, rng):
    inputs = inputs_of(title, rng)
    *outs, _ = pair_of(title.partition(", ")[0])[0](*inputs.values())
    assert find(inputs, outs) is not None


def test_no_layer_is_recognised_by_its_shapes_alone(rng):
    inputs = {name: rng.standard_normal(shape) for name, shape in LAYERS[lstm].items()}
    out, c = lstm(*inputs.values())
    assert find(inputs, [out + 1e-6, c]) is None and find({}, []) is None


def test_a_gradient_is_assigned_only_where_steps_meet(rng):
    g = Graph({"w": rng.standard_normal(3)})
    w = g.same(g["w"], repeated=True)
    y = g.add(g.times(w, 2.0), g.times(w, 5.0))
    assert np.allclose(g.gradients([y], [np.ones(3)])["w"], 7)
    assert np.allclose(g.gradients([y], [np.ones(3)], ASSIGNED)["w"], 2)       # the last one in reverse order


@pytest.mark.parametrize("states", [(True, False), (False, True)])
def test_zeros_from_assigning_in_the_loop_are_named(states, rng):
    """With h0 = 0 the first step adds nothing to dWh, so a loop that assigns leaves zeros."""
    forward, backward = pair_of("rnn")
    inputs = inputs_of("rnn", rng)
    inputs["h0"] = np.zeros_like(inputs["h0"])

    def wrong(dout, cache):
        dx, dh0, dWx, dWh, db = backward(dout, cache)
        first = cache[0].x.T @ _first(dout, cache) if states[0] else dWx
        return dx, dh0, first, np.zeros_like(dWh), db
    report = check_pair(forward, wrong, inputs, wrt=["x", "Wx", "Wh", "b"])
    sentences = " ".join(diagnosis.sentence for diagnosis in report.diagnoses)
    assert not report.ok and "assigned instead of accumulated" in sentences
    assert ("zero everywhere" in sentences) == (not states[0])


def _first(dout, cache):
    """The gradient of the first step's sum before tanh."""
    from rnnlayers import rnn_step_backward
    carry = 0
    for t in reversed(range(len(cache))):
        step = dout[:, t] + carry
        carry = rnn_step_backward(step, cache[t])[1]
    return step * (1 - cache[0].next_h**2)
