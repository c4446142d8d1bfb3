"""Namespaces of Linux for the process under test: processes, IPC, network and files of its own.

Most systems give them to every user, in a user namespace; containers often do not, nor do Ubuntu 24.04 and newer, where
AppArmor takes the rights in it away. So it is tried in a child first. Source: namespaces(7), pivot_root(2).
"""
import contextlib
import ctypes
import os

from scripts.course.syscalls import call, checked

USER, FILES = 0x10000000, 0x00020000
APART = {"IPC": 0x08000000, "network": 0x40000000, "processes": 0x20000000}
PRIVATE, BIND, AGAIN, READ_ONLY, SAFE = 1 << 18, 1 << 12, 1 << 5, 1, 2 | 4 | 8      # no setuid, devices, programs
SUBFOLDERS, DETACH = 1 << 14, 2
ACCESS_TIMES = {1 << 10: 1 << 10, 1 << 11: 1 << 11, 1 << 12: 1 << 21}       # statvfs's flags -> those of mount
KEPT = SAFE                                                 # as a mount has them: the same numbers in statvfs


def separate(as_root: bool) -> set[str]:
    """Give this process's children namespaces of their own -> which. as_root: without a user namespace."""
    child = os.fork()
    if not child:
        os._exit(0 if _tried(as_root) else 1)
    if os.waitpid(child, 0)[1]:
        return set()
    _separate(as_root)
    return set(APART)


def _tried(as_root):
    """Whether namespaces can be had, and mounts made in them."""
    try:
        _separate(as_root)
        call("unshare", FILES)
        _mount("none", "/", flags=SUBFOLDERS | PRIVATE)
    except (OSError, AttributeError):
        return False
    return True


def _separate(as_root):
    user, group = os.getuid(), os.getgid()
    if not as_root:
        call("unshare", USER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    for flag in APART.values():
        call("unshare", flag)


def own_files() -> bool:
    """Inside the others: mounts of its own, with an empty /dev/shm and the own processes in /proc -> whether."""
    try:
        call("unshare", FILES)
        _mount("none", "/", flags=SUBFOLDERS | PRIVATE)
    except OSError:
        return False
    for kind, place in (("tmpfs", "/dev/shm"), ("mqueue", "/dev/mqueue"), ("proc", "/proc")):
        with contextlib.suppress(OSError):                  # refused where parts of /proc are covered
            _mount(kind, place, kind, SAFE)
    return True


def own_root(root: str, work: str, folders: list[str]) -> bool:
    """Make `root`, an empty folder, the root of all files: `folders` to be read and `work` to be written -> whether."""
    try:
        _mount("tmpfs", root, "tmpfs", SAFE)
        for path in sorted({path for folder in folders for path in (folder, os.path.realpath(folder))}, key=len):
            if os.path.exists(path) and path != work:
                _bind(path, root + path, READ_ONLY)
        for path in (os.devnull, work):
            _bind(path, root + path, 0)
        os.chdir(root)
        checked(ctypes.CDLL(None, use_errno=True).mount, b"none", os.fsencode(root), None,
                ctypes.c_ulong(BIND | AGAIN | READ_ONLY | SAFE), None)
        call("pivot_root", b".", b".")
        call("umount2", b".", DETACH)
        os.chdir(work)
    except OSError:
        return False
    return True


def _bind(path, target, flags):
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    _mount(path, target, flags=BIND | SUBFOLDERS)
    if flags:
        has = os.statvfs(target).f_flag
        kept = has & KEPT | sum(flag for bit, flag in ACCESS_TIMES.items() if has & bit)
        _mount("none", target, flags=BIND | AGAIN | flags | kept)


def _mount(source, target, kind=None, flags=0):
    checked(ctypes.CDLL(None, use_errno=True).mount, os.fsencode(source), os.fsencode(target),
            kind and kind.encode(), ctypes.c_ulong(flags), None)
