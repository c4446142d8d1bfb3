"""Make an assignment from this project: a student's tree in DIR, and DIR.zip beside it.

    python -m scripts.make_assignment --out ../captioning --tasks 1,2
    python -m scripts.make_assignment --out ../captioning --tasks 1,3 --variants --roster students.csv

The bodies of the chosen tasks' functions are replaced by one `raise`; tasks that they build on are solved.
With --variants each student has their own constants: the order of an LSTM's gates, Adam's epsilon, and the axes over
which the loss is averaged. --roster makes a tree for each student, DIR/ID and DIR/ID.zip.
"""
import argparse
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser
from scripts.course.own_constants import project_for
from scripts.course.project import load_project
from scripts.course.roster import checked_id, read_roster
from scripts.course.student_tree import make_tree, tree_lines
from scripts.course.tasks import choose, load_tasks, task_lines


def parse(argv=None):
    parser = Parser(prog="python -m scripts.make_assignment", description=__doc__, epilog=task_lines(load_tasks()[0]),
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder, which may not exist yet")
    parser.add_argument("--tasks", metavar="LIST", help="tasks (2.3) and parts (2) that students write (default: all)")
    parser.add_argument("--solution", action="store_true", help="the solved tree, for instructors")
    parser.add_argument("--variants", action="store_true", help="with a student's own constants, drawn from the id")
    parser.add_argument("--student", metavar="ID",
                        help="id of the student who gets this copy; the work is graded under the same id")
    parser.add_argument("--roster", type=Path, metavar="CSV",
                        help="a tree for each student of a table: the ids in its column student, email, sid or id")
    args = parser.parse_args(argv)
    if args.variants != ((args.student is None) != (args.roster is None)) or (args.student and args.roster):
        parser.error("--variants needs --student ID or --roster CSV, and these need --variants")
    return args


def main(argv=None):
    args = parse(argv)
    project = load_project()
    if not project.is_reference:
        raise ValueError("this is a student's tree, assignments are made from the whole project")
    names = choose(args.tasks, project.tasks, "--tasks")
    trees = {student: args.out / student for student in read_roster(args.roster)} if args.roster else {
        args.student: args.out}
    for student, out in trees.items():
        own = project if student is None else project_for(project, checked_id(student, "--student"))
        files = make_tree(own, out, names, args.solution)
        print(*(tree_lines(project, out, names, files, args.solution)[-1:] if args.roster else
                tree_lines(project, out, names, files, args.solution)), sep="\n")
    print_next("make_assignment")
    return 0


if __name__ == "__main__":
    run(main)
