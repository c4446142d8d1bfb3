"""Checks of a task that asks for forward and backward functions."""
import numpy as np

from gradcheck import check_pair
from scripts.course import pair_calls
from scripts.course.evaluations import by_differences
from scripts.course.outcomes import (
    STRANGE,
    Outcome,
    compared,
    compared_all,
    described,
    first,
    judged,
    judged_again,
    judged_dtypes,
    judgements,
    kind_of,
    problem_of,
)
from scripts.course.pair_calls import LARGE, READERS, STORED, floating, name_of

FORWARD, GRADIENTS, QUALITY = 4, 6, 1       # weights: of the forward, of all gradients, of each other property
VACUOUS = "zeros are right where all is masked: it counts once it is right in another case"
BUDGET = (20_000, 600.0)                    # evaluations and seconds of a gradient check; Limits stop it long before
FEW, SAMPLE = 3, (600, 600.0)               # wrong gradients that the checker explains where it judges none


def warm_up(task, subject, draw):
    """Call each function once."""
    for title in task.pairs:
        pair_calls.run(subject, title, pair_calls.inputs(title, draw), draw)


def check(task, subject, goldens, draw):
    """Outcomes of all properties. goldens: what pair_calls.answers() gives for the reference.

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
    inputs = pair_calls.inputs(title, draw)
    forward = judged(f"{title}: forward", FORWARD, lambda: _wrong_outs(subject, title, draw, goldens), True)
    yield forward
    if forward.problem:
        yield from _wrong_forwards_gradients(title, subject, inputs, goldens.get(f"{title}: right"))
    elif name in STORED:
        yield from _stored_gradients(title, subject, inputs, draw, goldens[f"{title}: gradients"])
    else:
        yield from _gradients(title, subject, inputs, draw)
    for quality in () if case else _qualities(task, name, subject, inputs, draw, goldens):
        yield quality if not forward.problem else quality._replace(
            problem=quality.problem or "counts once forward is right", hint="")


def _wrong_outs(subject, title, draw, goldens, key=None, scale=1.0):
    outs, expected = pair_calls.outs_of(subject, title, draw, scale), goldens[key or title]
    if len(outs) != len(expected):
        return f"forward returns {len(outs) + 1} values, expected {len(expected) + 1} with the cache"
    names = [f"output {k + 1}" if len(outs) > 1 else "the output" for k in range(len(outs))]
    return first(map(compared, outs, expected, names))


def _stored_gradients(title, subject, inputs, draw, right):
    """An Outcome for each gradient, compared with the right numbers. The checker explains what is wrong with a few."""
    names, text = list(floating(inputs)), ""
    try:
        numeric = by_differences(lambda draw: _counts(subject, name_of(title), draw), draw)
        _, grads = pair_calls.run(subject, title, inputs, draw)
        if len(grads) != len(names):
            numeric = numeric or f"backward returns {len(grads)} gradients, expected {len(names)}"
        found = compared_all(grads, right, [f"d{name}" for name in names])
        problems = {name: numeric or problem for name, problem in zip(names, found)}
        wrong = [name for name in names if problems.get(name)]
        if wrong and not numeric:
            report = _report(title, subject, inputs, draw, wrong[:FEW], SAMPLE)
            text = "" if report.problem or report.ok else str(report)
    except STRANGE as error:
        problems, numeric = {}, described(error)
    for name in names:
        problem = problems.get(name, numeric)
        yield Outcome(f"{title}: d{name}", GRADIENTS / len(names), problem, True, text if problem else "")
        text = "" if problem else text


def _report(title, subject, inputs, draw, wrt, budget=BUDGET):
    report = check_pair(*pair_calls.pair(subject, name_of(title)), inputs, wrt=wrt, axes=pair_calls.axes(title, draw),
                        budget=budget, rng=draw.rng(title, "dout"))
    report.name = title
    return report


def _gradients(title, subject, inputs, draw):
    """An Outcome for each gradient, from one check of all, or from one check each if more than numbers is wrong."""
    names, text = list(floating(inputs)), ""
    try:
        pair_calls.called(subject, title, inputs)
        numeric = by_differences(lambda draw: _counts(subject, name_of(title), draw), draw)
        report = None if numeric else _report(title, subject, inputs, draw, None)
        problems = dict.fromkeys(names, numeric) if numeric else judgements(report)
        if not numeric and (report.problem or len(problems) < len(names)):
            problems = {name: _alone(name, _report(title, subject, inputs, draw, name)) for name in names}
        if not numeric and not report.problem and not report.ok:
            text = str(report)
    except STRANGE as error:
        problems = dict.fromkeys(names, described(error))
    for name in names:
        yield Outcome(f"{title}: d{name}", GRADIENTS / len(names), problems[name], True, text if problems[name] else "")
        text = "" if problems[name] else text                       # the report is shown once


def _alone(name, report):
    return problem_of(report) or judgements(report).get(name, "not checked")


def _counts(subject, name, draw):
    """What a Watch counts in a backward, at the sizes of a draw."""
    return pair_calls.watched("evaluations", subject, name, pair_calls.inputs(name, draw), draw)


def _wrong_forwards_gradients(title, subject, inputs, right):
    """An Outcome for each gradient of a wrong forward: backward gets the reference's cache."""
    name, names, grads, problem = name_of(title), list(floating(inputs)), (), ""
    try:
        if right is None:
            problem = "counts once forward is right"
        elif hasattr(subject, f"{name}_forward"):
            grads = pair_calls.gradients_with(subject, name, inputs, right)
        else:
            grads = (right.douts[0] * getattr(subject, name)(*inputs.values())[1],)
        if not problem and len(grads) != len(names):
            problem = f"backward returns {len(grads)} gradients, expected {len(names)}"
    except STRANGE as error:
        problem = described(error)
    cache = "from the right cache " * hasattr(subject, f"{name}_forward")               # a loss has none
    found = [problem] * len(names) if problem else compared_all(
        grads, right.grads, [f"forward is wrong, and {cache}d{key}" for key in names])
    for key, wrong in zip(names, found):
        yield Outcome(f"{title}: d{key}", GRADIENTS / len(names), wrong, True)


def _qualities(task, name, subject, inputs, draw, goldens):
    yield judged(f"{name}: shapes", QUALITY, lambda: _wrong_shapes(subject, name, inputs, draw))
    yield judged_dtypes(f"{name}: dtype", QUALITY, lambda: _results(subject, name, draw))
    yield judged(f"{name}: purity", QUALITY, lambda: pair_calls.watched("writes", subject, name, inputs, draw))
    if name in task.large:
        yield judged(f"{name}: stability", QUALITY, lambda: _unstable(subject, name, draw, goldens))
    if name in READERS:
        yield judged(READERS[name], QUALITY, lambda: compared(
            pair_calls.read(subject, name, draw), goldens[READERS[name]][0], f"what {READERS[name]} returns"))
    for title in [title for title in task.special if name_of(title) == name]:
        yield judged(title, QUALITY, lambda title=title: _wrong_special(subject, title, draw, goldens))


def _wrong_special(subject, title, draw, goldens):
    """What is wrong in a special case: with its outputs, or with a gradient."""
    inputs = pair_calls.inputs(title, draw)
    outs, grads = pair_calls.run(subject, title, inputs, draw)
    return first([*compared_all(outs, goldens[title], ["the output"]), *compared_all(
        grads, goldens[f"{title}: gradients"], [f"d{name}" for name in floating(inputs)])])


def _wrong_shapes(subject, name, inputs, draw):
    _, grads = pair_calls.run(subject, name, inputs, draw)
    expected = floating(inputs)
    if len(grads) != len(expected):
        return f"backward returns {len(grads)} gradients, expected {len(expected)}: d{', d'.join(expected)}"
    return first(f"d{key} is {kind_of(grad)}, expected the shape of {key}, {x.shape}"
                 for (key, x), grad in zip(expected.items(), grads) if np.shape(grad) != x.shape)


def _results(subject, name, draw):
    """Outputs and gradients for inputs of float32, (what, value)."""
    inputs = pair_calls.inputs(name, draw, "float32")
    outs, grads = pair_calls.run(subject, name, inputs, draw)
    return [*((f"output {k + 1}", out) for k, out in enumerate(outs)),
            *((f"d{key}", grad) for key, grad in zip(floating(inputs), grads))]


def _unstable(subject, name, draw, goldens):
    problem = _wrong_outs(subject, name, draw, goldens, f"{name}: large", LARGE)
    if problem and not _clipped(subject, name, draw, goldens):
        return f"with inputs {LARGE:g} times as large {problem}"
    _, grads = pair_calls.run(subject, name, pair_calls.inputs(name, draw, scale=LARGE), draw)
    return "" if all(np.isfinite(grad).all() for grad in grads) else (
        f"with inputs {LARGE:g} times as large a gradient is not finite")


def _clipped(subject, name, draw, goldens):
    """Whether large inputs give a positive loss below the right one, as the log of clipped probabilities does."""
    return name == "temporal_softmax_loss" and (
        0 < pair_calls.outs_of(subject, name, draw, LARGE)[0] < goldens[f"{name}: large"][0])
