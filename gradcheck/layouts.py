"""The same gradients from arrays of another memory layout: Fortran order, strided, read-only."""
from collections.abc import Sequence

import numpy as np

from gradcheck.contract import ROUNDING
from gradcheck.numeric import Trouble
from gradcheck.pair import Pair


def check_layouts(pair: Pair, dout: Sequence, grads: dict[str, np.ndarray]) -> None:
    """Require the same gradients from every layout of the inputs and of dout. Raises Trouble."""
    for layout, lay in LAYOUTS.items():
        inputs = {name: lay(x) for name, x in pair.inputs.items() if isinstance(x, np.ndarray)}
        try:
            _, cache = pair.forward(inputs)
            found = pair.backward([lay(d) if isinstance(d, np.ndarray) else d for d in dout], cache)
        except Trouble as trouble:
            raise Trouble(f"with {layout} arrays: {trouble}") from trouble
        largest = max(np.abs(grad).max(initial=0) for grad in grads.values())
        for name, grad in grads.items():
            allowed = ROUNDING[grad.dtype.itemsize] * max(np.abs(grad).max(initial=0), 1e-2 * largest)
            same = np.shape(found[name]) == grad.shape
            if not same or not np.abs(np.asarray(found[name]) - grad).max(initial=0) <= allowed:
                raise Trouble(f"d{name} differs between {layout} and ordinary arrays: the code depends on the memory "
                              "layout (a reshape that does not copy, order='K', a raw buffer)")


def _fortran(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x) if x.ndim > 1 else x.copy()     # which would make (1,) of an array without axes


def _strided(x: np.ndarray) -> np.ndarray:
    if x.ndim == 0:
        return x.copy()
    wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    wide[..., 1::2] = x[::-1] if x.ndim == 1 else 7     # other numbers in between, so that using them shows
    return wide[..., ::2]


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {"Fortran-ordered": _fortran, "strided": _strided, "read-only": _read_only}
