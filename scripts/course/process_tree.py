"""The processes below one, as /proc shows them: how many, how much memory and time they take, and their end.

Where the system has no /proc, nothing is found.
"""
import contextlib
import os
import signal
import stat
import time
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

ONLY_MEMORY = ("/dev/zero", "/memfd:", "/SYSV")     # names of files in memory that are on no disk


class Usage(NamedTuple):
    """What some processes take together."""
    tasks: int                      # threads of all of them
    memory: int                     # bytes in main memory; what they share counts for each
    seconds: float                  # of processor time, with that of children that have ended


def below(pid: int) -> list[int]:
    """The processes that a process has started, and that these have started, parents first."""
    found, todo = [], [pid]
    if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):      # not all kernels list them
        return _below_by_parents(pid)
    while todo:
        parent = todo.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                todo += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        found.append(parent)
    return found[1:]


def _below_by_parents(pid):
    children, found = {}, [pid]
    for entry in _numbers_in_proc():
        fields = _stat(entry)
        children.setdefault(int(fields[1]) if fields else -1, []).append(entry)
    for parent in found:
        found += children.get(parent, [])
    return found[1:]


def usage(pids: list[int]) -> Usage:
    """What these processes take."""
    stats = [fields for pid in pids if (fields := _stat(pid))]
    return Usage(sum(int(fields[17]) for fields in stats), PAGE * sum(int(fields[21]) for fields in stats),
                 sum(int(field) for fields in stats for field in fields[11:15]) / TICKS)


def own_memory(pids: list[int]) -> int:
    """Bytes of main memory, where what n processes share counts 1/n for each; slow. 0 where the kernel keeps none."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(text.partition("\nPss:")[2].split()[0]) << 10
    return total


def deleted_files(pids: list[int], largest: int) -> int:
    """Bytes on disk of files without a name that these processes hold open, or in their memory.

    Of a file in memory a single page may be there, and nothing tells its size: it counts as `largest`.
    """
    held, mapped = {}, set()                                        # threads and forks hold the same ones
    for pid in pids:
        for task in _entries(f"/proc/{pid}/task"):                  # each may have files of its own
            for name in _entries(f"/proc/{pid}/task/{task}/fd"):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{pid}/task/{task}/fd/{name}")
                    if not found.st_nlink and stat.S_ISREG(found.st_mode):
                        held[found.st_dev, found.st_ino] = 512 * found.st_blocks
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
                fields = line.split(maxsplit=5)                     # device and inode are the fourth and fifth
                if line.endswith(" (deleted)") and not fields[5].startswith(ONLY_MEMORY):
                    mapped.add((fields[3], fields[4]))
    return sum(held.values()) + largest * len(mapped)


def _entries(folder):
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def with_mark(mark: str) -> list[int]:
    """The processes that were started with this text in their environment."""
    found, mark = [], mark.encode()
    for pid in _numbers_in_proc():
        with contextlib.suppress(OSError):
            found += [pid] if mark in Path(f"/proc/{pid}/environ").read_bytes() else []
    return found


def end_all(find, seconds: float = 10.0) -> bool:
    """Stop and kill the processes that find() names, until it names none -> whether none is left in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, seen = find(), set()
        if not found:
            return True
        while set(found) - seen and time.monotonic() < end:         # what is stopped starts no others
            seen.update(found)
            _signal(found, signal.SIGSTOP)
            found = find()
        _signal(found, signal.SIGKILL)
        reap()
        time.sleep(0.001)
    return not find()


def reap() -> dict[int, int]:
    """Collect the children of this process that have ended -> pid -> status."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (result := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            ended[result[0]] = result[1]
    return ended


def _signal(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _numbers_in_proc():
    return [int(name) for name in _entries("/proc") if name.isdigit()]


def _stat(pid):
    """The fields of /proc/PID/stat behind the name; [] if there is no such process, or only its entry."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields if fields[0] not in "ZX" else []
    return []
