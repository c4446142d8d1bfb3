"""A process that opens HDF5 files before others do: a damaged one may crash or hang HDF5, and then only this process.

Reads paths from standard input, JSON strings one a line, and answers each with an empty line. Arguments: sys.path. What
HDF5 reports as an error, its reader will meet again; only crashes and hangs matter here.
"""
import contextlib
import itertools
import json
import signal
import sys
from functools import partial

ITEMS = 200                 # objects of a file that are looked at: on a slow disk each costs a seek
BYTES = 2**24               # data of a file that are read

suppressed = partial(contextlib.suppress, Exception)      # the file's reader will meet these errors again


class Look:
    """Opens names and objects, reads shapes, types, attributes and how the data are stored, and some data."""

    def __init__(self, path: str):
        import h5py
        self.dataset, self.items, self.bytes = h5py.Dataset, 0, 0
        with suppressed(), h5py.File(path, "r") as file:
            self.touch(file)
            for name in itertools.islice(file, ITEMS):
                with suppressed():
                    self.touch(file.get(name))          # follows links, which visititems does not
            file.visititems(self.visit)

    def visit(self, name: str, item: object) -> bool | None:
        """Go on (None) or stop (True)."""
        self.touch(item)
        self.items += 1
        return True if self.items >= ITEMS else None

    def touch(self, item: object) -> None:
        """Read what there is of an object, as far as it can be read."""
        with suppressed():
            for key in item.attrs:                      # type: ignore[attr-defined]
                with suppressed():
                    item.attrs[key]                     # type: ignore[attr-defined]
        with suppressed():
            if isinstance(item, self.dataset):
                item.id.get_storage_size()
                if self.bytes + item.nbytes <= BYTES:
                    self.bytes += item.nbytes
                    item[()]


if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C reaches all processes of a terminal
    for line in sys.stdin:
        with suppressed():
            Look(json.loads(line))
        print(flush=True)
