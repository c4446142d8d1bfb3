"""Bad input: thousands of calls of all commands, each with something wrong in its options or files.

Promises: no traceback, no file replaced or changed that is not an output of the call, exit codes 2, 1 or 0 as documented,
an error of one line, nothing over 20 s.
"""
import contextlib
import importlib
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random

from scripts.campaigns.bad_input.call import call, faults
from scripts.campaigns.bad_input.command_lines import Lines
from scripts.campaigns.bad_input.usual import EXIT_1, STUBS
from scripts.campaigns.bad_input.world import World
from scripts.campaigns.count import Count, Tally, until

CALLS = 3000
LOG = None
PROMISES = ("tracebacks", "files of the user changed or replaced", "undocumented exit codes", "exits with 2 and no line about it",
            "calls over 20 s", "lines of 600 characters or more", "warnings of Python")


def campaign(minutes: float, seed: int) -> list[Count]:
    """Up to 3,000 calls."""
    return attack(until(minutes, CALLS), seed)


def attack(tries: Iterable[int], seed: int) -> list[Count]:
    """Make a call for each of the tries."""
    tallies = {promise: Tally(promise) for promise in PROMISES}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        world, scratch = World(place / "world"), place / "scratch"
        lines = Lines(Random(seed), world.place)
        with _ready():
            for number in tries:
                lines.random.seed(f"{seed} {number}")
                scratch.mkdir()
                found, words, ended = _one(lines, world, scratch)
                for promise, tally in tallies.items():
                    tally.add(f"{seed} {number}: {words}: {found[promise]}" if promise in found else "")
                if LOG: LOG(number, words, ended, found)
                shutil.rmtree(scratch)
    return [tally.count() for tally in tallies.values()]


@contextlib.contextmanager
def _ready():
    """Import what calls need, so that each child has it, and put the stubs in place of long work."""
    for name in ("onnxruntime", "jinja2", "flask", "waitress", "threadpoolctl", "matplotlib.figure", "scripts.web.application"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    kept = []
    for name, stub in STUBS.items():
        with contextlib.suppress(ImportError):              # of a package that is optional
            owner, attribute = _owner(name)
            kept.append((owner, attribute, getattr(owner, attribute)))
            setattr(owner, attribute, stub)
    try:
        yield
    finally:
        for owner, attribute, value in kept:
            setattr(owner, attribute, value)


def _owner(name):
    """The module or class that has an attribute, by the attribute's full name, and the attribute."""
    path, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(path), attribute
    except ImportError:
        module, _, cls = path.rpartition(".")
        return getattr(importlib.import_module(module), cls), attribute


def _one(lines, world, scratch):
    """Make one call -> its faults, and the command line."""
    line = lines.line(scratch / "odd")
    (scratch / "work").mkdir()
    sys.stdout.flush()
    sys.stderr.flush()
    command = line.command.split()[0]
    ended = call(line.main, line.argv, scratch / "work")
    found = faults(ended, {0, 1, 2} if command in EXIT_1 else {0, 2})
    before = world.names()
    lost = [path for path in world.restore() if path in before and not allowed(path, line)]
    if lost:
        found["files of the user changed or replaced"] = ", ".join(lost)
    return found, shlex.join([line.command, *line.argv]).replace(f"{world.place}/", "").replace(f"{scratch}/", ""), ended


def allowed(path, line):
    """Whether a call may change a file of the world: the run that it resumes, and outputs with --force."""
    if "--force" in line.argv and path in line.outputs:
        return True
    return line.command == "train" and path.startswith(("lstm", "attention")) and any("resume" in word for word in line.argv)
