"""Gradescope's form: its setup.sh and run_autograder, and what the latter runs.

Source: Gradescope's autograder documentation: "Autograder specifications" and "Submission metadata".
"""
import json
import sys
import traceback
from pathlib import Path

from scripts.commandline.outputs import write_whole
from scripts.course.autograder import SETTINGS, base_files, read_settings, setup_script
from scripts.course.class_grading import grade_and_report, wanted_tasks
from scripts.course.project import load_project
from scripts.course.results import FULL, printable, results_json

RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission. Elsewhere AUTOGRADER_BASE is the folder with source, submission and results.
base="${AUTOGRADER_BASE:-/autograder}"
python="$base/venv/bin/python"
[ -x "$python" ] || python="${PYTHON:-python3}"
cd "$base/source/project" || exit 1
OPENBLAS_NUM_THREADS=1 exec "$python" -m scripts.course.gradescope "$base"
"""
FAILED = "The grader failed, and this is no fault of yours: your instructor sees what happened."


def gradescope_files(project, settings):
    """The content of the zip, path -> bytes; and which files are executable."""
    return {"setup.sh": setup_script(), "run_autograder": RUN.encode(), **base_files(project, settings)}, (
        "setup.sh", "run_autograder")


def main(base):
    """Grade base/submission and write base/results/results.json. What is printed is for instructors."""
    base = Path(base).resolve()
    out = base / "results/results.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        settings = read_settings(base / "source" / SETTINGS)
        wanted = wanted_tasks(load_project(), settings.task, settings.given, settings.seconds, level=settings.feedback,
                              variants=settings.variants, secret=settings.secret,
                              student=student_of(base / "submission_metadata.json", settings.id))
        if not wanted.student:
            print("the platform gives no id: the submission's own counts")
    except Exception:                                   # students get a result in any case
        return _failed(out)
    try:
        grade_and_report(submission_in(base / "submission"), wanted, out, show=FULL)
    except ValueError as error:                         # of the submission: `out` says so
        print(error)
    except Exception:
        return _failed(out)
    return 0


def _failed(out):
    print(traceback.format_exc())
    write_whole(out, results_json([], [FAILED]))
    return 0


def student_of(path, key):
    """The id of who hands in, of a group its first one's in alphabetical order; "" if the platform gives none."""
    try:
        users = json.loads(path.read_text(encoding="utf-8")).get("users", [])
        return min((printable(user[key]) for user in users if user.get(key) not in (None, "")), default="")
    except (OSError, ValueError, AttributeError, TypeError):
        return ""


def submission_in(folder):
    """The submission in a folder: a zip, if there is nothing else."""
    inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return inside[0] if len(inside) == 1 and inside[0].suffix == ".zip" and inside[0].is_file() else folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
