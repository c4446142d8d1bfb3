"""How commands exit: 0; 2 with one line for bad input; 130 after Ctrl-C; 141 on a closed pipe; 70 for a fault of ours.

No traceback, unless RNNLAYERS_TRACEBACK=1 asks for it.
"""
import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from scripts.commandline.invocation import as_started

# What bad input raises. Readers turn odd content of files into ValueError; RuntimeError is HDF5's for damaged files.
INPUT = (ValueError, OSError, ArithmeticError, MemoryError, RecursionError, RuntimeError)
ROOT = os.path.join(os.path.abspath(__file__).rsplit(os.sep, 3)[0], "")      # of the project
# The most that --threads takes: NumPy's OpenBLAS uses 64; and onnxruntime waits for ever for one that it cannot start.
THREADS = 128
NO_SUCH = {"H5": "no such feature file", "FILE": "no such file"}        # by metavar, of an empty name
LONGEST = 600               # characters of an error, with its line end


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are lines of a bounded length; it imports no layers, models or data."""

    def __init__(self, *args, prog=None, **options):
        super().__init__(*args, prog=prog and as_started(prog), **options)

    def _get_values(self, action, arg_strings):
        """As argparse does, but for what no option takes: an empty text, no word at all (--n=--), endless digits.

        Raises ValueError.
        """
        found = super()._get_values(action, arg_strings)
        name = "/".join(action.option_strings) or action.metavar or action.dest
        if action.nargs == argparse.PARSER:                 # a subcommand, whose parser looks at what follows
            return found
        if "" in arg_strings or found == [] and action.nargs is None:
            raise ValueError(f"{name}: is empty, {NO_SUCH.get(action.metavar, 'expected a value')}")
        for number in found if isinstance(found, list) else [found]:
            if isinstance(number, int) and abs(number) >= 2**63:
                raise ValueError(f"{name} {number:.3g}: expected a smaller number")
        return found

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
    except Exception as error:
        status = _failed(error)
    sys.exit(status)


def _failed(error):
    """Print the line of an exception -> the exit code."""
    if isinstance(error, INPUT):
        return _say(f"error: {said(error)}", 2)
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if frame.filename.startswith(ROOT)), frames[-1])
    place = last.filename.removeprefix(ROOT)
    return _say(f"error: {type(error).__name__} at {place}:{last.lineno}, {said(error)}: a fault in the program, not "
                "in its input; RNNLAYERS_TRACEBACK=1 before the command shows the traceback", 70)


def said(error: BaseException) -> str:
    """An error in words: an OSError of the system as its file, what was tried, and the reason."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        tried = "cannot be read or written: " if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ""
        return f"{os.fsdecode(error.filename)}: {tried}{error.strerror}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)


def set_threads(number: int | None) -> None:
    """Set the number of BLAS threads; None leaves it as it is. Raises ValueError."""
    if number is None:
        return
    if not 1 <= number <= THREADS:
        raise ValueError(f"--threads {number}: expected at least 1, and at most {THREADS:,}")
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
    if os.environ.get("RNNLAYERS_TRACEBACK"):
        traceback.print_exc()
    print(one_line(text), file=sys.stderr)
    return status
