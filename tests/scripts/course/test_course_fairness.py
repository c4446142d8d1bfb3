"""The course kit: what a mistake costs, in its task and in those that build on it, as docs/instructors.md says."""
import json
import re

import pytest

from scripts.course.draws import PUBLIC
from scripts.course.grading import goldens_of, grade
from scripts.course.in_process import InProcess
from scripts.course.project import load_project
from scripts.course.results import feedback, results_json
from scripts.course.submission import Submission
from scripts.course.tasks import ROOT, closure
from scripts.course.variants import Variant, load_variants, texts_with
from tests.samples import long, sample
from tests.scripts.course.test_course_evaluations import CENTRAL, COMPLEX

VARIANTS = {variant.name: variant.text for variant in load_variants()}
RNN = """
import numpy as np
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da.dot(Wx.T), da.dot(Wh.T), x.T.dot(da), prev_h.T.dot(da), da.sum(0)
def rnn_forward(x, h0, Wx, Wh, b):
    h, caches, prev = np.zeros((*x.shape[:2], h0.shape[1]), x.dtype), [], h0
    for t in range(x.shape[1]):
        h[:, t], cache = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
        prev = h[:, t]
        caches.append(cache)
    return h, caches
def rnn_backward(dh, caches):
    x0, _, Wx, Wh, _ = caches[0]
    dx = np.zeros((*dh.shape[:2], x0.shape[1]), dh.dtype)
    dWx, dWh, db, dprev = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wh[0]), 0
    for t in reversed(range(dh.shape[1])):
        dx[:, t], dprev, *step = rnn_step_backward(dh[:, t] + dprev, caches[t])
        dWx += step[0]
        dWh += step[1]
        db += step[2]
    return dx, dprev, dWx, dWh, db
"""
INLINED = RNN.split("def rnn_forward")[0] + VARIANTS["rnn_inlined"]
LINEAR = """
import numpy as np
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return np.zeros_like(prev_h) + sum(v.sum() for v in (x, prev_h, Wx, Wh, b)), (x, prev_h, Wx, Wh, b)
def rnn_step_backward(dnext_h, cache):
    return tuple(dnext_h.sum() * np.ones_like(v) for v in cache)
def rnn_forward(x, h0, Wx, Wh, b):
    return np.zeros((*x.shape[:2], h0.shape[1])) + sum(v.sum() for v in (x, h0, Wx, Wh, b)), (x, h0, Wx, Wh, b)
def rnn_backward(dh, cache):
    return tuple(dh.sum() * np.ones_like(v) for v in cache)
"""
NUMERIC = RNN.split("def rnn_step_backward")[0].replace("Wh, next_h)", "Wh, b)") + """
def rnn_step_backward(dnext_h, cache):
    return differences(rnn_step_forward, cache, dnext_h)
def rnn_forward(x, h0, Wx, Wh, b):
    h, hs = h0, []
    for t in range(x.shape[1]):
        h, _ = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        hs.append(h)
    return np.stack(hs, 1), (x, h0, Wx, Wh, b)
def rnn_backward(dh, cache):
    return differences(rnn_forward, cache, dh)
"""


def changed(text, *changes):
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    return text


def for_two_calls(text):
    """Both forwards right in their first two calls, and zero later."""
    for name in ("rnn_step_forward", "rnn_forward"):
        head = re.search(rf"def {name}\(.*\n", text)[0]
        text = text.replace(head, f"{head}    {name}.calls = getattr({name}, 'calls', 0) + 1\n")
    return changed(text, ("    next_h = np", "    next_h = (rnn_step_forward.calls <= 2) * np"),
                   ("    return h, caches", "    return h * (rnn_forward.calls <= 2), caches"))


STUB, STEP = "    raise NotImplementedError('task 2.1')\n", "    da = dnext_h * (1 - next_h**2)"
ROWS = {                            # the first cell of a row of the tables -> tasks, code
    "nothing": (["2.1", "2.2"], RNN),
    "`np.zeros` without a dtype": (["2.1", "2.2"], changed(RNN, (", x.dtype)", ")"), (", dh.dtype)", ")"))),
    "the step's results are float16 for float32": (["2.1", "2.2"], changed(
        RNN, ("da.sum(0)\n", "da.sum(0).astype('f2' if da.dtype == 'f4' else 'f8')\n"))),
    "the step writes to `dnext_h`": (["2.1", "2.2"], changed(
        RNN, (STEP, "    dnext_h *= 1 - next_h**2\n    da = dnext_h"))),
    "the step edits its cache": (["2.1", "2.2"], changed(
        RNN, (STEP, "    next_h **= 2\n    da = dnext_h * (1 - next_h)"))),
    "`db` of the step a mean": (["2.1", "2.2"], changed(RNN, ("da.sum(0)", "da.mean(0)"))),
    "`db` of the step with shape (1, H)": (["2.1", "2.2"], changed(RNN, ("da.sum(0)", "da.sum(0, keepdims=True)"))),
    "the step's backward not written": (["2.1", "2.2"], changed(RNN, (
        STEP, f"{STUB}{STEP}"))),
    "the step not written, the sequence without it": (["2.1", "2.2"], changed(INLINED, (
        STEP, f"{STUB}{STEP}"), ("    next_h = np", f"{STUB}    next_h = np"))),
    "the step's forward wrong, its backward right": (["2.1", "2.2"], changed(RNN, ("(Wh) + b)", "(Wh) - b)"))),
    "the sequence's `dh0` wrong": (["2.1", "2.2"], changed(RNN, ("return dx, dprev, ", "return dx, 2 * dprev, "))),
    "a sum of everything, and its gradient": (["2.1", "2.2"], LINEAR),
    "forwards that are right for two calls": (["2.1", "2.2"], for_two_calls(RNN)),
    "backwards by central differences": (["2.1", "2.2"], CENTRAL + NUMERIC),
    "backwards by the complex step": (["2.1", "2.2"], COMPLEX + NUMERIC),
    "the step does `dnext_c += ...`": (["3.1", "3.2"], changed(
        VARIANTS["lstm_scalar_zeros"], ("    dc = dnext_h * o * (1 - t * t) + dnext_c\n",
                                        "    dnext_c += dnext_h * o * (1 - t * t)\n    dc = dnext_c\n"))),
    "`db` of the step a mean, the sequence starts from 0": (["3.1", "3.2"], changed(
        VARIANTS["lstm_scalar_zeros"], ("da.sum(axis=0)", "da.mean(axis=0)"))),
    "`db` of the step a mean, 4.2 stacks for it": (["3.1", "4.2"], changed(
        VARIANTS["attention_lstm_stacked"], ("da.sum(axis=0)", "da.mean(axis=0)"))),
}


@pytest.fixture(scope="module")
def project():
    return load_project()


@pytest.fixture(scope="module")
def graded(project):
    """Function: tasks, code -> list of Graded, in the public checks; each is graded once."""
    goldens, memo, done = goldens_of(project, PUBLIC), {}, {}

    def run(tasks, text):
        if text not in done:
            submission = Submission("x", texts_with(project, Variant("x", "", tasks, 1, {}, text)), [], "")
            given = [name for name in closure(tasks, project.tasks) if name not in tasks]
            done[text] = list(grade(project, submission, tasks, PUBLIC, goldens, given, memo=memo, open_tree=InProcess))
        return done[text]
    return run


CHEATS = {                          # the same cells -> points at most
    "a sum of everything, and its gradient": 3, "forwards that are right for two calls": 5,
    "backwards by central differences": 12, "backwards by the complex step": 12}
SLOW = {"forwards that are right for two calls", "backwards by central differences",
        "the step's results are float16 for float32", "`db` of the step with shape (1, H)",
        "the step does `dnext_c += ...`", "`db` of the step a mean, the sequence starts from 0",
        "`db` of the step a mean, 4.2 stacks for it"}
FAST = [name for name in ROWS if name not in SLOW]
SAMPLE = sample(ROWS, [name for name in FAST if name in CHEATS or name in FAST[::2]])


def published():
    """First cell of a row of docs/instructors.md -> the points in it."""
    text = (ROOT / "docs/instructors.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n") if line.startswith("|")]
    return {row[0]: [float(cell) for cell in row[1:3]] for row in rows if row[0] in ROWS}


def test_the_instructors_page_says_what_costs_how_much(graded):
    told = published()
    assert told.keys() == ROWS.keys()
    for name in SAMPLE:
        assert [one.score for one in graded(*ROWS[name])] == told[name], name


@pytest.mark.parametrize("name", [name for name in CHEATS if name in SAMPLE])
def test_cheats_earn_little(name, graded):
    assert sum(one.score for one in graded(*ROWS[name])) <= CHEATS[name]


def test_a_hint_costs_nothing_and_is_shown(graded):
    step, sequence = graded(*ROWS["`np.zeros` without a dtype"])
    assert step.score + sequence.score == 22 and not step.outcomes[-1].hint
    hint = "hint: output 1 is an array (2, 5, 6) of float64 for inputs of float32"
    assert hint in "\n".join(feedback(sequence))
    shown = [test for test in json.loads(results_json([step, sequence]))["tests"] if test["output"]]
    assert [test["score"] == test["max_score"] for test in shown] == [True] and hint in shown[0]["output"]


def test_the_feedback_says_with_whose_functions_a_task_was_graded(graded):
    _, sequence = graded(*ROWS["`db` of the step a mean"])
    assert feedback(sequence)[0] == ("blocked by 2.1: graded with the reference's gradients of 2.1 behind the "
                                     "submission's forwards")
    _, sequence = graded(*ROWS["the step's forward wrong, its backward right"])
    assert feedback(sequence)[0].startswith("blocked by 2.1: graded with the reference's functions of 2.1")
    _, sequence = graded(*ROWS["the step writes to `dnext_h`"])
    assert not sequence.blocked and feedback(sequence) == []
    _, sequence = graded(*ROWS["the step edits its cache"])
    assert not sequence.blocked and feedback(sequence) == ["graded with the reference's functions of 2.1"]


@long
def test_a_loss_by_differences_is_seen(project):
    path = "models/captioning_rnn.py"
    numeric = """
        wrong, features, words = np.zeros_like(self.params["Wh"]), *self._last
        for i in np.ndindex(*wrong.shape):
            old, value = self.params["Wh"][i], []
            for eps in (1e-5, -1e-5):
                self.params["Wh"][i] = old + eps
                value.append((self._forward(features, words, None)[0] * dscores).sum())
            self.params["Wh"][i] = old
            wrong[i] = (value[0] - value[1]) / 2e-5
        grads["Wh"] = wrong
"""
    text = changed(project.texts[path], ("        x, cache_embed = word", "        self._last = features, words\n"
                                         "        x, cache_embed = word"),
                   ("        return {name: grads[name] for name in self.weights",
                    f"{numeric}        return {{name: grads[name] for name in self.weights"))
    given = [name for name in closure(["2.3"], project.tasks) if name != "2.3"]
    task, = grade(project, Submission("x", {**project.texts, path: text}, [], ""), ["2.3"], PUBLIC,
                  goldens_of(project, PUBLIC), given, open_tree=InProcess)
    assert [outcome.name for outcome in task.outcomes if outcome.problem][:8] == [
        f"d{name}" for name in ("W_embed", "W_proj", "b_proj", "Wx", "Wh", "b", "W_vocab", "b_vocab")]
    assert "a derivative by differences earns nothing" in "\n".join(feedback(task))
