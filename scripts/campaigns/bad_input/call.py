"""A call of a command in a forked child, and what is wrong with how it ended."""
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from scripts.commandline.command import LONGEST, run

SECONDS, MEMORY, LARGEST_FILE = 20, 3 << 30, 64 << 20
AT_WORK = 77                    # the status of a child that got as far as the work that a call of this kind begins
WARNING = re.compile(r"^\S+\.py:\d+: \w*Warning: ", re.M)


class Ended(NamedTuple):
    """How a call ended."""
    status: int                 # negative for a signal
    out: str
    err: str
    seconds: float


def call(main: Callable, argv: list[str], folder: Path, seconds: float = SECONDS) -> Ended:
    """Call a command's main with these arguments in a child that works in `folder`."""
    out, err = folder.with_name("stdout"), folder.with_name("stderr")
    began, child = time.monotonic(), os.fork()
    if child == 0:
        _child(main, argv, folder, out, err)
    status = _wait(child, began + seconds)
    texts = (path.read_bytes().decode("utf-8", "backslashreplace") for path in (out, err))
    return Ended(status, *texts, time.monotonic() - began)


def _child(main, argv, folder, out, err) -> NoReturn:
    status = 99
    try:
        os.setsid()
        os.chdir(folder)
        for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                                    (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
            os.dup2(os.open(path, flags, 0o666), number)
        for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
            setattr(sys, name, open(number, "r" if number == 0 else "w", errors="backslashreplace", closefd=False))  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        sys.argv = ["-m", *argv]
        run(main)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status & 0xFF)


def _wait(child: int, end: float) -> int:
    """The status of a child, which is killed with its group at the end of its time."""
    pause = 0.001
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGALRM
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def at_work(*_, **__) -> NoReturn:
    """In place of long work: the call was good enough to begin it."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(AT_WORK)


def faults(ended: Ended, statuses: set[int]) -> dict[str, str]:
    """What is wrong with how a call ended: kind -> what was seen. statuses: those that the command documents."""
    lines = ended.err.strip().splitlines()
    found = {}
    if "Traceback (most recent call last)" in ended.err + ended.out:
        found["tracebacks"] = next((line for line in reversed(lines) if line and not line.startswith(" ")), "")
    elif ended.status == 70:
        found["tracebacks"] = lines[-1] if lines else ""
    elif ended.status == -signal.SIGALRM:
        found["calls over 20 s"] = f"{ended.seconds:.0f} s"
    elif ended.status not in {*statuses, AT_WORK}:
        found["undocumented exit codes"] = f"{ended.status}: {lines[-1] if lines else ''}"
    elif ended.status == 2 and not ("error: " in ended.err or "gradcheck: " in ended.err + ended.out
                                    or "could not be checked: " in ended.out):
        found["exits with 2 and no line about it"] = ended.err[-200:]
    if any(len(line) >= LONGEST for line in lines if not line.startswith("usage:") and "Traceback" not in ended.err):
        found["lines of 600 characters or more"] = max(lines, key=len)[:200]
    if WARNING.search(ended.err):
        found["warnings of Python"] = WARNING.search(ended.err).group() + lines[-1]
    return found
