"""Grading one submission: each task runs in a process of its own, with the reference in place of failed tasks."""
import contextlib
import hashlib
import io
from typing import NamedTuple

import numpy as np

from scripts.course import adam_checks, encoding_checks, model_checks, pair_calls, pair_checks
from scripts.course.channel import Gone, Limits, Remote, SubmissionError
from scripts.course.child import Server
from scripts.course.draws import STANDARD
from scripts.course.outcomes import LATE, STRANGE, Outcome, described
from scripts.course.project import narrower, tree_under_test
from scripts.course.task_folder import folder_of
from scripts.course.tasks import GOLDENS, closure

CHECKS = {                          # answers(), warm_up(), check() of each kind of task
    "pairs": (pair_calls.answers, pair_checks.warm_up, pair_checks.check),
    "adam": (adam_checks.answers, adam_checks.warm_up, adam_checks.check),
    "loss": (model_checks.loss_answers, model_checks.warm_up, model_checks.check_loss),
    "sample": (model_checks.sample_answers, model_checks.warm_up, model_checks.check_sample),
    "encoding": (encoding_checks.answers, encoding_checks.warm_up, encoding_checks.check),
    "transformer": (model_checks.loss_answers, model_checks.warm_up, model_checks.check_loss),
}


class Graded(NamedTuple):
    """The result of one task."""
    task: object                    # tasks.Task
    outcomes: list
    blocked: list                   # names of tasks that it builds on and that have a wrong forward or gradient
    how: str                        # with whose functions in their place it was graded, if with others than its own
    notes: list                     # what the submission did that it should not
    printed: str

    @property
    def points(self):
        """Points of each outcome -> list of (got, of), in hundredths, which add up to the task's points."""
        return points_of(self.outcomes, self.task.points)

    @property
    def score(self):
        return round(sum(got for got, _ in self.points), 2)


class Reference:
    """The project's own functions, called like a submission's."""

    def __init__(self):
        self._server = Server()
        self._server.start()

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._server.layers:
            raise AttributeError(name)
        return self._server.layers[name]

    def captioner(self, *args):
        return self._server.captioner(*args)


def goldens_of(project, draw):
    """The right results of all forwards, task -> key -> tuple of arrays: computed, or read from a student's tree."""
    if project.is_reference:
        with _solved(project):
            reference = Reference()
            return {name: CHECKS[task.check][0](task, reference, draw) for name, task in project.tasks.items()}
    goldens = {name: {} for name in project.tasks}
    with np.load(project.root / GOLDENS, allow_pickle=False) as file:
        for entry in file.files:                                    # in order
            task, key, _ = entry.split("|")
            if task in goldens:
                goldens[task][key] = (*goldens[task].get(key, ()), file[entry])
    return goldens


@contextlib.contextmanager
def _solved(project):
    """Within the block the solved layers of a project are imported; those of this checkout unless it has constants."""
    if project.constants == STANDARD:
        yield
        return
    from scripts.course.modules import modules_from  # students' trees lack it
    solved = {path: project.text(path, project.tasks) for path in project.texts}
    with folder_of({**project.under_test, **solved}) as work, modules_from(work):
        yield


class Way(NamedTuple):
    """A way to grade a task that builds on wrong ones."""
    given: set                      # tasks whose functions are the reference's
    kept: set                       # tasks whose forwards are the submission's and whose gradients are the reference's
    how: str


def grade(project, submission, names, draw, goldens, given=(), limits=None, forbidden=(), memo=None, open_tree=Remote):
    """Grade some tasks of a Submission, and the tasks that they build on; yield a Graded for each of `names`, in order.

    A task that builds on one that lost points is graded in each Way, and the best counts.
    given: tasks whose functions are taken from the reference. memo: a dict that keeps the results of a tree, if almost
    the same submission is graded many times. open_tree: runs a tree, such as Remote.
    """
    wrong, flawed, memo = {}, set(), {} if memo is None else memo       # name of a wrong task -> Wrong
    for name in [name for name in closure(names, project.tasks) if name not in given]:
        task, needed = project.tasks[name], [need for need in closure([name], project.tasks) if need != name]
        blocked = [need for need in needed if need in wrong]
        best = None
        for way in _ways(project, submission, needed, wrong, flawed, set(given)):
            tree = tree_under_test(project, name, submission.texts, way.given, way.kept)
            key = (name, draw.seed, hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest())
            if key not in memo:
                memo[key] = _grade_tree(task, tree, draw, goldens[name],
                                        lambda work: open_tree(work, limits or Limits(), forbidden))
            outcomes, notes, printed, gone = memo[key]
            graded = Graded(task, outcomes, blocked, way.how, notes, printed)
            if best is None or graded.score > best.score:
                best, ended = graded, gone
            if best.score == task.points:
                break
        if any(outcome.essential and outcome.problem for outcome in best.outcomes):
            right_forward = task.check == "pairs" and _has_right_forwards(best.outcomes)
            wrong[name] = Wrong(right_forward, ended or any(LATE in outcome.problem for outcome in best.outcomes))
        elif best.score < task.points:
            flawed.add(name)
        if name in names:
            yield best


class Wrong(NamedTuple):
    """A task with a wrong forward or gradient."""
    right_forward: bool             # whether only its gradients are wrong
    useless: bool                   # whether it ends the process, or stops being right


def _has_right_forwards(outcomes):
    return not any(outcome.problem for outcome in outcomes if outcome.name.endswith((": forward", "import")))


def _ways(project, submission, needed, wrong, flawed, given):
    """The ways to grade a task that builds on `needed`, the likely best first. A student's tree has no reference.

    flawed: tasks with right numbers that lost points, such as a step that edits its cache, which is the sequence's too.
    """
    given, replaced = given & set(needed), {need for need in needed if need in wrong and need not in given}
    narrow = narrower(project, submission.texts, set(needed) - given)
    useful = {need for need in replaced if not wrong[need].useless}
    own = Way(given, set(), "graded with the submission's own functions" if replaced else "")
    if not replaced or not project.is_reference:
        yield own._replace(how="")
    if project.is_reference and replaced | narrow:
        kept = {need for need in replaced if wrong[need].right_forward and not wrong[need].useless}
        if kept:
            yield Way(given | (narrow | replaced) - kept, kept, f"graded with the reference's gradients of "
                      f"{', '.join(sorted(kept))} behind the submission's forwards")
        yield Way(given | replaced | narrow, set(),
                  f"graded with the reference's functions of {', '.join(sorted(replaced | narrow))}")
        if replaced and useful == replaced:             # nothing can work with the others
            yield own
    flawed = flawed & set(needed) - given
    if project.is_reference and flawed:
        others = replaced | narrow | flawed
        yield Way(given | others, set(), f"graded with the reference's functions of {', '.join(sorted(others))}")


def _grade_tree(task, tree, draw, goldens, open_tree):
    """Outcomes, notes, what was printed, and whether the process ended, for a task on the tree path -> text."""
    for warm in (True, False):                                      # again without, if first calls ended the process
        with folder_of(tree) as work, open_tree(work) as remote:
            outcomes = _outcomes(task, remote, draw, goldens, warm)
        if outcomes:
            break
    return outcomes, remote.notes, remote.printed, bool(remote.gone)


def _outcomes(task, remote, draw, goldens, warm):
    """Outcomes of a task; None if its first calls ended the process, though single checks may still pass."""
    _, warm_up, check = CHECKS[task.check]
    try:
        remote.start()
    except (Gone, SubmissionError) as error:
        return [Outcome("import", 1, described(error), True)]
    if warm:
        with contextlib.suppress(*STRANGE):                         # the checks report it in its place
            warm_up(task, remote, draw)
        if remote.gone:
            return None
    remote.start_clock()
    with contextlib.redirect_stderr(io.StringIO()):                 # the checker's estimate of its time
        outcomes = list(check(task, remote, goldens, draw))
    if any(outcome.essential and not outcome.problem for outcome in outcomes):
        return outcomes
    vacuous = "counts once a result is right"
    return [outcome if outcome.problem else outcome._replace(problem=vacuous) for outcome in outcomes]


def points_of(outcomes, total):
    """Points of each outcome -> list of (got, of)."""
    weights = np.array([outcome.weight for outcome in outcomes], float)
    ends = np.round(np.cumsum(weights) / weights.sum() * total, 2)
    of = np.round(np.diff(ends, prepend=0.0), 2)
    return [(0.0 if outcome.problem else float(points), float(points)) for outcome, points in zip(outcomes, of)]
