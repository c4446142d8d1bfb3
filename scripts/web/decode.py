"""The process that opens pictures for scripts/web/decoder.py: reads them from standard input, writes pixels.

It has a limit on its memory where the system has one (Linux), and ends when its input does.
"""
import contextlib
import io
import os
import signal
import sys

from data.photos import open_picture
from scripts.web.decoder import ASKED, DECODED, READY, TOLD
from scripts.web.memory import keep_little

MEMORY = 640 * 2**20                    # bytes for one picture: DECODED several times, as some formats' libraries do


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is for the service, which then ends this process
    _limit()
    keep_little()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    target.write(READY)
    target.flush()
    while head := source.read(ASKED.size):
        side, length = ASKED.unpack(head)
        for part in _opened(source.read(length), side):
            target.write(part)
        target.flush()


def _opened(content, side):
    """The answer about one picture, in parts."""
    try:
        picture = open_picture(io.BytesIO(content), side, DECODED)
        pixels = picture.tobytes()
        return TOLD.pack(True, *picture.size, len(pixels)), pixels
    except (ValueError, MemoryError) as error:
        reason = str(error).encode() or b"cannot be used: it needs too much memory"
        return TOLD.pack(False, 0, 0, len(reason)), reason


def _limit():
    """Set the limit on the memory, and none of its content to disk where it crashes."""
    with contextlib.suppress(ImportError, OSError, ValueError):             # Windows; other systems' kernels
        import resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


if __name__ == "__main__":
    main()
