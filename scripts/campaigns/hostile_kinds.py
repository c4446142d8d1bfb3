"""Hostile submissions as data: a right solution of task 2.1 with some lines more, or what else somebody hands in."""
from typing import NamedTuple

from scripts.course.syscalls import NUMBERS, processor

MORE_CALLS = {                      # as in NUMBERS; the filter allows them
    "openat": (257, 56), "write": (1, 64), "mkdirat": (258, 34), "setsid": (112, 157), "getppid": (110, 173),
    "unlinkat": (263, 35), "linkat": (265, 37), "symlinkat": (266, 36), "mmap": (9, 222)}


class Kind(NamedTuple):
    """One kind of hostile submission. In its texts @outside@, @victim@ and so on stand for what the trial has made."""
    name: str
    tries: str                      # what it tries, for the table
    code: str = ""                  # at the top of rnnlayers/rnn.py
    step: str = ""                  # at the top of rnn_step_forward, one indent in
    solution: str = "right"         # "right", "wrong" or the text of the four functions
    most: float = 10.0              # points that it may get at most
    second: str = ""                # code of the next student, who has no solution of his own
    files: str = ""                 # how the submission is packed: see hostile_files.PACKED
    seconds: float = 3.0            # time limits of the trial
    alone: bool = False             # with the audit hook alone it could harm the machine: not tried


# a system call without the C library and without Python's events
CALLS = '''
import ctypes, mmap, os, sys, platform
_codes = {"x86_64": "4889f84889f74889d64889ca4d89c24d89c84c8b4c24080f05c3",
          "aarch64": "e80300aae00301aae10302aae20303aae30304aae40305aae50306aa010000d4c0035fd6"}
_memory = mmap.mmap(-1, 4096, prot=7)
_memory.write(bytes.fromhex(_codes[platform.machine()]))
_stub = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 7)(ctypes.addressof(ctypes.c_char.from_buffer(_memory)))
_numbers = @numbers@
def call(name, *args):
    buffers = [ctypes.create_string_buffer(arg) if isinstance(arg, bytes) else arg for arg in args]
    words = [ctypes.addressof(arg) if isinstance(arg, ctypes.Array) else arg for arg in buffers]
    return _stub(_numbers[name], *words, *[0] * (6 - len(words)))
def fork():
    return call("clone", 17)
def child(function):
    if fork() == 0:
        try:
            function()
        finally:
            os._exit(0)
def attempt(function):
    try:
        return function()
    except BaseException as error:
        return error
'''.replace("@numbers@", repr({name: numbers[processor() or 0] for name, numbers in (
    *NUMBERS.items(), *MORE_CALLS.items())}))
