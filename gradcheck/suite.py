"""The project's own table: every public pair of rnnlayers and the whole models, in float64 and float32."""
from itertools import product
from typing import NamedTuple

import numpy as np

import rnnlayers
from gradcheck.check import check_model, check_pair
from gradcheck.report import Report
from gradcheck.shapes import SIZES, axes_names, draw_inputs, parse_shapes
from models import CaptioningRNN

N, T, D, W, H, V, L = (SIZES[letter] for letter in "NTDWHVL")
P = 7                               # width of pooled features
LSTM = "Wx=D,4H:ifog Wh=H,4H:ifog b=4H:ifog"
SHAPES = {                          # pair, and what is special about the case -> forward's arguments
    "affine": "x=N,D,W w=12,M b=M",
    "temporal_affine": "x=N,T,D w=D,M b=M",
    "word_embedding": "x=N,T<V W=V,D",
    "word_embedding, one word repeated": "x=N,T<1 W=V,D",
    "temporal_softmax_loss": "x=N,T,V y=N,T<V mask=N,T<bool",
    "temporal_softmax_loss, a padded row": "x=N,T,V y=N,T<V mask=N,T<bool",
    "temporal_softmax_loss, all masked": "x=N,T,V y=N,T<V mask=N,T<bool",
    "label_smoothing_penalty": "x=N,T,V y=N,T<V mask=N,T<bool",
    "label_smoothing_penalty, a padded row": "x=N,T,V y=N,T<V mask=N,T<bool",
    "rnn_step": "x=N,D prev_h=N,H Wx=D,H Wh=H,H b=H",
    "rnn": "x=N,T,D h0=N,H Wx=D,H Wh=H,H b=H",
    "lstm_step": f"x=N,D prev_h=N,H prev_c=N,H {LSTM}",
    "lstm_step, with attention": f"x=N,D prev_h=N,H prev_c=N,H {LSTM} attn=N,H Wattn=H,4H:ifog",
    "lstm": f"x=N,T,D h0=N,H {LSTM}",
    "lstm, with a first cell state": f"x=N,T,D h0=N,H {LSTM} c0=N,H",
    "dot_product_attention": "prev_h=N,H A=N,H,2,4",
    "attention": "x=N,T,D A=N,H,2,4 Wx=D,4H:ifog Wh=H,4H:ifog Wattn=H,4H:ifog b=4H:ifog",
    "additive_attention": "prev_h=N,H A=N,L,E keys=N,L,K Wq=H,K v=K Wbeta=H,E bbeta=E",
    "bahdanau": "x=N,T,D h0=N,H c0=N,H A=N,L,E Wx=D,4H:ifog Wh=H,4H:ifog Wattn=E,4H:ifog b=4H:ifog Wa=E,K ba=K Wq=H,K "
                "v=K Wbeta=H,E bbeta=E",
    "initial_state": "features=N,P Wh0=P,H bh0=H Wc0=P,H bc0=H",
    "doubly_stochastic_penalty": "weights=N,T,L mask=N,T<bool",
    "doubly_stochastic_penalty, a padded row": "weights=N,T,L mask=N,T<bool",
}
CELLS = ("rnn", "lstm", "lstm, started", "attention", "bahdanau")
GATE = "gate:ifog"
MODEL_AXES = {
    "W_embed": ("V", "W"), "W_proj": ("D", "H"), "b_proj": ("H",), "Wx": ("W", GATE), "Wh": ("H", GATE), "b": (GATE,),
    "W_vocab": ("H", "V"), "b_vocab": ("V",),
}
DTYPES = ("float64", "float32")


class Row(NamedTuple):
    kind: str                       # "pairs" or "models"
    name: str
    case: str
    backend: str
    report: Report

    def to_dict(self):
        return {**self.report.to_dict(), "name": self.name, "case": self.case, "backend": self.backend}


def check_all(seed=0, dtypes=DTYPES):
    """Check everything; yields a Row at a time."""
    for dtype in dtypes:
        for title in SHAPES:
            name, _, case = title.partition(", ")
            forward, backward = pair_of(name)
            inputs = inputs_of(title, np.random.default_rng(seed), dtype)
            report = check_pair(forward, backward, inputs, axes=axes_of(title), rng=seed)
            yield Row("pairs", name, case, "textbook", report)
        for cell, backend in product(CELLS, ("textbook", "engine")):
            yield Row("models", f"CaptioningRNN {cell}", "", backend, check_captioner(cell, dtype, seed, backend))


def pair_of(name, module=rnnlayers):
    """Forward and backward of a pair; the losses, which return their gradient themselves, are made pairs."""
    if name == "dot_product_attention":         # backward takes the gradient of the weights by keyword
        return module.dot_product_attention_forward, lambda dattn, dweights, cache: (
            module.dot_product_attention_backward(dattn, cache, dweights))
    if not hasattr(module, f"{name}_forward"):
        return getattr(module, name), lambda dloss, gradient: dloss * gradient
    return getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")


def inputs_of(title, rng, dtype="float64", scale=1.0):
    """Random inputs of a line in SHAPES; scale is that of weights (and of the scores of a loss)."""
    shapes = parse_shapes(SHAPES[title])
    scaled = {name: scale for name in shapes if name[0] in "Wwb" or "loss" in title}
    inputs = draw_inputs(shapes, np.dtype(dtype), rng, scaled)
    if title.endswith("a padded row"):
        inputs["mask"][:] = True
        inputs["mask"][0, 2:] = False
    if title.endswith("all masked"):
        inputs["mask"][:] = False
    return inputs


def axes_of(title):
    return axes_names(parse_shapes(SHAPES[title]))


def check_captioner(kind, dtype, seed, backend):
    """The loss of a CaptioningRNN on a ragged batch, with all its options.

    Complex parameters go to the textbook, so the engine's gradients too are held to its complex step.
    """
    rng, cell = np.random.default_rng(seed), kind
    words = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", *"abcdefgh"])}
    options = {"pooled_dim": P, "penalty": 0.5, "pooled_stats": _stats(rng, P, dtype)} if cell == "bahdanau" else {}
    if cell == "lstm, started":
        cell, options = "lstm", {"start": "both"}
    model = CaptioningRNN(words, D, W, H, cell, np.dtype(dtype), seed=rng, dropout=0.3, input_dropout=0.2,
                          feature_dropout=0.25, grid_dropout=0.15, feature_clip=1.5, smoothing=0.1,
                          feature_stats=_stats(rng, D, dtype), backend=backend, **options)
    vector, grid = rng.standard_normal((N, D)).astype(dtype), rng.standard_normal((N, L, D)).astype(dtype)
    pooled = rng.standard_normal((N, P)).astype(dtype)
    features = {"attention": grid, "bahdanau": (grid, pooled)}.get(cell, vector)
    captions = rng.integers(1, V, (N, T))
    captions[0, -2:] = 0                                            # a padded row
    axes = {name: names for name, names in MODEL_AXES.items() if name in model.params}
    if cell == "rnn":
        axes.update(Wx=("W", "H"), Wh=("H", "H"), b=("H",))
    report = check_model(lambda: model.loss(features, captions, np.random.default_rng(seed)), model.params, axes=axes,
                         rng=seed)
    report.name = f"CaptioningRNN {kind}"
    return report


def _stats(rng, width, dtype):
    return rng.standard_normal(width).astype(dtype), (1 + rng.random(width)).astype(dtype)
