"""Pairs of a module, by the names of its functions: x_forward and x_backward."""
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

FORWARD, BACKWARD = (re.compile(rf"(?<![a-z]){word}(?![a-z])|{word.capitalize()}(?![a-z])")
                     for word in ("forward", "backward"))
CLOSE = 0.8                 # likeness of two names, one of which may be a misspelt other one


class Found(NamedTuple):
    name: str               # affine
    forward: Callable       # affine_forward
    backward: Callable      # affine_backward


class Alone(NamedTuple):
    name: str               # affine_backward
    missing: str            # affine_forward
    close: str              # affine_foward, a function whose name is close to the missing one, or ""


class Module(NamedTuple):
    pairs: list[Found]
    forwards: list[Alone]   # without a backward
    backwards: list[Alone]  # without a forward
    classes: list[str]      # with methods forward and backward


def look_into(module: ModuleType) -> Module:
    """The pairs of which a module defines a function or, if there are none, those that it imports.

    A backward without a forward of its own name is another one for a shorter name: bn_backward_fast for bn_forward.
    """
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own = {name for name, value in public.items() if _is_own(name, value, module)}
    functions = {name: value for name, value in public.items() if callable(value) and not isinstance(value, type)}
    partners = {name: _forward_of(name, functions) for name in functions if BACKWARD.search(name)
                and not FORWARD.search(name)}
    pairs = {name: Found(_title(name), functions[forward], functions[name])
             for name, forward in partners.items() if forward}
    mine = [pair for name, pair in pairs.items() if own & {name, partners[name]}] or list(pairs.values())
    paired = {id(function) for pair in mine for function in (pair.forward, pair.backward)}
    single = [name for name in functions if name in own and id(functions[name]) not in paired]
    others = [name for name in single if not BACKWARD.search(name)]
    backwards = [_alone(name, _renamed(BACKWARD, "forward", name), others) for name in single if name in partners]
    spelt = [name for name in others if not FORWARD.search(name)]
    forwards = [_alone(name, _renamed(FORWARD, "backward", name), spelt) for name in others if FORWARD.search(name)]
    classes = [name for name in public if name in own and isinstance(public[name], type) and all(
        callable(getattr(public[name], way, None)) for way in ("forward", "backward"))]
    return Module(mine, forwards, backwards, classes)


def _is_own(name: str, value: Any, module: ModuleType) -> bool:
    """Whether a module defines a value, also a function made by a decorator that is from elsewhere."""
    if getattr(value, "__module__", None) == module.__name__:
        return True
    home = sys.modules.get(str(getattr(value, "__module__", None)))
    others = [other for other in list(sys.modules.values()) if other is not module]
    return getattr(home, getattr(value, "__name__", name), None) is not value and not any(
        getattr(other, "__dict__", {}).get(name) is value for other in others)


def _forward_of(backward: str, functions: dict[str, Callable]) -> str | None:
    name = _renamed(BACKWARD, "forward", backward)
    while name not in functions and FORWARD.search(name):
        name = name.rpartition("_")[0]
    return name if FORWARD.search(name) else None


def _alone(name: str, missing: str, others: Sequence[str]) -> Alone:
    close = difflib.get_close_matches(missing, others, 1, CLOSE)
    return Alone(name, missing, close[0] if close else "")


def _renamed(word: re.Pattern, other: str, name: str) -> str:
    return word.sub(lambda match: other.capitalize() if match[0][0].isupper() else other, name)


def _title(backward: str) -> str:
    """affine of affine_backward, conv_naive of conv_backward_naive."""
    return "_".join(filter(None, BACKWARD.sub("", backward).split("_"))) or "forward"
