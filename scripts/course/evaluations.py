"""What a backward does while it runs: one that differentiates its forward by differences gives itself away.

Such a backward evaluates the forward at moved inputs, for each entry or group of entries. So arrays turn up in it that
differ from an input, or from the forward's output, in the same few entries or by little, more of them the more entries
there are; or complex numbers, in the complex step. A backward that applies the chain rule has neither, however it is
written: a copy that it overwrites entry by entry differs in another number of entries each time.
"""
import sys
from collections import Counter

import numpy as np

MANY = 300                          # arrays after which it is no use to go on watching
FEW = 8                             # arrays that may resemble an input or output by chance


class Watch:
    """Counts, during a with block, the arrays of a submission's functions that come from moved inputs.

    folder: where the submission is. inputs, outs: the forward's arguments and outputs. After the block `moved` is the
    number of arrays nearly equal to one of these, `complex` of complex ones.
    """

    def __init__(self, folder, inputs, outs):
        self.folder, self.complex = folder, 0
        self._inputs = [x.copy() for x in inputs if _is_float(x)]          # the submission may move them in place
        self._outs = [out.copy() for out in outs if _is_float(out) and out.size > 1]
        self._seen = {_digest(x) for x in (*self._inputs, *self._outs)}
        self._found = Counter()     # (which array it resembles, number of other entries) -> arrays

    @property
    def moved(self):
        """Of the arrays that resemble the same one, those that differ from it in the same number of entries."""
        most = {}
        for (which, _), count in self._found.items():
            most[which] = max(count, most.get(which, 0))
        return sum(most.values())

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)

    def _enter(self, frame, event, arg):
        name = frame.f_code.co_filename
        return self._line if name.startswith((self.folder, "<string>")) else None

    def _line(self, frame, event, arg):
        if len(self._seen) < 10 * MANY and self.complex < MANY:
            returned = arg if event == "return" and isinstance(arg, (tuple, list)) else [arg]
            for value in (*frame.f_locals.values(), *returned):
                self._look(value)
        return self._line

    def _look(self, value):
        if isinstance(value, (complex, np.complexfloating)):
            self.complex += 1
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
            return
        digest = _digest(value)
        if digest in self._seen:
            return
        self._seen.add(digest)
        self.complex += value.dtype.kind == "c"
        for which, x in enumerate((*self._inputs, *self._outs) if value.dtype.kind == "f" else ()):
            if value.shape == x.shape and (_few_changed if which < len(self._inputs) else _close)(value, x):
                self._found[which, int(_changed(value, x).sum())] += 1


def differs_numerically(small, large):
    """Whether counts (moved, complex), at some sizes and at larger ones, are those of a derivative by differences."""
    return small[1] > 0 or small[0] >= MANY or large[0] >= max(FEW, min(1.5 * small[0], MANY))


def _is_float(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _digest(x):
    return x.shape, x.dtype.str, x.tobytes()


def _changed(value, x):
    """The entries that differ by more than rounding."""
    return ~(np.abs(value - x) <= 1e-13 * np.abs(x).max(initial=0.0))


def _few_changed(value, x):
    """Whether at most half of the entries of an input have other values, none of them zero."""
    changed = _changed(value, x)
    return 0 < changed.sum() <= x.size / 2 + 0.5 and bool(value[changed].all())


def _close(value, out):
    """Whether most entries are an output's to a hundredth, and none is still zero as in a buffer being filled."""
    if not np.isfinite(value).all():
        return False
    near = np.abs(value - out) <= 1e-2 * np.abs(out).max()
    return near.mean() >= 0.4 and bool(value[value != out].all())
