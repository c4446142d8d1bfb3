"""Grade a submission of the course, each task in a process of its own; in a student's tree, test one's own work.

    python -m scripts.grade submission.zip --task 1,2 --out results.json
    python -m scripts.grade --class submissions --task 1,2 --out grades.csv

A LIST of tasks names single ones (2.3) or whole parts (2). The exit code is 0 even where points were lost.
"""
import argparse
from pathlib import Path

from scripts.commandline.command import run
from scripts.course.channel import Limits
from scripts.course.draws import PUBLIC, draw_for
from scripts.course.files import check_place, write_whole
from scripts.course.grading import goldens_of, grade
from scripts.course.project import load_project
from scripts.course.results import class_csv, feedback, results_json, summary, total
from scripts.course.submission import read_submission
from scripts.course.tasks import ROOT, choose, closure

CLASS_OUT = Path("grades.csv")


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.grade", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submission", nargs="?", type=Path, metavar="SUBMISSION", help="a folder or a zip")
    parser.add_argument("--task", metavar="LIST", help="tasks or parts (default: all of the assignment)")
    parser.add_argument("--given", metavar="LIST", help="tasks to take from the reference, without grading them")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="results.json in Gradescope's format; for --class a CSV (default grades.csv)")
    parser.add_argument("--class", dest="folder", type=Path, metavar="DIR", help="grade every submission in a folder")
    parser.add_argument("--seconds", type=float, default=Limits().seconds,
                        help="time limit for the checks of one task (default %(default)g)")
    args = parser.parse_args(argv)
    if (args.submission is None) == (args.folder is None):
        parser.error("give a submission, or --class with a folder of them")
    if not args.seconds > 0:
        parser.error(f"--seconds {args.seconds:g}: expected more than 0")
    return args


def main(argv=None):
    args = parse(argv)
    project = load_project(ROOT)
    names, given = choose(args.task, project.tasks, "--task"), []
    if args.given:
        if not project.is_reference:
            raise ValueError("--given: the reference is not here, it is in the instructor's checkout")
        given = choose(args.given, project.tasks, "--given")
    if set(names) <= set(given):
        raise ValueError(f"--given {args.given}: nothing is left to grade, expected fewer than --task has")
    if args.folder or args.out:
        check_place(args.out or CLASS_OUT)
    if args.folder:
        return grade_class(args, project, names, given)
    try:
        submission, graded = grade_one(args.submission, args, project, names, given, show=True)
    except ValueError as error:
        if args.out:                                # who handed it in is to see why
            write_whole(args.out, results_json([], [str(error)]))
        raise
    got, of = total(graded)
    print(f"\n{submission.student}: {got:g} of {of:g} points")
    if args.out:
        write_whole(args.out, results_json(graded, submission.notes))
    return 0


def grade_one(path, args, project, names, given, show=False, forbidden=()):
    """Grade one submission -> Submission, list of Graded."""
    names = [name for name in names if name not in given]
    needed = [name for name in closure(names, project.tasks) if name not in given]
    submission = read_submission(path, project.files(needed))
    draw = draw_for(submission.student, project.version) if project.is_reference else PUBLIC
    if submission.version and submission.version != project.version:
        submission.notes.append(f"made for version {submission.version} of the assignment, graded by {project.version}")
    graded = []
    for note in submission.notes if show else ():
        print(note)
    for task in grade(project, submission, names, draw, goldens_of(project, draw), given,
                      Limits(seconds=args.seconds), forbidden):
        graded.append(task)
        if show:
            print("\n".join([summary(task), *(f"    {line}" for line in feedback(task))]), flush=True)
    return submission, graded


def grade_class(args, project, names, given):
    """Grade all submissions of a folder into one CSV. What cannot be read gets a line with a remark."""
    if not args.folder.is_dir():
        raise FileNotFoundError(f"{args.folder}: no such folder of submissions")
    rows, ids = [], {}
    for path in sorted(args.folder.iterdir()):
        if path.name.startswith(".") or not (path.is_dir() or path.suffix == ".zip"):
            continue
        try:
            submission, graded = grade_one(path, args, project, names, given, forbidden=[args.folder])
            first = ids.setdefault(submission.student, path.name)
            submission.notes.extend([f"has the same id as {first}"] if first != path.name else [])
            remark = "; ".join([*submission.notes, *dict.fromkeys(note for task in graded for note in task.notes)])
            rows.append((submission.student, graded, remark))
        except (ValueError, OSError) as error:
            rows.append((path.name, None, str(error)))
        except Exception as error:                      # one submission does not cost what the others took
            rows.append((path.name, None, f"the grader failed, look into it: {type(error).__name__}: {error}"))
        print(f"{path.name}: {total(rows[-1][1])[0] if rows[-1][1] else 0:g} points  {rows[-1][2]}", flush=True)
    out = args.out or CLASS_OUT
    write_whole(out, class_csv(rows, [name for name in names if name not in given]))
    print(f"{len(rows)} submissions: {out}")
    return 0


if __name__ == "__main__":
    run(main)
