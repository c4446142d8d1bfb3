"""The same check on arrays that lie differently in memory: Fortran order, strided, read-only."""
import numpy as np

from gradcheck.contract import ROUNDING
from gradcheck.numeric import Trouble


def check_layouts(pair, dout, grads):
    """Require the same gradients from any layout of the inputs and of dout. Raises Trouble."""
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
                raise Trouble(f"d{name} is another with {layout} arrays than with ordinary ones: something depends on "
                              "how the numbers lie in memory (a reshape that does not copy, order='K', a raw buffer)")


def _fortran(x):
    return np.asfortranarray(x) if x.ndim > 1 else x.copy()     # a number would become an array of one


def _strided(x):
    if x.ndim == 0:
        return x.copy()
    wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    wide[..., 1::2] = x[::-1] if x.ndim == 1 else 7     # other numbers in between, so that reading them shows
    return wide[..., ::2]


def _read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {"Fortran-ordered": _fortran, "strided": _strided, "read-only": _read_only}
