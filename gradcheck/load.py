"""Modules and functions by the names that the command line takes, such as FILE.py or module:function."""
import importlib
import importlib.util
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

from gradcheck.numeric import describe


def load(name: str, stack: ExitStack) -> Callable:
    """The function that module:function or FILE.py:function names, usable while the stack is. Raises ValueError."""
    source, _, function = name.rpartition(":")
    if not source or not function:
        raise ValueError(f"{name!r} is not module:function, such as mylayers:gru_forward")
    found = getattr(stack.enter_context(loaded(source)), function, None)
    if not callable(found):
        raise ValueError(f"module {source} has no function {function}")
    return found


@contextmanager
def loaded(source: str) -> Iterator[ModuleType]:
    """A module by its name, or a file by its path, together with what it imports from its folder.

    Afterwards another folder may have modules of the same names. Raises ValueError if it cannot be imported.
    """
    path, before = list(sys.path), set(sys.modules)
    try:
        yield _import_file(Path(source).resolve()) if source.endswith(".py") else _import_module(source)
    finally:
        if source.endswith(".py"):
            sys.path[:] = path
            _forget(set(sys.modules) - before, Path(source).resolve())


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what other people's code prints, and give it nothing to read."""
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        sys.stdin = stdin


def _import_module(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return _guarded(name, lambda: importlib.import_module(name))


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"there is no file {path.name} in {path.parent}")
    folder, name = _package(path)
    sys.path[:0] = [str(path.parent), str(folder)]
    importlib.invalidate_caches()
    arguments, sys.argv = sys.argv, [str(path)]             # a file may read the command line
    try:
        with quiet():
            return _guarded(path.name, lambda: _by_name(path, name))
    finally:
        sys.argv = arguments


def _package(path: Path) -> tuple[Path, str]:
    """The folder from which a file is imported, and its name there, such as package.module."""
    folder, parts = path.parent, [path.stem] if path.stem != "__init__" else []
    relative = re.search(r"^\s*from\s+\.", path.read_text(encoding="utf-8", errors="replace"), re.M)
    while (folder / "__init__.py").is_file() or (relative and folder == path.parent):
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _by_name(path: Path, name: str) -> ModuleType:
    """Import a file under its own name, so that its neighbours find it, unless another module has that name."""
    try:
        module = importlib.import_module(name) if path.stem.isidentifier() else None
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise                                   # the file itself lacks a module
        module = None
    if module is not None and Path(getattr(module, "__file__", None) or "").resolve() == path:
        return module
    spec = importlib.util.spec_from_file_location(f"{path}", path)
    assert spec is not None and spec.loader is not None     # it ends with .py
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


def _guarded(name: str, work: Callable[[], ModuleType]) -> ModuleType:
    try:
        return work()
    except BaseException as error:                  # BaseException: a module may exit, or raise KeyboardInterrupt
        raise ValueError(f"cannot import {name}: {describe(error)}") from error


def _forget(names: set[str], file: Path) -> None:
    """Forget the modules from below the folder of a file, or of the package that it is in."""
    folder = _package(file)[0] if file.is_file() else file.parent
    for name in names:
        module = sys.modules.get(name)
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        path = Path(place or "").resolve()
        if place and path.is_relative_to(folder) and not name.startswith("gradcheck") and not (
                {"site-packages", "dist-packages"} & set(path.parts)):
            del sys.modules[name]
