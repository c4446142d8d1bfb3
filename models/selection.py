"""Which epoch of a run is the best, and how long ago it was. `history` is a list of dicts, one an epoch.

`select` names the column that decides: 'val_loss', where the smallest is best, or a score, where the largest is.
"""
from collections.abc import Mapping, Sequence
from typing import Any


def best_epoch(history: Sequence[Mapping[str, Any]], select: str) -> int:
    """The number of the best epoch so far, the first of equals; 0 before one was measured."""
    measured = _measured(history, select)
    return max(measured, key=lambda row: _quality(row, select))["epoch"] if measured else 0


def measurements_since_best(history: Sequence[Mapping[str, Any]], select: str) -> int:
    """How many measured epochs came after the best one."""
    best = best_epoch(history, select)
    return sum(row["epoch"] > best for row in _measured(history, select))


def _measured(history: Sequence[Mapping[str, Any]], select: str) -> list[Mapping[str, Any]]:
    return [row for row in history if row.get(select) is not None]


def _quality(row: Mapping[str, Any], select: str) -> float:
    return -row[select] if select == "val_loss" else row[select]
