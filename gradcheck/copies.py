"""A pair whose every call works on fresh copies, so that what one call writes is not seen by the next."""
from __future__ import annotations

import copy
from typing import Any, NamedTuple

from gradcheck.pair import Pair


class Again(NamedTuple):
    """Stands for a cache: forward's arguments, from which each backward gets a cache of its own."""
    args: tuple


def on_copies(pair: Pair) -> Pair:
    """The same pair, where forward and backward get copies, and each backward the cache of a forward just before it."""
    forward, backward, other = pair._forward, pair._backward, copy.copy(pair)

    def forward_on_copies(*args: Any) -> Any:
        result = forward(*map(_copied, args))
        return (*result[:-1], Again(args)) if isinstance(result, tuple) and len(result) > 1 else result

    def backward_on_copies(*args: Any) -> Any:
        *douts, again = args
        return backward(*map(_copied, douts), forward(*map(_copied, again.args))[-1])
    other._forward, other._backward, other._one = forward_on_copies, backward_on_copies, {}
    return other


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except (TypeError, ValueError, AttributeError):         # a function or an open file, say, which nobody writes to
        return value
