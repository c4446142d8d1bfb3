"""make_autograder: the forms of the platforms, which grade as scripts.grade does. With the platforms' own tools too."""
import json
import os
import runpy
import shutil
import subprocess
import sys
import types
import zipfile
from unittest.mock import MagicMock

import pytest

from scripts import grade, make_autograder
from scripts.course import class_grading, gradescope, hidden_checks, nbgrader_form
from scripts.course.autograder import MADE_BY, requirements
from scripts.course.project import load_project
from scripts.course.tasks import ROOT

EMBEDDING = "rnnlayers/embedding.py"
RIGHT = (ROOT / EMBEDDING).read_text(encoding="utf-8")
SCATTER = "np.add.at(dW, x, dout)"
WRONG = RIGHT.replace(SCATTER, "dW[x] += dout")                 # a repeated word keeps one of its gradients
USERS = {"users": [{"email": "zoe@x.edu", "id": 3, "name": "Zoe"}, {"email": "ada@x.edu", "id": 12, "name": "Ada"}]}


def made(path, platform, *options):
    make_autograder.main(["--platform", platform, "--out", str(path), "--task", "1.2", *options])
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def autograder(tmp_path_factory):
    """Gradescope's folder with the autograder of task 1.2 in it."""
    base = tmp_path_factory.mktemp("autograder")
    with made(base / "autograder.zip", "gradescope") as archive:
        archive.extractall(base / "source")
    (base / "submission_metadata.json").write_text(json.dumps(USERS))
    return base


def submitted(base, files):
    shutil.rmtree(base / "submission", ignore_errors=True)
    for name, text in files.items():
        (base / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        (base / "submission" / name).write_text(text, encoding="utf-8")


def points(base):
    return json.loads((base / "results/results.json").read_text())["score"]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """A wrong submission, and the points that scripts.grade gives it."""
    path, out = (tmp_path_factory.mktemp("wrong") / name for name in ("x.zip", "r.json"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(EMBEDDING, WRONG)
    grade.main([str(path), "--task", "1.2", "--student", "ada@x.edu", "--out", str(out)])
    return path, json.loads(out.read_text())["score"]


def test_gradescopes_zip_has_what_gradescope_runs(autograder):
    with zipfile.ZipFile(autograder / "autograder.zip") as archive:
        names = set(archive.namelist())
        assert archive.comment == MADE_BY and "project/rnnlayers/lstm.py" in names
        assert not [name for name in names if "engine/" in name or "/tests/" in name or name.endswith(".pyc")]
        for name in ("setup.sh", "run_autograder"):
            info = archive.getinfo(name)
            assert info.external_attr >> 16 == 0o100755 and info.create_system == 3
            assert archive.read(name).startswith(b"#!/usr/bin/env bash\n")
    assert "numpy>=2.0" in requirements(ROOT) and "numba" not in requirements(ROOT)


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope runs bash")
def test_run_autograder_grades_with_the_project_in_the_zip(autograder, wrong):
    submitted(autograder, {EMBEDDING: WRONG, "manifest.json": '{"student": "mallory"}'})
    done = subprocess.run(["bash", autograder / "source/run_autograder"], capture_output=True, text=True,
                          env={**os.environ, "AUTOGRADER_BASE": str(autograder), "PYTHON": sys.executable})
    assert done.returncode == 0 and "ada@x.edu: " in done.stdout and "mallory" not in done.stdout
    assert 0 < points(autograder) < 6 and points(autograder) == wrong[1]
    results = (autograder / "results/results.json").read_text()
    assert "numeric" in done.stdout and "numeric" not in results        # instructors see more than students
    assert json.loads(results)["stdout_visibility"] == "hidden"


@pytest.mark.parametrize("name", [EMBEDDING, "embedding.py", f"work/{EMBEDDING}"])
def test_files_are_found_with_and_without_their_folders(name, autograder, monkeypatch):
    found = []
    monkeypatch.setattr(class_grading, "grade", lambda project, submission, *_, **__: found.append(submission) or [])
    submitted(autograder, {name: RIGHT})
    assert gradescope.main(autograder) == 0
    assert found[0].texts == {EMBEDDING: RIGHT} and found[0].student == "ada@x.edu"


def test_a_zip_within_the_submission_is_read(tmp_path):
    (tmp_path / "x.zip").touch()
    (tmp_path / ".DS_Store").touch()
    assert gradescope.submission_in(tmp_path) == tmp_path / "x.zip"
    (tmp_path / "y.py").touch()
    assert gradescope.submission_in(tmp_path) == tmp_path


@pytest.mark.parametrize("content, student", [
    (json.dumps(USERS), "ada@x.edu"), ("", ""), ("[]", ""), ('{"users": 3}', ""), ('{"users": [{"email": null}]}', ""),
    ('{"users": [7]}', "")])
def test_the_id_is_the_platforms(content, student, tmp_path):
    (tmp_path / "m.json").write_text(content)
    assert gradescope.student_of(tmp_path / "m.json", "email") == student
    assert gradescope.student_of(tmp_path / "none.json", "email") == ""


def test_where_the_grader_fails_students_read_that_it_is_not_their_fault(autograder, monkeypatch, capsys):
    monkeypatch.setattr(class_grading, "goldens_of", lambda *_: 1 / 0)
    submitted(autograder, {EMBEDDING: RIGHT})
    assert gradescope.main(autograder) == 0
    results = json.loads((autograder / "results/results.json").read_text())
    assert results["score"] == 0 and results["output"] == gradescope.FAILED and not results["tests"]
    assert "ZeroDivisionError" in capsys.readouterr().out
    submitted(autograder, {"other.py": RIGHT})
    gradescope.main(autograder)
    assert "has none of the assignment's files" in (autograder / "results/results.json").read_text()


def test_only_an_autograder_is_replaced(tmp_path):
    out = tmp_path / "autograder.zip"
    out.write_bytes(b"homework")
    with pytest.raises(ValueError, match="exists and holds no autograder of scripts.make_autograder, nothing was"):
        made(out, "gradescope")
    assert out.read_bytes() == b"homework"
    made(out, "gradescope", "--force").close()
    made(out, "gradescope", "--feedback", "score").close()
    assert json.loads(zipfile.ZipFile(out).read("autograder.json"))["feedback"] == "score"


class OtterCase:
    """What otter's decorator keeps of a case."""

    def __init__(self, name, points, hidden):
        self.name, self.points, self.hidden = name, points, hidden

    def __call__(self, function):
        self.run = lambda: function({})
        return self


def test_otters_tests_have_the_points_and_call_the_checks(wrong, tmp_path, monkeypatch):
    with made(tmp_path / "otter.zip", "otter") as archive:
        archive.extractall(tmp_path / "source")
    monkeypatch.setitem(sys.modules, "otter", types.ModuleType("otter"))
    monkeypatch.setitem(sys.modules, "otter.test_files", types.SimpleNamespace(test_case=OtterCase))
    monkeypatch.delitem(sys.modules, "rnnlayers_checks", raising=False)
    (tmp_path / "submission_metadata.json").write_text(json.dumps(USERS))
    submitted(tmp_path, {EMBEDDING: WRONG})
    monkeypatch.chdir(tmp_path / "submission")
    found = {}
    for folder in ("tests", "student/tests"):
        test = runpy.run_path(str(tmp_path / "source" / folder / "q1_2.py"))
        found[folder] = [value for value in test.values() if isinstance(value, OtterCase)]
        assert test["OK_FORMAT"] is False and test["name"] == "q1_2"
        assert sum(case.points for case in found[folder]) == pytest.approx(6)
    assert all(case.hidden for case in found["tests"]) and not any(case.hidden for case in found["student/tests"])
    assert sum(case.points for case in found["tests"] if passes(case)) == pytest.approx(wrong[1])
    assert (tmp_path / "source/files/submission.ipynb").is_file()           # the notebook that otter runs is ours


def passes(case):
    try:
        case.run()
    except AssertionError:
        return False
    return True


def test_nbgraders_notebook_has_test_cells_with_hidden_tests(tmp_path, monkeypatch):
    monkeypatch.setattr(nbgrader_form, "make_tree", lambda *_: {"README.md": b"x", EMBEDDING: b"stub"})
    with made(tmp_path / "nbgrader.zip", "nbgrader") as archive:
        notebook = json.loads(archive.read("source/captioning/captioning.ipynb"))
        config, names = archive.read("nbgrader_config.py").decode(), archive.namelist()
    assert json.dumps([EMBEDDING], indent=4) in config and "grader/project/rnnlayers/lstm.py" in names
    assert not any(name.startswith("source/") and b"np.add.at" in archive_read(tmp_path, name) for name in names)
    *_, title, cell = notebook["cells"]
    assert cell["metadata"]["nbgrader"] == {"grade": True, "solution": False, "task": False, "locked": True,
                                            "points": 6, "grade_id": "q1_2", "schema_version": 3, "cell_type": "code"}
    public, _, rest = "".join(cell["source"]).partition("### BEGIN HIDDEN TESTS\n")
    hidden, _, behind = rest.partition("### END HIDDEN TESTS")
    assert public == 'check("1.2")\n' and not behind and hidden.strip().endswith('(here, "1.2", here.parent.name)')
    with made(tmp_path / "nbgrader.zip", "nbgrader", "--variants") as archive:
        assert "README.md" in archive.read("nbgrader_config.py").decode()


def test_nbgrader_does_not_grade_where_packages_are_missing(tmp_path, monkeypatch):
    """Each cell would fail, which nbgrader takes for work that is worth 0 points."""
    monkeypatch.setattr(nbgrader_form, "make_tree", lambda *_: {"README.md": b"x", EMBEDDING: b"stub"})
    with made(tmp_path / "nbgrader.zip", "nbgrader") as archive:
        config = archive.read("nbgrader_config.py").decode()
    exec(config, {"get_config": MagicMock()})
    config = config.replace("'h5py'", "'h5pie'")
    with pytest.raises(SystemExit, match="the grader needs h5pie: pip install -r grader/requirements.txt"):
        exec(config, {"get_config": MagicMock()})


def archive_read(folder, name):
    with zipfile.ZipFile(folder / "nbgrader.zip") as archive:
        return archive.read(name)


def test_points_in_a_cell_are_the_tasks_and_the_feedback_is_printed(monkeypatch, capsys):
    tests = [{"name": "1.2 a: dW", "number": "1.2", "score": 1.25, "max_score": 2, "output": "a: dW: lost"},
             {"name": "1.2 b", "number": "1.2", "score": 2, "max_score": 2, "output": ""},
             {"name": "2.1 c", "number": "2.1", "score": 4, "max_score": 4, "output": "other"}]
    monkeypatch.setattr(hidden_checks, "_graded", lambda *_: tests)
    assert hidden_checks.points("x", "1.2") == 3.25 and capsys.readouterr().out == "a: dW: lost\n"
    assert hidden_checks.holds("x", "1.2", "b") and not hidden_checks.holds("x", "1.2", "a: dW")


def test_with_otter_itself(wrong, tmp_path):
    otter = pytest.importorskip("otter.run", reason="otter-grader is not installed")
    made(tmp_path / "otter.zip", "otter").close()
    with zipfile.ZipFile(tmp_path / "right.zip", "w") as archive:
        archive.writestr(EMBEDDING, RIGHT)
    for path, expected in (wrong, (tmp_path / "right.zip", 6)):
        results = otter.main(str(path), autograder=str(tmp_path / "otter.zip"), output_dir=str(tmp_path), no_logo=True)
        assert results.total == pytest.approx(expected)


def test_with_nbgrader_itself(wrong, tmp_path, monkeypatch):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    monkeypatch.setattr("scripts.course.student_tree.SIZES", {"train": 4, "val": 2, "test": 2})
    made(tmp_path / "nbgrader.zip", "nbgrader").extractall(tmp_path)
    run = [sys.executable, "-m", "nbgrader"]
    subprocess.run([*run, "generate_assignment", "captioning"], cwd=tmp_path, check=True)
    for student, text in (("ada@x.edu", WRONG), ("bob", RIGHT)):
        folder = tmp_path / "submitted" / student / "captioning"
        shutil.copytree(tmp_path / "release/captioning", folder)
        assert "HIDDEN" not in (folder / "captioning.ipynb").read_text()
        (folder / EMBEDDING).write_text(text)
    subprocess.run([*run, "autograde", "captioning"], cwd=tmp_path, check=True)
    subprocess.run([*run, "export"], cwd=tmp_path, check=True)
    rows = [line.split(",") for line in (tmp_path / "grades.csv").read_text().splitlines()]
    found = {row[rows[0].index("student_id")]: float(row[rows[0].index("score")]) for row in rows[1:]}
    assert found == {"ada@x.edu": wrong[1], "bob": 6}


def test_a_students_tree_makes_no_autograder(monkeypatch, tmp_path):
    project = load_project()._replace(regions={})
    monkeypatch.setattr(make_autograder, "load_project", lambda: project)
    with pytest.raises(ValueError, match="autograders are made from the whole project"):
        made(tmp_path / "x.zip", "gradescope")
