"""Checks of the captioner's loss and of its captions, on a CaptioningRNN of the cell 'rnn'."""
import itertools

import numpy as np

from gradcheck import check_model
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
    problem_of,
)
from scripts.course.pair_checks import BUDGET

LENGTH, EARLY = 7, 5               # of sampled captions, and how long the shortest of them may be at most
NULL, START, END = 0, 1, 2
AXES = {"W_embed": ("V", "W"), "W_proj": ("D", "H"), "b_proj": ("H",), "Wx": ("W", "H"), "Wh": ("H", "H"),
        "b": ("H",), "W_vocab": ("H", "V"), "b_vocab": ("V",)}
SCALE = 1.5                         # of the parameters that caption: the words of a caption differ
DROPOUT = {"dropout": 0.3, "input_dropout": 0.2}


class Captioner:
    """One captioner with random parameters and a ragged batch for it."""

    def __init__(self, subject, draw, scale=1.0, dtype="float64", trial=0):
        rng, self.subject, self._numeric = draw.rng("captioner", trial), subject, None
        self.sizes = V, D, W, H = [draw.sizes[letter] for letter in "VDWH"]
        sizes = {"V": V, "D": D, "W": W, "H": H}
        self.params = {name: (scale * rng.standard_normal([sizes[axis] for axis in axes])).astype(dtype)
                       for name, axes in AXES.items()}
        self.features = rng.standard_normal((4, D)).astype(dtype)
        self.captions = rng.integers(3, V, (4, 6))
        self.captions[:, 0] = START
        self.captions[0, 4], self.captions[0, 5:] = END, NULL
        self.captions[2, 2], self.captions[2, 3:] = END, NULL

    def __call__(self, method, *args, options=None, seed=None):
        """The result of a method, and the arrays of the caller that it wrote to."""
        return self.subject.captioner(self.sizes, "rnn", options or {}, self.params, method, args, seed)

    def loss(self, captions=None, **settings):
        """Loss and gradients."""
        result, _ = self("loss", self.features, self.captions if captions is None else captions, **settings)
        return result

    def by_differences(self, draw):
        """What evaluations.by_differences says of the loss."""
        if self._numeric is None:
            self._numeric = by_differences(lambda draw: Captioner(self.subject, draw)._evaluations(), draw)
        return self._numeric

    def _evaluations(self):
        return self("evaluations", self.features, self.captions)[0]

    def steps(self):
        """Scores after each of a few given words."""
        return self("steps", self.features, self.captions[:, :3])[0]


def loss_answers(task, subject, draw):
    """The loss and its gradients -> key -> tuple of arrays."""
    loss, grads = Captioner(subject, draw).loss()
    return {"loss": (np.asarray(loss),), "gradients": tuple(grads[name] for name in AXES)}


def check_loss(task, subject, goldens, draw):
    """Outcomes of task 2.3: the value, each gradient, dtype, purity, padding, dropout."""
    model = Captioner(subject, draw)
    value = judged("loss", 4, lambda: compared(_value(model.loss()), goldens["loss"][0], "the loss"), True)
    gradients = (_wrong_losses_gradients(model, goldens) if value.problem else _gradients(model, draw, "d", 6, {}))
    yield from judged_again([value, *gradients], lambda: compared(_value(model.loss()), goldens["loss"][0], "the loss"))
    dropout, = _gradients(model, draw, "dropout", 1, {"options": DROPOUT, "seed": 5})
    for quality in (
            judged_dtypes("dtype", 1, lambda: _gradients_of(Captioner(subject, draw, dtype="float32"))),
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
    model = Captioner(subject, draw)
    model.steps() if task.check == "sample" else model.loss()


def _value(result):
    return result[0] if isinstance(result, tuple) and len(result) == 2 else result


def _wrong_losses_gradients(model, goldens):
    """An Outcome for each parameter's gradient where the loss is wrong: it is compared with the right one."""
    for key, expected in zip(AXES, goldens["gradients"]):
        yield judged(f"d{key}", 6 / len(AXES), lambda key=key, expected=expected: compared(
            model.loss()[1][key], expected, f"the loss is wrong, and d{key}"), True)


def _gradients(model, draw, name, weight, settings):
    """An Outcome for each parameter's gradient; for dropout, one for all."""
    names = list(model.params)
    try:
        problems, text = {}, ""
        problem = model.by_differences(draw)
        if not problem:
            report = check_model(lambda: model.loss(**settings), model.params, axes=AXES, budget=BUDGET,
                                 rng=draw.rng("model"))
            problems = judgements(report)
            report.name, problem = "CaptioningRNN.loss", problem_of(report)
            text = "" if report.ok or problem else str(report)
    except STRANGE as error:
        problems, problem, text = {}, described(error), ""
    wrong = {key: problem or problems.get(key, "not checked") for key in names}
    if name == "dropout":
        lost = first(wrong.values())
        yield Outcome("dropout", weight, lost and f"with dropout: {lost}", report=text)
        return
    for key in names:
        yield Outcome(f"{name}{key}", weight / len(names), wrong[key], True, text if wrong[key] else "")
        text = "" if wrong[key] else text


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
