"""Inputs of the pairs under test, and calls of their functions: see gradcheck.table."""
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from gradcheck.table import axes_of, inputs_of, pair_in
from scripts.course.draws import STANDARD
from scripts.course.outcomes import kind_of

LARGE = 1e3                                 # inputs this large overflow a naive softmax or logistic function
STORED = {"multihead_attention", "decoder_layer", "encoder_layer"}
# ... pairs whose gradients are held to the reference's: numeric gradients of so many arrays take long
READERS = {"multihead_attention": "attention_weights"}      # pair -> function that reads its cache


class Right(NamedTuple):
    """What the reference makes of the inputs of a case."""
    cache: object
    douts: list                     # upstream gradients
    grads: tuple


def answers(task, subject, draw):
    """The outputs of all forwards in float64, key -> tuple of arrays, and a Right for each title.

    Of special cases and of STORED pairs there are the gradients too, and of a reader what it reads. Those of the
    reference are the goldens. A student's tree lacks the Rights.
    """
    found = {key: outs_of(subject, title, draw, scale) for title in task.pairs for key, scale in cases(task, title)}
    found.update({f"{title}: right": right_of(subject, title, draw) for title in task.pairs})
    for title in (*task.special, *(title for title in task.pairs if name_of(title) in STORED)):
        outs, grads = run(subject, title, inputs(title, draw), draw)
        found.update({title: tuple(outs), f"{title}: gradients": tuple(grads)})
    return {**found, **{READERS[name]: (read(subject, name, draw),) for name in task.pairs if name in READERS}}


def right_of(subject, title, draw):
    """The Right of a title."""
    *outs, cache = called(subject, title, inputs(title, draw))
    douts = upstream(outs, draw)
    grads = pair_in(subject, name_of(title))[1](*douts, cache)
    return Right(_plain(cache), douts, grads if isinstance(grads, tuple) else (grads,))


def _plain(cache):
    """A cache of plain tuples, as it is sent: with constants by student its classes are gone by then."""
    if isinstance(cache, (tuple, list)):
        return (list if isinstance(cache, list) else tuple)(map(_plain, cache))
    return cache


def cases(task, title):
    """Keys of the goldens with the scale of the inputs."""
    large = [(f"{title}: large", LARGE)] if title in task.large else []
    return [(title, 1.0), *large]


def name_of(title):
    """The pair in a line of the table, without the special case."""
    return title.partition(", ")[0]


def inputs(title, draw, dtype="float64", scale=1.0):
    """Random inputs of a title, the floating ones multiplied by scale."""
    even = {"W": draw.sizes["W"] + draw.sizes["W"] % 2} if name_of(title) in STORED else {}         # for two heads
    found = inputs_of(title, draw.rng(title), dtype, sizes={**draw.sizes, **even})
    if "blocked" not in title:
        for mask in [found[name] for name in ("attn_mask", "memory_mask") if found.get(name) is not None]:
            mask[..., 0] = True                                     # every query sees a key
    return {name: x * x.dtype.type(scale) if is_floating(x) else x for name, x in found.items()}


def arguments_of(name, values):
    """The arguments of a pair's forward from the values in its line of the table, a dict of parameters among them."""
    return _echo(name, lambda *args: args)[0](*values)


def gradients_of(name, grads):
    """What a pair's backward returns, with a dict of gradients written out."""
    return _echo(name, lambda dout, cache: cache)[1](None, grads) if name in STORED else grads


def _echo(name, function):
    both = {f"{name}_forward": function, f"{name}_backward": function, name: function}
    return pair_in(SimpleNamespace(**both), name)


def is_floating(x):
    """Whether an input is an array of floats; a whole number or text is a setting."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def floating(inputs):
    """The inputs that have gradients."""
    return {name: x for name, x in inputs.items() if is_floating(x)}


def outs_of(subject, title, draw, scale=1.0):
    """The outputs of a forward, without the cache."""
    forward, _ = pair_in(subject, name_of(title))
    result = forward(*inputs(title, draw, scale=scale).values())
    return result[:-1] if isinstance(result, tuple) and len(result) > 1 else (result,)


def axes(title, draw):
    """Names of the axes of each input, with the gates in the order of the draw's constants."""
    return {name: tuple(axis.replace(STANDARD.gates, draw.constants.gates) for axis in axes)
            for name, axes in axes_of(title).items()}


def pair(subject, name):
    """Forward and backward. A loss of no terms may be the whole number 0, where the checker expects a float."""
    forward, backward = pair_in(subject, name)

    def loss(*args):
        result = forward(*args)
        whole = isinstance(result, tuple) and result and type(result[0]) is int
        return (float(result[0]), *result[1:]) if whole else result
    return (forward if hasattr(subject, f"{name}_forward") else loss), backward


def around(name, douts):
    """Upstream gradients as the arguments before the cache and those behind it."""
    before = len(douts) - (name == "dot_product_attention")         # its dweights comes behind the cache
    return douts[:before], douts[before:]


def run(subject, title, inputs, draw):
    """Outputs, and gradients for random upstream gradients."""
    name = name_of(title)
    *outs, cache = called(subject, name, inputs)
    grads = pair_in(subject, name)[1](*upstream(outs, draw), cache)
    return outs, grads if isinstance(grads, (tuple, list)) else (grads,)


def read(subject, name, draw):
    """What the reader of a pair finds in the cache of its forward."""
    *_, cache = called(subject, name, inputs(name, draw))
    return getattr(subject, READERS[name])(cache)


def called(subject, title, inputs):
    """What forward returns, the cache last; a loss and its gradient. Raises ValueError if there is but one."""
    name = name_of(title)
    result = pair_in(subject, name)[0](*inputs.values())
    if not isinstance(result, tuple) or len(result) < 2:
        function, both = (f"{name}_forward", "(output, cache)") if hasattr(subject, f"{name}_forward") else (
            name, "(loss, gradient)")
        raise ValueError(f"{function} returns {kind_of(result)}, expected {both}")
    return result


def upstream(outs, draw):
    """Random upstream gradients for some outputs."""
    rng = draw.rng("upstream")
    return [np.asarray(rng.standard_normal(np.shape(out)), getattr(out, "dtype", float)) for out in outs]


def watched(ask, subject, name, inputs, draw):
    """subject.writes or subject.evaluations, named by `ask`, of a pair or of a loss."""
    args = arguments_of(name, inputs.values())
    if not hasattr(subject, f"{name}_forward"):
        return getattr(subject, ask)(name, None, args)
    *outs, _ = called(subject, name, inputs)
    return getattr(subject, ask)(f"{name}_forward", f"{name}_backward", args, *around(name, upstream(outs, draw)))


def gradients_with(subject, name, inputs, right):
    """The gradients that backward makes of the cache of a Right -> tuple or list."""
    before, after = around(name, right.douts)
    grads = gradients_of(name, subject.backward_with(
        f"{name}_forward", f"{name}_backward", arguments_of(name, inputs.values()), before, right.cache, after))
    return grads if isinstance(grads, (tuple, list)) else (grads,)
