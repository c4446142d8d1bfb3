"""How long a check may take: every call of the functions under test is counted, timed and watched."""
import contextvars
import sys
import threading
import time
from numbers import Real

import numpy as np

from gradcheck.numeric import Trouble

EVALUATIONS, SECONDS = 100_000, 60.0
LONG = 5.0                          # seconds from which the cost is printed first


class Budget:
    """So many evaluations of forward and so many seconds, for one check."""

    def __init__(self, budget):
        """budget: evaluations, or (evaluations, seconds). Raises ValueError on anything else."""
        pair = budget if isinstance(budget, (tuple, list)) else (budget, SECONDS)
        if len(pair) != 2 or not all(isinstance(b, Real) and b > 0 for b in pair):
            raise ValueError(f"budget is {budget!r}, expected evaluations or (evaluations, seconds), above zero")
        self.evaluations, self.seconds = (min(float(b), 1e9) for b in pair)
        self.used, self.cost = 0, 0.0
        self.where, self.since, self.started, self.over = None, 0.0, time.monotonic(), False

    def watch(self, where, call):
        """call(), timed. where() says which call it is. Raises Trouble when the time is up."""
        now = time.monotonic()
        if self.over or now - self.started > self.seconds:
            raise Trouble(f"the check takes longer than its budget of {self.seconds:g} s, next is {where()}")
        self.where, self.since = where, now
        try:
            return call()
        finally:
            self.used, self.where = self.used + 1, None
            self.cost = time.monotonic() - now

    def left(self):
        """Evaluations that fit into what is left, at the cost of the latest one, with half kept in reserve."""
        seconds = self.seconds - (time.monotonic() - self.started)
        by_time = 0.5 * seconds / max(self.cost, 1e-7)
        return int(max(0, min(self.evaluations - self.used, by_time)))

    def announce(self, evaluations):
        """Print the cost of a long check before it begins."""
        seconds = evaluations * self.cost
        if seconds > LONG:
            print(f"gradcheck: {evaluations} evaluations of {self.cost * 1e3:.3g} ms, about {seconds:.0f} s "
                  "(a smaller budget checks a sample)", file=sys.stderr)


def watched(work, budget):
    """work() in a thread of its own, left behind when one call outlasts the budget: Trouble says which."""
    outcome = []

    def run():
        try:
            with np.errstate(all="ignore"):
                outcome.append((work(), None))
        except BaseException as error:              # handed to the caller's thread
            outcome.append((None, error))
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            where, now = budget.where, time.monotonic()
            if where is not None and now - budget.started > budget.seconds and now - budget.since > 1:
                raise Trouble(f"{where()} does not end: {now - budget.since:.0f} s so far, "
                              f"over the budget of {budget.seconds:g} s")
    finally:
        budget.over = True                          # an interrupted worker stops at its next call and tidies up
        thread.join(1)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
