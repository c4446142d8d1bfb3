"""Commands in forked processes: what is imported and compiled is there at once, and any of them can be killed."""
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scripts.commandline.command import run


class Ended(NamedTuple):
    """How a command ended: exit code, or minus the signal that killed it; what it printed."""
    code: int
    text: str


def start(main: Callable[[list[str]], int | None], arguments: list[str], log: Path) -> int:
    """Start a command's main() in a forked process, with all that it prints in the file `log` -> process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)     # BLAS has threads, which are idle
        child = os.fork()
    if child:
        return child
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(out, stream)
        sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))    # noqa: SIM115
        run(lambda: main(arguments))
    except SystemExit as error:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(error.code if isinstance(error.code, int) else bool(error.code))
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    os._exit(70)


def wait(child: int, log: Path, seconds: float = 300) -> Ended:
    """Wait for a process that start() made; kill it after some seconds."""
    end = time.monotonic() + seconds
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return Ended(os.waitstatus_to_exitcode(found[1]), log.read_text(errors="replace"))
