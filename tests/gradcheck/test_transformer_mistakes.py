"""Mistakes in a transformer's layers that are not ours, and in the captioner as a whole."""
import inspect
import types
from pathlib import Path

import numpy as np
import pytest

from gradcheck import check_pair, suite
from gradcheck.__main__ import main
from gradcheck.known.match import find
from models.cells import CELLS, transformer
from tests.gradcheck import strange_transformer
from tests.samples import sample

SHAPES = {"mha": {"query": (2, 3, 6), "key": (2, 4, 6), "value": (2, 4, 6),
                  **{f"w_{x}": (6, 6) for x in "qkvo"}},
          "block": {"x": (2, 3, 6), **{f"w_{x}": (6, 6) for x in "qkvo"}, "g1": (6,), "b1": (6,), "W1": (6, 4),
                    "c1": (4,), "W2": (4, 6), "c2": (6,), "g2": (6,), "b2": (6,)}}
SCALE = "(dp * p).sum(-1, keepdims=True)) / np.sqrt(d)"
MISTAKES = [        # layer, a piece of the file, what stands there instead, words of the diagnosis
    ("mha", SCALE, SCALE[:-len(" / np.sqrt(d)")], r"the factor 1 / sqrt(3) of the scores is missing"),
    ("mha", SCALE, SCALE.replace("(d)", "(e)"), "divided by sqrt(6), the root of all heads' width, expected sqrt(3)"),
    ("mha", "k.transpose(0, 1, 3, 2) / np.sqrt(d)", "k.transpose(0, 1, 3, 2)",
     "the scores' gradient is divided by sqrt(3), but forward does not divide the scores"),
    ("mha", "return a.transpose(0, 2, 1, 3).reshape", "return a.transpose(0, 2, 3, 1).reshape",
     "the columns of queries, keys and values are put together interleaved"),
    ("mha", "p * (dp - (dp * p).sum(-1, keepdims=True))", "p * (dp - (dp * p).sum(1, keepdims=True))",
     "the sum in the gradient of the softmax of the attention runs over axis 1"),
    ("block", "dy = d + dh", "dy = dh", "the residual path around the feed-forward layer is dropped"),
    ("block", "return d + dq", "return dq", "the residual path around the self-attention is dropped"),
    ("block", "return d + dq + dk + dv", "return d + dq + dk", "lacks the path through the values"),
    ("block", "(d - d.mean(-1, keepdims=True) - xh", "(d - xh", "the path through the mean is dropped"),
    ("block", "np.sqrt(var + 1e-5), dg", "np.sqrt(var), dg", "eps is left out of 1 / sqrt(variance + eps)"),
    ("block", " * (h > 0)", "", "the derivative of relu is missing"),
]
ONE, TWO, TIED, THREE = suite.TRANSFORMERS
OF_THE_CELL = [     # captioner, a piece of models/cells/transformer.py, what stands there instead
    (TWO, "dmemory = dmemory + dmemory_k", "dmemory = dmemory_k"),
    (ONE, "dx = dh * keep_x", "dx = dh"),
    (THREE, "dmemory = dmemory[:, 1:]", "dmemory = dmemory[:, :-1]"),
    (THREE, "affine_backward(dmemory[:, 0], memory.pooled)", "affine_backward(dmemory[:, 1], memory.pooled)"),
    (TWO, "= dmemory.sum(axis=0)", "= dmemory.mean(axis=0)"),
    (TWO, "dh, *dfinal = layernorm_backward(dh, final)", "_, *dfinal = layernorm_backward(dh, final)"),
    (TIED, 'grads.update({f"layer{k}.{name}": dw', 'grads.update({f"layer{1 - k}.{name}": dw'),
]


def replaced(module, old, new):
    """A module with a piece of its source, which stands there once, replaced."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, old
    found = types.ModuleType(module.__name__)
    exec(compile(source.replace(old, new), module.__name__, "exec"), vars(found))
    return found


def check(module, layer, rng):
    inputs = {name: rng.standard_normal(shape) for name, shape in SHAPES[layer].items()}
    return check_pair(getattr(module, f"{layer}_forward"), getattr(module, f"{layer}_backward"), inputs)


@pytest.mark.parametrize("layer", SHAPES)
def test_strange_layers_are_right_and_known(layer, rng):
    check(strange_transformer, layer, rng).raise_if_failed()
    inputs = {name: rng.standard_normal(shape) for name, shape in SHAPES[layer].items()}
    out, cache = getattr(strange_transformer, f"{layer}_forward")(*inputs.values())
    graph, nodes = find(inputs, [out])
    dout = rng.standard_normal(out.shape)
    grads = graph.gradients(nodes, [dout])
    for name, own in zip(inputs, getattr(strange_transformer, f"{layer}_backward")(dout, cache), strict=True):
        np.testing.assert_allclose(grads[name], own, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("layer, old, new, words", sample(MISTAKES, [*MISTAKES[:5], MISTAKES[6]]))
def test_mistakes_in_strange_layers_are_named(layer, old, new, words, rng):
    report = check(replaced(strange_transformer, old, new), layer, rng)
    assert not report.ok and [words in diagnosis.sentence for diagnosis in report.diagnoses] == [True], report


def test_shapes_of_a_strange_file_are_read_in_its_docstrings(capsys):
    assert main([str(Path(strange_transformer.__file__))]) == 0
    said = capsys.readouterr().out
    assert "w_o=8,8 mask=6,10<bool" in said and "found pairs: 2, not checked: 0" in said


@pytest.mark.parametrize("captioner, old, new", sample(OF_THE_CELL, OF_THE_CELL[1:2]))
def test_mistakes_of_the_captioner_are_found(captioner, old, new, monkeypatch):
    monkeypatch.setitem(CELLS, "transformer", replaced(transformer, old, new).Transformer)
    report = suite.check_captioner(captioner._replace(budget=60), "float64", 0, "textbook")
    assert report.problem is None and not report.ok
