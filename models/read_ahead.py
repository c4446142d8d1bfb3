"""Reading the features of coming batches while the present one is worked on."""
import queue
import threading

DEPTH = 2                   # batches that wait, beside the one that is being read: this bounds the memory


def read_ahead(features, rows):
    """Yield features[r] for each r in the list `rows`, read by one thread while DEPTH batches wait at most.

    What the reading raises is raised here. The thread ends with the generator, also where that is closed early.
    """
    ready, stop = queue.Queue(DEPTH), threading.Event()

    def put(item):
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                pass

    def read():
        for r in rows:
            try:
                put((features[r], None))
            except BaseException as error:                  # raised where the batch is wanted
                put((None, error))
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


def on_disk(features, rows):
    """Whether some of these rows of features would have to be read from a file."""
    return hasattr(features, "in_memory") and not features.in_memory(rows)
