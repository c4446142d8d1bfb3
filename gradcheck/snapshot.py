"""The contents of an object, byte for byte, so that a write into any array in it can be found and named."""
import types
from collections import deque
from typing import Any

import numpy as np

Snapshot = dict[str, Any]           # path -> contents
PLAIN = (bool, int, float, complex, str, bytes, set, frozenset, range, slice, type(None))


def snapshot(value: Any, name: str) -> Snapshot:
    """Everything inside value: arrays, tuples, lists, dicts, objects with attributes -> path -> contents.

    An object that is reached twice is recorded at its first path. Variables of closures are not recorded.
    """
    found: Snapshot = {}
    seen: set[int] = set()
    waiting = [(value, name)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
            found[path] = (value.shape, value.dtype.str, value.tobytes())
        elif isinstance(value, PLAIN):
            found[path] = repr(value)
        elif id(value) not in seen:
            seen.add(id(value))
            parts = _parts(value, path)
            found[path] = (type(value).__name__, len(parts))
            waiting += [(part, inside) for inside, part in reversed(parts)]
    return found


def first_change(before: Snapshot, after: Snapshot) -> str | None:
    """The first path whose contents differ between two snapshots, or None."""
    return next((path for path in {**before, **after} if before.get(path) != after.get(path)), None)


def _parts(value: Any, path: str) -> list[tuple[str, Any]]:
    """The parts of a container, as (path, value); none of modules, classes and functions."""
    if isinstance(value, dict):
        return [(f"{path}[{key!r}]", part) for key, part in value.items()]
    fields = getattr(type(value), "_fields", None)          # of a named tuple
    if isinstance(value, tuple) and fields is not None:
        return [(f"{path}.{field}", part) for field, part in zip(fields, value)]
    if isinstance(value, (tuple, list, deque, np.ndarray)):
        return [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, (type, types.ModuleType)) or callable(value):
        return []
    slots = [slot for cls in type(value).__mro__ for slot in getattr(cls, "__slots__", ()) if hasattr(value, slot)]
    attributes = {**{slot: getattr(value, slot) for slot in slots}, **getattr(value, "__dict__", {})}
    return [(f"{path}.{key}", part) for key, part in attributes.items()]
