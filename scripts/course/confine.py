"""On Linux with Landlock (5.13, 2021), the kernel gives the process under test only the files that it needs.

Unlike the audit hook, this also stops native code and Python that changes Python. Other systems do nothing.
Source: Linux, Documentation/userspace-api/landlock.rst, and include/uapi/linux/landlock.h for the numbers.
"""
import contextlib
import ctypes
import os
import signal
import sys

CREATE, ADD, RESTRICT = 444, 445, 446                       # system calls, the same on all processors
VERSION, BENEATH, NO_NEW_PRIVILEGES, DEATH_SIGNAL = 1, 1, 38, 1
WRITE, READ, LIST = 2, 4, 8                                 # nothing may be executed: right 1 is given nowhere
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}                       # version -> how many rights it knows; 16 from 5 on
TCP = 3                                                     # bind and connect, from version 4 on
SYSTEM = ("/usr", "/lib", "/lib64", "/nix", "/sys/devices/system/cpu", "/proc/self", "/dev/urandom",
          *(f"/etc/{name}" for name in (            # the rest of it has passwords and keys, which root may read
              "ld.so.cache", "localtime", "timezone", "nsswitch.conf", "passwd", "group", "mime.types", "os-release",
              "ssl/openssl.cnf", "pki/tls/openssl.cnf", "crypto-policies", "fonts")))


class Rules(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def confine(work):
    """Allow only the files in the folder `work`, and reading the system's files and Python's packages.

    -> whether the kernel enforces it. If it can, it also forbids TCP and signals to other processes.
    """
    version = landlock_version()
    if not version:
        return False
    every = (1 << RIGHTS.get(version, 16)) - 1
    rules = Rules(every, TCP if version >= 4 else 0, 3 if version >= 6 else 0)
    made = _call(CREATE, ctypes.byref(rules), 8 if version < 4 else 16 if version < 6 else 24, 0)
    for folder in needed(work):
        _allow(made, folder, READ | (LIST if os.path.isdir(folder) else 0))
    _allow(made, os.devnull, READ | WRITE)
    _allow(made, work, every & ~1)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done = _call(RESTRICT, made, 0)
    os.close(made)
    return done == 0


def needed(work):
    """The files and folders that a Python with NumPy reads, besides the folder `work` -> their paths."""
    packages = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]
    return sorted({*packages, *SYSTEM} - {work})


def end_with_parent():
    """On Linux, have the kernel kill this process when the grader ends, however it ends: a loop might never stop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def landlock_version():
    """The version of the kernel's Landlock, 0 if it has none."""
    return max(_call(CREATE, None, 0, VERSION), 0) if sys.platform == "linux" else 0


def _allow(rules, path, rights):
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call(ADD, rules, BENEATH, ctypes.byref(Rule(rights, folder)), 0)
        os.close(folder)


def _call(number, *args):
    return ctypes.CDLL(None).syscall(number, *args)
