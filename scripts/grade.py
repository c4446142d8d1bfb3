"""Grade a submission, each task in a process of its own; in a student's tree, test your own work.

    python -m scripts.grade submission.zip --task 1,2 --out results.json
    python -m scripts.grade --class submissions --task 1,2 --out grades.csv

A LIST of tasks names single ones (2.3) or whole parts (2). The exit code is 0 even if points were lost. Detailed
feedback can reveal hidden checks: --feedback properties shows only which properties hold, score only the points.
"""
import argparse
import sys
from pathlib import Path

from scripts.commandline.command import OneLineParser, run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output
from scripts.course import confinement
from scripts.course.channel import Limits
from scripts.course.class_grading import grade_and_report, grade_class, read_secret, wanted_tasks
from scripts.course.probe import confined_here
from scripts.course.project import load_project
from scripts.course.results import FULL, GRADES, LEVELS, RESULTS, printable

CLASS_OUT = Path("grades.csv")


def parse(argv=None):
    parser = OneLineParser(prog="python -m scripts.grade", description=__doc__,
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submission", nargs="?", type=Path, metavar="SUBMISSION", help="a folder or a zip")
    parser.add_argument("--task", metavar="LIST", help="tasks or parts (default: all of the assignment)")
    parser.add_argument("--given", metavar="LIST", help="tasks to take from the reference and not to grade")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="results.json in Gradescope's format; for --class a CSV (default grades.csv)")
    parser.add_argument("--class", dest="folder", type=Path, metavar="DIR", help="grade every submission in a folder")
    parser.add_argument("--seconds", type=float, default=Limits().seconds,
                        help="time limit for the checks of one task (default %(default)g)")
    parser.add_argument("--confinement", choices=list(confinement.LEVELS), default="any",
                        help="what the kernel must confine: files, or in full files, network, IPC, processes and "
                             "metadata; any uses what this machine offers (default any)")
    parser.add_argument("--feedback", choices=LEVELS, default=FULL,
                        help="what is printed and goes into results.json (default %(default)s)")
    parser.add_argument("--variants", action="store_true",
                        help="each student has their own constants, from make_assignment --variants")
    parser.add_argument("--student", metavar="ID", help="the student's id, whatever the submission says")
    parser.add_argument("--secret", type=Path, metavar="FILE",
                        help="secret text from which the hidden checks are drawn; without it students can predict them")
    add_force(parser)
    args = parser.parse_args(argv)
    if (args.submission is None) == (args.folder is None):
        parser.error("give a submission, or --class with a folder of them")
    if not args.seconds > 0:
        parser.error(f"--seconds {args.seconds:g}: expected more than 0")
    if args.student is not None and (args.folder or not args.student.strip()):
        parser.error("--student: expected the id of the one student whose submission is graded")
    return args


def main(argv=None):
    args = parse(argv)
    wanted = wanted_tasks(load_project(), args.task, args.given, args.seconds, level=args.feedback,
                          variants=args.variants, student=printable(args.student or ""),
                          secret=read_secret(args.secret), confinement=args.confinement)
    held = confined_here()
    confinement.check(args.confinement, held)
    if confinement.missing(held):
        print(confinement.missing(held), file=sys.stderr)
    if args.folder:
        out = args.out or CLASS_OUT
        check_output("--out", out, GRADES, args.force)
        grade_class(args.folder, wanted, out)
        print_next("grade --class")
        return 0
    check_output("--out", args.out, RESULTS, args.force)
    grade_and_report(args.submission, wanted, args.out)
    print_next("grade")
    return 0


if __name__ == "__main__":
    run(main)
