"""Grading one submission with feedback, or a folder of submissions into one table."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.commandline.outputs import write_output
from scripts.course.channel import Limits
from scripts.course.draws import PUBLIC, draw_for
from scripts.course.grading import Graded, goldens_of, grade
from scripts.course.project import Project
from scripts.course.results import FULL, SCORE, class_csv, feedback, results_json, summary, total
from scripts.course.submission import Submission, id_of, is_zip, read_submission
from scripts.course.tasks import choose, closure


class Wanted(NamedTuple):
    """What is graded, and how."""
    project: Project
    names: list[str]                # of the tasks
    given: list[str]                # of tasks that are taken from the reference and not graded
    seconds: float                  # time limit of a task
    level: str = FULL               # of the feedback, one of results.LEVELS
    variants: bool = False          # whether each student has their own constants
    student: str = ""               # the id, where somebody else than the submission says it
    secret: str = ""                # of the hidden draws
    confinement: str = "any"        # what the kernel has to confine, of confinement.LEVELS


def wanted_tasks(project: Project, task: str | None, given: str | None, seconds: float, **others: object) -> Wanted:
    """What the options --task and --given ask for; others: fields of Wanted. Raises ValueError."""
    names, taken = choose(task, project.tasks, "--task"), []
    if given:
        if not project.is_reference:
            raise ValueError("--given: the reference is not here, it is in the instructor's checkout")
        taken = choose(given, project.tasks, "--given")
    if set(names) <= set(taken):
        raise ValueError(f"--given {given}: nothing is left to grade, expected fewer than --task has")
    if others.get("variants") and not project.is_reference:
        raise ValueError("--variants: this copy has one student's constants, the others are in the instructor's "
                         "checkout")
    return Wanted(project, [name for name in names if name not in taken], taken, seconds, **others)


def read_secret(path: Path | None) -> str:
    """The secret in a file, "" without one. Raises ValueError if the file is empty or no text."""
    if path is None:
        return ""
    try:                                                # a pipe would be waited for
        secret = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    except UnicodeDecodeError:
        secret = ""
    if not secret:
        raise ValueError(f"--secret {path}: expected a text in UTF-8")
    return secret


def grade_one(path: Path, wanted: Wanted, show: str = "",
              forbidden: Sequence[Path] = ()) -> tuple[Submission, list[Graded]]:
    """Grade one submission; show: a level, at which to print its notes, and each task's result with the feedback."""
    names, given = wanted.names, wanted.given
    needed = [name for name in closure(names, wanted.project.tasks) if name not in given]
    submission = read_submission(path, wanted.project.files(needed))
    submission = submission._replace(student=wanted.student or submission.student)
    project, draw = _project_and_draw(wanted, submission.student)
    if submission.version and submission.version != project.version:
        submission.notes.append(f"made for version {submission.version} of the assignment, graded by {project.version}")
    graded = []
    for note in submission.notes if show and show != SCORE else ():
        print(note)
    limits = Limits(seconds=wanted.seconds, confinement=wanted.confinement)
    for task in grade(project, submission, names, draw, goldens_of(project, draw), given, limits, forbidden):
        graded.append(task)
        if show:
            print("\n".join([summary(task, show), *(f"    {line}" for line in feedback(task, show))]), flush=True)
    return submission, graded


def _project_and_draw(wanted, student):
    """The project that a student's work is graded with, with his own constants if so wanted, and the draw."""
    project = wanted.project
    if not project.is_reference:
        return project, PUBLIC
    if wanted.variants:
        from scripts.course.own_constants import project_for  # students' trees lack it
        project = project_for(project, student)
    return project, draw_for(student, project.version, project.constants, wanted.secret)


def grade_and_report(path: Path, wanted: Wanted, out: Path | None, show: str = "") -> None:
    """Grade one submission, print its points, and write results.json to `out` if one is given.

    show: the level of what is printed, if not that of `out`. Raises ValueError if the submission cannot be read; `out`
    then tells the student why.
    """
    try:
        submission, graded = grade_one(path, wanted, show or wanted.level)
    except ValueError as error:
        if out:
            write_output(out, results_json([], [str(error)]))
        raise
    got, of = total(graded)
    print(f"\n{submission.student}: {got:g} of {of:g} points")
    if out:
        write_output(out, results_json(graded, submission.notes if wanted.level != SCORE else (), wanted.level))


def grade_class(folder: Path, wanted: Wanted, out: Path) -> None:
    """Grade all submissions of a folder into one CSV. What cannot be read gets a line with a remark."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of submissions")
    rows, ids = [], {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.resolve() == out.resolve():
            continue
        rows.append(_class_row(path, wanted, ids, folder))
        print(f"{path.name}: {total(rows[-1][1])[0] if rows[-1][1] else 0:g} points  {rows[-1][2]}", flush=True)
        write_output(out, class_csv(rows, wanted.names))        # now, since much may happen before the last one
    if not rows:
        raise ValueError(f"{folder}: is empty, expected folders or zips of submissions")
    print(f"{len(rows)} submissions: {out}")


def _class_row(path, wanted, ids, folder):
    """Student, graded tasks and remark of a submission; what cannot be graded has a remark alone."""
    try:
        if not (path.is_dir() or is_zip(path)):
            raise ValueError("neither a folder nor a zip, not graded")
        return _graded_row(path, wanted, ids, folder)
    except (ValueError, OSError) as error:
        return id_of(path), None, str(error).removeprefix(f"{path}: ")
    except Exception as error:                          # one submission must not cost the results of the others
        return id_of(path), None, f"the grader failed, look into it: {type(error).__name__}: {error}"


def _graded_row(path, wanted, ids, folder):
    """The same of one that can be graded; ids: student, in small letters -> the first submission with that id."""
    submission, graded = grade_one(path, wanted, forbidden=[folder])
    first = ids.setdefault(submission.student.casefold(), path.name)
    submission.notes.extend([f"has the same id as {first}"] if first != path.name else [])
    remark = "; ".join([*submission.notes, *dict.fromkeys(note for task in graded for note in task.notes)])
    return submission.student, graded, remark
