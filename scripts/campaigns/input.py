"""Bad input: thousands of calls of all commands, each with something wrong in its options or files."""
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from scripts.campaigns.bad_input.call import PROMISES, call, faults
from scripts.campaigns.bad_input.command_lines import Line, Lines
from scripts.campaigns.bad_input.stubs import ready
from scripts.campaigns.bad_input.usual import EXIT_1
from scripts.campaigns.bad_input.world import World
from scripts.campaigns.count import Count, Tally, until

CALLS = 3000
CHANGED = "files of the user changed or replaced"


def campaign(minutes: float, seed: int) -> list[Count]:
    """Up to 3,000 calls."""
    return attack(until(minutes, CALLS), seed)


def attack(tries: Iterable[int], seed: int) -> list[Count]:
    """A call for each number; the same seed and number make the same call."""
    tallies = {promise: Tally(promise) for promise in (*PROMISES, CHANGED)}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        world = World(place / "world")
        with ready():
            lines = Lines(world.place)
            for number in tries:
                line, found = _one(lines, world, place / "scratch", f"{seed} {number}")
                words = shlex.join([line.command, *line.argv]).replace(f"{place}/", "")
                for promise, tally in tallies.items():
                    tally.add(f"{seed} {number}: {words:.300}: {found[promise]:.300}" if promise in found else "")
    return [tally.count() for tally in tallies.values()]


def _one(lines: Lines, world: World, scratch: Path, seed: str) -> tuple[Line, dict[str, str]]:
    """Make one call in a new folder -> its command line, and what was wrong by the promise that it broke."""
    (scratch / "work").mkdir(parents=True)
    line = lines.line(scratch / "odd", seed)
    ended = call(line.main, line.argv, scratch / "work")
    found = faults(ended, {0, 1, 2} if line.command.split()[0] in EXIT_1 else {0, 2})
    lost = [path for path in world.restore() if not _allowed(path, line)]
    if lost:
        found[CHANGED] = ", ".join(lost)
    shutil.rmtree(scratch)
    return line, found


def _allowed(path: str, line: Line) -> bool:
    """Whether a call may change this file of the world: one of the run that it resumes, or an output with --force."""
    if line.command == "train" and any(word.startswith("--resume") for word in line.argv):
        return path.startswith(("lstm/", "attention/"))
    return "--force" in line.argv and path in line.outputs
