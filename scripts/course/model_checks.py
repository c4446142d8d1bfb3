"""Checks of a captioner's loss, of the cell 'rnn' or 'transformer', and of the captions of the first."""
import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gradcheck import check_model
from gradcheck.table import DECODER
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
    problem_of,
)
from scripts.course.pair_checks import BUDGET

LENGTH, EARLY = 7, 5               # of sampled captions, and how long the shortest of them may be at most
NULL, START, END = 0, 1, 2
SAMPLE = (150, 600.0)               # evaluations and seconds of a check of many parameters


class Kind(NamedTuple):
    """A captioner under test."""
    cell: str
    options: dict                   # of CaptioningRNN
    axes: dict                      # parameter -> letters of its axes
    sizes: dict                     # of letters that are not the draw's
    regions: tuple                  # () for features (N, D), or their number
    budget: tuple                   # of a gradient check
    dropped: tuple | None           # the parameters that are checked with dropout, None for all
    name: str                       # of its class
    numeric: bool                   # whether gradients are numeric ones, or the reference's, which take less time


RNN = Kind("rnn", {}, {
    "W_embed": ("V", "W"), "W_proj": ("D", "H"), "b_proj": ("H",), "Wx": ("W", "H"), "Wh": ("H", "H"), "b": ("H",),
    "W_vocab": ("H", "V"), "b_vocab": ("V",)}, {}, (), BUDGET, None, "CaptioningRNN", True)
LAYER = {".".join(name.rsplit("_", 1)): tuple(axes.replace("3", "F").split(","))
         for name, axes in (line.split("=") for line in DECODER)}
TRANSFORMER = Kind("transformer", {"num_heads": 2, "num_layers": 2, "dim_feedforward": 5, "max_length": 12}, {
    "W_embed": ("V", "W"), "W_proj": ("D", "W"), "b_proj": ("W",),
    **{f"layer{k}.{name}": axes for k in range(2) for name, axes in LAYER.items()},
    "W_vocab": ("W", "V"), "b_vocab": ("V",)}, {"W": 4, "H": 4, "F": 5}, (3,), SAMPLE, ("W_embed", "b_proj"),
    "CaptioningTransformer", False)
KINDS = {"loss": RNN, "sample": RNN, "transformer": TRANSFORMER}       # check of a task -> what it checks
SCALE = 1.5                         # of the parameters that caption: the words of a caption differ
DROPOUT = {"dropout": 0.3, "input_dropout": 0.2}


class Captioner:
    """One captioner with random parameters and a ragged batch for it."""

    def __init__(self, subject, draw, scale=1.0, dtype="float64", trial=0, kind=RNN):
        rng, self.subject, self.kind, self._numeric = draw.rng("captioner", trial), subject, kind, None
        sizes = {**draw.sizes, **kind.sizes}
        self.sizes = V, D, _, _ = [sizes[letter] for letter in "VDWH"]
        self.params = {name: (scale * rng.standard_normal([sizes[axis] for axis in axes])).astype(dtype)
                       for name, axes in kind.axes.items()}
        self.features = rng.standard_normal((4, *kind.regions, D)).astype(dtype)
        self.captions = rng.integers(3, V, (4, 6))
        self.captions[:, 0] = START
        self.captions[0, 4], self.captions[0, 5:] = END, NULL
        self.captions[2, 2], self.captions[2, 3:] = END, NULL

    def __call__(self, method, *args, options=None, seed=None):
        """The result of a method, and the arrays of the caller that it wrote to."""
        options = {**self.kind.options, **(options or {})}
        return self.subject.captioner(self.sizes, self.kind.cell, options, self.params, method, args, seed)

    def loss(self, captions=None, **settings):
        """Loss and gradients."""
        result, _ = self("loss", self.features, self.captions if captions is None else captions, **settings)
        return result

    def by_differences(self, draw):
        """What evaluations.by_differences says of the loss."""
        if self._numeric is None:
            self._numeric = by_differences(lambda draw: Captioner(self.subject, draw, kind=self.kind)._evaluations(),
                                           draw)
        return self._numeric

    def _evaluations(self):
        return self("evaluations", self.features, self.captions)[0]

    def steps(self):
        """Scores after each of a few given words."""
        return self("steps", self.features, self.captions[:, :3])[0]


def loss_answers(task, subject, draw):
    """The loss and its gradients -> key -> tuple of arrays."""
    model = Captioner(subject, draw, kind=KINDS[task.check])
    loss, grads = model.loss()
    return {"loss": (np.asarray(loss),), "gradients": tuple(grads[name] for name in model.params)}


def check_loss(task, subject, goldens, draw):
    """Outcomes of task 2.3 or 6.7: the value, each gradient, dtype, purity, padding, dropout."""
    kind = KINDS[task.check]
    model = Captioner(subject, draw, kind=kind)
    value = judged("loss", 4, lambda: compared(_value(model.loss()), goldens["loss"][0], "the loss"), True)
    if kind.numeric and not value.problem:
        gradients = _gradients(model, draw, "d", 6, {})
    else:
        gradients = _compared_gradients(model, draw, goldens, "the loss is wrong, and " * bool(value.problem))
    yield from judged_again([value, *gradients], lambda: compared(_value(model.loss()), goldens["loss"][0], "the loss"))
    dropout, = _gradients(model, draw, "dropout", 1, {"options": DROPOUT, "seed": 5}, kind.dropped)
    for quality in (
            judged_dtypes("dtype", 1, lambda: _gradients_of(Captioner(subject, draw, dtype="float32", kind=kind))),
            judged("purity", 1, lambda: model("loss", model.features, model.captions)[1]),
            judged("padding", 1, lambda: _padding_counts(model)), dropout._replace(essential=False)):
        yield quality if not value.problem else quality._replace(
            problem=quality.problem or "counts once the loss is right", hint="")


def sample_answers(task, subject, draw):
    """Captions and scores of single steps -> key -> tuple of arrays.

    "trial" is the first set of random parameters with which some captions end early and others do not, and with which
    the captions depend on the words that are fed.
    """
    models = (Captioner(subject, draw, SCALE, trial=trial) for trial in itertools.count())
    tried = ((model, model("sample", model.features, LENGTH)[0]) for model in models)
    trial, (model, captions) = next((k, pair) for k, pair in enumerate(tried) if _tell(*pair))
    return {"captions": (captions,), "steps": tuple(model.steps()), "trial": (np.asarray(trial),)}


def _tell(model, captions):
    """Whether some captions but not all end early, and are not those of a model that is always fed <START>."""
    ended = (captions[:, :EARLY] == END).any(axis=1)
    if not ended.any() or ended.all():
        return False
    scores, _ = model("steps", model.features, np.full(captions.shape, START))
    return bool(_wrong_captions(np.argmax(scores, axis=2).T, captions))


def check_sample(task, subject, goldens, draw):
    """Outcomes of task 2.4: the captions, the scores of single steps, dtype, purity."""
    trial = int(goldens["trial"][0])
    model = Captioner(subject, draw, SCALE, trial=trial)
    yield judged("captions", 5, lambda: _wrong_captions(model("sample", model.features, LENGTH)[0],
                                                        goldens["captions"][0]), True)
    yield judged("one step: scores", 5, lambda: first(
        [compared(found, expected, f"scores after word {k + 1}")
         for k, (found, expected) in enumerate(zip(model.steps(), goldens["steps"]))]), True)
    yield judged_dtypes("dtype", 1, lambda: [("scores", Captioner(subject, draw, SCALE, "float32", trial).steps()[0])])
    yield judged("purity", 1, lambda: model("sample", model.features, LENGTH)[1])


def warm_up(task, subject, draw):
    """Call the task's method once."""
    model = Captioner(subject, draw, kind=KINDS[task.check])
    model.steps() if task.check == "sample" else model.loss()


def _value(result):
    return result[0] if isinstance(result, tuple) and len(result) == 2 else result


def _compared_gradients(model, draw, goldens, before):
    """An Outcome for each parameter's gradient, or layer's, compared with the right one.

    So it is where the loss is wrong, and where there are many parameters. before: words before what is wrong.
    """
    right, groups, text = dict(zip(model.params, goldens["gradients"])), _groups(model.params), ""
    for group, names in groups.items():
        outcome = judged(f"d{group}", 6 / len(groups), lambda names=names: (
            model.by_differences(draw) or _wrong_gradients(model.loss()[1], right, names, before)), True)
        if outcome.problem and not before and not text:
            text = _explained(model, draw, names)
            outcome = outcome._replace(report=text)
        yield outcome


def _wrong_gradients(grads, right, names, before):
    return first(compared_all([grads[key] for key in names], [right[key] for key in names],
                              [f"{before}d{key}" for key in names]))


def _explained(model, draw, names):
    """What the checker says of a few wrong gradients, "" if nothing."""
    try:
        report = _report(model, draw, {}, names)
    except STRANGE:
        return ""
    return "" if report.ok or report.problem else str(report)


def _report(model, draw, settings, wrt=None):
    report = check_model(lambda: model.loss(**settings), model.params, wrt=wrt, axes=model.kind.axes,
                         budget=model.kind.budget, rng=draw.rng("model"))
    report.name = f"{model.kind.name}.loss"
    return report


def _groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Parameters that are judged together: those of a layer, such as "layer0.ffn.W1", and else each alone."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    return groups


def _gradients(model, draw, name, weight, settings, wrt=None):
    """An Outcome for each parameter's gradient, or of those in wrt; for dropout, one for all."""
    names = list(wrt or model.params)
    try:
        problems, text = {}, ""
        problem = model.by_differences(draw)
        if not problem:
            report = _report(model, draw, settings, wrt)
            problems = judgements(report)
            problem = problem_of(report)
            text = "" if report.ok or problem else str(report)
    except STRANGE as error:
        problems, problem, text = {}, described(error), ""
    wrong = {key: problem or problems.get(key, "not checked") for key in names}
    if name == "dropout":
        lost = first(wrong.values())
        yield Outcome("dropout", weight, lost and f"with dropout: {lost}", report=text)
        return
    groups = _groups(names)
    for key, members in groups.items():
        lost = first(wrong[member] for member in members)
        yield Outcome(f"{name}{key}", weight / len(groups), lost, True, text if lost else "")
        text = "" if lost else text


def _gradients_of(model):
    return [(f"d{name}", grad) for name, grad in model.loss()[1].items()]


def _padding_counts(model):
    longer = np.pad(model.captions, ((0, 0), (0, 3)))
    one, more = _value(model.loss()), _value(model.loss(longer))
    problem = compared(more, one, "the loss")
    return problem and f"with more padding behind the captions {problem}"


def _wrong_captions(found, expected):
    """How captions differ up to their <END>. What comes behind it may be anything: the course's go on, ours stop."""
    if isinstance(found, np.ndarray) and found.shape == expected.shape:
        behind = np.cumsum(expected == END, axis=1) - (expected == END) > 0
        found = np.where(behind, expected, found)
    return compared(found, expected, "captions")
