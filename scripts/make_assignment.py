"""Make an assignment from this project: a student's tree in DIR, and DIR.zip beside it.

    python -m scripts.make_assignment --out ../captioning --tasks 1,2

The bodies of the chosen tasks' functions are replaced by one `raise`; tasks that they build on come solved.
"""
import argparse
from pathlib import Path

from scripts.commandline.command import run
from scripts.course.project import load_project
from scripts.course.student_tree import make_tree
from scripts.course.tasks import choose, closure


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.make_assignment", description=__doc__,
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
    for name in names:
        print(f"{name}  {project.tasks[name].points:3d} points  {project.tasks[name].title}")
    given = [name for name in closure(names, project.tasks) if name not in names]
    print(f"solved: {'all' if args.solution else ', '.join(given) or 'none'}")
    size = sum(map(len, files.values()))
    print(f"{args.out}: {len(files)} files, {size / 1e6:.1f} MB, {sum(project.tasks[n].points for n in names)} points; "
          f"the same in {args.out.with_name(f'{args.out.name}.zip')}")
    return 0


if __name__ == "__main__":
    run(main)
