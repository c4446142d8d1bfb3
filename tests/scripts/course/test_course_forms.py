"""The course kit: forms that functions and caches of a submission take, what they cost, and what the report says."""
import numpy as np
import pytest

from scripts.course.cache_form import copied, in_form_of
from scripts.course.channel import Remote
from scripts.course.draws import PUBLIC
from scripts.course.grading import goldens_of, grade
from scripts.course.in_process import InProcess
from scripts.course.project import load_project
from scripts.course.results import feedback
from scripts.course.stand_in import stand_in
from scripts.course.submission import Submission
from scripts.course.tasks import closure
from scripts.course.variants import Variant, load_variants, texts_with

VARIANTS = {variant.name: variant.text for variant in load_variants()}


@pytest.fixture(scope="module")
def graded():
    """Function: tasks, a solution's name, changes of its text -> list of Graded, in the public checks."""
    project = load_project()
    goldens = goldens_of(project, PUBLIC)

    def run(tasks, name, *changes, open_tree=InProcess):
        text = VARIANTS[name]
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        submission = Submission("x", texts_with(project, Variant("x", "", tasks, 1, {}, text)), [], "")
        given = [need for need in closure(tasks, project.tasks) if need not in tasks]
        return list(grade(project, submission, tasks, PUBLIC, goldens, given, open_tree=open_tree))
    return run


def test_a_copy_of_a_cache_shares_no_array_and_loses_no_attribute():
    class Fields(dict):
        def __init__(self, **fields):
            super().__init__(**fields)
            self.__dict__ = self

    x = np.arange(3.0)
    cache = {"steps": [(x, 1)]}
    other = copied(cache)
    assert other["steps"][0][0] is not x and np.array_equal(other["steps"][0][0], x)
    own = [Fields(x=x)]
    assert copied(own)[0].x is x


def test_options_that_are_not_used_may_be_missing_in_a_cache():
    x, h = np.ones(2), np.ones((2, 3))
    assert in_form_of((0 * x, 0 * h), (x, None, h, False))[1] is h
    assert in_form_of((0 * x, None), (x, None)) == (x, None)


def test_a_stand_in_takes_keywords_and_names_the_function_in_errors():
    def forward(x, w):
        return x * w, (x, w)

    def right(dout, cache):
        return dout * cache[1], dout * cache[0]

    def own(dout, cache):
        return 0, 0
    both_forward, both_backward = stand_in(forward, right, forward, own)
    _, cache = both_forward(w=np.array(3.0), x=np.array(2.0))
    assert both_backward(cache=cache, dout=np.array(5.0)) == (15, 10)
    with pytest.raises(TypeError, match=r"own\(\) got an unexpected keyword argument 'd'"):
        both_backward(d=1, cache=cache)


def test_a_step_replaced_by_the_reference_is_called_by_keyword(graded):
    step, sequence = graded(["2.1", "2.2"], "rnn_tuples", ("db = np.sum(dout", "db = np.mean(dout"), (
        "rnn_step_backward(dh[:, t, :] + dprev_h, cache[t])",
        "rnn_step_backward(cache=cache[t], dnext_h=dh[:, t, :] + dprev_h)"))
    assert (step.score, sequence.score) == (9.08, 12)


def test_a_forward_may_return_a_list(graded):
    for task in graded(["2.1", "2.2"], "rnn_tuples", ("return next_h, cache", "return [next_h, cache]"),
                       ("return h, cache", "return [h, cache]")):
        assert task.score == task.task.points


def test_a_forward_without_a_cache_is_told_so(graded):
    task, = graded(["2.1"], "rnn_tuples", ("return next_h, cache", "return next_h"))
    assert "rnn_step_forward returns an array (2, 6) of float64, expected (output, cache)" in "\n".join(feedback(task))


def test_backward_of_the_courses_lstm_is_tried_behind_a_wrong_forward(graded):
    fields = "x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c"             # those in the students' tree
    task, = graded(["3.1"], "lstm_course", ("(Wh) + b", "(Wh) - b"), ("    tanh_c = np.tanh(next_c)\n", ""),
                   ("x, prev_h, prev_c, Wx, Wh, b, a, i, f, o, g, next_c, next_h", fields),
                   ("    next_h = o * np.tanh(next_c)\n", "    tanh_c = np.tanh(next_c)\n    next_h = o * tanh_c\n"))
    assert task.score == pytest.approx(14 * 6 / 14)


def test_zeros_where_all_is_masked_count_with_another_case_only(graded):
    task, = graded(["1.3"], "softmax_clip", ("return loss, dx_flat", "return 0 * loss, 0 * dx_flat"))
    assert task.score == 0
    text = "\n".join(feedback(task))
    assert "all masked: forward: zeros are right where all is masked" in text and "right cache" not in text
    task, = graded(["1.3"], "softmax_clip", ("loss = -np.sum(", "loss = np.sum("))
    assert [outcome.name for outcome in task.outcomes if not outcome.problem] == [
        f"temporal_softmax_loss{case}: dx" for case in ("", ", a padded row", ", all masked")]


def test_a_report_is_headed_by_its_pair_and_leaves_no_line_behind(graded):
    task, = graded(["2.1"], "rnn_tuples", ("dx = dout.dot(Wx.T)", "dx = 2 * dout.dot(Wx.T)"),
                   ("db = np.sum(dout", "db = np.mean(dout"))
    lines = feedback(task)
    assert lines[0].startswith("rnn_step: WRONG (float64") and "rnn_step: db: wrong" not in lines


def test_the_checkers_complex_step_leaves_no_warning(graded):
    task, = graded(["2.1"], "rnn_tuples", ("    cache = (x,", "    own = np.zeros(x.shape)\n    own[:] = x\n"
                                           "    cache = (x,"), open_tree=Remote)
    assert task.score == 10 and task.printed == ""
