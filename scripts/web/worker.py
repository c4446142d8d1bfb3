"""One thread for all work of the model, with limits on the number of waiting requests and on their time."""
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import BoundedSemaphore


class Busy(Exception):
    """Too many requests are in flight."""


class Late(Exception):
    """The result took too long."""


class Worker:
    """do(function, ...) runs calls one after the other in one thread; at most `in_flight` wait, each for `seconds`."""

    def __init__(self, in_flight=8, seconds=20.0):
        self.in_flight, self.seconds = in_flight, seconds
        self._pool, self._places = ThreadPoolExecutor(1, "model"), BoundedSemaphore(in_flight)

    def do(self, function, *args, **kwargs):
        """Call the function in the thread and return its result. Raises its exceptions, Busy and Late.

        A call that is late before it began is dropped; one that has begun counts as in flight until it ends.
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
        """Drop the waiting calls, and return when the thread has ended."""
        self._pool.shutdown(cancel_futures=True)
