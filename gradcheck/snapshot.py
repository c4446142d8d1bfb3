"""What an object holds, byte for byte, so that a write into any array within it is seen and can be named."""
import numpy as np


def snapshot(value, name):
    """Path -> bytes of everything inside value: arrays, tuples, lists, dicts, objects with attributes."""
    found = {}
    _walk(value, name, found, set())
    return found


def first_change(before, after):
    """The first path whose content differs between two snapshots, or None."""
    return next((path for path in {**before, **after} if before.get(path) != after.get(path)), None)


def _walk(value, path, found, above):
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
        found[path] = (value.shape, value.dtype.str, value.tobytes())
        return
    if id(value) in above:                              # an object that contains itself
        return
    parts = _parts(value, path)
    found[path] = f"{type(value).__name__} of {len(parts)}" if parts is not None else repr_of(value)
    for part, inside in parts or ():
        _walk(inside, part, found, above | {id(value)})


def _parts(value, path):
    """What a container consists of, as (path, value), or None for a plain value."""
    if isinstance(value, dict):
        return [(f"{path}[{key!r}]", part) for key, part in value.items()]
    if hasattr(value, "_fields"):
        return [(f"{path}.{field}", part) for field, part in zip(value._fields, value)]
    if isinstance(value, (tuple, list, np.ndarray)):
        return [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        return [(f"{path}.{key}", part) for key, part in vars(value).items()]
    return None


def repr_of(value):
    plain = isinstance(value, (bool, int, float, complex, str, bytes, set, frozenset, range, slice, type(None)))
    return repr(value) if plain else type(value).__name__
