"""The cells of captioners, one file each. A new cell is a new file here: each subclass of Cell with a name is found."""
import importlib
import pkgutil
from collections.abc import Iterable
from typing import NamedTuple

from models.cells.cell import ANY, BOTH, GRID, VECTOR, Cell, Image, State
from models.options import did_you_mean


class Variant(NamedTuple):
    """A cell, and which of its states the picture initialises."""
    title: str                      # "lstm"; "lstm, started" where the picture initialises all its states
    name: str
    options: dict[str, str]         # of CaptioningRNN, {} or {"start": ...}


def _find() -> set[type[Cell]]:
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {cls for module in modules for cls in vars(module).values()
            if isinstance(cls, type) and issubclass(cls, Cell) and "name" in vars(cls)}


def by_name(cells: Iterable[type[Cell]]) -> dict[str, type[Cell]]:
    """Name -> cell, in the order of lists. Raises ValueError where two cells share a name or alias."""
    owners: dict[str, type[Cell]] = {}
    for cls in sorted(cells, key=lambda cls: (cls.place, cls.name, cls.__qualname__)):
        for name in (cls.name, *cls.aliases):
            if name in owners:
                raise ValueError(f"models.cells: {name!r} names both {owners[name].__qualname__} and "
                                 f"{cls.__qualname__}, expected each name and alias of one cell only")
            owners[name] = cls
    return {cls.name: cls for cls in owners.values()}


CELLS = by_name(_find())            # name -> class
CELL_TYPES = tuple(CELLS)
ALIASES = {alias: name for name, cls in CELLS.items() for alias in cls.aliases}
VARIANTS = [Variant(name if start == cls.starts[0] else f"{name}, started", name,
                    {} if start == cls.starts[0] else {"start": start})
            for name, cls in CELLS.items() for start in cls.starts]


def cell_name(cell_type: str) -> str:
    """The name of a cell, from its name or alias. Raises ValueError, which lists the cells and suggests the nearest."""
    name = ALIASES.get(cell_type, cell_type)
    if name not in CELLS:
        raise ValueError(f"cell_type is {cell_type!r}, expected one of {', '.join(CELLS)}"
                         f"{did_you_mean(str(cell_type), [*CELLS, *ALIASES])}")
    return name
