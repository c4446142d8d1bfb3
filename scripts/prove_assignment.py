"""Test an assignment of all tasks before it is handed out: python -m scripts.prove_assignment

The solved tree passes every task. The stripped tree fails exactly its tasks, and so does a tree of part 2 alone. The
zip contains nothing of a solution. Both trees can be imported, and the notebooks run on the solution. Exit code 1 if
one of these fails.
"""
import argparse
import tempfile
import time
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser
from scripts.course.own_constants import project_for
from scripts.course.project import load_project
from scripts.course.proofs import imports, notebooks_run, nothing_leaks, solved_tree_passes, stripped_tree_fails


def main(argv=None):
    parser = Parser(prog="python -m scripts.prove_assignment", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-notebooks", action="store_true", help="leave the notebooks out")
    parser.add_argument("--student", metavar="ID", help="test the trees with this student's constants")
    args = parser.parse_args(argv)
    project, wrong = load_project(), 0
    if args.student:
        project = project_for(project, args.student)
    with tempfile.TemporaryDirectory() as folder:
        solved, stripped, part = (Path(folder, name) for name in ("solved", "stripped", "part"))
        proofs = {
            "the solved tree passes every task": lambda: solved_tree_passes(project, solved),
            "the stripped tree fails exactly its tasks": lambda: stripped_tree_fails(project, stripped),
            "so does that of part 2 alone": lambda: stripped_tree_fails(project, part, "2"),
            "nothing of a solution is in the zip": lambda: nothing_leaks(project, stripped),
            "the solved tree imports": lambda: imports(solved),
            "the stripped tree imports": lambda: imports(stripped),
        }
        if not args.no_notebooks:
            proofs["the notebooks run on the solution"] = lambda: notebooks_run(solved)
        for words, proof in proofs.items():
            started, problem = time.monotonic(), proof()
            print(f"{'WRONG' if problem else 'ok':5s}  {words}, {time.monotonic() - started:.0f} s", flush=True)
            print(problem, end="\n" if problem else "")
            wrong += bool(problem)
    print_next("prove_assignment")
    return 1 if wrong else 0


if __name__ == "__main__":
    run(main)
