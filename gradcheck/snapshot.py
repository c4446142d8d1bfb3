"""What an object holds, byte for byte, so that a write into any array within it is seen and can be named."""
import types
from collections import deque

import numpy as np

PLAIN = (bool, int, float, complex, str, bytes, set, frozenset, range, slice, type(None))


def snapshot(value, name):
    """Path -> bytes of everything inside value: arrays, tuples, lists, dicts, objects with attributes.

    An object that is reached twice is recorded where it is found first. Closures are not looked into.
    """
    found, seen, waiting = {}, set(), [(value, name)]
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


def first_change(before, after):
    """The first path whose content differs between two snapshots, or None."""
    return next((path for path in {**before, **after} if before.get(path) != after.get(path)), None)


def _parts(value, path):
    """What a container consists of, as (path, value); nothing for modules, classes and functions."""
    if isinstance(value, dict):
        return [(f"{path}[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, tuple) and hasattr(type(value), "_fields"):
        return [(f"{path}.{field}", part) for field, part in zip(type(value)._fields, value)]
    if isinstance(value, (tuple, list, deque, np.ndarray)):
        return [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, (type, types.ModuleType)) or callable(value):
        return []
    slots = [slot for cls in type(value).__mro__ for slot in getattr(cls, "__slots__", ()) if hasattr(value, slot)]
    attributes = {**{slot: getattr(value, slot) for slot in slots}, **getattr(value, "__dict__", {})}
    return [(f"{path}.{key}", part) for key, part in attributes.items()]
