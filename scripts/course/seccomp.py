"""A filter of system calls: what the process under test has no use for is refused by the kernel, in native code too.

Refused are whatever starts processes, reaches others, talks to anybody, or changes the modes, owners, times and
attributes of files. Source: Linux, Documentation/userspace-api/seccomp_filter.rst; the offsets are of seccomp_data.
"""
import ctypes
import errno
import os

from scripts.course.syscalls import ALWAYS, NEWEST, NUMBERS, call, prctl, processor

ARCHITECTURES = (0xC000003E, 0xC00000B7)                    # AUDIT_ARCH of x86_64 and aarch64
LOAD, EQUAL, ABOVE, ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24          # offsets; of the arguments the lower halves
THREAD, NEW_NAMESPACES = 0x10000, 0x7E020080                # of clone
TERMINAL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)     # ioctls that look at a descriptor, or at its flags
OWNERS = (8, 10, 15, 1024, 1026)                            # of fcntl: signals to others, leases, notices of changes
ON_ITSELF = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
NO_NEW_PRIVILEGES, SET_FILTER, ALL_THREADS = 38, 1, 1


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def refuse_system_calls() -> bool:
    """Filter the system calls of this process, for good -> whether the kernel does it."""
    if processor() is None:
        return False
    lines = [Instruction(*line) for line in program(processor(), os.getpid())]
    array = (Instruction * len(lines))(*lines)
    try:
        prctl(NO_NEW_PRIVILEGES, 1)
        call("seccomp", SET_FILTER, ALL_THREADS, ctypes.byref(Program(len(lines), array)))
    except OSError:
        return False
    return _is_in_force()


def program(column: int, pid: int) -> list[tuple[int, int, int, int]]:
    """The filter for a processor's column of NUMBERS and a process, as (code, jump if true, jump if false, value)."""
    refused, unknown = ERROR | errno.EPERM, ERROR | errno.ENOSYS
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, ARCHITECTURES[column]), (RETURN, 0, 0, refused),
             (LOAD, 0, 0, NUMBER), (ABOVE, 0, 1, NEWEST), (RETURN, 0, 0, unknown)]      # and x32, from 0x40000000 on
    for number in [numbers[column] for numbers in ALWAYS.values() if numbers[column] >= 0]:
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, refused)]
    # its flags are in memory, where a filter cannot read; the C library then takes clone
    lines += [(EQUAL, 0, 1, NUMBERS["clone3"][column]), (RETURN, 0, 0, unknown)]
    lines += _where("clone", column, FIRST, [
        (ANY_BIT, 0, 1, NEW_NAMESPACES), (RETURN, 0, 0, refused), (ANY_BIT, 1, 0, THREAD), (RETURN, 0, 0, refused)])
    for name in ON_ITSELF:
        lines += _where(name, column, FIRST, [(EQUAL, 1, 0, pid), (RETURN, 0, 0, refused)])
    lines += _where("prlimit64", column, FIRST, [(EQUAL, 2, 0, 0), (EQUAL, 1, 0, pid), (RETURN, 0, 0, refused)])
    lines += _where("ioctl", column, SECOND, [
        *((EQUAL, len(TERMINAL) - k, 0, value) for k, value in enumerate(TERMINAL)), (RETURN, 0, 0, refused)])
    lines += _where("fcntl", column, SECOND, [
        line for value in OWNERS for line in ((EQUAL, 0, 1, value), (RETURN, 0, 0, refused))])
    return [*lines, (RETURN, 0, 0, ALLOW)]


def _where(name, column, argument, lines):
    """Lines on an argument of one system call; what they do not return from is allowed."""
    lines = [(LOAD, 0, 0, argument), *lines, (RETURN, 0, 0, ALLOW)]
    return [(EQUAL, 0, len(lines), NUMBERS[name][column]), *lines]


def _is_in_force():
    """Whether a socket of UNIX, family 1 and type 1, is refused: the filter is tried once."""
    try:
        os.close(call("socket", 1, 1, 0))
    except PermissionError:
        return True
    return False
