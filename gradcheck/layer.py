"""Layers written as classes, which keep their cache and the gradients of their weights in self."""
import copy
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from gradcheck.check import check_pair
from gradcheck.pair import is_float, like
from gradcheck.report import Report

PLACES = ("params", "weights", "parameters")            # dicts in which layers keep their weights
GRADIENTS = ("grads", "gradients", "dparams", "grad")   # and their gradients
SPELLINGS = ("d{}", "grad_{}", "{}_grad", "d_{}", "grad{}", "{}")


def check_layer(layer: Any, inputs: dict[str, Any], *, forward: str = "forward", backward: str = "backward",
                params: Iterable[str] | Mapping[str, str] = (), **options: Any) -> Report:
    """Check the backward of a layer that is an object, against its forward.

    layer.forward(*inputs) -> out, or a tuple of outputs; layer.backward(dout...) -> dx, or a tuple of the gradients of
    the floating inputs, or None if it leaves them in self.dx. forward, backward: names of the two methods.
    inputs: name -> value in the order of forward's arguments.
    params: names of the weights, attributes of the layer or keys of its dict `params`. Their gradients are looked for
    after backward as dW, grad_W, W_grad, and in the dicts `grads` or `gradients`; a dict name -> name of the gradient
    says where they are. A layer that adds up its gradients is asked to forget them by its method zero_grad.
    The layer itself stays as it is: every call works on a copy. options: as in check_pair. -> Report.
    Raises ValueError if the layer has no such methods or weights.
    """
    for method in (forward, backward):
        if not callable(getattr(layer, method, None)):
            raise ValueError(f"{type(layer).__name__} has no method {method}, expected the names of its methods as "
                             "forward= and backward=")
    try:
        copy.deepcopy((layer, inputs))
    except Exception as error:
        raise ValueError(f"{type(layer).__name__} or an input cannot be copied ({error}), expected attributes without "
                         "locks, open files and generators") from error
    names = dict(params) if isinstance(params, Mapping) else dict.fromkeys(_listed(params), "")
    both = [name for name in names if name in inputs]
    if both:
        raise ValueError(f"{both[0]} is among the inputs and the params, expected two names")
    values = {name: _home(layer, name)[name] for name in names}

    def run_forward(*args: Any) -> tuple:
        own = copy.deepcopy(layer)
        for name, value in zip(names, args[len(inputs):]):
            _home(own, name)[name] = value
        if callable(getattr(own, "zero_grad", None)):
            own.zero_grad()
        out = getattr(own, forward)(*args[:len(inputs)])
        return (*out, own) if isinstance(out, tuple) else (out, own)

    def run_backward(*args: Any) -> tuple:
        *douts, own = args
        own = copy.deepcopy(own)                        # backward may leave what it likes in self
        found = getattr(own, backward)(*douts)
        if found is None:
            found = [_gradient(own, name, "") for name, x in inputs.items() if _is_float(x)]
        found = found if isinstance(found, (tuple, list)) else [found]
        return (*found, *(_gradient(own, name, spelling) for name, spelling in names.items()))
    run_forward.__name__ = type(layer).__name__
    report = check_pair(run_forward, run_backward, {**inputs, **values}, **options)
    if report.problem is None:
        with suppress(Exception):                       # a layer that cannot do this twice was checked all the same
            report.problem = _adding_up(layer, inputs, forward, backward, names)
    return report


def _adding_up(layer: Any, inputs: dict[str, Any], forward: str, backward: str, names: Mapping[str, str]) -> str | None:
    """A sentence if a second pass gives twice the gradient of a weight, and no zero_grad forgets the first."""
    own, found = copy.deepcopy(layer), []
    for _ in range(2 * (not callable(getattr(layer, "zero_grad", None)))):
        out = getattr(own, forward)(*copy.deepcopy(list(inputs.values())))
        ones = [like(one, np.ones(np.shape(one))) for one in (out if isinstance(out, (tuple, list)) else (out,))
                if is_float(one)]
        getattr(own, backward)(*([tuple(ones)] if isinstance(out, list) else ones))
        found.append({name: np.array(_gradient(own, name, spelling)) for name, spelling in names.items()})
    wrong = [name for name in names if found and found[0][name].any()
             and np.allclose(found[1][name], 2 * found[0][name])]
    return f"the gradient of {wrong[0]} adds up over calls of {backward}: set it anew in each, or give the layer a " \
           "method zero_grad" if wrong else None


def _listed(params: Any) -> list[str]:
    if isinstance(params, str) or not all(isinstance(name, str) for name in params):
        raise ValueError(f"params is {params!r}, expected a list of names such as ['W', 'b']")
    return list(params)


def _home(layer: Any, name: str) -> dict[str, Any]:
    """The dict that a weight is in: the layer's attributes, or one of its dicts. Raises ValueError if it is in none."""
    dicts = [vars(layer)] if hasattr(layer, "__dict__") else []
    for found in (*dicts, *(getattr(layer, place, None) for place in PLACES)):
        if isinstance(found, dict) and name in found:
            return found
    raise ValueError(f"{type(layer).__name__} has no attribute {name}, and no {name} in a dict {' or '.join(PLACES)}: "
                     "expected the names of its weights as params=")


def _gradient(layer: Any, name: str, spelling: str) -> Any:
    """The gradient of a weight that backward left in the layer. Raises ValueError if there is none."""
    spellings = [spelling] if spelling else [form.format(name) for form in SPELLINGS]
    own: Any = {key: value for key, value in vars(layer).items() if key != name}
    for found in (own, *(getattr(layer, place, None) for place in GRADIENTS)):
        for key in spellings if isinstance(found, dict) else ():
            if key in found:
                return found[key]
    raise ValueError(f"after backward the layer has no gradient of {name}: looked for {', '.join(spellings)} among its "
                     f"attributes and in its dicts {', '.join(GRADIENTS)}; params={{{name!r}: ...}} names another")


def _is_float(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f"
