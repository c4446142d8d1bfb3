"""Reading the features of the next batches while the present one is processed."""
import queue
import threading
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

DEPTH = 2                   # batches that wait in memory, apart from the one that is being read


def read_ahead(features: Any, rows: Sequence[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """Yield features[r] for each r in rows. One thread reads; at most DEPTH batches wait.

    An error while reading a batch is raised where that batch is due. The thread ends with the generator, also when
    the generator is closed early.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(DEPTH)
    stop = threading.Event()

    def put(batch: Any, error: BaseException | None = None) -> None:
        while not stop.is_set():
            try:
                ready.put((batch, error), timeout=0.1)
                return
            except queue.Full:
                pass

    def read() -> None:
        for r in rows:
            try:
                put(features[r])
            except BaseException as error:                  # raised in the other thread, where the batch is due
                put(None, error)
            if stop.is_set():
                return
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        for _ in rows:
            batch, error = ready.get()
            if error is not None:
                raise error
            yield batch
    finally:
        stop.set()
        thread.join()


def on_disk(features: Any, rows: np.ndarray) -> bool:
    """Whether some of these rows of features are not in memory and have to be read from a file."""
    return hasattr(features, "in_memory") and not features.in_memory(rows)
