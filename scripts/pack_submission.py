"""Run the public checks and pack your submission: the files of the tasks, the notebooks and a manifest.

    python -m scripts.pack_submission --student 1234567

Exit code 1 if a file is missing. You may hand in work that does not pass all checks.
"""
import argparse
import sys
from pathlib import Path

from scripts.commandline.command import OneLineParser, run
from scripts.commandline.outputs import add_force, check_output, write_output
from scripts.course.files import zipped
from scripts.course.packing import PACKED, files_to_pack, print_public_checks, with_manifest
from scripts.course.project import load_project


def parse(argv=None):
    parser = OneLineParser(prog="python -m scripts.pack_submission", description=__doc__,
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="", metavar="ID",
                        help="your id, as the course knows it (default: the id for which this copy was made, else the "
                             "name of the zip)")
    parser.add_argument("--out", type=Path, metavar="ZIP",
                        help="the zip to write (default: ID.zip, or submission.zip if there is no id)")
    add_force(parser)
    args = parser.parse_args(argv)
    if set(args.student) & set("/\\:"):
        parser.error(f"--student {args.student!r}: expected an id without slashes")
    return args


def main(argv=None):
    args = parse(argv)
    project = load_project()
    student = args.student or project.student
    if project.student not in ("", student):
        raise ValueError(f"--student {student}: this copy was made for {project.student}, whose constants it has")
    out = args.out or Path(f"{student or 'submission'}.zip")
    check_output("--out", out, PACKED, args.force)
    wanted, missing = files_to_pack(project)
    if missing:
        print(f"error: {', '.join(missing)}: missing, nothing was packed", file=sys.stderr)
        return 1
    print_public_checks(project)
    files = with_manifest(project, wanted, student)
    write_output(out, zipped(files))
    print(f"\n{out}:")
    for path, content in files.items():
        print(f"  {len(content):8,d}  {path}")
    return 0


if __name__ == "__main__":
    run(main)
