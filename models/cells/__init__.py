"""The cells of captioners, one file each. A new cell is a new file here: every subclass of Cell with a name counts."""
import importlib
import pkgutil
from typing import NamedTuple

from models.cells.cell import BOTH, GRID, VECTOR, Cell, Image, State
from models.options import did_you_mean


class Variant(NamedTuple):
    """A cell with what its picture initialises."""
    title: str                      # "lstm"; "lstm, started" where the picture initialises all its states
    name: str
    options: dict[str, str]         # of CaptioningRNN, {} or {"start": ...}


def _find() -> dict[str, type[Cell]]:
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    found = {cls for module in modules for cls in vars(module).values()
             if isinstance(cls, type) and issubclass(cls, Cell) and "name" in vars(cls)}
    return {cls.name: cls for cls in sorted(found, key=lambda cls: (cls.place, cls.name))}


CELLS = _find()                     # name -> class
CELL_TYPES = tuple(CELLS)
ALIASES = {alias: name for name, cls in CELLS.items() for alias in cls.aliases}
VARIANTS = [Variant(name if start == cls.starts[0] else f"{name}, started", name,
                    {} if start == cls.starts[0] else {"start": start})
            for name, cls in CELLS.items() for start in cls.starts]


def cell_name(cell_type: str) -> str:
    """The name of a cell, also by its alias. Raises ValueError that names the cells, and the nearest one."""
    name = ALIASES.get(cell_type, cell_type)
    if name not in CELLS:
        raise ValueError(f"cell_type is {cell_type!r}, expected one of {', '.join(CELLS)}"
                         f"{did_you_mean(str(cell_type), [*CELLS, *ALIASES])}")
    return name
