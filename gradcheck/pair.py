"""A forward and a backward function with their inputs, and the calls that the checks need."""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.numeric import Trouble, guarded

if TYPE_CHECKING:
    from gradcheck.axes import Axes


class WrongCount(Trouble):
    """backward returned too few gradients or too many."""

    def __init__(self, text: str, count: int) -> None:
        super().__init__(text)
        self.count = count


class Pair:
    """forward(*inputs) -> (out..., cache) or ((out...), cache), and backward(dout..., cache) or ((dout...), cache)."""

    def __init__(self, forward: Callable, backward: Callable, inputs: dict[str, Any], wrt: str | Iterable[str] | None,
                 watch: Callable) -> None:
        """inputs: name -> value in forward's order; watch: see Probe. Raises ValueError if they cannot be checked."""
        if not callable(forward) or not callable(backward):
            raise ValueError("forward and backward must be functions")
        if not isinstance(inputs, dict) or not inputs:
            raise ValueError("inputs must be a dict, name -> value, in the order of forward's arguments")
        self._forward, self._backward, self.watch = forward, backward, watch
        self.name = getattr(forward, "__name__", type(forward).__name__).removesuffix("_forward")
        self.inputs = dict(inputs)
        wrt = [wrt] if isinstance(wrt, str) else wrt
        if wrt is not None and (not isinstance(wrt, (list, tuple, set)) or not wrt):
            raise ValueError(f"wrt is {wrt!r}, expected names of inputs")
        self.differentiable = [name for name, x in inputs.items() if _differentiable(name, x, wrt)]
        self.names = self._wanted(wrt)
        self.nested = False                         # whether forward returns ((out...), cache)
        self.axes: dict[str, Axes] = {}
        self._one: dict[int, dict[str, np.ndarray]] = {}

    def _wanted(self, wrt: Iterable[str] | None) -> list[str]:
        if not self.differentiable:
            raise ValueError(f"no floating arrays among the inputs {', '.join(self.inputs)}: nothing to differentiate")
        wrt = self.differentiable if wrt is None else wrt
        if [name for name in wrt if name not in self.differentiable]:
            raise ValueError(f"wrt is {wrt}, expected some of the floating inputs {', '.join(self.differentiable)}")
        return [name for name in self.differentiable if name in wrt]

    def truth(self) -> dict[str, np.ndarray]:
        """The differentiable inputs in float64, or in their own dtype if that is longer."""
        return {name: np.asarray(x).astype(np.result_type(np.asarray(x).dtype, np.float64))
                for name, x in self.inputs.items() if name in self.differentiable}

    def forward(self, changed: Mapping[str, Any] | None = None,
                where: Callable[[], str] = lambda: "forward") -> tuple[list, Any]:
        """Call forward with some inputs replaced -> outs, cache."""
        values = {**self.inputs, **(changed or {})}
        result = self._call(where, self._forward, *values.values())
        if not isinstance(result, tuple) or len(result) < 2:
            raise Trouble(f"forward returned {_what(result)}, expected (out, cache)")
        *outs, cache = result
        self.nested = len(outs) == 1 and isinstance(outs[0], (tuple, list))
        outs = list(outs[0]) if self.nested else outs
        if not any(is_float(out) for out in outs):
            raise Trouble(f"forward returned {', '.join(map(_what, outs))} before the cache, expected floating arrays")
        return outs, cache

    def function(self, *names: str) -> Callable[..., tuple]:
        """forward as a function of one input or several, with the others in float64 -> its floating outputs."""
        truth = self.truth()

        def f(*arrays: np.ndarray) -> tuple:
            result = self._forward(*{**self.inputs, **truth, **dict(zip(names, arrays))}.values())
            outs = result[0] if self.nested else result[:-1]
            return tuple(out for out in outs if is_float(out) or np.iscomplexobj(out))
        return f

    def backward(self, douts: Sequence, cache: Any) -> dict[str, Any]:
        """Call backward -> name -> gradient, as it was returned."""
        upstream = (tuple(douts),) if self.nested else douts
        result = self._call(lambda: "backward", self._backward, *upstream, cache)
        grads = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(grads) > len(self.differentiable):           # an input without gradient may be None, or left out
            grads = [grad for grad in grads if grad is not None]
        expected = self.differentiable if len(grads) == len(self.differentiable) else self.names
        if len(grads) != len(expected):
            returned = "a dict" if isinstance(result, dict) else f"{len(grads)} gradients"
            raise WrongCount(f"backward returned {returned}, expected {len(self.differentiable)}: "
                             f"{', '.join('d' + name for name in self.differentiable)} (give a setting as a Python "
                             "number, not as an array; wrt names the inputs that have a gradient)", len(grads))
        named = dict(zip(expected, grads))
        for name in self.names:
            if not _is_array(named[name]):
                raise Trouble(f"backward returned {_what(named[name])} for d{name}, expected an array")
        return {name: named[name] for name in self.names}

    def _call(self, where: Callable[[], str], function: Callable, *args: Any) -> Any:
        return guarded(self.watch, where, lambda: function(*args))

    def with_inputs(self, changed: Mapping[str, Any]) -> Pair:
        """The same pair with some inputs replaced."""
        other = copy.copy(self)
        other.inputs, other._one = {**self.inputs, **changed}, {}
        return other

    def jittered(self, eps: float, rng: np.random.Generator) -> Pair:
        """The same pair with float64 inputs moved by a few eps of their size."""
        return self.with_inputs({name: x * (1 + 4 * eps * rng.standard_normal(x.shape))
                                 for name, x in self.truth().items()})

    def in_float64(self, douts: Sequence[Sequence]) -> dict[str, np.ndarray]:
        """Gradients of the same code for inputs in float64, name -> (K, *shape) for K upstream gradients.

        A gradient that is not accepted in float64, or has another shape there, is left out.
        """
        pair = self.with_inputs(self.truth())
        try:
            grads = [pair.backward([np.asarray(d, float) for d in dout], pair.forward()[1]) for dout in douts]
            found = {name: np.array([np.asarray(grad[name], float) for grad in grads]) for name in self.names}
        except (Trouble, ValueError, TypeError):
            return {}
        return {name: grad for name, grad in found.items() if grad.shape[1:] == np.shape(self.inputs[name])}

    def one_output(self, outs: Sequence, m: int) -> dict[str, np.ndarray]:
        """Backward's gradients, name -> (size,), for an upstream gradient of 1 at the m-th number of all outputs."""
        if m not in self._one:
            ends = np.cumsum([np.size(out) for out in outs])
            unit = np.split(np.arange(ends[-1]) == m, ends[:-1])
            cache = self.forward()[1]
            dout = [like(out, part.reshape(np.shape(out)).astype(float)) for out, part in zip(outs, unit)]
            self._one[m] = {name: np.asarray(grad, float).ravel() for name, grad in self.backward(dout, cache).items()}
        return self._one[m]


def draw(outs: Iterable, rng: np.random.Generator) -> tuple:
    """A random normal upstream gradient of the type of each floating output."""
    return tuple(like(out, rng.standard_normal(np.shape(out))) for out in outs if is_float(out))


def is_float(x: Any) -> bool:
    """Whether x is a Python float or a NumPy array or scalar of floats."""
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f")


def like(out: Any, value: Any) -> Any:
    """value in the type of out: an array of its dtype, a NumPy scalar or a Python float."""
    if isinstance(out, np.ndarray):
        return np.asarray(value, out.dtype)
    return type(out)(value)


def _differentiable(name: str, x: Any, wrt: Iterable[str] | None) -> bool:
    """Whether x is an array of floats (or a Python float that wrt names): not whole numbers, None or settings."""
    fit, wanted = (np.float32, np.float64), wrt is None or name in wrt
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc" and (wanted or x.dtype in fit):
        if x.dtype not in fit or isinstance(x, (np.matrix, np.ma.MaskedArray)):
            raise ValueError(f"{name} is a {type(x).__name__} of {x.dtype}, expected an array of float32 or float64 "
                             "(if it has no gradient, leave it out of wrt)")
        return True
    return type(x) is float and wrt is not None and name in wrt


def _is_array(x: Any) -> bool:
    try:
        return x is not None and np.asarray(x).dtype.kind in "biufc"
    except ValueError:                              # a list of lists of different lengths
        return False


def _what(x: Any) -> str:
    return f"an array {x.shape} of {x.dtype}" if isinstance(x, np.ndarray) else "None" if x is None else (
        f"a {type(x).__name__}")
