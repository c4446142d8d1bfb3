"""Checks of a task that asks for forward and backward functions."""
from typing import NamedTuple

import numpy as np

from gradcheck import check_pair
from gradcheck.table import axes_of, inputs_of, pair_in
from scripts.course.draws import STANDARD
from scripts.course.evaluations import by_differences
from scripts.course.outcomes import (
    STRANGE,
    Outcome,
    compared,
    described,
    first,
    judged,
    judged_again,
    judged_dtypes,
    judgements,
    kind_of,
    problem_of,
)

FORWARD, GRADIENTS, QUALITY = 4, 6, 1       # weights: of the forward, of all gradients, of each other property
LARGE = 1e3                                 # inputs this large overflow a naive softmax or logistic function
VACUOUS = "zeros are right where all is masked: it counts once it is right in another case"
BUDGET = (20_000, 600.0)                    # evaluations and seconds of a gradient check; Limits stop it long before


class Right(NamedTuple):
    """What the reference makes of the inputs of a case."""
    cache: object
    douts: list                     # upstream gradients
    grads: tuple


def answers(task, subject, draw):
    """The outputs of all forwards in float64, key -> tuple of arrays, and a Right for each title.

    Those of the reference are the goldens. A student's tree has only the outputs.
    """
    outs = {key: _outs(subject, title, draw, scale) for title in task.pairs for key, scale in _cases(task, title)}
    return {**outs, **{f"{title}: right": _right(subject, title, draw) for title in task.pairs}}


def _right(subject, title, draw):
    forward, backward = pair_in(subject, title.partition(", ")[0])
    *outs, cache = forward(*_inputs(title, draw).values())
    douts = _upstream(outs, draw)
    grads = backward(*douts, cache)
    return Right(_plain(cache), douts, grads if isinstance(grads, tuple) else (grads,))


def _plain(cache):
    """A cache of plain tuples, as it is sent: with constants by student its classes are gone by then."""
    if isinstance(cache, (tuple, list)):
        return (list if isinstance(cache, list) else tuple)(map(_plain, cache))
    return cache


def warm_up(task, subject, draw):
    """Call each function once."""
    for title in task.pairs:
        _run(subject, title, _inputs(title, draw), draw)


def check(task, subject, goldens, draw):
    """Outcomes of all properties. goldens: what answers() gives for the reference.

    The cases come in random order, and each forward is tried again when all else is done: one that counts its calls
    does not know which of them are looked at.
    """
    found = {}
    for title in map(str, draw.rng(task.name, "order").permutation(task.pairs)):
        found[title] = list(_check_case(task, title, subject, goldens, draw))
    for title in map(str, draw.rng(task.name, "again").permutation(task.pairs)):
        found[title] = judged_again(found[title], lambda title=title: _wrong_outs(subject, title, draw, goldens))
    others = [found[title] for title in task.pairs if any(map(np.any, goldens[title]))]
    for title in [title for title in task.pairs if not any(map(np.any, goldens[title]))]:
        found[title] = [outcome if outcome.problem or any(not other[k].problem for other in others)
                        else outcome._replace(problem=VACUOUS) for k, outcome in enumerate(found[title])]
    return [outcome for title in task.pairs for outcome in found[title]]


def _check_case(task, title, subject, goldens, draw):
    """Outcomes of one line of the table of pairs; the first is that of forward."""
    name, _, case = title.partition(", ")
    inputs = _inputs(title, draw)
    forward = judged(f"{title}: forward", FORWARD, lambda: _wrong_outs(subject, title, draw, goldens), True)
    yield forward
    yield from (_wrong_forwards_gradients(title, subject, inputs, goldens.get(f"{title}: right")) if forward.problem
                else _gradients(title, subject, inputs, draw))
    for quality in () if case else _qualities(task, name, subject, inputs, draw, goldens):
        yield quality if not forward.problem else quality._replace(
            problem=quality.problem or "counts once forward is right", hint="")


def _cases(task, title):
    """Keys of the goldens with the scale of the inputs."""
    large = [(f"{title}: large", LARGE)] if title in task.large else []
    return [(title, 1.0), *large]


def _inputs(title, draw, dtype="float64", scale=1.0):
    inputs = inputs_of(title, draw.rng(title), dtype, sizes=draw.sizes)
    return {name: x * x.dtype.type(scale) if x.dtype.kind == "f" else x for name, x in inputs.items()}


def _outs(subject, title, draw, scale=1.0):
    forward, _ = pair_in(subject, title.partition(", ")[0])
    result = forward(*_inputs(title, draw, scale=scale).values())
    return result[:-1] if isinstance(result, tuple) and len(result) > 1 else (result,)


def _wrong_outs(subject, title, draw, goldens, key=None, scale=1.0):
    outs, expected = _outs(subject, title, draw, scale), goldens[key or title]
    if len(outs) != len(expected):
        return f"forward returns {len(outs) + 1} values, expected {len(expected) + 1} with the cache"
    names = [f"output {k + 1}" if len(outs) > 1 else "the output" for k in range(len(outs))]
    return first(map(compared, outs, expected, names))


def _gradients(title, subject, inputs, draw):
    """An Outcome for each gradient, from one check of all, or from one check each if more than numbers is wrong."""
    names, seed, text = list(_floating(inputs)), draw.rng(title, "dout"), ""

    def report_of(wrt):
        return check_pair(*_pair(subject, title.partition(", ")[0]), inputs, wrt=wrt, axes=_axes(title, draw),
                          budget=BUDGET, rng=seed)
    try:
        _called(subject, title.partition(", ")[0], inputs)
        numeric = by_differences(lambda draw: _counts(subject, title.partition(", ")[0], draw), draw)
        report = None if numeric else report_of(None)
        problems = dict.fromkeys(names, numeric) if numeric else judgements(report)
        if not numeric and (report.problem or len(problems) < len(names)):
            problems = {name: _alone(name, report_of(name)) for name in names}
        if not numeric and not report.problem and not report.ok:
            report.name = title
            text = str(report)
    except STRANGE as error:
        problems = dict.fromkeys(names, described(error))
    for name in names:
        yield Outcome(f"{title}: d{name}", GRADIENTS / len(names), problems[name], True, text if problems[name] else "")
        text = "" if problems[name] else text                       # the report is shown once


def _axes(title, draw):
    """Names of the axes of the inputs, with the gates in the order of the draw's constants."""
    return {name: tuple(axis.replace(STANDARD.gates, draw.constants.gates) for axis in axes)
            for name, axes in axes_of(title).items()}


def _pair(subject, name):
    """Forward and backward. A loss of no terms may be the whole number 0, where the checker expects a float."""
    forward, backward = pair_in(subject, name)

    def loss(*args):
        result = forward(*args)
        whole = isinstance(result, tuple) and result and type(result[0]) is int
        return (float(result[0]), *result[1:]) if whole else result
    return (forward if hasattr(subject, f"{name}_forward") else loss), backward


def _alone(name, report):
    return problem_of(report) or judgements(report).get(name, "not checked")


def _counts(subject, name, draw):
    """What a Watch counts in a backward, at the sizes of a draw."""
    inputs = _inputs(name, draw)
    if not hasattr(subject, f"{name}_forward"):
        return subject.evaluations(name, None, inputs.values())
    *outs, _ = _called(subject, name, inputs)
    douts = _around(name, _upstream(outs, draw))
    return subject.evaluations(f"{name}_forward", f"{name}_backward", inputs.values(), *douts)


def _around(name, douts):
    """Upstream gradients as the arguments before the cache and those behind it."""
    before = len(douts) - (name == "dot_product_attention")         # its dweights comes behind the cache
    return douts[:before], douts[before:]


def _wrong_forwards_gradients(title, subject, inputs, right):
    """An Outcome for each gradient of a wrong forward: backward gets the reference's cache."""
    name, names, grads, problem = title.partition(", ")[0], list(_floating(inputs)), (), ""
    try:
        if right is None:
            problem = "counts once forward is right"
        elif hasattr(subject, f"{name}_forward"):
            before, after = _around(name, right.douts)
            grads = subject.backward_with(f"{name}_forward", f"{name}_backward", inputs.values(), before, right.cache,
                                          after)
            grads = grads if isinstance(grads, (tuple, list)) else (grads,)
        else:
            grads = (right.douts[0] * getattr(subject, name)(*inputs.values())[1],)
        if not problem and len(grads) != len(names):
            problem = f"backward returns {len(grads)} gradients, expected {len(names)}"
    except STRANGE as error:
        problem = described(error)
    for k, key in enumerate(names):
        cache = "from the right cache " * hasattr(subject, f"{name}_forward")           # a loss has none
        wrong = problem or compared(grads[k], right.grads[k], f"forward is wrong, and {cache}d{key}")
        yield Outcome(f"{title}: d{key}", GRADIENTS / len(names), wrong, True)


def _qualities(task, name, subject, inputs, draw, goldens):
    yield judged(f"{name}: shapes", QUALITY, lambda: _wrong_shapes(subject, name, inputs, draw))
    yield judged_dtypes(f"{name}: dtype", QUALITY, lambda: _results(subject, name, draw))
    yield judged(f"{name}: purity", QUALITY, lambda: _impure(subject, name, inputs, draw))
    if name in task.large:
        yield judged(f"{name}: stability", QUALITY, lambda: _unstable(subject, name, draw, goldens))


def _run(subject, title, inputs, draw):
    """Outputs, and gradients for random upstream gradients."""
    name = title.partition(", ")[0]
    *outs, cache = _called(subject, name, inputs)
    grads = pair_in(subject, name)[1](*_upstream(outs, draw), cache)
    return outs, grads if isinstance(grads, (tuple, list)) else (grads,)


def _called(subject, name, inputs):
    """What forward returns, the cache last; a loss and its gradient. Raises ValueError if there is but one."""
    result = pair_in(subject, name)[0](*inputs.values())
    if not isinstance(result, tuple) or len(result) < 2:
        function, both = (f"{name}_forward", "(output, cache)") if hasattr(subject, f"{name}_forward") else (
            name, "(loss, gradient)")
        raise ValueError(f"{function} returns {kind_of(result)}, expected {both}")
    return result


def _upstream(outs, draw):
    rng = draw.rng("upstream")
    return [np.asarray(rng.standard_normal(np.shape(out)), getattr(out, "dtype", float)) for out in outs]


def _floating(inputs):
    return {name: x for name, x in inputs.items() if x.dtype.kind == "f"}


def _wrong_shapes(subject, name, inputs, draw):
    _, grads = _run(subject, name, inputs, draw)
    expected = _floating(inputs)
    if len(grads) != len(expected):
        return f"backward returns {len(grads)} gradients, expected {len(expected)}: d{', d'.join(expected)}"
    return first(f"d{key} is {kind_of(grad)}, expected the shape of {key}, {x.shape}"
                 for (key, x), grad in zip(expected.items(), grads) if np.shape(grad) != x.shape)


def _results(subject, name, draw):
    """Outputs and gradients for inputs of float32, (what, value)."""
    inputs = _inputs(name, draw, "float32")
    outs, grads = _run(subject, name, inputs, draw)
    return [*((f"output {k + 1}", out) for k, out in enumerate(outs)),
            *((f"d{key}", grad) for key, grad in zip(_floating(inputs), grads))]


def _impure(subject, name, inputs, draw):
    """Whether it writes to arrays of its caller, as seen in the process under test."""
    if not hasattr(subject, f"{name}_forward"):
        return subject.writes(name, None, inputs.values())
    *outs, _ = _called(subject, name, inputs)
    return subject.writes(f"{name}_forward", f"{name}_backward", inputs.values(), *_around(name, _upstream(outs, draw)))


def _unstable(subject, name, draw, goldens):
    problem = _wrong_outs(subject, name, draw, goldens, f"{name}: large", LARGE)
    if problem and not _clipped(subject, name, draw, goldens):
        return f"with inputs {LARGE:g} times as large {problem}"
    _, grads = _run(subject, name, _inputs(name, draw, scale=LARGE), draw)
    return "" if all(np.isfinite(grad).all() for grad in grads) else (
        f"with inputs {LARGE:g} times as large a gradient is not finite")


def _clipped(subject, name, draw, goldens):
    """Whether large inputs give a positive loss below the right one, as the log of clipped probabilities does."""
    return name == "temporal_softmax_loss" and 0 < _outs(subject, name, draw, LARGE)[0] < goldens[f"{name}: large"][0]
