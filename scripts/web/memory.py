"""Memory that the C library keeps from one request to the next."""
import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8          # of mallopt(3)


def keep_little():
    """Tell glibc, where that is the C library, to give large blocks back at once and to share its heaps.

    Otherwise the first freed upload raises the size of what counts as large to the upload's, and each thread keeps
    a heap of its own with the gaps of all later ones.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:                             # musl has none
        for parameter, value in ((MMAP_THRESHOLD, 2**18), (TRIM_THRESHOLD, 2**20), (ARENA_MAX, 2)):
            mallopt(parameter, value)
