"""The checks of one submission for tests of otter and nbgrader: graded once, in a process of its own.

A copy of this file lies beside autograder.json and the folder `project`; it needs Python alone. In a student's tree
there is neither, and the checks are the public ones.
"""
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def student_in(metadata):
    """The student's id in Gradescope's submission_metadata.json, "" if it has none."""
    try:
        users = json.loads(Path(metadata).read_text(encoding="utf-8"))["users"]
        return min(str(user[_settings()["id"]]) for user in users)
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def holds(submission, task, name, student=""):
    """Whether a property holds, such as "rnn_step: dx" of task 2.1."""
    return any(test["name"] == f"{task} {name}" and test["score"] == test["max_score"]
               for test in _graded(str(submission), student))


def points(submission, task, student=""):
    """The points of a task. Prints the feedback on it."""
    tests = [test for test in _graded(str(submission), student) if test["number"] == task]
    for line in [test["output"] for test in tests if test["output"]] if _settings()["feedback"] != "score" else ():
        print(line)
    return round(sum(test["score"] for test in tests), 2)


def _settings():
    path = HERE / "autograder.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {
        "task": "", "given": "", "seconds": 20, "feedback": "full", "variants": False, "id": "email", "secret": ""}


@functools.cache
def _graded(submission, student):
    """The tests of results.json. Raises RuntimeError if the grader failed."""
    settings = _settings()
    project = HERE / "project" if (HERE / "project").is_dir() else HERE
    level = "full" if settings["feedback"] == "full" else "properties"
    options = ["--seconds", str(settings["seconds"]), "--feedback", level]
    for option, value in (("--task", settings["task"]), ("--given", settings["given"]), ("--student", student)):
        options += [option, value] if value else []
    options += ["--variants"] if settings["variants"] else []
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RNNLAYERS_BACKEND")}
    with tempfile.TemporaryDirectory() as folder:
        out, secret = Path(folder, "results.json"), Path(folder, "secret")
        if settings["secret"]:
            secret.write_text(settings["secret"], encoding="utf-8")
            options += ["--secret", str(secret)]
        done = subprocess.run([sys.executable, "-m", "scripts.grade", os.path.abspath(submission), "--out", str(out),
                               *options], cwd=project, env=kept, capture_output=True, text=True)
        if done.returncode not in (0, 2) or not out.is_file():
            raise RuntimeError("the grader failed, look into it")
        return json.loads(out.read_text(encoding="utf-8"))["tests"]
