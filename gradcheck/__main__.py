"""Check gradients: every pair and model of rnnlayers, or a forward and a backward of your own.

    python -m gradcheck
    python -m gradcheck mylayers:gru_forward mylayers:gru_backward --shapes "x=N,T,D h0=N,H Wx=D,3H:rzn ..."

Shapes, in the order of forward's arguments: x=N,T,D random numbers with these axes (a letter stands for a small size,
a number for itself); Wh=H,4H:ifog an axis of four named blocks; ids=N,T<V whole numbers below V; mask=N,T<bool true or
false; eps=(1e-5) a setting. Exit code 0: all gradients are right, 1: a gradient is wrong, 2: the command is wrong.
"""
import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from gradcheck.numeric import describe

LONGEST = 600               # characters of an error, with its line end


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As argparse does, with a message of one line."""
        super().exit(status, message and f"{one_line(message)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m gradcheck", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", metavar="module:function", help="a forward function and its backward")
    parser.add_argument("--shapes", help="shapes of forward's arguments, in order (see above)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw a heat map of the errors of each check into DIR")
    arguments = parser.parse_args(argv)
    if len(arguments.functions) not in (0, 2) or bool(arguments.functions) != (arguments.shapes is not None):
        parser.error("give a forward, a backward and --shapes, or none of them")
    try:
        return run(arguments)
    except (ValueError, OSError, MemoryError) as error:
        print(one_line(f"gradcheck: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def one_line(text: str) -> str:
    """A text as one line. Of one too long the middle is left out."""
    text, half = " ".join(text.split()), LONGEST // 2 - len(" ... ")
    return text if len(text) < LONGEST else f"{text[:half]} ... {text[-half:]}"


def run(arguments: argparse.Namespace) -> int:
    if arguments.plot:
        arguments.plot.mkdir(parents=True, exist_ok=True)
    started, rows = time.monotonic(), []
    functions = arguments.functions
    for row in check_own(functions, arguments.shapes) if functions else check_project():
        rows.append(row)
        print_row(row, full=bool(functions))
        if arguments.plot and row["report"].verdicts:
            row["report"].plot(arguments.plot / f"{file_name(row)}.png")
    wrong = [f"{row['name']} {row['dtype']}" for row in rows if not row["ok"]]
    print(f"{len(rows)} checked in {time.monotonic() - started:.0f} s, {len(wrong)} wrong"
          f"{': ' * bool(wrong)}{', '.join(wrong)}")
    if arguments.json:
        write_json(arguments.json, rows)
    return 1 if wrong else 0


def check_project() -> Iterator[dict[str, Any]]:
    from gradcheck.suite import check_all  # the one module that imports the project
    for row in check_all():
        yield {**row.to_dict(), "kind": row.kind, "report": row.report}


def check_own(functions: Sequence[str], shapes: str) -> Iterator[dict[str, Any]]:
    from gradcheck.check import check_pair
    from gradcheck.shapes import axes_names, draw_inputs, parse_shapes
    forward, backward = map(load, functions)
    parsed = parse_shapes(shapes)
    for dtype in (np.float64, np.float32):
        inputs = draw_inputs(parsed, dtype, np.random.default_rng(0))
        report = check_pair(forward, backward, inputs, axes=axes_names(parsed), rng=0)
        yield {**report.to_dict(), "case": "", "backend": "own", "kind": "pairs", "report": report}


def load(name: str) -> Callable:
    """The function that module:function names. Raises ValueError."""
    module, colon, function = name.partition(":")
    if not colon or not module or not function:
        raise ValueError(f"{name!r} is not module:function, such as mylayers:gru_forward")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function, None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:                  # BaseException: a module may exit
        raise ValueError(f"cannot import {module}: {describe(error)}") from error
    if not callable(found):
        raise ValueError(f"module {module} has no function {function}")
    return found


def print_row(row: dict[str, Any], full: bool) -> None:
    report, worst = row["report"], row["report"].worst
    if full or not report.ok:
        print(report)
        return
    title = f"{row['name']}{', ' * bool(row['case'])}{row['case']}"
    error = f"{worst.name:10s} {worst.error:8.1e} of {worst.tolerance:.0e}" if worst else " " * 28
    print(f"{title:38s} {row['backend']:9s} {row['dtype']:8s} {error}   ok")


def file_name(row: dict[str, Any]) -> str:
    title = "-".join(part for part in (row["name"], row["case"], row["backend"], row["dtype"]) if part)
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in title)


def write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write {"pairs": [...], "models": [...]} beside the file, then rename it into place."""
    groups = {kind: [{key: value for key, value in row.items() if key not in ("report", "kind")}
                     for row in rows if row["kind"] == kind] for kind in ("pairs", "models")}
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(groups, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
