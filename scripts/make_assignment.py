"""Make an assignment from this project: a student's tree in DIR, and DIR.zip beside it.

    python -m scripts.make_assignment --out ../captioning --tasks 1,2

The bodies of the chosen tasks' functions are replaced by one `raise`; tasks that they build on are solved.
"""
import argparse
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.course.project import load_project
from scripts.course.student_tree import make_tree, tree_lines
from scripts.course.tasks import choose, load_tasks, task_lines


def parse(argv=None):
    parser = Parser(prog="python -m scripts.make_assignment", description=__doc__, epilog=task_lines(load_tasks()[0]),
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder, which may not exist yet")
    parser.add_argument("--tasks", metavar="LIST", help="tasks (2.3) and parts (2) that students write (default: all)")
    parser.add_argument("--solution", action="store_true", help="the solved tree, for instructors")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    project = load_project()
    if not project.is_reference:
        raise ValueError("this is a student's tree, assignments are made from the whole project")
    names = choose(args.tasks, project.tasks, "--tasks")
    files = make_tree(project, args.out, names, args.solution)
    print(*tree_lines(project, args.out, names, files, args.solution), sep="\n")
    return 0


if __name__ == "__main__":
    run(main)
