"""Packing what a student hands in: the files of the tasks, the notebooks and a manifest."""
import hashlib
import json
from pathlib import Path

from scripts.commandline.outputs import zip_kind
from scripts.course.draws import PUBLIC
from scripts.course.grading import goldens_of, grade
from scripts.course.project import Project
from scripts.course.results import summary, total
from scripts.course.submission import MANIFEST, read_submission
from scripts.course.tasks import NOTEBOOKS

ASSIGNMENT = "rnnlayers captioning"
PACKED = zip_kind("zip of scripts.pack_submission", MANIFEST, "assignment", ASSIGNMENT)


def files_to_pack(project: Project) -> tuple[list[str], list[str]]:
    """Paths of all files that are handed in, and of those that are missing."""
    wanted = project.files(project.tasks) + NOTEBOOKS
    return wanted, [path for path in wanted if not (project.root / path).is_file()]


def print_public_checks(project: Project) -> None:
    """Run the public checks on the tree and print a line for each task, and the points."""
    submission = read_submission(project.root, project.files(project.tasks))
    graded = []
    for task in grade(project, submission, list(project.tasks), PUBLIC, goldens_of(project, PUBLIC)):
        graded.append(task)
        print(summary(task), flush=True)
    print("public checks: {:g} of {:g} points".format(*total(graded)))


def with_manifest(project: Project, paths: list[str], student: str) -> dict[str, bytes]:
    """The content of the files and of a manifest, path -> bytes."""
    files = {path: Path(project.root / path).read_bytes() for path in paths}
    return {**files, MANIFEST: manifest(student, project, files)}


def manifest(student: str, project: Project, files: dict[str, bytes]) -> bytes:
    """Who hands in what of which assignment, with the hash of each file."""
    content = {"student": student, "assignment": ASSIGNMENT, "version": project.version, "tasks": list(project.tasks),
               "sha256": {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}}
    return (json.dumps(content, indent=1) + "\n").encode()
