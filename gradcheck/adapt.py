"""Functions of other people, called in the way of check_pair: forward(*inputs), backward(dout..., cache)."""
import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any


def with_names(forward: Callable, names: Sequence[str]) -> Callable:
    """forward as a function of these arguments alone, in this order. Those that have no name there go by position."""
    parameters = inspect.signature(forward).parameters
    places = {name for name in names if parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY}

    def call(*values: Any) -> Any:
        given = dict(zip(names, values))
        return forward(*(given[name] for name in names if name in places),
                       **{name: value for name, value in given.items() if name not in places})
    return call


def on_own_settings(forward: Callable) -> Callable:
    """forward, with a copy of each dict: layers keep running means and the like in their settings."""
    def call(*values: Any) -> Any:
        return forward(*(copy.deepcopy(value) if isinstance(value, dict) else value for value in values))
    return call


def cache_last(backward: Callable) -> Callable:
    """backward as a function whose last argument is the cache, if another follows the one called cache."""
    names = list(inspect.signature(backward).parameters)
    place = names.index("cache") if "cache" in names[:-1] else len(names)

    def call(*values: Any) -> Any:
        *douts, cache = values
        return backward(*douts[:place], cache, *douts[place:])
    return call if place < len(names) else backward
