"""The files of a student's tree: the project without its solutions, and what nobody needs who is to find them."""
import io
import json
from pathlib import Path

import numpy as np

from data.prepare import new_folder
from data.scene_dataset import make_scene_dataset
from scripts.course.draws import PUBLIC
from scripts.course.files import write_whole, zipped
from scripts.course.grading import goldens_of
from scripts.course.lab import DATASET, SIZES
from scripts.course.notebooks import notebooks_of
from scripts.course.project import SPOILERS
from scripts.course.regions import normal, solution_lines
from scripts.course.tasks import ASSIGNMENT, GOLDENS, closure

INCLUDED = ("rnnlayers/*.py", "models/*.py", "data/*.py", "gradcheck/*.py", "scripts/*.py", "scripts/commandline/*.py",
            "scripts/datasets/*.py", "scripts/runs/*.py", "scripts/evaluation/*.py", "scripts/diagnosis/*.py",
            "scripts/pages/*.py", "scripts/course/*.py", "assignments/tasks.json", "LICENSE", "setup.cfg",
            "pyproject.toml", ".gitignore")
LEFT_OUT = {                        # the catalogues of mistakes, what runs the engine, and the instructor's commands
    *SPOILERS,
    "scripts/course/mutants.py", "scripts/course/grader_mutants.py", "scripts/kill_matrix.py", "scripts/benchmark.py",
    "scripts/make_assignment.py", "scripts/grade_matrix.py", "scripts/prove_assignment.py", "scripts/make_notebooks.py",
    "scripts/course/student_tree.py", "scripts/course/notebooks.py", "scripts/course/in_process.py",
    "scripts/course/kill_matrix.py", "scripts/course/grade_matrix.py", "scripts/course/proofs.py",
    "scripts/report.py", "scripts/pages/report.py", "scripts/pages/report_images.py",   # through_time
    "scripts/pages/report_words.py", "scripts/pages/training_charts.py",
    "scripts/serve.py", "scripts/benchmark_serve.py",   # their page is no Python
}


def make_tree(project, out, names, solution=False):
    """Make the folder `out` with the assignment of some tasks, and out.zip beside it -> files, path -> bytes.

    The tasks that these need and that are not among them come solved; all others are left out. With `solution` all are
    solved. Raises FileExistsError where the folder is not empty or the zip is there, ValueError where a solution would
    leak.
    """
    solved = set(project.tasks) if solution else set(closure(names, project.tasks)) - set(names)
    archive = Path(f"{Path(out)}.zip")
    if archive.exists():
        raise FileExistsError(f"{archive}: is there already, nothing was written: remove it or choose another folder")
    with new_folder(out) as folder:
        for path, content in _texts(project, names, solved).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        make_scene_dataset(folder / DATASET, sizes=SIZES)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
                 if path.is_file()}
        if not solution:
            leaks = find_leaks(project, names, files)
            if leaks:
                raise ValueError(f"{leaks[0]}; {len(leaks)} lines of solutions in all would be handed out")
    write_whole(archive, zipped(files, Path(out).name))
    return files


def find_leaks(project, names, files):
    """Lines of the tasks' solutions that stand in files (path -> bytes) -> sentences."""
    wanted = {}
    for path, regions in project.regions.items():
        for task, lines in solution_lines(project.texts[path], regions).items():
            if task in names:
                wanted.update(dict.fromkeys(lines, task))
    found = []
    for path, content in files.items():
        for line in _normalised(path, content):
            if line in wanted:
                found.append(f"{path}: {line!r} is part of the solution of {wanted[line]}")
    return found


def _normalised(path, content):
    """The lines of a file, also behind a #; of a notebook those of its cells. In no text all that could be a line."""
    if path.endswith(".ipynb"):
        lines = [line for cell in json.loads(content)["cells"] for line in "".join(cell["source"]).splitlines()]
    else:
        lines = content.decode("utf-8", "replace").splitlines()
    return [normal(part) for line in lines for part in (line, line.partition("#")[2]) if part]


def _texts(project, names, solved):
    """path -> bytes of everything but the data."""
    root, files = project.root, {}
    for path in sorted(path for pattern in INCLUDED for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        if name not in LEFT_OUT:
            text = project.text(name, solved, names).encode() if name in project.texts else path.read_bytes()
            files[name] = text
    files["README.md"] = (root / "docs/students.md").read_bytes()
    files.update({path: text.encode() for path, text in notebooks_of(root).items()})
    assigned = {"version": project.version, "tasks": closure(names, project.tasks),
                "assigned": names, "places": {name: project.places[name] for name in closure(names, project.tasks)}}
    files[ASSIGNMENT] = (json.dumps(assigned, indent=1) + "\n").encode()
    files[GOLDENS] = _goldens(project)
    return files


def _goldens(project):
    """What the forwards return in the public checks, as the bytes of an npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{f"{task}|{key}|{k}": value
                                   for task, goldens in goldens_of(project, PUBLIC).items()
                                   for key, values in goldens.items() for k, value in enumerate(values)})
    return buffer.getvalue()
