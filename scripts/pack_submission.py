"""Run the public checks and pack what you hand in: the files of the tasks, the notebooks and a manifest.

    python -m scripts.pack_submission --student 1234567

Exit code 1 if a file is missing. You may hand in with points still lost.
"""
import argparse
import hashlib
import json
import sys
from pathlib import Path

from scripts.commandline.command import run
from scripts.course.draws import PUBLIC
from scripts.course.files import check_place, write_whole, zipped
from scripts.course.grading import goldens_of, grade
from scripts.course.project import load_project
from scripts.course.results import summary, total
from scripts.course.submission import MANIFEST, read_submission
from scripts.course.tasks import NOTEBOOKS

ASSIGNMENT = "rnnlayers captioning"


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.pack_submission", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="", metavar="ID",
                        help="your id, as the course knows it (default: the name that the zip will have)")
    parser.add_argument("--out", type=Path, metavar="ZIP",
                        help="the zip to write (default: ID.zip, without an id submission.zip)")
    args = parser.parse_args(argv)
    if set(args.student) & set("/\\:"):
        parser.error(f"--student {args.student!r}: expected an id without slashes")
    return args


def main(argv=None):
    args = parse(argv)
    out = args.out or Path(f"{args.student or 'submission'}.zip")
    check_place(out)
    project = load_project()
    wanted = project.files(project.tasks) + NOTEBOOKS
    missing = [path for path in wanted if not (project.root / path).is_file()]
    if missing:
        print(f"error: {', '.join(missing)}: missing, nothing was packed", file=sys.stderr)
        return 1
    submission = read_submission(project.root, project.files(project.tasks))
    graded = []
    for task in grade(project, submission, list(project.tasks), PUBLIC, goldens_of(project, PUBLIC)):
        graded.append(task)
        print(summary(task), flush=True)
    print("public checks: {:g} of {:g} points".format(*total(graded)))
    files = {path: (project.root / path).read_bytes() for path in wanted}
    files[MANIFEST] = manifest(args.student, project, files)
    write_whole(out, zipped(files))
    print(f"\n{out}:")
    for path, content in files.items():
        print(f"  {len(content):8,d}  {path}")
    return 0


def manifest(student, project, files):
    """Who hands in what of which assignment, with the hash of each file, as bytes."""
    content = {"student": student, "assignment": ASSIGNMENT, "version": project.version, "tasks": list(project.tasks),
               "sha256": {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}}
    return (json.dumps(content, indent=1) + "\n").encode()


if __name__ == "__main__":
    run(main)
