"""One thread that does all model work, with bounds on how much may wait and for how long."""
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import BoundedSemaphore


class Busy(Exception):
    """As many requests are in flight as may be."""


class Late(Exception):
    """A result was not there in time."""


class Worker:
    """do(function, ...) runs in one thread, after what came before; at most `in_flight` at a time, `seconds` each."""

    def __init__(self, in_flight=8, seconds=20.0):
        self.in_flight, self.seconds = in_flight, seconds
        self._pool, self._places = ThreadPoolExecutor(1, "model"), BoundedSemaphore(in_flight)

    def do(self, function, *args, **kwargs):
        """What the function returns or raises. Raises Busy and Late.

        Work that is late and has not begun is dropped; work that has begun keeps its place until it ends.
        """
        if not self._places.acquire(blocking=False):
            raise Busy
        job = self._pool.submit(function, *args, **kwargs)
        job.add_done_callback(lambda _: self._places.release())
        try:
            return job.result(self.seconds)
        except NotYet:
            job.cancel()
            raise Late from None

    def close(self):
        """Drop what waits, and return when the thread has ended."""
        self._pool.shutdown(cancel_futures=True)
