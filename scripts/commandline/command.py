"""How commands exit: 0; 2 with one line for bad input; 130 after Ctrl-C; 141 on a closed pipe. No traceback."""
import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

LONGEST = 600               # characters of an error, with its line end


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are lines of a bounded length; it imports nothing of the project."""

    def exit(self, status=0, message=None):
        """As argparse does, with a message of one line."""
        super().exit(status, message and f"{one_line(message)}\n")


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call main() and exit with what it returns. Bad input prints one line on standard error."""
    if sys.stdout is None:                                   # closed by the caller, `>&-`
        sys.stdout = open(os.devnull, "w")                   # noqa: SIM115
    sys.stdout.reconfigure(errors="backslashreplace")         # for characters that the terminal cannot print
    status = 0
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        status = _say(str(error) or "stopped", 130)
    except BrokenPipeError:                                  # the reader of the pipe ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141                                         # as shells do; 0 would mean that everything was printed
    except (ValueError, OSError, ArithmeticError, MemoryError) as error:
        status = _say(f"error: {str(error) or type(error).__name__}", 2)
    sys.exit(status)


def check_page(option: str, path: Path) -> None:
    """Raises ValueError or FileNotFoundError if a page written to `path` would replace another kind of file."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option} {path}: no such folder {path.parent}")
    if path.is_symlink() or path.exists() and not (path.is_file() and path.read_bytes()[:9].lower() == b"<!doctype"):
        raise ValueError(f"{option} {path}: is there already and no page, nothing was done: choose another name")


def set_threads(number: int | None) -> None:
    """Set the number of BLAS threads; None leaves it as it is. Raises ValueError."""
    if number is None:
        return
    if number < 1:
        raise ValueError(f"--threads {number}: expected at least 1")
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise ValueError("--threads needs threadpoolctl: pip install -e \".[threads]\", or put "
                         f"OPENBLAS_NUM_THREADS={number} before the command") from None
    threadpool_limits(number)


def one_line(text: str) -> str:
    """A text as one line. Of one too long the middle is left out: its end says what to do."""
    text, half = " ".join(text.split()), LONGEST // 2 - len(" ... ")
    return text if len(text) < LONGEST else f"{text[:half]} ... {text[-half:]}"


def _say(text, status):
    print(one_line(text), file=sys.stderr)
    return status
