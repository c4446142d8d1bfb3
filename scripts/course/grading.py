"""Grading one submission: each task runs in a process of its own, with the reference in place of failed tasks."""
import contextlib
import hashlib
import io
from typing import NamedTuple

import numpy as np

from scripts.course import adam_checks, model_checks, pair_checks
from scripts.course.channel import Gone, Limits, Remote, SubmissionError, folder_of
from scripts.course.child import Server
from scripts.course.outcomes import STRANGE, Outcome, described
from scripts.course.project import tree_under_test
from scripts.course.tasks import GOLDENS, closure

CHECKS = {                          # answers(), warm_up(), check() of each kind of task
    "pairs": (pair_checks.answers, pair_checks.warm_up, pair_checks.check),
    "adam": (adam_checks.answers, adam_checks.warm_up, adam_checks.check),
    "loss": (model_checks.loss_answers, model_checks.warm_up, model_checks.check_loss),
    "sample": (model_checks.sample_answers, model_checks.warm_up, model_checks.check_sample),
}


class Graded(NamedTuple):
    """The result of one task."""
    task: object                    # tasks.Task
    outcomes: list
    blocked: list                   # names of tasks that it builds on and that failed
    given: bool                     # whether the reference took their place
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
        reference = Reference()
        return {name: CHECKS[task.check][0](task, reference, draw) for name, task in project.tasks.items()}
    goldens = {name: {} for name in project.tasks}
    with np.load(project.root / GOLDENS, allow_pickle=False) as file:
        for entry in file.files:                                    # in order
            task, key, _ = entry.split("|")
            if task in goldens:
                goldens[task][key] = (*goldens[task].get(key, ()), file[entry])
    return goldens


def grade(project, submission, names, draw, goldens, given=(), limits=None, forbidden=(), memo=None, open_tree=Remote):
    """Grade some tasks of a Submission, and the tasks that they build on; yield a Graded for each of `names`, in order.

    given: tasks whose functions are taken from the reference. memo: a dict that keeps the results of a tree, if almost
    the same submission is graded many times. open_tree: runs a tree, such as Remote.
    """
    missed, memo = set(), {} if memo is None else memo
    for name in [name for name in closure(names, project.tasks) if name not in given]:
        task = project.tasks[name]
        needed = set(closure([name], project.tasks)) - {name}
        blocked = [need for need in closure([name], project.tasks) if need in missed]
        put_in = needed & (set(given) | missed) if project.is_reference else set()
        tree = tree_under_test(project, name, submission.texts, put_in)
        key = (name, draw.seed, hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest())
        if key not in memo:
            memo[key] = _grade_tree(task, tree, draw, goldens[name],
                                    lambda work: open_tree(work, limits or Limits(), forbidden))
        graded = Graded(task, *memo[key][:1], blocked, bool(put_in), *memo[key][1:])
        if any(outcome.problem for outcome in graded.outcomes):
            missed.add(name)
        if name in names:
            yield graded


def _grade_tree(task, tree, draw, goldens, open_tree):
    """Outcomes, notes and what was printed, for a task on the tree path -> text."""
    for warm in (True, False):                                      # again without, if first calls ended the process
        with folder_of(tree) as work, open_tree(work) as remote:
            outcomes = _outcomes(task, remote, draw, goldens, warm)
        if outcomes:
            break
    return outcomes, remote.notes, remote.printed


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
