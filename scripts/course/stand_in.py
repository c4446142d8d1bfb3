"""A right pair of functions in place of a submission's wrong one; the tree under test has this file in rnnlayers.

What is built on the pair may know the pair's own cache, and may begin with 0 or None for a gradient.
"""
import functools
import inspect

import numpy as np

from gradcheck.snapshot import snapshot

signature = functools.cache(inspect.signature)


def stand_in(forward, backward, own_forward, own_backward):
    """own_forward with the gradients of the right `backward` -> forward, backward.

    Its cache is the one of own_forward; the right cache belonging to it is found by its content. A cache that
    own_forward did not make goes to own_backward.
    """
    known = {}

    def both_forward(*args, **options):
        result = own_forward(*args, **options)
        args = _in_order(own_forward, args, options)
        if not any(np.iscomplexobj(out) for out in result[:-1]):        # the checker's, which have no backward
            known[_key(result[-1])] = result[:-1], forward(*args)[-1]
        return result

    def right_backward(*given, **options):
        args = _in_order(own_backward, given, options)
        place = next((k for k, arg in enumerate(args) if _key(arg) in known), None)
        if place is None:
            return own_backward(*given, **options)
        outs, cache = known[_key(args[place])]
        douts = [_filled(arg, out) for arg, out in zip((*args[:place], *args[place + 1:]), outs)]
        return backward(*douts[:place], cache, *douts[place:])
    return both_forward, right_backward


def _in_order(function, args, options):
    """The arguments of a call in the order of the function's parameters; none if it cannot be called with them."""
    try:
        bound = signature(function).bind(*args, **options)
    except (TypeError, ValueError):
        return ()
    return (*bound.args, *bound.kwargs.values())


def _key(value):
    return repr(sorted(snapshot(value, "").items()))


def _filled(dout, out):
    """An upstream gradient as an array, also where it is None or a number."""
    return np.array(np.broadcast_to(0 if dout is None else dout, np.shape(out)), np.asarray(out).dtype)
