"""The cells of captioners, one file each. A new cell is a new file here: every subclass of Cell with a name counts."""
import difflib
import importlib
import pkgutil
from typing import NamedTuple

from models.cells.cell import BOTH, GRID, VECTOR, Cell, Image, State


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


def make_cell(name: str, start: str = "h") -> Cell:
    """The cell of a name or alias. Raises ValueError that names the cells, and the nearest to a misspelt one."""
    cell = CELLS.get(ALIASES.get(name, name))
    if cell is None:
        near = difflib.get_close_matches(str(name), [*CELLS, *ALIASES], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"cell_type is {name!r}, expected one of {', '.join(CELLS)}{hint}")
    if start not in cell.starts:
        others = ", or ".join(f"for {other} {' or '.join(map(repr, cls.starts[1:]))}" for other, cls in CELLS.items()
                              if cls.starts[1:])
        raise ValueError(f"start is {start!r} with cell_type {cell.name!r}, expected 'h', or {others}")
    return cell(start)
