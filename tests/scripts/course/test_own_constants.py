"""Constants by student: the same in text and checks, so that a copied solution loses where they differ."""
import functools
import json

import numpy as np
import pytest

from models import CaptioningRNN
from scripts import grade, make_assignment, pack_submission
from scripts.course.draws import STANDARD, draw_for
from scripts.course.grade_matrix import Matrix, place_of
from scripts.course.grader_mutants import GRADED
from scripts.course.grading import goldens_of
from scripts.course.grading import grade as grade_tasks
from scripts.course.in_process import InProcess
from scripts.course.modules import modules_from
from scripts.course.own_constants import EPSILONS, LOSSES, ORDERS, changed, constants_for, project_for, with_constants
from scripts.course.project import load_project
from scripts.course.results import feedback
from scripts.course.roster import read_roster
from scripts.course.submission import Submission
from scripts.course.task_folder import folder_of
from tests.samples import long, sample

PROJECT = load_project()
WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "a", "red", "ring", "star"])}


@functools.cache
def goldens(constants, student):
    own = with_constants(PROJECT, constants)
    return goldens_of(own, draw_for(student, own.version, constants))


def graded(project, texts, names, student="ada"):
    """A submission's tasks, name -> Graded."""
    draw, right = draw_for(student, project.version, project.constants), goldens(project.constants, student)
    return {one.task.name: one for one in grade_tasks(project, Submission(student, texts, [], ""), names, draw, right,
                                                      open_tree=InProcess)}


def lost(found):
    return {name for name, one in found.items() if one.score < one.task.points}


def test_constants_are_the_ids_and_never_the_projects():
    drawn = {constants_for(f"student {k}", "1") for k in range(300)}
    for mine, others, standard in zip(zip(*drawn), (ORDERS, EPSILONS, LOSSES), STANDARD):
        assert set(mine) == set(others) and standard not in others
    assert constants_for(" Ada@X.edu", "1") == constants_for("ada@x.edu", "1") != constants_for("ada@x.edu", "2")


@pytest.mark.parametrize("loss", LOSSES)
def test_the_own_solution_is_right_and_copies_lose_where_constants_differ(loss):
    student = next(name for name in map(str, range(100)) if constants_for(name, PROJECT.version).loss == loss)
    own = project_for(PROJECT, student)
    names = ["1.3", "1.4", "5.5"] if loss == "word" else ["5.5"]
    assert not lost(graded(own, own.texts, names, student))
    assert lost(graded(own, PROJECT.texts, names, student)) == set(names)
    other = with_constants(PROJECT, own.constants._replace(epsilon=max(set(EPSILONS) - {own.constants.epsilon})))
    assert lost(graded(own, other.texts, ["1.4"], student)) == {"1.4"}


@long
def test_an_lstm_of_another_order_loses_and_reports_name_the_own_gates():
    own = with_constants(PROJECT, STANDARD._replace(gates="gofi"))
    wrong = own.texts["rnnlayers/lstm.py"].replace("df * f * (1 - f)", "2 * df * f * (1 - f)")
    report = "\n".join(feedback(graded(own, {"rnnlayers/lstm.py": wrong}, ["3.1"])["3.1"]))
    assert "gate f" in report and "gate i" not in report and "gate o" not in report
    assert not lost(graded(own, own.texts, ["3.1"])) and lost(graded(own, PROJECT.texts, ["3.1"]))


@pytest.mark.parametrize("pair", ["adam", "label_smoothing_penalty"])      # grade_matrix --variants has them all
def test_mutants_are_wrong_with_any_constants(pair):
    own = project_for(PROJECT, "ada")
    mutant = next(mutant for mutant in GRADED if mutant.pair == pair)
    path, task = place_of(mutant, own)
    assert lost(graded(own, {path: own.texts[path].replace(mutant.old, mutant.new)}, [task])) == {task}


def test_the_reordered_form_of_adam_is_right_with_the_own_epsilon():
    own = with_constants(PROJECT, STANDARD._replace(epsilon=3e-6))
    old = 'float(config.get("epsilon", 3e-6))'
    text = own.texts["rnnlayers/optim.py"].replace(old, f'{old} / (1 - beta2 ** config["t"]) ** 0.5')
    assert text.count("** 0.5") == 1 and not lost(graded(own, {"rnnlayers/optim.py": text}, ["1.4"]))


def test_the_matrix_knows_where_a_copy_loses(monkeypatch):
    own = with_constants(PROJECT, STANDARD._replace(gates="gofi", loss="bit"))
    matrix = Matrix(own, InProcess, "ada")
    monkeypatch.setattr(matrix, "row", lambda name, task, texts: (name, task))
    assert matrix.copied(PROJECT, "all") == ("the solution of all", "3.1, 1.3, 5.5, 6.6")
    assert matrix.copied(own, "ada")[1] == ""


@pytest.mark.parametrize("loss", sample(LOSSES, list(LOSSES)[2:]))
def test_a_captioner_with_other_constants_is_the_same_but_for_its_columns_and_its_loss(loss):
    own = with_constants(PROJECT, STANDARD._replace(gates="ogif", loss=loss))
    rng = np.random.default_rng(3)
    features, captions = rng.standard_normal((3, 5)), np.array([[1, 3, 4, 2, 0], [1, 5, 2, 0, 0], [1, 3, 6, 4, 2]])
    model = CaptioningRNN(WORDS, 5, 4, 6, "lstm", np.float64, seed=1, forget_bias=2.0, backend="textbook")
    solved = {path: own.text(path, own.tasks) for path in own.texts}
    with folder_of({**own.under_test, **solved}) as folder, modules_from(folder):
        from models import CaptioningRNN as Own
        other = Own(WORDS, 5, 4, 6, "lstm", np.float64, seed=1, forget_bias=2.0)
        assert np.allclose(other.params["b"], np.repeat([0, 0, 0, 2], 6))
        for name in ("Wx", "Wh", "b"):
            blocks = np.split(model.params[name], 4, axis=-1)
            other.params[name] = np.concatenate([blocks["ifog".index(gate)] for gate in "ogif"], axis=-1)
        assert np.allclose(other.scores(features, captions), model.scores(features, captions))
        assert np.allclose(other.negative_log_likelihood(features, captions),
                           model.negative_log_likelihood(features, captions))
        scale = {"word": 3 / 9, "bit": 1 / np.log(2), "bit a word": 3 / 9 / np.log(2)}[loss]
        assert np.isclose(other.loss(features, captions)[0], scale * model.loss(features, captions)[0])


def test_text_that_is_not_found_is_an_error_and_without_constants_nothing_changes():
    assert changed("rnnlayers/lstm.py", "x", STANDARD) == "x" and with_constants(PROJECT, STANDARD) == PROJECT
    with pytest.raises(ValueError, match=r"GATES = \"ifog\"' does not stand in models/cells/lstm.py: adapt"):
        changed("models/cells/lstm.py", "x", constants_for("ada", "1"))


@long
def test_a_students_tree_has_his_constants_in_text_and_checks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("scripts.course.student_tree.SIZES", {"train": 4, "val": 2, "test": 2})
    tree = tmp_path / "work"
    make_assignment.main(["--variants", "--student", "ada", "--out", str(tree), "--tasks", "1.4", "--solution"])
    constants = constants_for("ada", PROJECT.version)
    assert f":{constants.gates} " in (tree / "gradcheck/table.py").read_text()
    assert f"in the order {', '.join(constants.gates)}." in (tree / "assignments/LSTM_Captioning.ipynb").read_text()
    assert "This copy was made for ada;" in (tree / "README.md").read_text(encoding="utf-8")
    assert json.loads((tree / "assignments/assignment.json").read_text())["student"] == "ada"
    own = load_project(tree)
    assert graded_in(own, tree, "1.4").score == 8
    (tree / "rnnlayers/optim.py").write_text(PROJECT.texts["rnnlayers/optim.py"])
    assert graded_in(own, tree, "1.4").score == 6
    monkeypatch.setattr(pack_submission, "load_project", lambda: own)
    with pytest.raises(ValueError, match="--student bob: this copy was made for ada"):
        pack_submission.main(["--student", "bob"])
    capsys.readouterr()
    (tree / "rnnlayers/optim.py").write_text(project_for(PROJECT, "ada").texts["rnnlayers/optim.py"])
    for student, points in (("ada", 8), ("bob", 6)):                # as bob's it is a copy of ada's
        grade.main([str(tree), "--task", "1.4", "--variants", "--student", student])
        assert f"{student}: {points} of 8 points" in capsys.readouterr().out


def graded_in(project, tree, task):
    """A task graded in a student's tree."""
    from scripts.course.draws import PUBLIC
    texts = {"rnnlayers/optim.py": (tree / "rnnlayers/optim.py").read_text()}
    return next(iter(grade_tasks(project, Submission("x", texts, [], ""), [task], PUBLIC, goldens_of(project, PUBLIC),
                                 open_tree=InProcess)))


@pytest.mark.parametrize("text, words", [
    ("name\nAda\n", "expected a column named student, email, sid or id"), ("", "expected a column"),
    ("email\n", "has no students"), ("email,x\na@b,1\nA@B,2\n", "A@B stands in it twice"),
    ("email\na/b\n", "line 2: 'a/b' is not an id")])
def test_a_roster_that_does_not_fit_is_an_error(text, words, tmp_path):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_roster(tmp_path / "r.csv")


def test_a_roster_makes_a_tree_for_each_student(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(make_assignment, "make_tree",
                        lambda project, out, *_: made.append((project.student, out.name, project.constants)) or {})
    (tmp_path / "r.csv").write_text("\ufeffName,Email\nAda, ada@x.edu\n\nBob,bob@x.edu\n", encoding="utf-8")
    make_assignment.main(["--variants", "--roster", str(tmp_path / "r.csv"), "--out", str(tmp_path / "trees")])
    assert made == [(one, one, constants_for(one, PROJECT.version)) for one in ("ada@x.edu", "bob@x.edu")]


@pytest.mark.parametrize("argv", [["--variants"], ["--student", "ada"], ["--roster", "r.csv"],
                                  ["--variants", "--student", "ada", "--roster", "r.csv"]])
def test_variants_need_ids_and_ids_variants(argv):
    with pytest.raises(SystemExit) as error:
        make_assignment.parse(["--out", "x", *argv])
    assert error.value.code == 2
