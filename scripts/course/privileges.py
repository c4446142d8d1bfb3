"""What the process under test is allowed: a user of its own where the grader is root, no capabilities, and limits."""
import contextlib
import ctypes
import os

from scripts.course.syscalls import call, prctl

FIRST, MANY = 60578, 600                                    # numbers of users that systemd leaves free
NO_NEW_PRIVILEGES, DUMPABLE = 38, 4
VERSION = 0x20080522                                        # of the header of capset
LARGEST_FILE, OPEN_FILES = 64 << 20, 256


def own_user(work: str, folders: list[str]) -> int | None:
    """A user for one task, who then owns the folder `work`; None where there can be none.

    He has to be able to read `folders`, in which Python and its packages are.
    """
    if os.getuid():
        return None
    user = FIRST + os.getpid() % MANY
    folders = [folder for folder in (os.path.dirname(work), *folders) if os.path.isdir(folder)]
    child = os.fork()
    if not child:
        os._exit(0 if _can_read(user, folders) else 1)
    if os.waitpid(child, 0)[1]:
        return None
    for place, inside, files in os.walk(work):
        for name in ("", *inside, *files):
            os.chown(os.path.join(place, name), user, user, follow_symlinks=False)
    return user


def _can_read(user, folders):
    try:
        become(user)
        return os.access(folders[0], os.X_OK) and all(
            os.access(path, os.R_OK) for folder in folders[1:] for path in os.scandir(folder))
    except OSError:
        return False


def become(user: int) -> None:
    """Be this user from now on, in no groups. Raises OSError."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    prctl(DUMPABLE, 1)                                      # else /proc/self belongs to root


def drop_capabilities() -> None:
    """Give up all that root may do, also inside a user namespace, and what other programs could give back."""
    prctl(NO_NEW_PRIVILEGES, 1)
    with contextlib.suppress(OSError, KeyError):
        call("capset", ctypes.byref((ctypes.c_uint32 * 2)(VERSION, 0)), ctypes.byref((ctypes.c_uint32 * 6)()))


def limit(megabytes: int, processes: int | None = None) -> None:
    """Limit memory, the size and number of files, and a user's processes; Windows has no such limits."""
    with contextlib.suppress(ImportError):
        import resource
        limits = {"RLIMIT_AS": megabytes << 20, "RLIMIT_FSIZE": LARGEST_FILE, "RLIMIT_CORE": 0,
                  "RLIMIT_NOFILE": OPEN_FILES, "RLIMIT_MSGQUEUE": 0, "RLIMIT_NPROC": processes}
        for name, value in limits.items():
            if value is not None and hasattr(resource, name):
                with contextlib.suppress(ValueError, OSError):      # the system's own may be lower
                    resource.setrlimit(getattr(resource, name), (value, value))
