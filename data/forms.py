"""The form that JSON content ought to have, checked in one go where it is read."""
from typing import Any


def check_form(content: Any, form: Any, where: str) -> None:
    """Raises ValueError that names the place where content read from JSON is not of a form.

    form: a type or a tuple of types (a whole number is a float too, and true is no number); [form] a list of such;
    {str: form} an object whose values all have it; {"key": form, "key?": form} an object that has the first key and may
    have the second; other keys do not matter.
    """
    if isinstance(form, list):
        _require(content, list, where)
        for number, value in enumerate(content):
            check_form(value, form[0], f"{where}[{number}]")
    elif isinstance(form, dict):
        _require(content, dict, where)
        for key, value in content.items() if str in form else ():
            check_form(value, form[str], f"{where}, {key:.60}")
        for key, inner in form.items() if str not in form else ():
            name = key.removesuffix("?")
            if name in content:
                check_form(content[name], inner, f"{where}, {name}")
            elif name == key:
                raise ValueError(f"{where}: has no {name!r}")
    else:
        _require(content, form, where)


def _require(content: Any, kinds: Any, where: str) -> None:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if type(content) not in kinds and not (float in kinds and type(content) is int):
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ValueError(f"{where}: is {content!r:.60}, expected {names}")
