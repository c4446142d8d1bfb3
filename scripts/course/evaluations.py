"""What a pair does while it runs: one that differentiates its forward by differences gives itself away.

It evaluates the forward at moved inputs, for each entry or group of entries. So arrays turn up in it, one by one or
stacked, that differ from an input, or from the forward's output, in the same few entries or by little, more of them the
more entries there are; or, in the complex step, complex numbers, and code that makes them and takes their imaginary
part. A pair that applies the chain rule has neither, however it is written: a copy that it overwrites entry by entry
differs in another number of entries each time.
"""
import sys
import threading
from collections import Counter

import numpy as np

MANY = 100                          # arrays after which it is no use to go on watching
FEW = 8                             # arrays that may resemble an input or output by chance


class Watch:
    """Counts, during a with block, the arrays of a submission's functions that come from moved inputs.

    folder: where the submission is. inputs, outs: the forward's arguments and outputs. After the block `complex` is
    the number of complex arrays, at least 1 if the code that ran makes and takes apart complex numbers, and `moved` of
    those that resemble an input or output: for each, the largest number that differ from it in equally many entries.
    """

    def __init__(self, folder, inputs, outs):
        self.folder, self.moved, self.complex = folder, 0, 0
        self._inputs = [x.copy() for x in inputs if _is_float(x)]          # the submission may move them in place
        self._outs = [out.copy() for out in outs if _is_float(out) and out.size > 1]
        self._shapes = {x.shape for x in (*self._inputs, *self._outs)}
        self._seen = {_digest(x) for x in (*self._inputs, *self._outs)}
        self._found = Counter()     # (which array it resembles, number of other entries) -> arrays
        self._most = Counter()      # which array -> the largest of these
        self._stacks = set()        # digests of arrays with an axis more
        self._codes, self._makes_complex, self._takes_imag = set(), False, False    # what runs

    def __enter__(self):
        self._before = sys.gettrace()
        threading.settrace(self._enter)                     # what it starts is watched too
        sys.settrace(self._enter)
        return self

    def __exit__(self, *error):
        threading.settrace(None)
        sys.settrace(self._before)

    def _enter(self, frame, event, arg):
        code = frame.f_code
        file = frame.f_globals.get("__file__") or self.folder           # compiled code may claim any file
        if not str(file).startswith(self.folder) and not code.co_filename.startswith((self.folder, "<string>")):
            return None
        if code not in self._codes:
            self._codes.add(code)
            self._makes_complex |= _makes_complex(code, frame.f_globals)
            self._takes_imag |= "imag" in code.co_names
            self.complex = max(self.complex, int(self._makes_complex and self._takes_imag))
        return self._line

    def _line(self, frame, event, arg):
        if self.moved >= MANY or self.complex >= MANY or len(self._seen) > 20 * MANY:
            sys.settrace(None)
            return None
        returned = arg if event == "return" and isinstance(arg, (tuple, list)) else [arg]
        for value in (*frame.f_locals.values(), *returned):
            for part in self._parts(value):
                self._look(part)
        return self._line

    def _parts(self, value):
        """An array, or the parts of a stack of arrays that have the shape of an input or output."""
        axes = [axis for axis in range(np.ndim(value)) if value.shape[:axis] + value.shape[axis + 1:] in self._shapes
                ] if _is_float(value) and value.ndim > 2 and value.shape not in self._shapes else []
        if not axes or (digest := _digest(value)) in self._stacks:
            return [] if axes else [value]
        self._stacks.add(digest)
        return [part for axis in axes for part in np.moveaxis(value, axis, 0)[:2 * MANY]]

    def _look(self, value):
        if isinstance(value, (complex, np.complexfloating)):
            self.complex += 1
        if not isinstance(value, np.ndarray) or value.dtype.kind != "c" and not (
                value.dtype.kind == "f" and value.shape in self._shapes):
            return
        digest = _digest(value)
        if digest in self._seen:
            return
        self._seen.add(digest)
        self.complex += value.dtype.kind == "c"
        for which, x in enumerate((*self._inputs, *self._outs) if value.dtype.kind == "f" else ()):
            if value.shape == x.shape and (_few_changed if which < len(self._inputs) else _close)(value, x):
                kind = which, int(_changed(value, x).sum())
                self._found[kind] += 1
                self._most[which] = max(self._most[which], self._found[kind])
                self.moved = sum(self._most.values())


def by_differences(counts, draw):
    """A sentence if a pair differentiates its forward by differences, seen at two sizes; else "".

    counts: of a draw, the counts (moved, complex) of a Watch.
    """
    small = counts(draw)
    large = (MANY, 0) if max(small) >= MANY else counts(draw._replace(sizes=_larger(draw.sizes)))
    if not small[1] and large[0] < max(FEW, min(1.2 * small[0], MANY)):
        return ""
    return (f"forward is evaluated at moved inputs, {max(*small, *large)} times or more, and more often where sizes "
            "are larger: a derivative by differences earns nothing")


def _larger(sizes):
    """Sizes with twice as many entries along each axis but N and T."""
    sizes = {letter: size * (1 + (letter not in "NT")) for letter, size in sizes.items()}
    return {**sizes, "DW": sizes["D"] * sizes["W"]}


def _makes_complex(code, names):
    """Whether code has a complex constant, uses a complex global, or names a complex type."""
    values = [*code.co_consts, *(names.get(name) for name in code.co_names)]
    return any(isinstance(value, (complex, np.complexfloating)) for value in values) or any(
        text.startswith("complex") for text in (*code.co_names, *code.co_consts) if isinstance(text, str))


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
    """Whether most entries are an output's to a hundredth, all are near it, and no other one is zero as in a buffer.

    A step that is small moves no entry far: weights of which one column less 1 belong to softmax's derivative.
    """
    if not np.isfinite(value).all():
        return False
    moved = np.abs(value - out) / (np.abs(out).max() + 1e-300)
    return (moved <= 1e-2).mean() >= 0.4 and moved.max() <= 0.2 and bool(value[value != out].all())
