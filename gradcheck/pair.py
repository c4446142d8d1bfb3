"""A forward and a backward function with inputs for them, called the way the checks need."""
import copy

import numpy as np

from gradcheck.numeric import Trouble, guarded


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
        wrt = [wrt] if isinstance(wrt, str) else wrt
        if wrt is not None and (not isinstance(wrt, (list, tuple, set)) or not wrt):
            raise ValueError(f"wrt is {wrt!r}, expected names of inputs")
        self.differentiable = [name for name, x in inputs.items() if _differentiable(name, x, wrt)]
        self.names = self._wanted(wrt)
        self.nested, self._one, self.axes = False, {}, {}

    def _wanted(self, wrt):
        if not self.differentiable:
            raise ValueError(f"no floating arrays among the inputs {', '.join(self.inputs)}: nothing to differentiate")
        wrt = self.differentiable if wrt is None else wrt
        if [name for name in wrt if name not in self.differentiable]:
            raise ValueError(f"wrt is {wrt}, expected some of the floating inputs {', '.join(self.differentiable)}")
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
        if len(grads) > len(self.differentiable):           # None for what has no gradient is as good as leaving it out
            grads = [grad for grad in grads if grad is not None]
        expected = self.differentiable if len(grads) == len(self.differentiable) else self.names
        if len(grads) != len(expected):
            raise Trouble(f"backward returned {len(grads)} gradients, expected {len(self.differentiable)}: "
                          f"{', '.join('d' + name for name in self.differentiable)} (a float that is a setting "
                          "is to be given as a Python number; wrt names the inputs that have a gradient)")
        grads = dict(zip(expected, grads))
        for name in self.names:
            if not _is_array(grads[name]):
                raise Trouble(f"backward returned {_what(grads[name])} for d{name}, expected an array")
        return {name: grads[name] for name in self.names}

    def _call(self, where, function, *args):
        return guarded(self.watch, where, lambda: function(*args))

    def with_inputs(self, changed):
        """The same pair at other inputs."""
        other = copy.copy(self)
        other.inputs, other._one = {**self.inputs, **changed}, {}
        return other

    def jittered(self, eps, rng):
        """The same pair with float64 inputs moved by a few eps of their size."""
        return self.with_inputs({name: x * (1 + 4 * eps * rng.standard_normal(x.shape))
                                 for name, x in self.truth().items()})

    def one_output(self, outs, m):
        """Backward's gradients, name -> (size,), for an upstream gradient of 1 at the m-th number of all outputs."""
        if m not in self._one:
            ends = np.cumsum([np.size(out) for out in outs])
            unit = np.split(np.arange(ends[-1]) == m, ends[:-1])
            cache = self.forward()[1]
            dout = [like(out, part.reshape(np.shape(out)).astype(float)) for out, part in zip(outs, unit)]
            self._one[m] = {name: np.asarray(grad, float).ravel() for name, grad in self.backward(dout, cache).items()}
        return self._one[m]


def draw(outs, rng):
    """A random normal upstream gradient for every floating output, of its type."""
    return tuple(like(out, rng.standard_normal(np.shape(out))) for out in outs if is_float(out))


def is_float(x):
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f")


def like(out, value):
    """value as the type that out has: an array of its dtype, a NumPy scalar, a Python float."""
    if isinstance(out, np.ndarray):
        return np.asarray(value, out.dtype)
    return type(out)(value)


def _differentiable(name, x, wrt):
    """Arrays of floats are; whole numbers, flags, None, and settings such as a Python float or a dict are not."""
    fit, wanted = (np.float32, np.float64), wrt is None or name in wrt
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc" and (wanted or x.dtype in fit):
        if x.dtype not in fit or isinstance(x, (np.matrix, np.ma.MaskedArray)):
            raise ValueError(f"{name} is a {type(x).__name__} of {x.dtype}, expected an array of float32 or float64 "
                             "(or, if it has no gradient, wrt without it)")
        return True
    return type(x) is float and wrt is not None and name in wrt


def _is_array(x):
    try:
        return x is not None and np.asarray(x).dtype.kind in "biufc"
    except ValueError:                              # a list of lists of different lengths
        return False


def _what(x):
    return f"an array {x.shape} of {x.dtype}" if isinstance(x, np.ndarray) else "None" if x is None else (
        f"a {type(x).__name__}")
