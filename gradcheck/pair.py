"""A forward and a backward function with inputs for them, called the way the checks need."""
import copy

import numpy as np

from gradcheck.numeric import NoValue, Trouble


class Pair:
    """forward(*inputs) -> (out..., cache) or ((out...), cache), and backward(dout..., cache) or ((dout...), cache)."""

    def __init__(self, forward, backward, inputs, wrt, watch):
        """inputs: name -> value in forward's order. Raises ValueError on what is not fit to be checked."""
        if not callable(forward) or not callable(backward):
            raise ValueError("forward and backward have to be functions")
        if not isinstance(inputs, dict) or not inputs:
            raise ValueError("inputs is to be a dict, name -> value, in the order of forward's arguments")
        self._forward, self._backward, self.watch = forward, backward, watch
        self.name = getattr(forward, "__name__", type(forward).__name__).removesuffix("_forward")
        self.inputs = dict(inputs)
        self.differentiable = [name for name, x in inputs.items() if _differentiable(name, x, wrt)]
        self.names = self._wanted(wrt)
        self.nested = False

    def _wanted(self, wrt):
        wrt = self.differentiable if wrt is None else [wrt] if isinstance(wrt, str) else list(wrt)
        unknown = [name for name in wrt if name not in self.differentiable]
        if unknown or not wrt:
            raise ValueError(f"wrt is {wrt}, expected some of the floating inputs {self.differentiable}")
        return [name for name in self.differentiable if name in wrt]

    def truth(self):
        """The differentiable inputs in float64, or in what they are if that is longer."""
        return {name: np.asarray(x).astype(np.result_type(np.asarray(x).dtype, np.float64))
                for name, x in self.inputs.items() if name in self.differentiable}

    def forward(self, changed=None, where=lambda: "forward"):
        """Call forward with some inputs exchanged -> outs (list), cache."""
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

    def function(self, name):
        """forward as a function of one input alone, with all others in float64 -> the floating outputs."""
        truth = self.truth()

        def f(x):
            result = self._forward(*{**self.inputs, **truth, name: x}.values())
            outs = result[0] if self.nested else result[:-1]
            return tuple(out for out in outs if is_float(out) or np.iscomplexobj(out))
        return f

    def backward(self, douts, cache):
        """Call backward -> name -> gradient as it was returned."""
        douts = (tuple(douts),) if self.nested else douts
        result = self._call(lambda: "backward", self._backward, *douts, cache)
        grads = list(result) if isinstance(result, (tuple, list)) else [result]
        expected = self.differentiable if len(grads) == len(self.differentiable) else self.names
        if len(grads) != len(expected):
            raise Trouble(f"backward returned {len(grads)} gradients, expected {len(self.differentiable)}: "
                          f"{', '.join('d' + name for name in self.differentiable)} (a float that is a setting "
                          "is to be given as a Python number; wrt names the inputs that have a gradient)")
        grads = dict(zip(expected, grads))
        for name in self.names:
            if grads[name] is None or np.asarray(grads[name]).dtype == object:
                raise Trouble(f"backward returned {_what(grads[name])} for d{name}, expected an array")
        return {name: grads[name] for name in self.names}

    def _call(self, where, function, *args):
        def call():
            with np.errstate(all="ignore"):
                return function(*args)
        try:
            return self.watch(where, call)
        except Trouble:
            raise
        except (Exception, SystemExit) as error:
            raise NoValue(f"{where()} raised {type(error).__name__}: {error}") from error

    def with_inputs(self, changed):
        """The same pair at other inputs."""
        other = copy.copy(self)
        other.inputs = {**self.inputs, **changed}
        return other

    def wobble(self, name, dout, grads, rng):
        """How much a gradient moves when every input moves by a few roundings: what backward can be accurate to."""
        moved = np.zeros(np.shape(grads[name]))
        for _ in range(3):
            inputs = {key: like(self.inputs[key], self.inputs[key] * _jitter(self.inputs[key], rng))
                      for key in self.differentiable}
            found = self.backward(dout, self.forward(inputs)[1])[name]
            moved = np.maximum(moved, np.abs(np.asarray(found, float) - grads[name]))
        return moved


def draw(outs, rng):
    """A random normal upstream gradient for every floating output, of its type."""
    return [like(out, rng.standard_normal(np.shape(out))) for out in outs if is_float(out)]


def _jitter(x, rng):
    x = np.asarray(x)
    return 1 + 4 * np.finfo(x.dtype).eps * rng.standard_normal(x.shape)


def is_float(x):
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f")


def like(out, value):
    """value as the type that out has: an array of its dtype, a NumPy scalar, a Python float."""
    if isinstance(out, np.ndarray):
        return np.asarray(value, out.dtype)
    return type(out)(value)


def _differentiable(name, x, wrt):
    """Arrays of floats are; whole numbers, flags, None, and settings such as a Python float or a dict are not."""
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc":
        if x.dtype.kind == "c" or np.finfo(x.dtype).bits < 32:
            raise ValueError(f"{name} is {x.dtype}, expected float32 or float64 inputs")
        return True
    return type(x) is float and wrt is not None and name in wrt


def _what(x):
    return f"an array {x.shape} of {x.dtype}" if isinstance(x, np.ndarray) else "None" if x is None else (
        f"a {type(x).__name__}")
