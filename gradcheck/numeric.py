"""Numeric gradients of sum(f(x) * dout): central differences, Richardson extrapolation, complex step.

A Probe evaluates f around one point. A Line is one direction through that point, an axis of x or a random direction.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

STEP = 1e-5                 # central differences: truncation h^2 and rounding eps / h are both near 1e-11
EPS = np.finfo(np.float64).eps
RICHARDSON_STEP = 1e-3      # truncation h^4, rounding eps / h: both near 1e-13
SETTLING_STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
COMPLEX_STEP = 1e-30        # as small as one likes: nothing is subtracted, so no digits are lost
METHODS = ("auto", "central", "richardson", "complex")

Where = Callable[[], str]   # describes a call in messages
Watch = Callable[[Where, Callable[[], Any]], Any]


class Trouble(ValueError):
    """What a function under test does wrong so that nothing can be measured, in one sentence."""


class NoValue(Trouble):
    """f has no usable value at one point; closer to x it may have one."""


def numeric_grad(f: Callable, x: Any, dout: Any, method: str = "auto") -> np.ndarray:
    """Gradient of sum(f(x) * dout) with respect to x, from values of f alone.

    central     (f(x + h) - f(x - h)) / 2h with h = 1e-5 max(1, |x|)
    richardson  (4 c(h/2) - c(h)) / 3 of central differences c, h = 1e-3 max(1, |x|)
    complex     Im f(x + ih) / h with h = 1e-30, exact to rounding
    auto        complex if f supports complex numbers (one random projection has to agree with real differences, which
                reveals a .real, an abs or a real buffer inside f), else central

    f: array -> array, number or tuple of them, which must not ignore its argument; x floating, any shape; dout like
    f's output -> array of x's shape, in float64 (or longer) for any x: f is only called with float64 or complex128.
    Raises ValueError (Trouble) if f raises, returns NaN or less than float64, changes shape or dtype under
    perturbation, or loses the imaginary part under method="complex".
    Source: Squire and Trapp (1998), "Using complex variables to estimate derivatives of real functions".
    """
    check_method(method)
    probe = Probe(f, x)
    weights = probe.weights([dout])
    asked, method = method, resolve(method, probe, [np.arange(probe.x.size)], np.random.default_rng(0))
    lines = (probe.line(entry) for entry in range(probe.x.size))
    careful = asked != method == "central"
    slopes = [_careful(line, weights) if careful else weights @ line.slope(method) for line in lines]
    return np.array([slope[0] for slope in slopes]).reshape(probe.x.shape)


def _careful(line: Line, weights: np.ndarray) -> np.ndarray:
    """Central differences, or the best of many steps if these are rough or dominated by rounding."""
    right, left = line.sides(STEP)
    slope = weights @ (right + left) / 2
    doubt = np.abs(weights * (right - left)).sum(axis=1) + 1e6 * line.noise(weights, STEP)
    return line.settle(weights)[0] if (doubt > 1e-3 * np.abs(slope)).any() else slope


def check_method(method: str) -> None:
    """Raises ValueError for an unknown method."""
    if method not in METHODS:
        raise ValueError(f"method is {method!r}, expected one of {', '.join(METHODS)}")


def guarded(watch: Watch, where: Where, call: Callable[[], Any]) -> Any:
    """watch(where, call); whatever it raises, SystemExit too, becomes NoValue with one sentence."""
    def quiet() -> Any:
        with np.errstate(all="ignore"):                 # NaN is reported with its place instead
            return call()
    try:
        return watch(where, quiet)
    except (Trouble, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise NoValue(f"{where()} raised {describe(error)}") from error


class Probe:
    """f around the point x, with all its outputs in one flat vector."""

    def __init__(self, f: Callable, x: Any, name: str = "x", label: Callable[[int], str] | None = None,
                 watch: Watch | None = None) -> None:
        """f as in numeric_grad. label: flat index -> its name in messages. watch(where, call) makes each call."""
        self.f, self.name = f, name
        self.label = label or (lambda entry: plain_label(name, np.unravel_index(entry, self.x.shape)))
        self.watch = watch or (lambda where, call: call())
        x = np.asarray(x)
        if x.dtype.kind != "f":
            raise ValueError(f"{name} is {x.dtype}, expected floating point numbers")
        self.x: np.ndarray = np.array(x, np.result_type(x.dtype, np.float64), order="C")
        self.size = min(1.0, float(np.abs(self.x).max(initial=0)) or 1.0)
        self.outs = [np.array(out) for out in self._call(self.x.copy(), lambda: "the unperturbed point")]
        self.base = self._flat(self.outs, lambda: "the unperturbed point")
        for out in self.outs:
            if np.finfo(out.dtype).eps > np.finfo(np.float64).eps:
                raise Trouble(f"forward returns {out.dtype} for float64 inputs, so that differences are lost in "
                              "rounding: let buffers and constants take the dtype of the inputs")

    def __getstate__(self) -> dict[str, Any]:
        """The numbers alone: f and the calls around it stay in the process that made the check."""
        return {**vars(self), "f": None, "label": None, "watch": None}

    def weights(self, douts: Iterable) -> np.ndarray:
        """Upstream gradients as the rows of a matrix (K, size of all outputs)."""
        rows = []
        for dout in douts:
            dout = [np.asarray(d) for d in (dout if isinstance(dout, tuple) else (dout,))]
            if any(d.dtype.kind not in "fiu" for d in dout):
                raise ValueError(f"dout is {', '.join(str(d.dtype) for d in dout)}, expected real numbers")
            expected = [out.shape for out in self.outs]
            if [d.shape for d in dout] != expected:
                raise ValueError(f"dout is {[d.shape for d in dout]}, expected {expected}, the shapes of f's outputs")
            rows.append(np.concatenate([d.ravel() for d in dout]))
        return np.array(rows, np.float64)

    def line(self, entry: int) -> Line:
        """The line along one entry of x, counted in C order."""
        index = np.unravel_index(entry, self.x.shape)
        return Line(self, index, 1.0, max(1.0, abs(float(self.x[index]))), lambda: self.label(entry))

    def projection(self, entries: np.ndarray, direction: np.ndarray) -> Line:
        """The line along a direction that changes only these entries."""
        where = f"a random direction of {self.name}"
        if self.x.ndim == 0:
            return Line(self, (), float(direction[0]), 1.0, lambda: where)
        return Line(self, np.unravel_index(entries, self.x.shape), direction, 1.0, lambda: where)

    def at(self, index: tuple, amount: Any, where: Where) -> np.ndarray:
        """Flat outputs of f with x[index] moved by amount."""
        moved = self.x.astype(np.result_type(self.x.dtype, np.asarray(amount).dtype))
        moved[index] += amount
        place = lambda: f"{where()} moved by {np.max(np.abs(amount)):.1g}"      # noqa: E731
        outs = self._call(moved, place)
        real = moved.dtype.kind == "f"
        found = [(out.shape, out.dtype if real else None) for out in outs]
        expected = [(out.shape, out.dtype if real else None) for out in self.outs]
        if found != expected:
            raise NoValue(f"forward changes its output from {_kinds(self.outs)} to {_kinds(outs)} at {place()}")
        return self._flat(outs, place)

    def _call(self, x: np.ndarray, where: Where) -> list[np.ndarray]:
        outs = guarded(self.watch, lambda: f"forward at {where()}", lambda: self.f(x))
        return [np.asarray(out) for out in (outs if isinstance(outs, (tuple, list)) else (outs,))]

    def _flat(self, outs: Sequence[np.ndarray], where: Where) -> np.ndarray:
        flat = np.concatenate([out.ravel() for out in outs])
        if flat.dtype.kind not in "fc":
            raise Trouble(f"forward returns {flat.dtype}, expected floating point numbers, at {where()}")
        if not np.isfinite(flat).all():
            kind = "NaN" if np.isnan(flat).any() else "infinity"
            raise NoValue(f"forward returns {kind} at {where()}")
        return flat


class Line:
    """f along x + s * direction: derivatives with respect to s at 0, as vectors over all outputs."""

    def __init__(self, probe: Probe, index: tuple, direction: Any, scale: float, where: Where) -> None:
        self.probe, self.index, self.direction, self.scale, self.where = probe, index, direction, scale, where

    def at(self, s: complex) -> np.ndarray:
        """Flat outputs of f at this point of the line."""
        return self.probe.at(self.index, s * self.direction, self.where)

    def slope(self, method: str) -> np.ndarray:
        """Slope by 'complex', 'richardson' or 'central'."""
        if method == "complex":
            return self.at(COMPLEX_STEP * 1j).imag / COMPLEX_STEP
        if method == "richardson":
            return self.richardson(RICHARDSON_STEP)
        return np.mean(self.sides(STEP), axis=0)

    def sides(self, h: float) -> tuple[np.ndarray, np.ndarray]:
        """Right and left one-sided slopes; near the edge of f's domain h is scaled down with |x|."""
        h = h * self.scale
        try:
            return self._sides(h)
        except NoValue:
            smaller = h * float(np.max(np.abs(self.probe.x[self.index]), initial=0))
            if not 0 < smaller < h:
                raise
            return self._sides(smaller)

    def _sides(self, h: float) -> tuple[np.ndarray, np.ndarray]:
        return (self.at(h) - self.probe.base) / h, (self.probe.base - self.at(-h)) / h

    def richardson(self, h: float) -> np.ndarray:
        """Central differences at h and h/2, combined so that the h^2 term cancels."""
        return (4 * np.mean(self.sides(h / 2), axis=0) - np.mean(self.sides(h), axis=0)) / 3

    def settle(self, weights: np.ndarray | None, largest: float = 1e-2) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of sum(f * dout) at the step where they change least, and the size of that change, their spread.

        Steps are at most `largest`. weights (K, outputs) -> slope (K,), spread (K,), inf if f has no values nearby;
        weights None -> slope and spread of every output.
        """
        size, steps = self.probe.size, [h for h in SETTLING_STEPS if h <= largest]
        slope, spread = self._best(weights, steps)
        if size < 1e-3:         # all of x is tiny: a wide step may jump over the part of f that matters
            close, spread_close = self._best(weights, [size * h for h in SETTLING_STEPS if size * h <= largest])
            better = (np.abs(close - slope) > 3 * (spread + spread_close)) | ~(spread <= spread_close)
            return np.where(better, close, slope), np.where(better, spread_close, spread)
        return slope, spread

    def _best(self, weights: np.ndarray | None, steps: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        slopes, noise = [], []
        for h in steps:
            try:
                row = self.richardson(h)
            except NoValue:
                continue                                # outside f's domain: a smaller step may fit
            slopes.append(row if weights is None else weights @ row)
            noise.append(self.noise(weights, h))
        if len(slopes) < 2:
            none = np.zeros_like(self.noise(weights, 1))
            return none, none + np.inf
        # two slopes may agree because rounding has erased both: the spread is at least the rounding error
        spreads = np.maximum(np.abs(np.diff(slopes, axis=0)), noise[1:])
        best = spreads.argmin(axis=0)[None]
        return np.take_along_axis(np.array(slopes[1:]), best, 0)[0], np.take_along_axis(spreads, best, 0)[0]

    def noise(self, weights: np.ndarray | None, h: float) -> np.ndarray:
        """Rounding error of a slope at step h, if outputs are exact to one unit in the last place."""
        base = np.abs(self.probe.base)
        return 4 * EPS * (base if weights is None else np.abs(weights) @ base) / (h * self.scale)


def resolve(method: str, probe: Probe, groups: Iterable[np.ndarray], rng: np.random.Generator) -> str:
    """The method for this probe: 'auto' is replaced, 'complex' is tested. groups: flat entries for the test."""
    if method not in ("auto", "complex") or probe.x.size == 0:
        return "central" if method == "auto" else method
    if all(carries_complex(probe, entries, rng) for entries in groups):
        return "complex"
    if method == "complex":
        raise Trouble(f"forward does not carry complex numbers through from {probe.name} (it contains a .real, an abs, "
                      "a real buffer or a kink): use method='central'")
    return "central"


def carries_complex(probe: Probe, entries: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the complex step along a random direction agrees with real differences, output by output."""
    direction = rng.standard_normal(len(entries))
    line = probe.projection(entries, direction / np.linalg.norm(direction))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            row = line.slope("complex")
    except NoValue:
        return False
    if _agrees_at_once(line, row):
        return True
    slope, spread = line.settle(None)
    return _agrees(row, slope, spread, 10 * spread, line)


def _agrees_at_once(line: Line, row: np.ndarray) -> bool:
    """Whether slopes at the two widest steps settle it, as for most functions: a quarter of the steps of Line.settle.

    The complex step has to agree with them to rounding, not only to their spread.
    """
    if line.probe.size < 1e-3:
        return False
    try:
        wide, slope = (line.richardson(h) for h in SETTLING_STEPS[:2])
    except NoValue:
        return False
    noise = line.noise(None, SETTLING_STEPS[1])
    return _agrees(row, slope, np.maximum(np.abs(slope - wide), noise), noise, line)


def _agrees(row: np.ndarray, slope: np.ndarray, spread: np.ndarray, doubt: np.ndarray, line: Line) -> bool:
    """Whether a complex step is a slope up to its doubt, output by output, and the slope's spread is small.

    Where the complex step is 0 to rounding, so has to be the slope, and its spread may be rounding too.
    """
    real = np.abs(slope)
    small = 1e-4 * real + 1e-7 * real.max(initial=0)
    if (np.abs(row) <= 100 * EPS * min(1, np.abs(line.probe.base).max(initial=0))).all():
        small = small + min(1e-10, 10 * line.noise(None, SETTLING_STEPS[1]).max(initial=0))
    return bool((np.abs(row - slope) <= 1e-8 * np.maximum(np.abs(row), real) + doubt).all() and (spread <= small).all())


def describe(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def plain_label(name: str, index: Sequence) -> str:
    """An entry by its index, such as x[1, 2]."""
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if len(index) else name


def _kinds(outs: Sequence[np.ndarray]) -> str:
    return ", ".join(f"{out.shape} {out.dtype}" for out in outs)
