"""A loss over a dict of parameters, and the calls that the checks need."""
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.budget import Budget
from gradcheck.contract import check_gradients
from gradcheck.numeric import Trouble, guarded
from gradcheck.snapshot import first_change, snapshot


class Model:
    """loss() -> (value, grads), which reads params at every call. Parameters are changed in place or in the dict."""

    def __init__(self, loss: Callable, params: dict[str, np.ndarray], wrt: str | Iterable[str] | None,
                 budget: Budget) -> None:
        """Raises ValueError if params is not a dict of floating arrays, or if wrt names something else."""
        if not callable(loss) or not isinstance(params, dict) or not params:
            raise ValueError("expected a function loss() and a dict of parameters, name -> array")
        self.loss, self.params, self.budget, self.watch = loss, params, budget, budget.watch
        self.name = getattr(loss, "__qualname__", type(loss).__name__)
        for name, w in params.items():
            if not isinstance(w, np.ndarray) or w.dtype not in (np.float32, np.float64):
                raise ValueError(f"params[{name!r}] is {type(w).__name__} {getattr(w, 'dtype', '')}, expected an array "
                                 "of float32 or float64")
        wrt = [wrt] if isinstance(wrt, str) else wrt
        if wrt is not None and (not isinstance(wrt, (list, tuple, set)) or not wrt or set(wrt) - set(params)):
            raise ValueError(f"wrt is {wrt}, expected some of {', '.join(params)}")
        self.names = [name for name in params if wrt is None or name in wrt]

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Restore every parameter at the end: the same arrays with the same values."""
        arrays = dict(self.params)
        values = {name: w.copy() for name, w in arrays.items()}
        try:
            yield
        finally:
            for name, w in arrays.items():
                _write(w, values[name])
            self.params.clear()
            self.params.update(arrays)

    def call(self, where: Callable[[], str] = lambda: "loss()") -> tuple[Any, dict[str, Any]]:
        """loss() -> value, grads."""
        result = guarded(self.watch, where, self.loss)
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], dict) or np.ndim(result[0]):
            raise Trouble("loss() must return (value, grads), a number and a dict of arrays")
        missing = [name for name in self.names if result[1].get(name) is None]
        if missing:
            raise Trouble(f"grads has no {', '.join(missing)}, expected a gradient for every parameter")
        return result

    def burn_in(self, steps: int, learning_rate: float) -> None:
        """Take steps of gradient descent. Raises Trouble if a parameter does not stay finite."""
        for _ in range(steps):
            grads = self.call()[1]
            for name in self.names:
                w = self.params[name]
                _write(w, w - np.asarray(learning_rate, w.dtype) * np.asarray(grads[name], w.dtype))
                if not np.isfinite(w).all():
                    raise Trouble(f"params[{name!r}] is not finite after {steps} steps of burn-in with a learning rate "
                                  f"of {learning_rate:g}")

    def check_contract(self) -> dict[str, np.ndarray]:
        """Require right shapes and dtypes, the same result from every call, and new arrays -> name -> gradient."""
        before = snapshot(self.params, "params")
        value, grads = self.call()
        path = first_change(before, snapshot(self.params, "params"))
        if path:
            raise Trouble(f"loss() writes to {path}")
        if not np.isfinite(value):
            raise Trouble(f"loss() is {value}")
        check_gradients(grads, self.params, self.names)
        kept = {name: np.array(grads[name]) for name in self.names}
        again, grads_again = self.call()
        if again != value:
            raise Trouble(f"loss() is {value}, and {again} when it is called again: dropout and other random numbers "
                          "need the same seed at every call")
        for name in self.names:
            if np.asarray(grads_again[name]).tobytes() != kept[name].tobytes():
                raise Trouble(f"d{name} differs when loss() is called again")
            if np.asarray(grads[name]).tobytes() != kept[name].tobytes():
                raise Trouble(f"loss() overwrites the d{name} that it returned before")
        return kept

    def truth(self) -> dict[str, np.ndarray]:
        """The parameters in float64; float32 ones are replaced in the dict, which loss() has to notice."""
        for name, w in self.params.items():
            if w.dtype.itemsize < 8:
                self.params[name] = w.astype(np.float64)
        _, grads = self.call()
        stale = [name for name in self.names if np.asarray(grads[name]).dtype.itemsize < 8]
        if stale:
            raise Trouble(f"d{stale[0]} stays float32 when params[{stale[0]!r}] is replaced by a float64 array: "
                          "loss() must read the dict at every call and keep its dtypes, otherwise there is no "
                          "float64 gradient to compare with")
        return {name: self.params[name] for name in self.names}

    def function(self, *names: str) -> Callable[..., Any]:
        """The loss as a function of one parameter, or of several."""
        arrays = {name: self.params[name] for name in names}
        values = {name: array.copy() for name, array in arrays.items()}

        def f(*given: np.ndarray) -> Any:
            for name, x in zip(names, given):
                if x.dtype == arrays[name].dtype and arrays[name].flags.writeable:
                    _write(arrays[name], x)
                else:
                    self.params[name] = x
            try:
                return self.loss()[0]
            finally:
                for name in names if not self.budget.over else ():      # else restored() has put them back already
                    _write(arrays[name], values[name])
                    self.params[name] = arrays[name]
        return f


def _write(array: np.ndarray, value: np.ndarray) -> None:
    """Write into an array, unless it is read-only: then only the dict is changed."""
    if array.flags.writeable:
        np.copyto(array, value)
