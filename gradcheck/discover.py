"""Pairs of a module, by the names of its functions: x_forward and x_backward."""
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

FORWARD, BACKWARD = (re.compile(rf"(?<![a-z]){word}(?![a-z])|{word.capitalize()}(?![a-z])")
                     for word in ("forward", "backward"))


class Found(NamedTuple):
    name: str               # affine
    forward: Callable       # affine_forward
    backward: Callable      # affine_backward


class Module(NamedTuple):
    pairs: list[Found]
    alone: dict[str, str]   # name of a forward -> name of the backward that is missing
    classes: list[str]      # with methods forward and backward


def look_into(module: ModuleType) -> Module:
    """The pairs of a module, those that it defines or, if there are none, those that it imports.

    A backward without a forward of its own name is another one for a shorter name: bn_backward_fast for bn_forward.
    """
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own = {name: value for name, value in public.items() if getattr(value, "__module__", None) == module.__name__}
    found = _look_into(own)
    return found if found.pairs else found._replace(pairs=_look_into(public).pairs)


def _look_into(values: dict[str, Any]) -> Module:
    functions = {name: value for name, value in values.items() if callable(value) and not isinstance(value, type)}
    partners = {name: _forward_of(name, functions) for name in functions if BACKWARD.search(name)}
    pairs = [Found(_title(backward), functions[forward], functions[backward])
             for backward, forward in partners.items() if forward]
    alone = {name: _renamed(FORWARD, "backward", name) for name in functions
             if FORWARD.search(name) and name not in partners.values()}
    classes = [name for name, value in values.items() if isinstance(value, type)
               and callable(getattr(value, "forward", None)) and callable(getattr(value, "backward", None))]
    return Module(pairs, alone, classes)


def _forward_of(backward: str, functions: dict[str, Callable]) -> str | None:
    name = _renamed(BACKWARD, "forward", backward)
    while name not in functions and FORWARD.search(name):
        name = name.rpartition("_")[0]
    return name if FORWARD.search(name) else None


def _renamed(word: re.Pattern, other: str, name: str) -> str:
    return word.sub(lambda match: other.capitalize() if match[0][0].isupper() else other, name)


def _title(backward: str) -> str:
    """affine of affine_backward, conv_naive of conv_backward_naive."""
    return "_".join(filter(None, BACKWARD.sub("", backward).split("_"))) or "forward"
