"""Hostile submissions, each graded before another student's: what breaks of the grader's promises.

Each kind is tried as this machine confines it, then without namespaces, as in most containers.
"""
import contextlib
import itertools
import sys

import numpy as np

from scripts.campaigns.count import Count, Tally, until
from scripts.campaigns.hostile_kinds import Kind
from scripts.campaigns.trial import PROMISES, Result, Trial

FORMS = {                           # name -> the mechanisms of confinement.MECHANISMS that it goes without
    "all that Linux has": (),
    "no namespaces": ("cgroup", "user", "namespaces"),
    "the audit hook alone": ("cgroup", "user", "namespaces", "landlock", "seccomp"),
}


def kinds() -> list[Kind]:
    """All kinds of hostile submissions."""
    from scripts.campaigns import hostile_answers, hostile_files, hostile_processes
    return [*hostile_processes.KINDS, *hostile_files.KINDS, *hostile_answers.KINDS]


def trials(form: str, chosen: list[Kind]) -> dict[str, Result]:
    """Results of kinds in one of the FORMS, by name, but for those that could harm the machine."""
    with contextlib.closing(Trial(FORMS[form], with_next=False)) as trial:
        return {kind.name: trial.run(kind) for kind in chosen if not (kind.alone and "seccomp" in FORMS[form])}


def campaign(minutes: float, seed: int) -> list[Count]:
    """Counts of the promises that broke; the seed gives the order, of which the time may allow the beginning only.

    Raises ValueError where the system is not Linux.
    """
    if sys.platform != "linux":
        raise ValueError("the campaign against the grader needs Linux: it looks at processes, users and shared memory")
    tallies = {name: Tally(text) for name, text in PROMISES.items()}
    order = [kinds()[k] for k in np.random.default_rng(seed).permutation(len(kinds()))]
    with contextlib.ExitStack() as stack:
        made = {form: stack.enter_context(contextlib.closing(Trial(FORMS[form]))) for form in list(FORMS)[:2]}
        for _, (kind, form) in zip(until(minutes), itertools.product(order, made)):
            result = made[form].run(kind)
            for name, tally in tallies.items():
                tally.add(f"{kind.name}, {form}: {result.faults[name]}" if name in result.faults else "")
    return [tally.count() for tally in tallies.values()]
