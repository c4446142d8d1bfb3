"""The files of a student's tree: the project without its solutions and without files that give them away."""
import io
import json
import os
from pathlib import Path

import numpy as np

from data.prepare import new_folder
from data.scene_dataset import make_scene_dataset
from scripts.commandline.outputs import write_whole
from scripts.course.course_form import in_course_form
from scripts.course.draws import PUBLIC
from scripts.course.files import zipped
from scripts.course.grading import goldens_of
from scripts.course.handout import handed_out
from scripts.course.lab import DATASET, SIZES
from scripts.course.leaks import find_leaks
from scripts.course.notebooks import notebooks_of
from scripts.course.own_constants import changed, described
from scripts.course.pair_calls import Right
from scripts.course.project import Project
from scripts.course.tasks import ASSIGNMENT, GOLDENS, closure


def make_tree(project: Project, out: Path, names: list[str], solution: bool = False) -> dict[str, bytes]:
    """Make the folder `out` with the assignment of some tasks, and out.zip beside it -> the content of each path.

    Tasks that these build on come solved; all others are left out. With `solution` all tasks are solved. Raises
    FileExistsError if the folder is not empty or the zip exists, ValueError if a solution would leak.
    """
    solved = set(project.tasks) if solution else set(closure(names, project.tasks)) - set(names)
    archive = Path(f"{Path(out)}.zip")
    if os.path.lexists(archive):
        raise FileExistsError(f"{archive}: already exists, nothing was written: remove it or choose another folder")
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
                raise ValueError(f"{leaks[0]}; {len(leaks)} parts of solutions in all would be handed out")
    write_whole(archive, zipped(files, Path(out).name))
    return files


def tree_lines(project: Project, out: Path, names: list[str], files: dict[str, bytes], solution: bool) -> list[str]:
    """What to print about a tree that was made: its tasks, what comes solved, its size."""
    tasks = [project.tasks[name] for name in names]
    given = [name for name in closure(names, project.tasks) if name not in names]
    size = sum(map(len, files.values()))
    return [*(f"{task.name}  {task.points:3d} points  {task.title}" for task in tasks),
            f"solved: {'all' if solution else ', '.join(given) or 'none'}",
            f"{out}: {len(files)} files, {size / 1e6:.1f} MB, {sum(task.points for task in tasks)} points; "
            f"the same in {out.with_name(f'{out.name}.zip')}"]


def _texts(project, names, solved):
    """All files but the data, path -> bytes."""
    root, files = project.root, {}
    for path in handed_out(root):
        files[path] = changed(path, (root / path).read_text(encoding="utf-8"), project.constants).encode()
        if path in project.texts:
            files[path] = in_course_form(path, project.text(path, solved, names), set(names) - solved).encode()
    readme = (root / "docs/students.md").read_text(encoding="utf-8")
    own = described(project.student, project.constants) if project.student else ""
    files["README.md"] = f"{readme}{own}".encode()
    files.update({path: text.encode() for path, text in notebooks_of(root, project.constants).items()})
    assigned = {"version": project.version, "tasks": closure(names, project.tasks),
                "assigned": names, "student": project.student,
                "places": {name: project.places[name] for name in closure(names, project.tasks)}}
    files[ASSIGNMENT] = (json.dumps(assigned, indent=1) + "\n").encode()
    files[GOLDENS] = _goldens(project)
    return files


def _goldens(project):
    """The right results of the forwards in the public checks, as the bytes of an npz; not their caches."""
    buffer, draw = io.BytesIO(), PUBLIC._replace(constants=project.constants)
    np.savez_compressed(buffer, **{f"{task}|{key}|{k}": value
                                   for task, goldens in goldens_of(project, draw).items()
                                   for key, values in goldens.items() if not isinstance(values, Right)
                                   for k, value in enumerate(values)})
    return buffer.getvalue()
