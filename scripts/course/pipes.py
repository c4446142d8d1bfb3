"""The three pipes of a process under test, each with a thread of its own: nobody here waits for the other side.

Each thread closes its pipe itself when the other side has gone. Until then it may stay behind, which holds nobody up.
"""
import contextlib
import os
import queue
import threading
import time

from scripts.course.wire import read

SHOWN = 400                         # characters kept of what a submission prints
ANSWER_SECONDS = 20.0               # from the first byte of an answer to its last


class Pipes:
    """Requests to a process, its answers, and what it prints."""

    def __init__(self, process):
        self._requests, self.answers, self._asked = queue.SimpleQueue(), queue.Queue(), threading.Semaphore(0)
        self._output, self._closing, self._since = [b"", 0], False, None
        work = ((self._send, process.stdin), (self._listen, process.stdout), (self._drain, process.stderr))
        self._threads = [threading.Thread(target=loop, args=(stream,), daemon=True) for loop, stream in work]
        for thread in self._threads:
            thread.start()

    def ask(self, message):
        """Send a request, as bytes."""
        self._requests.put(message)
        self._asked.release()

    def answer(self, seconds):
        """The next answer; None where the process has ended. Raises TimeoutError if there is none in time."""
        with contextlib.suppress(queue.Empty):
            return self.answers.get(timeout=seconds)
        raise TimeoutError

    def is_dribbling(self):
        """Whether an answer has begun and does not end."""
        since = self._since
        return since is not None and time.monotonic() - since > ANSWER_SECONDS

    def close(self):
        """Close the pipes to a process that has ended -> the beginning of what it printed."""
        self._closing = True
        self._requests.put(None)
        self._asked.release()
        for thread in self._threads:
            thread.join(0.5)                        # at once, but where a process has escaped
        text, size = self._output
        text = text.decode(errors="replace")[:SHOWN].strip()
        return f"{text}\n... {size:,} bytes in all" if size > SHOWN else text

    def _send(self, stream):
        with stream, contextlib.suppress(OSError):
            while (message := self._requests.get()) is not None and not self._closing:
                rest = memoryview(message)
                while rest:
                    rest = rest[os.write(stream.fileno(), rest[:1 << 20]):]

    def _listen(self, stream):
        """Read one answer per request and no more: a submission could write answers without end."""
        try:
            with stream:
                while self._asked.acquire() and not self._closing:
                    self.answers.put(read(stream, self._begin))
                    self._since = None
        except (EOFError, OSError):                 # it ended
            self.answers.put(None)
        except ValueError:
            self.answers.put("no answer")

    def _begin(self):
        self._since = time.monotonic()

    def _drain(self, stream):
        """Read what the submission prints; keep the beginning and count the rest."""
        with stream, contextlib.suppress(OSError):
            while data := os.read(stream.fileno(), 1 << 16):
                self._output[0] = (self._output[0] + data)[:4 * SHOWN]
                self._output[1] += len(data)
