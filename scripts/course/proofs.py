"""The promises of an assignment: one function each, which returns what is wrong with a tree, or ""."""
import subprocess
import sys
import zipfile

from scripts.course.draws import draw_for
from scripts.course.grading import goldens_of, grade
from scripts.course.leaks import find_leaks
from scripts.course.notebooks import execute
from scripts.course.student_tree import make_tree
from scripts.course.submission import read_submission
from scripts.course.tasks import choose, closure

IMPORTS = """
import pathlib, importlib
for path in sorted(pathlib.Path(".").rglob("*.py")):
    if "__main__" not in path.name and "prove" not in path.name:
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
"""


def failing(project, folder, names):
    """The tasks that lose points when a tree is handed in, and those that get none."""
    submission = read_submission(folder, project.files(project.tasks))
    draw = draw_for("proof", project.version, project.constants)
    graded = list(grade(project, submission, names, draw, goldens_of(project, draw)))
    return ([task.task.name for task in graded if task.score < task.task.points],
            [task.task.name for task in graded if task.score == 0])


def solved_tree_passes(project, folder):
    """The solved tree passes the hidden and the public checks."""
    make_tree(project, folder, list(project.tasks), solution=True)
    lost, _ = failing(project, folder, list(project.tasks))
    own = _python(folder, "-m", "scripts.grade", ".", "--out", "results.json")
    points = sum(task.points for task in project.tasks.values())
    return "" if not lost and f"{points} of {points} points" in own.stdout else f"lost {lost}\n{own.stdout}{own.stderr}"


def stripped_tree_fails(project, folder, part=None):
    """Exactly the tasks of a part fail and get no points; the tasks that they build on are solved and pass."""
    names = choose(part, project.tasks, "--tasks")
    make_tree(project, folder, names)
    lost, nothing = failing(project, folder, closure(names, project.tasks))
    return "" if lost == nothing == names else f"points lost in {lost}, none got in {nothing}, expected {names} in both"


def nothing_leaks(project, folder):
    """Nothing of a solution is in the zip."""
    with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip")) as archive:
        # without the top folder
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    odd = [name for name in files if name.endswith(".pyc")
           or any(part in name for part in ("engine/", "packed/", "mutants"))]
    return "\n".join([*odd, *find_leaks(project, list(project.tasks), files)])


def imports(folder):
    """Every module of a tree can be imported."""
    done = _python(folder, "-c", IMPORTS)
    return done.stderr if done.returncode else ""


def notebooks_run(folder):
    """All notebooks of a tree run without an error."""
    for path in sorted(folder.glob("assignments/*.ipynb")):
        text = str([cell.get("outputs") for cell in execute(path).cells])
        for word in ("properties lost", "Not below"):
            if word in text:
                return f"{path.name}: an output says {word!r}"
    return ""


def _python(folder, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
