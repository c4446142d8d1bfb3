"""Check gradients: every pair and model of rnnlayers, all pairs in a file, or a forward and a backward of your own.

    python -m gradcheck
    python -m gradcheck mylayers.py
    python -m gradcheck mylayers:gru_forward mylayers:gru_backward --shapes "x=N,T,D h0=N,H Wx=D,3H:rzn ..."

In files, x_forward and x_backward are a pair. The shapes of forward's arguments are read in its docstring ("x: input of
shape (N, D)"), or given by --shapes for all pairs at once; a pair that has neither is named, and is not checked.

Shapes, in the order of forward's arguments: x=N,T,D random numbers with these axes (a letter stands for a small size,
a number for itself); Wh=H,4H:ifog an axis of four named blocks; ids=N,T<V whole numbers below V; mask=N,T<bool true or
false; alpha= a number with a gradient; eps=(1e-5) a setting. Exit code 0: all gradients are right, 1: a gradient is
wrong, 2: none is wrong, but a part of a file could not be checked, there is no pair, or the command is wrong, 70: a
fault in this program, of which RNNLAYERS_TRACEBACK=1 shows more.
"""
import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from gradcheck.outputs import FIGURE, STREAM, add_force, check_output, json_kind, write_output

RESULTS = json_kind("results of gradcheck", "pairs", "models", "skipped")
PROCESSES = 4               # at most: each compiles what it needs, so more gain little
LONGEST = 600               # characters of an error, with its line end


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """As argparse does, but for an empty text, which no option takes, and no word at all (--shapes=--)."""
        found = super()._get_values(action, arg_strings)
        if "" in arg_strings or found == [] and action.nargs is None:
            raise argparse.ArgumentError(action, "is empty, expected a value")
        return found

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As argparse does, with a message of one line."""
        super().exit(status, message and f"{one_line(message)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m gradcheck", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", metavar="FILE.py or module:function",
                        help="files with pairs; or a forward function and its backward, also as FILE.py:function")
    parser.add_argument("--shapes", help="shapes of forward's arguments (see above)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw a heat map of the errors of each check into DIR")
    add_force(parser)
    arguments = parser.parse_args(argv)
    try:
        check_names(arguments, parser)
        check_outputs(arguments)
        return run(arguments)
    except BrokenPipeError:                     # somebody has read enough, as in "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> int:
    """Print the line of an exception -> the exit code."""
    if os.environ.get("RNNLAYERS_TRACEBACK"):
        traceback.print_exc()
    known = isinstance(error, (ValueError, OSError, ArithmeticError, MemoryError, RecursionError))
    text = str(error) or type(error).__name__
    print(one_line(f"gradcheck: {text}" if known else f"gradcheck: {type(error).__name__}, {text}: a fault in the "
                   "program, not in its input; RNNLAYERS_TRACEBACK=1 before the command shows the traceback"),
          file=sys.stderr)
    return 2 if known else 70


def one_line(text: str) -> str:
    """A text as one line. Of one too long the middle is left out."""
    text, half = " ".join(text.split()), LONGEST // 2 - len(" ... ")
    return text if len(text) < LONGEST else f"{text[:half]} ... {text[-half:]}"


def are_files(names: Sequence[str]) -> bool:
    return bool(names) and all(name.endswith(".py") for name in names)


def check_names(arguments: argparse.Namespace, parser: Parser) -> None:
    """Require files, or two functions and --shapes, or nothing. Raises ValueError, or exits with an error."""
    names = arguments.functions
    for name in names:
        if not name.endswith(".py") and not all(name.rpartition(":")[::2]):
            raise ValueError(f"{name!r} is not module:function, such as mylayers:gru_forward, nor a file, such as "
                             "mylayers.py")
    if not are_files(names) and (len(names) not in (0, 2) or bool(names) != (arguments.shapes is not None)):
        parser.error("give files, or a forward, a backward and --shapes, or none of them")


def check_outputs(arguments: argparse.Namespace) -> None:
    """Make the outputs' paths absolute, since files may change the folder.

    Raises ValueError or OSError, before any check, where they cannot or must not be written.
    """
    if arguments.json:
        arguments.json = arguments.json.absolute()
        if STREAM.fullmatch(str(arguments.json)):
            raise ValueError(f"--json {arguments.json}: expected the name of a file; standard output has the lines")
        check_output("--json", arguments.json, RESULTS, arguments.force)
    if arguments.plot:
        arguments.plot = arguments.plot.absolute()
        if arguments.plot.exists() and not arguments.plot.is_dir():
            raise ValueError(f"--plot {arguments.plot}: expected a folder, or a name that is not taken")
        arguments.plot.mkdir(parents=True, exist_ok=True)
        import gradcheck.plot  # before files, which may lie beside a matplotlib.py  # noqa: F401


def run(arguments: argparse.Namespace) -> int:
    started, rows = time.monotonic(), []
    for row in chosen(arguments):
        rows.append(row)
        print_row(row, full=bool(arguments.functions) and not are_files(arguments.functions))
        if arguments.plot and "report" in row and row["report"].verdicts:
            path = arguments.plot / f"{file_name(row)}.png"
            check_output("--plot", path, FIGURE, arguments.force)
            row["report"].plot(path)
    print(summary(rows, time.monotonic() - started))
    if arguments.json:
        write_json(arguments.json, rows)
    sys.stdout.flush()                          # while a broken pipe can be caught
    return 1 if wrong(rows) else 2 if any(row["kind"] == "skipped" for row in rows) else 0


def chosen(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The checks of everything, of files, or of two functions."""
    if not arguments.functions:
        return check_project()
    from gradcheck.files import check_files, check_functions
    return (check_files if are_files(arguments.functions) else check_functions)(arguments.functions, arguments.shapes)


def wrong(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['name']} {row['dtype']}" for row in rows if "report" in row and not row["ok"]]


def summary(rows: list[dict[str, Any]], seconds: float) -> str:
    checked, skipped = (sum(kind in row for row in rows) for kind in ("report", "reason"))
    pairs = skipped + len({(row["case"], row["name"]) for row in rows if "report" in row})
    files = any(row["kind"] in ("note", "skipped") for row in rows)
    names = ", ".join(wrong(rows))
    return (f"{checked} checked in {seconds:.0f} s, {len(wrong(rows))} wrong{': ' * bool(names)}{names}"
            f"{f'; found pairs: {pairs}, not checked: {skipped}' if files else ''}")


def check_project() -> Iterator[dict[str, Any]]:
    from gradcheck.suite import check_all  # the one module that imports the project
    for row in check_all(jobs=min(PROCESSES, os.cpu_count() or 1)):
        yield {**row.to_dict(), "kind": row.kind, "report": row.report}


def print_row(row: dict[str, Any], full: bool) -> None:
    if "report" not in row:
        print(row.get("text") or one_line(f"{row['name']}: could not be checked: {row['reason']}"))
        return
    report, worst = row["report"], row["report"].worst
    if full or not report.ok:
        print(report)
        return
    title = f"{row['name']}{', ' * bool(row['case'])}{row['case']}"
    error = f"{worst.name:10s} {worst.error:8.1e} of {worst.tolerance:.0e}" if worst else " " * 28
    print(f"{title:38s} {row['backend']:9s} {row['dtype']:8s} {error}   ok{excuse(worst)}", flush=True)


def excuse(verdict: Any) -> str:
    """Why an error above its tolerance is none, "" if it is below."""
    if not verdict or verdict.error <= verdict.tolerance:
        return ""
    kinks = f"{len(verdict.measured.kinks)} at a kink" if verdict.measured.kinks else ""
    return "".join(f", {words}" for words in (kinks, verdict.remark) if words)


def file_name(row: dict[str, Any]) -> str:
    title = "-".join(part for part in (row["name"], row["case"], row["backend"], row["dtype"]) if part)
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in title)


def write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write {"pairs": [...], "models": [...], "skipped": [...]}."""
    groups = {kind: [{key: value for key, value in row.items() if key not in ("report", "kind")}
                     for row in rows if row["kind"] == kind] for kind in ("pairs", "models", "skipped")}
    write_output(path, (json.dumps(groups, indent=1, allow_nan=False) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
