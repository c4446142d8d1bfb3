"""Pictures opened in a process of its own, so that what one costs, or breaks, is not the service's."""
import contextlib
import os
import struct
import subprocess
import sys
import threading
import weakref

from PIL import Image

from scripts import ROOT

ASKED, TOLD, READY = struct.Struct(">IQ"), struct.Struct(">?IIQ"), b"\n"
SECONDS, START = 5.0, 60.0              # for one picture; for the process to import what it needs
DECODED = 100_000_000                   # bytes of a decoded picture: others wait for it
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


class Decoder:
    """open(content, side) is data.photos.open_picture in another process (scripts/web/decode.py), one at a time.

    A picture that takes more than `seconds`, or that ends the process, is refused; the next has a new process.
    """

    def __init__(self, seconds=SECONDS, command=(sys.executable, "-m", "scripts.web.decode")):
        self.seconds, self.command, self.restarts = seconds, command, 0
        self._lock, self._process = threading.Lock(), None

    def open(self, content, side):
        """The bytes of a picture file -> PIL.Image in RGB. Raises ValueError, one line."""
        with self._lock:
            self._get_ready()
            try:
                with self._within(self.seconds) as process:
                    return _ask(process, content, side)
            except (OSError, EOFError):
                late = process.late
                self._restart()
        raise ValueError(f"opening it took more than {self.seconds:g} seconds" if late else "opening it failed")

    def close(self):
        """End the process."""
        with self._lock:
            self._end()

    def _get_ready(self):
        if self._process is not None and self._process.poll() is not None:
            self._end()                                 # died of something else than a picture
            self.restarts += 1
        if self._process is None:
            self._start()
        try:
            if not self._process.ready:
                with self._within(START) as process:
                    process.ready = _exactly(process.stdout, len(READY)) == READY
        except EOFError as error:
            self._end()
            raise RuntimeError("the process that opens pictures does not start") from error

    @contextlib.contextmanager
    def _within(self, seconds):
        """The process, which is killed after some seconds."""
        process = self._process

        def kill():
            process.late = True
            process.kill()
        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()

    def _start(self):
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD, "PYTHONPATH": path})
        process.ready = process.late = False
        self._process, self._last = process, weakref.finalize(self, _stop, process)

    def _end(self):
        if self._process is not None:
            self._process = None
            self._last()

    def _restart(self):
        """At once, so that the next picture need not wait for the imports."""
        self._end()
        self.restarts += 1
        self._start()


def _ask(process, content, side):
    process.stdin.write(ASKED.pack(side, len(content)) + content)
    process.stdin.flush()
    fine, width, height, length = TOLD.unpack(_exactly(process.stdout, TOLD.size))
    told = _exactly(process.stdout, length)
    if not fine:
        raise ValueError(told.decode())
    return Image.frombytes("RGB", (width, height), told)


def _exactly(stream, length):
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _stop(process):
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):              # what was not sent yet
            stream.close()
