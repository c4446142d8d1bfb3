"""A control group for one task, where this process may make one (cgroup v2): its limits and its end hold for all in it.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst.
"""
import contextlib
import os
import time
from pathlib import Path


def make(mark: str, megabytes: int, processes: int) -> Path | None:
    """A group for a task, with these limits as far as its controllers are there; None where none can be made."""
    for place in _places():
        group = place / f"task-{mark}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / "cgroup.kill").exists():            # Linux 5.14
                _write(group / "pids.max", processes)
                _write(group / "memory.max", megabytes << 20)
                _write(group / "memory.swap.max", 0)
                return group
            group.rmdir()
    return None


def join(group: Path) -> bool:
    """Put this process into a group -> whether."""
    return _write(group / "cgroup.procs", 0)


def end(group: Path, seconds: float = 5.0) -> None:
    """Kill all processes of a group, and remove it."""
    _write(group / "cgroup.kill", 1)
    limit = time.monotonic() + seconds
    while group.exists() and time.monotonic() < limit:
        with contextlib.suppress(OSError):                  # until the last process has gone
            group.rmdir()
            return
        time.sleep(0.005)


def end_named(mark: str) -> None:
    """Do the same for the group that make() may have made for this mark."""
    for place in _places():
        if (place / f"task-{mark}").is_dir():
            end(place / f"task-{mark}")


def _places():
    """Groups in which one may be made: beside the own one, which may have limits to share, then inside it."""
    with contextlib.suppress(OSError):
        own = [line.strip().partition("::")[2] for line in Path("/proc/self/cgroup").read_text().splitlines()
               if line.startswith("0::")]
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        roots = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
        if own and roots:
            here = Path(roots[0] + own[0])
            places = [here] if own[0] == "/" else [here.parent, here]
            return [place for place in places if os.access(place, os.W_OK)]
    return []


def _write(file, value):
    """Write a number into a file of the kernel -> whether: a controller may be off."""
    try:
        file.write_text(str(value))
    except OSError:
        return False
    return True
