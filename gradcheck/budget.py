"""How long a check may take: every call of the functions under test is counted, timed and watched."""
import contextvars
import sys
import threading
import time
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from gradcheck.numeric import Trouble

EVALUATIONS, SECONDS = 100_000, 60.0
LONG = 5.0                          # a check that takes more seconds prints its cost before it begins


class Budget:
    """How many evaluations of forward and how many seconds one check may take."""

    def __init__(self, budget: Any) -> None:
        """budget: evaluations, or (evaluations, seconds). Raises ValueError on anything else."""
        pair = budget if isinstance(budget, (tuple, list)) else (budget, SECONDS)
        if len(pair) != 2 or not all(isinstance(b, Real) and float(b) > 0 for b in pair):
            raise ValueError(f"budget is {budget!r}, expected evaluations or (evaluations, seconds), above zero")
        self.evaluations, self.seconds = (min(float(b), 1e9) for b in pair)
        self.used, self.cost = 0, 0.0
        self.where: Callable[[], str] | None = None
        self.since, self.started, self.over = 0.0, time.monotonic(), False

    def watch(self, where: Callable[[], str], call: Callable[[], Any]) -> Any:
        """Count and time call(); where() describes it in messages. Raises Trouble if the time is up."""
        now = time.monotonic()
        if self.over or now - self.started > self.seconds:
            raise Trouble(f"the check takes longer than its budget of {self.seconds:g} s; it stopped before {where()}")
        self.where, self.since = where, now
        try:
            return call()
        finally:
            self.used, self.where = self.used + 1, None
            self.cost = time.monotonic() - now

    def left(self) -> int:
        """Evaluations still allowed: by their number, and by half of the remaining time at the latest call's cost."""
        seconds = self.seconds - (time.monotonic() - self.started)
        by_time = 0.5 * seconds / max(self.cost, 1e-7)
        return int(max(0, min(self.evaluations - self.used, by_time)))

    def announce(self, evaluations: float) -> None:
        """Print the cost of a long check before it begins."""
        seconds = evaluations * self.cost
        if seconds > LONG:
            print(f"gradcheck: {evaluations} evaluations of {self.cost * 1e3:.3g} ms, about {seconds:.0f} s "
                  "(a smaller budget checks a sample)", file=sys.stderr)


def watched(work: Callable[[], Any], budget: Budget) -> Any:
    """Run work() in a thread. If one call outlasts the budget, abandon the thread and raise Trouble that names it."""
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            with np.errstate(all="ignore"):
                outcome.append((work(), None))
        except BaseException as error:              # raised again in the caller's thread
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
        budget.over = True                          # an abandoned worker stops at its next call and cleans up
        thread.join(1)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
