"""What students read of their results at each level, and what they can learn of the hidden checks from it."""
import json
import zipfile

import pytest

from scripts import grade
from scripts.course.draws import PUBLIC, draw_for
from scripts.course.grading import goldens_of
from scripts.course.grading import grade as grade_tasks
from scripts.course.in_process import InProcess
from scripts.course.outcomes import Outcome
from scripts.course.project import load_project
from scripts.course.results import FULL, LEVELS, PROPERTIES, SCORE, feedback, results_json, summary
from scripts.course.submission import Submission

RNN = "rnnlayers/rnn.py"
STEP = "    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)\n"


@pytest.fixture(scope="module")
def wrong():
    """A graded task that has lost two properties."""
    project = load_project()
    text = project.texts[RNN].replace("da.sum(axis=0)   # a = x Wx", "da.mean(axis=0)   # a = x Wx")
    task, = grade_tasks(project, Submission("x", {RNN: text}, [], ""), ["2.1"], PUBLIC, goldens_of(project, PUBLIC),
                        open_tree=InProcess)
    return task


def shown(task, level):
    return "\n".join([summary(task, level), *feedback(task, level), results_json([task], [], level).decode()])


def saying(task, words):
    """The task, with words of the submission in every place where they can be."""
    outcomes = [outcome._replace(problem=outcome.problem and words, report=outcome.problem and words,
                                 hint="" if outcome.problem else words) for outcome in task.outcomes]
    return task._replace(outcomes=outcomes, notes=[words], printed=words)


@pytest.mark.parametrize("level", [PROPERTIES, SCORE])
def test_nothing_that_a_submission_says_is_shown(level, wrong):
    assert "x is 4.25" in shown(saying(wrong, "x is 4.25"), FULL)
    assert "4.25" not in shown(saying(wrong, "x is 4.25"), level)
    assert shown(saying(wrong, "x is 4.25"), level) == shown(saying(wrong, "x is 5.75"), level)


def test_properties_are_named_and_a_score_is_points_alone(wrong):
    assert feedback(wrong, PROPERTIES) == ["rnn_step: db: lost"] and feedback(wrong, SCORE) == []
    hinted = wrong._replace(outcomes=[Outcome("rnn_step: dtype", 1, "", True, hint="dx is an array (2, 3)")])
    assert feedback(hinted, PROPERTIES) == ["rnn_step: dtype: more precise than the inputs, which costs nothing"]
    tests = {level: json.loads(results_json([wrong], ["a note"], level))["tests"] for level in LEVELS}
    assert [(test["name"], test["score"], test["output"]) for test in tests[SCORE]] == [
        ("2.1 One step of an RNN", wrong.score, "")]
    assert [test["score"] for test in tests[FULL]] == [test["score"] for test in tests[PROPERTIES]]


def test_a_submission_that_shows_its_inputs_is_not_shown(tmp_path, capsys):
    """By printing them, by the name and text of an exception: none reaches the student below the full feedback."""
    code = ("    import sys\n    print('seen', x.shape, x[0, 0])\n"
            "    raise type(f'Seen{x.shape[1]}', (Exception,), {})(repr(x))\n")
    text = load_project().texts[RNN].replace(STEP, code + STEP)
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        archive.writestr(RNN, text)
    size = draw_for("ada", load_project().version).sizes["D"]
    for level, seen in ((FULL, True), (PROPERTIES, False)):
        out = tmp_path / f"{level}.json"
        assert grade.main([str(tmp_path / "ada.zip"), "--task", "2.1", "--feedback", level, "--out", str(out)]) == 0
        for words in (capsys.readouterr().out, out.read_text()):
            assert (f"Seen{size}" in words, "array(" in words, "seen (" in words) == (seen, seen, seen)


def test_a_secret_changes_the_hidden_draw(tmp_path):
    assert draw_for("ada", "1", secret="a") not in (draw_for("ada", "1"), draw_for("ada", "1", secret="b"))
    (tmp_path / "secret").write_text(" \n")
    with pytest.raises(ValueError, match="secret: expected a text"):
        grade.main(["x", "--secret", str(tmp_path / "secret")])


@pytest.mark.parametrize("argv", [["x", "--student", " "], ["--class", "x", "--student", "ada"],
                                  ["x", "--feedback", "none"]])
def test_options_that_do_not_fit_are_errors(argv):
    with pytest.raises(SystemExit) as error:
        grade.parse(argv)
    assert error.value.code == 2
