"""The form of otter-grader: a zip whose tests call our checks, one test for each task, one case for each property.

Source: otter-grader's documentation, "Exception-based format" and "Autograder configuration". Students hand in the zip
of pack_submission; the notebook that otter runs is an empty one of ours.
"""
import json

from scripts.course.autograder import base_files, setup_script
from scripts.course.draws import PUBLIC
from scripts.course.grading import goldens_of, grade
from scripts.course.in_process import InProcess
from scripts.course.notebooks import notebook_of
from scripts.course.results import SCORE
from scripts.course.submission import Submission
from scripts.course.tasks import ROOT

HELPER = "hidden_checks.py"
RUN = """#!/usr/bin/env bash
# Runs for each submission.
base="${AUTOGRADER_BASE:-/autograder}"
export OPENBLAS_NUM_THREADS=1
exec "$base/venv/bin/python" -c "import sys; from otter.run.run_autograder import main; main(sys.argv[1])" "$base"
"""
HEAD = '''"""Task {task}: {title}."""
import importlib.util
import pathlib
import sys

from otter.test_files import test_case

OK_FORMAT = False
name = "{name}"


def check(title):
    if "rnnlayers_checks" not in sys.modules:
        {place}
        spec = importlib.util.spec_from_file_location("rnnlayers_checks", path)
        sys.modules["rnnlayers_checks"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["rnnlayers_checks"])
    checks = sys.modules["rnnlayers_checks"]
    assert checks.holds({holds}), title
'''
CASE = '''

@test_case(name={title!r}, points={points!r}, hidden={hidden})
def test_{k}(env):
    check({title!r})
'''
HIDDEN = {"place": 'path = pathlib.Path.cwd().parent / "source/hidden_checks.py"',
          "holds": '".", {task!r}, title, checks.student_in("../submission_metadata.json")'}
OPEN = {"place": 'folders = [pathlib.Path.cwd(), *pathlib.Path.cwd().parents]\n'
                 '        path = next(folder / "hidden_checks.py" for folder in folders\n'
                 '                    if (folder / "hidden_checks.py").is_file())',
        "holds": "checks.HERE, {task!r}, title"}


def otter_files(project, settings, names):
    """The content of the zip, path -> bytes; and which files are executable."""
    helper = (ROOT / "scripts/course" / HELPER).read_bytes()
    config = {"lang": "python", "show_hidden": settings.feedback != SCORE, "show_stdout": False}
    files = {"setup.sh": setup_script('"otter-grader>=6" ipykernel'), "run_autograder": RUN.encode(),
             HELPER: helper, f"student/{HELPER}": helper,
             "otter_config.json": (json.dumps(config, indent=1) + "\n").encode(),
             "files/submission.ipynb": notebook_of("The tests grade the files that were handed in.\n").encode()}
    for task, cases in cases_of(project, names).items():
        for folder, place, hidden in (("tests", HIDDEN, True), ("student/tests", OPEN, False)):
            files[f"{folder}/{test_name(task.name)}.py"] = _test(task, cases, place, hidden).encode()
    return {**files, **base_files(project, settings)}, ("setup.sh", "run_autograder")


def cases_of(project, names):
    """Task -> its properties with their points: those of the solution, which has to get all of them."""
    solution = Submission("solution", project.texts, [], "")
    goldens, found = goldens_of(project, PUBLIC), {}
    given = [name for name in project.tasks if name not in names]
    for graded in grade(project, solution, names, PUBLIC, goldens, given, open_tree=InProcess):
        if graded.score < graded.task.points:
            raise ValueError(f"the solution of {graded.task.name} does not pass its own checks, nothing was written")
        found[graded.task] = [(outcome.name, of) for outcome, (_, of) in zip(graded.outcomes, graded.points)]
    return found


def test_name(task):
    """The name of a task's test: q2_1."""
    return f"q{task.replace('.', '_')}"


def _test(task, cases, place, hidden):
    values = {key: text.format(task=task.name) for key, text in place.items()}
    head = HEAD.format(task=task.name, title=task.title, name=test_name(task.name), **values)
    return head + "".join(CASE.format(title=title, points=points, hidden=hidden, k=k)
                          for k, (title, points) in enumerate(cases, 1))
