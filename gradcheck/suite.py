"""The project's own table: every public pair of rnnlayers and the whole model's loss, in float64."""
from typing import NamedTuple

import numpy as np

import rnnlayers
from gradcheck.numeric import eval_numerical_gradient, eval_numerical_gradient_array
from models import CaptioningRNN

TOLERANCE = 1e-7            # of max|analytic - numeric| / max|numeric|, for each gradient
N, T, D, W, H, V = 2, 5, 3, 4, 6, 11        # distinct sizes, so that exchanged axes do not fit
FLOATS = {                  # pair -> shapes of forward's arguments, in order
    "affine": {"x": (N, D, W), "w": (D * W, H), "b": (H,)},
    "temporal_affine": {"x": (N, T, D), "w": (D, H), "b": (H,)},
    "word_embedding": {"x": "ids", "W": (V, D)},
    "rnn_step": {"x": (N, D), "prev_h": (N, H), "Wx": (D, H), "Wh": (H, H), "b": (H,)},
    "rnn": {"x": (N, T, D), "h0": (N, H), "Wx": (D, H), "Wh": (H, H), "b": (H,)},
    "lstm_step": {"x": (N, D), "prev_h": (N, H), "prev_c": (N, H), "Wx": (D, 4 * H), "Wh": (H, 4 * H), "b": (4 * H,)},
    "lstm_step with attention": {
        "x": (N, D), "prev_h": (N, H), "prev_c": (N, H), "Wx": (D, 4 * H), "Wh": (H, 4 * H), "b": (4 * H,),
        "attn": (N, H), "Wattn": (H, 4 * H)},
    "lstm": {"x": (N, T, D), "h0": (N, H), "Wx": (D, 4 * H), "Wh": (H, 4 * H), "b": (4 * H,)},
}


class Row(NamedTuple):
    name: str
    errors: dict            # gradient -> max|analytic - numeric| / max|numeric|

    @property
    def ok(self):
        return all(error <= TOLERANCE for error in self.errors.values())


def check_all(seed=0):
    """Check everything -> list of Row."""
    rng = np.random.default_rng(seed)
    rows = [_check_pair(name, shapes, rng) for name, shapes in FLOATS.items()]
    return [*rows, _check_loss(rng), *(_check_model(cell, rng) for cell in ("rnn", "lstm"))]


def pair_of(name):
    """The forward and backward function of a line in FLOATS."""
    stem = name.split(" ")[0]
    return getattr(rnnlayers, f"{stem}_forward"), getattr(rnnlayers, f"{stem}_backward")


def _check_pair(name, shapes, rng):
    forward, backward = pair_of(name)
    inputs = {key: rng.integers(0, V, (N, T)) if shape == "ids" else rng.standard_normal(shape)
              for key, shape in shapes.items()}
    *outs, cache = forward(*inputs.values())
    douts = [rng.standard_normal(out.shape) for out in outs]        # never ones: they hide errors that sum to zero
    grads = backward(*douts, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    keys = [key for key, value in inputs.items() if value.dtype.kind == "f"]
    numeric = {key: sum(_numeric(forward, inputs, key, k, dout) for k, dout in enumerate(douts)) for key in keys}
    return Row(name, {f"d{key}": _error(grad, numeric[key]) for key, grad in zip(keys, grads, strict=True)})


def _numeric(forward, inputs, key, k, dout):
    return eval_numerical_gradient_array(lambda _: forward(*inputs.values())[k], inputs[key], dout)


def _check_loss(rng):
    x, y, mask = rng.standard_normal((N, T, V)), rng.integers(0, V, (N, T)), rng.random((N, T)) < 0.7
    numeric = eval_numerical_gradient(lambda x: rnnlayers.temporal_softmax_loss(x, y, mask)[0], x, verbose=False)
    return Row("temporal_softmax_loss", {"dx": _error(rnnlayers.temporal_softmax_loss(x, y, mask)[1], numeric)})


def _check_model(cell, rng):
    words = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", *"abcdefgh"])}
    model = CaptioningRNN(words, D, W, H, cell, np.float64, seed=rng)
    features, captions = rng.standard_normal((N, D)), rng.integers(0, V, (N, T))
    captions[0, -2:] = 0                                            # a padded row
    grads = model.loss(features, captions)[1]
    numeric = {name: eval_numerical_gradient(lambda _: model.loss(features, captions)[0], w, verbose=False)
               for name, w in model.params.items()}
    return Row(f"CaptioningRNN {cell}", {f"d{name}": _error(grads[name], n) for name, n in numeric.items()})


def _error(analytic, numeric):
    if analytic.shape != numeric.shape:
        return np.inf
    return float(np.abs(analytic - numeric).max() / np.abs(numeric).max())
