"""The course kit: regions, trees, the grader on hostile submissions. .ci/run calls the long proofs."""
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts import grade, make_assignment
from scripts.course.channel import Limits, Remote
from scripts.course.confine import landlock_version
from scripts.course.draws import PUBLIC, draw_for
from scripts.course.grade_matrix import one_of_each, place_of
from scripts.course.grader_mutants import COURSE
from scripts.course.grading import goldens_of
from scripts.course.grading import grade as grade_tasks
from scripts.course.in_process import InProcess
from scripts.course.leaks import find_leaks
from scripts.course.mutants import MUTANTS
from scripts.course.notebooks import notebooks_of
from scripts.course.project import load_project, tree_under_test, without
from scripts.course.regions import find_regions, normal, rewrite, stub
from scripts.course.results import LINES, class_csv, feedback, results_json
from scripts.course.submission import Submission
from scripts.course.tasks import NOTEBOOKS, ROOT, choose, closure
from tests.samples import long, sample

RNN = "rnnlayers/rnn.py"
STEP = "    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)\n"


@pytest.fixture(scope="module")
def project():
    return load_project()


@pytest.fixture(scope="module")
def goldens(project):
    return goldens_of(project, PUBLIC)


@pytest.fixture
def graded(project, goldens):
    """Function: tasks, what to exchange in rnn.py -> list of Graded. What may do harm needs a Remote."""
    def run(names, *changes, given=(), limits=None, open_tree=InProcess):
        text = project.texts[RNN]
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        submission = Submission("x", {**project.texts, RNN: text}, [], "")
        return list(grade_tasks(project, submission, names, PUBLIC, goldens, given, limits, open_tree=open_tree))
    return run


@pytest.mark.parametrize("text, message", [
    ("def f():\n    # BEGIN SOLUTION 2.1\n    pass", "x.py:2: BEGIN SOLUTION 2.1 has no END"),
    ("def f():\n    pass\n    # END SOLUTION 2.1", "x.py:3: END SOLUTION 2.1 without its BEGIN"),
    ("def f():\n    # BEGIN SOLUTION 2.1\n    # BEGIN SOLUTION 2.2\n", "x.py:3: BEGIN SOLUTION 2.2 inside the region"),
    ("def f():\n    # BEGIN SOLUTION 2.1\n    # END SOLUTION 2.2\n", "x.py:3: END SOLUTION 2.2 without its BEGIN"),
    ("def f():\n    # BEGIN SOLUTION 9.9\n", "x.py:2: unknown task '9.9'"),
    ("def f():\n    return 1  # BEGIN SOLUTION 2.1\n", "x.py:2: a marker has to stand alone"),
    ("# BEGIN SOLUTION 2.1\nx = 1\n# END SOLUTION 2.1", "x.py:1: a solution region has to lie in a function"),
])
def test_markers_that_do_not_fit_are_errors_with_file_and_line(text, message, project):
    with pytest.raises(ValueError) as error:
        find_regions(text, "x.py", project.tasks)
    assert message in str(error.value)


def test_a_region_becomes_one_raise_that_names_the_task_and_its_test(project):
    text = "def f(x):\n    # BEGIN SOLUTION 2.1: returns y\n    y = 2 * x\n    return y\n    # END SOLUTION 2.1\n"
    regions = find_regions(text, "x.py", project.tasks)
    stubbed = rewrite(text, regions, lambda region: stub(region, project.tasks["2.1"], True))
    assert stubbed == ('def f(x):\n    # Task 2.1: returns y\n    raise NotImplementedError("task 2.1 is not written '
                       'yet: python -m scripts.grade . --task 2.1 tests it")\n')
    assert rewrite(text, regions, lambda region: None) == "def f(x):\n    y = 2 * x\n    return y\n"
    assert "not part of this" in rewrite(text, regions, lambda region: stub(region, project.tasks["2.1"], False))


@pytest.mark.parametrize("text", ["x = " + "-" * 200_000 + "1", "(" * 1000, "a = 1\0", "x = 1" + "+1" * 100_000,
                                  "x = a" + ".b" * 100_000], ids=["minus", "brackets", "NUL", "sum", "dots"])
def test_what_python_cannot_parse_stays_as_it_is(text):
    assert without(text, ["f"]) == text


def test_lists_of_tasks(project):
    assert choose("2.3,1", project.tasks, "--tasks") == ["1.1", "1.2", "1.3", "1.4", "2.3"]
    assert closure(["2.3"], project.tasks) == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"]
    with pytest.raises(ValueError, match="--tasks 7: no task or part '7'"):
        choose("7", project.tasks, "--tasks")


def test_every_task_has_a_mutant_and_every_mutant_a_task(project):
    mutants = [*MUTANTS, *COURSE]
    assert all(place_of(mutant, project)[1] for mutant in mutants)
    assert len(one_of_each(mutants, project)) == len(project.tasks)


def test_hidden_draws_differ_between_students_and_are_the_same_for_one():
    one, two = draw_for("ada", "1"), draw_for("bob", "1")
    assert one == draw_for("ada", "1") and one.seed != two.seed and one.seed != draw_for("ada", "2").seed
    for k in range(50):
        sizes = draw_for(k, "1").sizes
        assert len(set(sizes.values())) == len(sizes) or sizes["DW"] in [sizes[a] for a in sizes if a != "DW"]
        assert len({sizes[a] for a in "NTDWHM"}) == 6


def test_the_tree_under_test_has_only_the_tasks_own_files_and_given_functions(project):
    submitted = dict.fromkeys(project.texts, "MINE = 1\n")
    tree = tree_under_test(project, "3.2", submitted, {"3.1"})
    assert tree["rnnlayers/lstm.py"].startswith("MINE = 1")
    assert "from rnnlayers._given_lstm import lstm_step_backward, lstm_step_forward" in tree["rnnlayers/lstm.py"]
    given = tree["rnnlayers/_given_lstm.py"]
    assert "np.hstack" in given and "task 3.2 is not written" in given
    others = [path for path in project.texts if path != "rnnlayers/lstm.py"]
    assert not any("MINE" in tree[path] for path in others) and "np.tanh" not in tree[RNN]
    assert not any(path.startswith("rnnlayers/engine") for path in tree)
    assert "gradcheck/check.py" in tree and not {"gradcheck/known/cells.py", "models/gradient_norms.py"} & set(tree)
    own = "def lstm_step_forward():\n    return 1\n\ndef helper():\n    pass\n"
    text = tree_under_test(project, "3.2", {"rnnlayers/lstm.py": own}, {"3.1"})["rnnlayers/lstm.py"]
    assert text.startswith("\n\n\ndef helper()")                    # in the lines in which the student has it


def test_no_solution_line_would_be_handed_out_and_one_that_were_is_found(project):
    line = "next_h = np.tanh(x @ Wx + prev_h @ Wh + b)   # comment"
    notebook = json.dumps({"cells": [{"source": ["x = 1\n", f"  {line}"]}]}).encode()
    binary = b"\xff\n" + line.encode() + b"\n\0"
    commented = b"# " + line.encode()
    for path, content in (("a.py", line.encode()), ("a.md", commented), ("b.ipynb", notebook), ("c.pyc", binary)):
        assert "part of the solution of 2.1" in find_leaks(project, ["2.1"], {path: content})[0]
    assert not find_leaks(project, ["2.2"], {"a.py": line.encode()})
    assert normal("  a = 1  # b") == "a=1"


def test_the_notebooks_are_those_of_their_sources():
    assert sorted(notebooks_of(ROOT)) == sorted(NOTEBOOKS)
    for path, text in notebooks_of(ROOT).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: python -m scripts.make_notebooks"


def test_a_right_submission_loses_nothing_and_a_stub_gets_nothing(project, goldens, graded):
    for open_tree in (Remote, InProcess):
        task, = graded(["2.1"], open_tree=open_tree)
        assert task.score == 10 and feedback(task) == [] and not task.notes
    stubs = {path: project.text(path, ()) for path in project.texts}
    task, = grade_tasks(project, Submission("x", stubs, [], ""), ["2.1"], PUBLIC, goldens)
    assert task.score == 0 and feedback(task) == [
        "rnn_step: forward: task 2.1 is not written yet: python -m scripts.grade . --task 2.1 tests it"]


def test_a_file_that_was_not_handed_in_gets_nothing_and_not_the_references_points(project, goldens, graded):
    texts = {path: text for path, text in project.texts.items() if path != RNN}
    step, lstm = grade_tasks(project, Submission("x", texts, [], ""), ["2.1", "3.1"], PUBLIC, goldens,
                             open_tree=InProcess)
    assert step.score == 0 and lstm.score == 14
    assert feedback(step)[0].startswith(f"import: FileNotFoundError: {RNN} is missing, or no text in UTF-8")


def test_zeros_that_fit_each_other_get_nothing(graded):
    zeros = (STEP, "    next_h = 0 * prev_h\n"), ("da = dnext_h * (1 - next_h**2) ", "da = 0 * dnext_h ")
    task, = graded(["2.1"], *zeros)
    assert task.score == 0 and "from the right cache dx" in "\n".join(feedback(task))


def test_a_wrong_forward_earns_nothing_by_a_gradient_of_its_own(graded):
    wrong = (STEP, STEP.replace("+ b", "- b"))
    task, = graded(["2.1"], wrong, ("da.sum(axis=0)   # a = x Wx", "-da.sum(axis=0)   # a = x Wx"))
    assert [outcome.name for outcome in task.outcomes if not outcome.problem] == [
        f"rnn_step: d{name}" for name in ("x", "prev_h", "Wx", "Wh")]
    task, = graded(["2.1"], wrong)
    assert task.score == pytest.approx(10 * 6 / 13, abs=0.01)           # backward is right, from a right cache
    task, = graded(["2.1"], wrong, ("Cache(x, prev_h, Wx, Wh, next_h)", "Cache(prev_h, x, Wx, Wh, next_h)"),
                   ("    x, prev_h, Wx, Wh, next_h = cache", "    prev_h, x, Wx, Wh, next_h = cache"))
    assert task.score == 0 and "its cache has another form than the right one" in "\n".join(feedback(task))


def test_an_early_mistake_does_not_zero_the_rest(graded):
    wrong = ("da.sum(axis=0)   # a = x Wx", "da.mean(axis=0)   # a = x Wx")
    step, rnn = graded(["2.1", "2.2"], wrong)
    assert [outcome.name for outcome in step.outcomes if outcome.problem] == ["rnn_step: db"]
    text = "\n".join(feedback(step))
    assert "likely cause: db: 0.5 times" in text and step.points[-1][0] > 0
    assert rnn.score == 12 and rnn.blocked == ["2.1"] and feedback(rnn)[0].startswith("blocked by 2.1")
    rnn, = graded(["2.2"], wrong, given=["2.1"])
    assert rnn.score == 12 and not rnn.blocked


@long
def test_a_given_task_brings_what_it_calls(graded):
    """2.2 from the reference calls 2.1, which is the student's, with a cache of his own."""
    model, = graded(["2.3"], given=["1.1", "1.2", "1.3", "2.2"])
    assert model.score == 12


def test_results_are_gradescopes(graded):
    content = json.loads(results_json(graded(["2.1"], ("da.sum(axis=0)   #", "0 * b if 'b' in locals() else 1   #"))))
    assert {"name", "score", "max_score", "output"} <= set(content["tests"][0])
    assert sum(test["max_score"] for test in content["tests"]) == pytest.approx(10)
    assert 0 < content["score"] < 10
    assert max(test["output"].count("\n") for test in content["tests"]) < LINES
    table = class_csv([("=cmd()", None, "unreadable")], ["2.1"]).decode()
    assert table == "student,2.1,total,remark\n'=cmd(),0,0,unreadable\n"


HOSTILE = {          # -> what is put before a step's forward, what the report says, whether all is lost
    "loops forever": ("while True: pass", "rnn_step_forward did not end", True),
    "exhausts memory": ("np.ones(1 << 27)", "MemoryError", True),
    "crashes the interpreter": ("import ctypes; ctypes.string_at(0)", "crashed the interpreter (signal 11", True),
    "exits": ("import os; os._exit(0)", "ended the interpreter (exit code 0)", True),
    "raises SystemExit": ("raise SystemExit(3)", "SystemExit: 3", True),
    "prints what steers a terminal": ("print('\\x1b[2J\\r7\\tof\\x85')", "  ?[2J?7       of?\n", False),
    "prints megabytes": ("print('x' * 30_000)", "bytes in all", False),
    "deletes its folder": ("import shutil; shutil.rmtree(__file__.rsplit('/', 2)[0], ignore_errors=True)",
                           "deletes its working folder", False),
    "imports torch": ("try:\n        import torch\n    except ImportError: pass", "imports torch", False),
    "reads the reference": (f"open({str(ROOT / RNN)!r}).read()", "reads files of the course's own checkout", True),
    "imports the reference": ("import scripts.course.mutants", "No module named 'scripts", True),
    "changes os.path": (f"import os; os.path.realpath = lambda path: '/'; open({str(ROOT / RNN)!r}).read()",
                        "PermissionError", True),
    "opens by a folder's number": (f"import os; os.open({str(ROOT / RNN)[1:]!r}, 0, dir_fd=os.open('/', 0))",
                                   "PermissionError", True),
    "uses the network": ("import socket; socket.create_connection(('127.0.0.1', 9))", "uses the network", True),
    "starts a process": ("import os; os.system('true')", "starts or ends processes", True),
    "writes elsewhere": (f"open({str(ROOT / 'x')!r}, 'w')", "writes or deletes outside its own folder", True),
    "kills the grader": ("import os; os.kill(os.getppid(), 9)", "starts or ends processes", True),
    "returns nonsense": ("return [object()], {}", "a list of 1, expected an array (2, 6)", True),
    "says nothing": ("return None", "the output is None", True),
    "raises what cannot be shown": ("class E(Exception):\n        def __str__(self): raise E\n    raise E()",
                                    "an exception that cannot be shown", True),
    "returns more than there is": ("return np.broadcast_to(0.0, (10**5, 10**5)), None", "MemoryError", True),
    "returns more than a message": ("return np.ones(9_000_000), None", " bytes, expected at most 67,108,864", True),
    "returns itself in itself": ("a = []; a.append(a); return a, None", "RecursionError", True),
    "returns what has no dtype": ("return np.zeros(3).view(type('A', (np.ndarray,), {'dtype': property(id)})), None",
                                  "AttributeError", True),
    "returns an enormous number": ("return 10**400", "the output has the shape ()", True),
    "leaves no way to print": ("import sys; sys.stdout = type('X', (), {'flush': lambda self: 1 / 0})()", "", False),
}


@pytest.mark.parametrize("name", sample(HOSTILE, list(HOSTILE)[::2]))          # scripts.campaign grade has more kinds
def test_a_hostile_submission_loses_its_own_points_and_the_report_says_why(name, graded):
    if name in ("changes os.path", "opens by a folder's number") and not landlock_version():
        pytest.skip("the kernel has no Landlock")
    code, words, loses = HOSTILE[name]
    seconds = 1.5 if name == "loops forever" else 20        # imports alone may take half a second
    task, = graded(["2.1"], (STEP, f"    {code}\n{STEP}"), limits=Limits(seconds, seconds, 1024),
                   open_tree=Remote)
    text = "\n".join(feedback(task))
    assert words in text and len(feedback(task)) <= LINES
    assert task.score == (0 if loses else 10)


@long
def test_many_short_calls_have_no_more_time_than_a_long_one(graded):
    task, = graded(["2.1"], (STEP, f"    import time; time.sleep(0.2)\n{STEP}"), limits=Limits(0.5), open_tree=Remote)
    assert 0 < task.score < 10 and "did not end: the checks may take 0.5 s" in "\n".join(feedback(task))


FORGE = """import sys, json
    frame = sys._getframe()
    while "answers" not in frame.f_locals:
        frame = frame.f_back
    text = %r
    head = [(len(text) + 4).to_bytes(8, "little"), len(text).to_bytes(4, "little")]
    for _ in range(%d):
        frame.f_locals["answers"].write(b"".join([*head, text.encode()]))
    frame.f_locals["answers"].flush()
"""


@pytest.mark.parametrize("text", ['{"dict": {"notes": 5, "value": null}}', '{"reference": 1e999}'])
def test_a_forged_answer_is_no_answer(text, graded):
    task, = graded(["2.1"], (STEP, f"    {FORGE % (text, 1)}{STEP}"), open_tree=Remote)
    assert task.score == 0 and "sent what is no answer" in feedback(task)[0] and json.loads(results_json([task]))


def test_answers_that_nobody_asked_for_are_not_kept(graded, monkeypatch):
    kept = []
    monkeypatch.setattr(Remote, "close", lambda self, close=Remote.close: (kept.append(self._answers.qsize()),
                                                                           close(self)))
    text = '{"dict": {"notes": {"list": []}, "value": null}}'
    graded(["2.1"], (STEP, f"    {FORGE % (text, 20_000)}{STEP}"), limits=Limits(1, 1), open_tree=Remote)
    assert max(kept) <= 1


def test_what_hangs_keeps_what_it_did_before(graded):
    hang = ("da = dnext_h", "while True: pass\n    da = dnext_h")
    task, = graded(["2.1"], hang, limits=Limits(1, 1), open_tree=Remote)
    assert [outcome.name for outcome in task.outcomes if not outcome.problem] == ["rnn_step: forward"]
    assert "rnn_step_backward did not end: the checks may take 1 s" in "\n".join(feedback(task))


def test_a_checker_that_was_patched_judges_as_before(graded):
    patch = """
import sys, gradcheck.check, gradcheck.snapshot
for module in list(sys.modules.values()):
    for name in ("check_pair", "compared", "judge", "snapshot", "allclose"):
        if hasattr(module, name):
            setattr(module, name, lambda *args, **kwargs: True)


def check_steps("""
    task, = graded(["2.1"], ("next_h**2)   ", "next_h)   "), ("def check_steps(", patch), open_tree=Remote)
    assert [outcome.name for outcome in task.outcomes if outcome.problem][:5] == [
        f"rnn_step: d{name}" for name in ("x", "prev_h", "Wx", "Wh", "b")]


def test_a_syntax_error_is_one_tasks_and_not_all(graded):
    step, lstm = graded(["2.1", "3.1"], (STEP, STEP.replace("(x", "((x")))
    assert step.score == 0 and "SyntaxError" in feedback(step)[0] and lstm.score == 14


@long
def test_make_pack_and_grade(tmp_path, monkeypatch, capsys):
    """One task through all commands: the student's tree checks, packs and is graded, without this checkout."""
    monkeypatch.setattr("scripts.course.student_tree.SIZES", {"train": 4, "val": 2, "test": 2})
    tree = tmp_path / "work"
    assert make_assignment.main(["--out", str(tree), "--tasks", "5.5"]) == 0
    names = set(zipfile.ZipFile(tmp_path / "work.zip").namelist())
    with pytest.raises(FileExistsError, match="work.zip: already exists"):
        make_assignment.main(["--out", str(tree), "--tasks", "5.5"])
    assert {"work/README.md", "work/datasets/course/dataset.json", "work/assignments/RNN_Captioning.ipynb"} <= names
    assert not [name for name in names if "engine" in Path(name).parts or "mutants" in name or "derivations" in name
                or "tests" in Path(name).parts or name.endswith(".pyc")]

    def run(*args):
        return subprocess.run([sys.executable, "-m", *args], cwd=tree, capture_output=True, text=True)
    packed = run("scripts.pack_submission", "--student", "ada")
    assert packed.returncode == 0 and "0 of 6 points" in packed.stdout and "manifest.json" in packed.stdout
    assert grade.main([str(tree / "ada.zip"), "--task", "5.5", "--out", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["score"] == 0
    (tree / "rnnlayers/softmax.py").write_bytes((ROOT / "rnnlayers/softmax.py").read_bytes())
    assert "6 of 6 points" in run("scripts.grade", ".").stdout
    (tree / "rnnlayers/softmax.py").unlink()
    missing = run("scripts.pack_submission", "--student", "ada")
    assert missing.returncode == 1 and "rnnlayers/softmax.py: missing" in missing.stderr
    (tree / "rnnlayers/softmax.py").write_bytes(b"# \xfc")
    assert "0 of 6 points" in run("scripts.grade", ".").stdout
    (tree / "rnnlayers/softmax.py").unlink()
    (tree / "assignments/LSTM_Captioning.ipynb").unlink()
    assert "LSTM_Captioning.ipynb: missing" in run("scripts.pack_submission").stderr
    capsys.readouterr()
    assert grade.main(["--class", str(tree), "--task", "5.5", "--out", str(tmp_path / "c.csv")]) == 0
    assert "ada,0.0,0.0,\n" in (tmp_path / "c.csv").read_text()
