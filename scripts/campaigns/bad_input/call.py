"""A call of a command in a forked child, and what is wrong with how it ended."""
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from scripts.campaigns.forks import leave, start
from scripts.commandline.command import LONGEST

SECONDS, MEMORY, LARGEST_FILE = 20, 3 << 30, 64 << 20
AT_WORK = 77                    # the status of a child that got as far as the work that a call of its kind begins
TIMED_OUT = -signal.SIGALRM
PROMISES = TRACEBACKS, CODES, SILENT, SLOW, LONG, WARNINGS = (
    "tracebacks, and faults of the program (exit code 70)", "undocumented exit codes",
    "exits with 2 and no line about it", f"calls over {SECONDS} s", f"lines of {LONGEST} characters or more",
    "warnings of Python")
WARNING = re.compile(r"^\S+\.py:\d+: \w*Warning: .*", re.M)


class Ended(NamedTuple):
    """How a call ended."""
    status: int                 # negative for a signal
    out: str
    err: str
    seconds: float


def call(main: Callable, argv: list[str], folder: Path) -> Ended:
    """Call a command's main with these arguments in a child that works in `folder`; what it prints goes beside it."""
    def before():
        os.setsid()
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        sys.argv = ["-m", *argv]

    out, err = folder.with_name("stdout"), folder.with_name("stderr")
    began, child = time.monotonic(), start(lambda _: main(), argv, out, err, before)
    status = _wait(child, began + SECONDS)
    texts = (path.read_bytes().decode("utf-8", "backslashreplace") for path in (out, err))
    return Ended(status, *texts, time.monotonic() - began)


def at_work(*_, **__) -> NoReturn:
    """In place of long work: the call was good enough to begin it."""
    leave(AT_WORK)


def _wait(child, end):
    """The status of a child, which is killed with its group at the end of its time."""
    pause = 0.001
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return TIMED_OUT
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def faults(ended: Ended, statuses: set[int]) -> dict[str, str]:
    """The promises that a call broke -> what was seen. statuses: the exit codes that the command documents."""
    said = ended.err.strip().splitlines() or [""]
    found = {}
    if "Traceback (most recent call last)" in ended.err + ended.out or ended.status == 70:
        found[TRACEBACKS] = said[-1]
    elif ended.status == TIMED_OUT:
        found[SLOW] = f"{ended.seconds:.0f} s"
    elif ended.status not in {*statuses, AT_WORK}:
        found[CODES] = f"{ended.status}: {said[-1]}"
    elif ended.status == 2 and not re.search("error: |gradcheck: |could not be checked: ", ended.err + ended.out):
        found[SILENT] = said[-1]
    if TRACEBACKS not in found and any(len(line) >= LONGEST for line in said if not line.startswith("usage:")):
        found[LONG] = max(said, key=len)
    if warning := WARNING.search(ended.err):
        found[WARNINGS] = warning[0]
    return found
