"""How far the kernel confines a submission's process: five parts, of which a machine has some or all.

`--confinement any` takes what there is, `files` requires that one part, and `full` all of them.
"""
import contextlib
import os
from collections.abc import Iterable

from scripts.course import confine, namespaces, privileges, seccomp

PARTS = ("files", "network", "IPC", "processes", "metadata")
LEVELS = {"any": (), "files": ("files",), "full": PARTS}
MECHANISMS = ("cgroup", "user", "namespaces", "landlock", "seccomp")    # tests switch some of them off


def confine_process(work: str, root: str, megabytes: int, processes: int, apart: set[str], user: int | None,
                    without: Iterable[str]) -> list[str]:
    """Confine this process to the folder `work`, for good -> the PARTS that the kernel enforces.

    root: an empty folder. apart: the namespaces that it has of its own. user: whom it becomes, if anybody.
    """
    landlock = "landlock" not in without and confine.landlock_version() > 0
    own_root = bool(apart) and namespaces.own_files() and not landlock and namespaces.own_root(
        root, work, confine.needed(work))
    privileges.limit(megabytes, processes if user is not None else None)
    files = own_root or landlock and confine.confine(work)
    if user is not None:
        privileges.become(user)
    with contextlib.suppress(OSError):
        privileges.drop_capabilities()
    confine.end_with_parent()                           # a change of user has undone it
    os.chdir(work)
    filtered = "seccomp" not in without and seccomp.refuse_system_calls()
    held = {"files": files, "network": filtered or "network" in apart, "processes": filtered or "processes" in apart,
            "IPC": files and (filtered or "IPC" in apart), "metadata": filtered or own_root}
    return [part for part in PARTS if held[part]]


def missing(held: Iterable[str]) -> str:
    """A line on the parts that are not there, or ""."""
    lacking = [part for part in PARTS if part not in held]
    return lacking and (f"the kernel does not confine a submission's {', '.join(lacking)} on this machine: "
                        "docs/instructors.md says what holds then") or ""


def check(level: str, held: Iterable[str]) -> None:
    """Raises ValueError where a machine confines less than a level asks for."""
    lacking = [part for part in LEVELS[level] if part not in held]
    if lacking:
        raise ValueError(f"--confinement {level}: the kernel does not confine a submission's {', '.join(lacking)} on "
                         "this machine: grade on a Linux that does, or with --confinement any")
