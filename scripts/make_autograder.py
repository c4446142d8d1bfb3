"""Make the autograder that a platform runs on every submission, as a zip.

    python -m scripts.make_autograder --platform gradescope --out autograder.zip --task 1,2

gradescope: upload it. otter: use it with `otter run` and `otter grade`, and copy its folder student/ into the students'
tree. nbgrader: unpack it into the course's folder. The zip contains the solutions: students must not get it.
"""
import argparse
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output, write_output
from scripts.commandline.parser import Parser, choice
from scripts.course.autograder import AUTOGRADER, IDS, MADE_BY, settings_of
from scripts.course.channel import Limits
from scripts.course.class_grading import read_secret, wanted_tasks
from scripts.course.files import zipped
from scripts.course.gradescope import gradescope_files
from scripts.course.nbgrader_form import nbgrader_files
from scripts.course.otter_form import otter_files
from scripts.course.project import load_project
from scripts.course.results import LEVELS, PROPERTIES

FORMS = {
    "gradescope": lambda project, settings, names: gradescope_files(project, settings),
    "otter": otter_files,
    "nbgrader": nbgrader_files,
}


def parse(argv=None):
    parser = Parser(prog="python -m scripts.make_autograder", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", required=True, type=choice(list(FORMS)), metavar="|".join(FORMS))
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP", help="the zip to write")
    parser.add_argument("--task", metavar="LIST", help="tasks or parts (default: all)")
    parser.add_argument("--given", metavar="LIST", help="tasks to take from the reference and not to grade")
    parser.add_argument("--seconds", type=float, default=Limits().seconds,
                        help="time limit for the checks of one task (default %(default)g)")
    parser.add_argument("--feedback", choices=LEVELS, default=PROPERTIES,
                        help="what students see (default %(default)s)")
    parser.add_argument("--variants", action="store_true", help="each student has their own constants")
    parser.add_argument("--id", choices=IDS, default=IDS[0],
                        help="field of Gradescope that identifies a student (default %(default)s)")
    parser.add_argument("--secret", type=Path, metavar="FILE",
                        help="secret text from which the hidden checks are drawn; without it students can predict them")
    add_force(parser)
    args = parser.parse_args(argv)
    if not args.seconds > 0:
        parser.error(f"--seconds {args.seconds:g}: expected more than 0")
    return args


def main(argv=None):
    args = parse(argv)
    check_output("--out", args.out, AUTOGRADER, args.force)
    project = load_project()
    if not project.is_reference:
        raise ValueError("this is a student's tree, autograders are made from the whole project")
    wanted = wanted_tasks(project, args.task, args.given, args.seconds, level=args.feedback, variants=args.variants,
                          secret=read_secret(args.secret))
    settings = settings_of(wanted, args.id)
    files, executable = FORMS[args.platform](project, settings, wanted.names)
    write_output(args.out, zipped(files, executable=executable, comment=MADE_BY))
    points = sum(project.tasks[name].points for name in wanted.names)
    print(f"{args.out}: for {args.platform}, {len(wanted.names)} tasks, {points} points, feedback {args.feedback}"
          f"{', constants by student' if args.variants else ''}; {len(files)} files, with the solutions")
    print_next("make_autograder")
    return 0


if __name__ == "__main__":
    run(main)
