"""Commands in forked processes: what is imported and compiled is there at once, and any of them can be killed."""
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from scripts.commandline.command import run


class Ended(NamedTuple):
    """How a command ended: exit code, or minus the signal that killed it; what it printed."""
    code: int
    text: str


def start(main: Callable[[list[str]], int | None], arguments: list[str], out: Path, err: Path | None = None,
          before: Callable[[], None] = lambda: None) -> int:
    """Start a command's main() in a forked process -> process id.

    out: the file for what it prints; err: another one for standard error. before: is called in the process first.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)     # BLAS has threads, which are idle
        child = os.fork()
    if child == 0:
        _run(main, arguments, out, err, before)
    return child


def _run(main, arguments, out, err, before) -> NoReturn:
    code: int = 70
    try:
        _redirect(out, err)
        before()
        run(lambda: main(arguments))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else bool(stop.code)
    except BaseException:
        traceback.print_exc()
    finally:
        leave(code)


def _redirect(out, err):
    """Read nothing, and print into files."""
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(out, new, 0o666), 1)
    os.dup2(1 if err is None else os.open(err, new, 0o666), 2)
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        mode = "w" if number else "r"
        setattr(sys, name, open(number, mode, errors="backslashreplace", closefd=False))        # noqa: SIM115


def leave(code: int) -> NoReturn:
    """End a forked process, and nothing that its parent has begun."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


def wait(child: int, log: Path, seconds: float = 300) -> Ended:
    """Wait for a process that start() made; kill it after some seconds."""
    end = time.monotonic() + seconds
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return Ended(os.waitstatus_to_exitcode(found[1]), log.read_text(errors="replace"))
