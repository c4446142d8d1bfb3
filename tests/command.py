"""A command line run in this process."""
import pytest

from scripts.commandline.command import run


def call(main, *argv):
    """Call a command's main as a user does -> its exit code."""
    with pytest.raises(SystemExit) as stop:
        run(lambda: main([str(a) for a in argv]))
    return stop.value.code or 0


def without_next(text):
    """What a command printed, without its lines about what may come next."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("Next: "))
