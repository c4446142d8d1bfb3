"""The form of nbgrader: a source assignment with a notebook whose cells call our checks, and the grader beside it.

Source: nbgrader's documentation, "Creating and grading assignments": hidden tests, partial credit (a test cell's last
value is its points), and Autograde.exclude_overwriting for files that students edit.
"""
import json
import tempfile
from pathlib import Path

from scripts.course.autograder import base_files, packages
from scripts.course.notebooks import KERNEL
from scripts.course.otter_form import HELPER, test_name
from scripts.course.student_tree import make_tree
from scripts.course.tasks import ROOT

ASSIGNMENT, GRADER = "captioning", "grader"
CONFIG = '''import importlib.util

# Where these are missing, every cell fails, and nbgrader gives right work 0 points without an error.
missing = [name for name in {packages} if importlib.util.find_spec(name) is None]
if missing:
    raise SystemExit(f"the grader needs {{', '.join(missing)}}: pip install -r grader/requirements.txt")
c = get_config()
c.CourseDirectory.course_id = "captioning"
# The files that students write, or with constants of their own all of them, stay theirs when they are graded.
c.Autograde.exclude_overwriting = {{"{assignment}": {files}}}
c.Execute.timeout = 1800
'''
FIRST = """import os
import sys

sys.path.insert(0, os.getcwd())
from scripts.course.lab import check"""
CELL = """check("{task}")
### BEGIN HIDDEN TESTS
import pathlib
import runpy
here = pathlib.Path.cwd()
if "hidden_checks" not in globals():
    hidden_checks = runpy.run_path(str(here.parents[2] / "grader/hidden_checks.py"))
hidden_checks["points"](here, "{task}", here.parent.name)
### END HIDDEN TESTS"""


def nbgrader_files(project, settings, names):
    """The content of the zip, path -> bytes; and which files are executable."""
    with tempfile.TemporaryDirectory() as folder:
        tree = make_tree(project, Path(folder, "tree"), names)
    kept = sorted(tree) if settings.variants else [path for path in project.files(names) if path in tree]
    files = {f"source/{ASSIGNMENT}/{path}": content for path, content in tree.items()}
    files[f"source/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"] = notebook([project.tasks[name] for name in names]).encode()
    files["nbgrader_config.py"] = CONFIG.format(
        assignment=ASSIGNMENT, files=json.dumps(kept, indent=4), packages=packages(project.root)).encode()
    files[f"{GRADER}/{HELPER}"] = (ROOT / "scripts/course" / HELPER).read_bytes()
    return {**files, **{f"{GRADER}/{path}": content for path, content in base_files(project, settings).items()}}, ()


def notebook(tasks):
    """The source notebook -> JSON text, in nbformat 4.5: a test cell for each task."""
    cells = [_cell("markdown", "first", "Write the tasks in the files of this folder, and run the cells below to test "
                   "them."), _cell("code", "imports", FIRST)]
    for task in tasks:
        cells.append(_cell("markdown", f"{test_name(task.name)}_title", f"## {task.name} {task.title}"))
        cells.append(_cell("code", test_name(task.name), CELL.format(task=task.name), task.points))
    return json.dumps({"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _cell(kind, name, source, points=None):
    graded = {"grade": points is not None, "solution": False, "task": False, "locked": True, "grade_id": name,
              "schema_version": 3, "cell_type": kind, **({} if points is None else {"points": points})}
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name.replace("_", "-"), "metadata": {"nbgrader": graded},
            "source": source.splitlines(keepends=True), **code}
