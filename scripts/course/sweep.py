"""What a task left behind outside its folder and would hand on to the next one: removed by its owner.

Only where the kernel has not kept the task from leaving anything.
"""
import contextlib
import ctypes
import os
from pathlib import Path

from scripts.course.task_folder import remove_below

REMOVE = 0                                                  # IPC_RMID
SHARED = ("/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp")    # where everybody may write
KINDS = {                           # file of /proc/sysvipc -> the function that removes one, with its other arguments
    "shm": lambda libc, number: libc.shmctl(number, REMOVE, None),
    "sem": lambda libc, number: libc.semctl(number, 0, REMOVE, 0),
    "msg": lambda libc, number: libc.msgctl(number, REMOVE, None),
}


def objects(user: int, since: float = 0.0, keys: range | None = None) -> list[tuple[str, int]]:
    """Shared memory, semaphores and queues of System V that a user has made or changed since then: (kind, number).

    Not memory that a process has attached, which is somebody else's. keys: only of those that have one of these.
    """
    found = []
    for kind in KINDS:
        with contextlib.suppress(OSError):
            names, *rows = [line.split() for line in Path("/proc/sysvipc", kind).read_text().splitlines()]
            rows = [dict(zip(names, row)) for row in rows]
            found += [(kind, int(row[f"{kind}id" if kind != "msg" else "msqid"])) for row in rows
                      if int(row["cuid"]) == user and int(row["ctime"]) >= int(since)
                      and int(row.get("nattch", 0)) == 0 and (keys is None or int(row["key"]) % (1 << 32) in keys)]
    return found


def remove(found: list[tuple[str, int]]) -> None:
    """Remove objects of System V."""
    for kind, number in found:
        KINDS[kind](ctypes.CDLL(None), number)


def sweep(user: int, since: float, is_own: bool) -> None:
    """Remove what a user has made since then. is_own: he is one task's alone, so that his files are that task's too.

    Of another user's files only those in /dev/shm are removed that nobody has open: nobody else's program needs them.
    """
    remove(objects(user, since))
    for place in SHARED if is_own else SHARED[:1]:
        with contextlib.suppress(OSError):
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for name in _made_by(descriptor, user, since):
                if is_own or not _is_open(f"{place}/{name}"):
                    remove_below(descriptor, name)
            os.close(descriptor)


def _made_by(folder, user, since):
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if found.st_uid == user and found.st_ctime >= since - 1:
                yield name


def _is_open(path):
    """Whether a process has a file open or in its memory; those of other users do not say."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            files = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
            if path in files or path in Path(f"/proc/{pid}/maps").read_text():
                return True
    return False
