"""What a run stores beside its model, checked: a file may hold any JSON."""
import math
from typing import Any, NamedTuple

from models.checkpoint import Checkpoint
from scripts.runs.settings import SETTINGS

NUMBER = (int, float, type(None))


class Each(NamedTuple):
    """A dict of any names whose values have one form."""
    form: Any


FORM = {
    "epoch": NUMBER,
    "settings": {name: (str, type(None)) if setting.kind is str else NUMBER for name, setting in SETTINGS.items()},
    "data": {"folder": str, "name": str, "vocabulary": str, "captions": str, "tokens": str,
             "features": Each({"path": str, "fingerprint": str, "attributes": Each(str)})},
    "from": {"path": str, "words": NUMBER, "epoch": NUMBER, "kept_words": NUMBER, "picture": str},
}


def checked(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint. Raises ValueError where what its run stores has another form than training gives it."""
    fault = _fault("run", checkpoint.run, FORM)
    if fault:
        raise ValueError(f"{checkpoint.path}: not a run as scripts.train stores it: {fault}")
    return checkpoint


def _fault(name: str, value: Any, form: Any) -> str:
    """What is wrong with a value, '' if nothing is. Entries may be absent, and there may be others."""
    if isinstance(form, (dict, Each)):
        if not isinstance(value, dict):
            return f"{name} is {value!r:.60}, expected an object"
        forms = form if isinstance(form, dict) else dict.fromkeys(value, form.form)
        return next(filter(None, (_fault(key, value[key], forms[key]) for key in forms.keys() & value.keys())), "")
    if not isinstance(value, form) or isinstance(value, bool) or isinstance(value, float) and not math.isfinite(value):
        return f"{name} is {value!r:.60}, expected {'a number' if form is NUMBER else 'text'}"
    return ""
