"""Which backend computes: the engine on packed rows, or the textbook's layers."""
import importlib.util
import os


def choose_backend(backend: str | None = None) -> str:
    """'engine' or 'textbook': the argument, else $RNNLAYERS_BACKEND, else the engine if it and Numba are installed.

    Raises ValueError on another name, and where the engine is asked for and missing.
    """
    backend = backend or os.environ.get("RNNLAYERS_BACKEND") or None
    there = importlib.util.find_spec("rnnlayers.engine")            # a course's copy of this project leaves it out
    if backend is None:
        return "engine" if there and importlib.util.find_spec("numba") else "textbook"
    if backend not in ("engine", "textbook"):
        raise ValueError(f"backend is {backend!r}, expected 'engine' or 'textbook' (or $RNNLAYERS_BACKEND)")
    if backend == "engine" and not there:
        raise ValueError("backend is 'engine', but there is no rnnlayers/engine here: expected 'textbook'")
    return backend
