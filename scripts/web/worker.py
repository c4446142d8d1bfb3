"""One thread for all work of the model, with limits on the number of waiting requests and on their time."""
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import BoundedSemaphore

from scripts.web.metrics import Times


class Busy(Exception):
    """Too many requests are in flight."""


class Late(Exception):
    """The result took too long."""


class Worker:
    """do(function, ...) runs calls one after the other in one thread; at most `in_flight` wait, each for `seconds`.

    `waited`: the times that calls waited until they began.
    """

    def __init__(self, in_flight=8, seconds=20.0):
        self.in_flight, self.seconds, self.waited = in_flight, seconds, Times()
        self._pool, self._places = ThreadPoolExecutor(1, "model"), BoundedSemaphore(in_flight)

    def do(self, function, *args, **kwargs):
        """Call the function in the thread and return its result. Raises its exceptions, Busy and Late.

        A call that is late before it began is dropped; one that has begun counts as in flight until it ends.
        """
        if not self._places.acquire(blocking=False):
            raise Busy
        job = self._pool.submit(self._begin, time.monotonic(), function, *args, **kwargs)
        job.add_done_callback(lambda _: self._places.release())
        try:
            return job.result(self.seconds)
        except NotYet:
            job.cancel()
            raise Late from None

    def _begin(self, asked, function, *args, **kwargs):
        self.waited.add(time.monotonic() - asked)
        return function(*args, **kwargs)

    def close(self):
        """Drop the waiting calls, and return when the thread has ended."""
        self._pool.shutdown(cancel_futures=True)
