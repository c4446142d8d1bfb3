"""CaptioningRNN's work done by rnnlayers.engine: what it needs of features, captions and dropout, in packed order.

The engine, and with it Numba, is imported by the first call.
"""
import numpy as np

from models.dropout import keep_scale, kept
from rnnlayers.shapes import check_ids
from rnnlayers.workspace import aligned


def loss(model, features, captions, rng, memory):
    """CaptioningRNN.loss -> loss, the penalty's part of it, gradients in memory's arrays."""
    from rnnlayers import engine
    packed, image = _pack(engine, model, features, captions, memory, rng)
    (N, T), (H, _) = captions[:, 1:].shape, model.params["W_vocab"].shape
    sizes = (("keep x", model.params["W_embed"].shape[1], model.input_dropout), ("keep h", H, model.dropout))
    keeps = [_rows(packed, kept((N, T, size), rng, share), share, model, memory, name) for name, size, share in sizes]
    return engine.loss_and_gradients(model.kind, model.params, image, packed, N, *keeps, model.penalty,
                                     model.smoothing, memory)


def negative_log_likelihood(model, features, captions, memory):
    """Total -log p of all words that are not <NULL>, in nats."""
    from rnnlayers import engine
    packed, image = _pack(engine, model, features, captions, memory)
    return engine.negative_log_likelihood(model.kind, model.params, image, packed, memory)


def start(model, image):
    """CaptioningRNN.start, of an Image."""
    from rnnlayers import engine
    engine.check_params(model.kind, model.params, image)
    return engine.start(model.kind, model.params, image)


def step(model, words, state):
    """CaptioningRNN.step."""
    from rnnlayers import engine
    engine.check_state(model.kind, model.params, state)
    if words.shape != (len(state.h),):
        raise ValueError(f"CaptioningRNN: words is {words.shape}, expected ({len(state.h)},), one for each caption")
    check_ids("CaptioningRNN", "words", words, len(model.params["W_embed"]))
    return engine.step(model.kind, model.params, words, state)


def greedy_alone(model, image, length):
    """CaptioningRNN.sample of one picture where one compiled loop does it best -> ids (T,), else None."""
    from rnnlayers import engine
    engine.check_params(model.kind, model.params, image)
    check_ids("CaptioningRNN", "<START>", np.array([model._start]), len(model.params["W_embed"]))
    end = -1 if model._end is None else model._end
    return engine.greedy_alone(model.kind, model.params, image, model._start, end, length)


def update(rule, w, dw, config, scale, weight_decay):
    """Update w and config in place; -> whether that can be: else the caller has to take rnnlayers.optim."""
    from rnnlayers import engine
    for name, value in config.items():
        if isinstance(value, np.ndarray):
            config[name] = aligned(value)
    arrays = [w, dw, *(value for value in config.values() if isinstance(value, np.ndarray))]
    if w.dtype not in (np.float32, np.float64) or not all(
            a.dtype == w.dtype and a.shape == w.shape and a.flags.c_contiguous and a.flags.writeable for a in arrays):
        return False
    engine.update(rule, w, dw, config, scale, weight_decay)
    return True


def _pack(engine, model, features, captions, memory, rng=None):
    """The packed batch, and its features in the packed order, (vector, grid)."""
    image = model.image(features, len(captions))
    engine.check_params(model.kind, model.params, image)
    check_ids("CaptioningRNN", "captions", captions, len(model.params["W_embed"]))
    packed = engine.pack(captions[:, :-1], captions[:, 1:], model._null)
    parts = []
    for name, part, keep in zip(image._fields, image, model.feature_masks(image, rng)):
        if part is not None:
            part = np.take(part, packed.order, 0, memory(name, part.shape, part.dtype), "clip")
            if np.ndim(keep):
                part *= keep[packed.order]
        parts.append(part)
    return packed, parts


def _rows(packed, keep, share, model, memory, name):
    """A mask (N, T, W) as packed rows of 0 and 1 / (1 - share)."""
    if keep is None:
        return None
    rows = memory(name, (len(packed.words), keep.shape[2]), model.params["W_vocab"].dtype)
    return np.multiply(keep[packed.caption, packed.time], keep_scale(share), out=rows)
