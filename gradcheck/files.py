"""Checks of functions of other people: of two that are named, and of all pairs in a file."""
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from gradcheck import notation
from gradcheck.adapt import cache_last, on_own_settings, with_names
from gradcheck.check import check_pair
from gradcheck.discover import Alone, Found, Module, look_into
from gradcheck.guess import OVERRUN, Guess, arguments, find_guess, single_precision, text_of
from gradcheck.load import load, loaded, quiet
from gradcheck.numeric import describe
from gradcheck.shapes import FILE_SIZES, SIZES, axes_names, draw_inputs, sized

Shapes = Mapping[str, notation.Shape]


def check_functions(functions: Sequence[str], shapes: str) -> Iterator[dict[str, Any]]:
    """Check a forward and its backward, named module:function or FILE.py:function. Raises ValueError."""
    parsed = notation.parse_shapes(shapes)
    with ExitStack() as stack:
        forward, backward = [load(name, stack) for name in functions]
        name = getattr(forward, "__name__", type(forward).__name__).removesuffix("_forward")
        for dtype in (np.float64, np.float32):
            yield _row(Found(name, forward, backward), Guess(parsed, ""), dtype, SIZES)


def check_files(files: Sequence[str], shapes: str | None) -> Iterator[dict[str, Any]]:
    """Check all pairs of some files. Raises ValueError on shapes, and on a single file without pairs."""
    given = notation.parse_shapes(shapes) if shapes is not None else {}
    sized(given, FILE_SIZES)
    known: set[str] = set()
    for file in files:
        case = file if len(files) > 1 else ""
        try:
            yield from _check_file(file, case, given, known)
        except ValueError as error:
            if not case:
                raise
            yield _skipped(file, str(error))
    _require_known(given, known)


def _check_file(file: str, case: str, given: Shapes, known: set[str]) -> Iterator[dict[str, Any]]:
    with loaded(file) as module:
        found = look_into(module)
        if not found.pairs:
            raise ValueError(f"{file}: no pair of functions x_forward and x_backward{_seen(found)}")
        for pair in found.pairs:
            known.update(_names(pair))
        if not case:
            _require_known(given, known)
        for pair in found.pairs:
            yield from _check_found(pair, case, given)
        yield from _unchecked(found)


def _names(pair: Found) -> list[str]:
    try:
        return list(arguments(pair.forward))
    except Exception:                       # any callable object; the check of the pair describes it
        return []


def _require_known(given: Shapes, known: set[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"--shapes: no forward has an argument {', '.join(unknown)}, expected some of "
                         f"{', '.join(sorted(known))}")


def _seen(found: Module) -> str:
    """What a file without pairs has instead, in words."""
    seen = [name for one in (*found.forwards, *found.backwards) for name in (one.name, one.close) if name]
    functions = f", only {', '.join(dict.fromkeys(seen))}" if seen else ""
    classes = f"; check_layer checks the classes {', '.join(found.classes)}" if found.classes else ""
    return functions + classes


def _unchecked(found: Module) -> Iterator[dict[str, Any]]:
    for forward in found.forwards:
        yield _skipped(forward.name, _lacks(forward)) if forward.close else _note(f"{forward.name}: {_lacks(forward)}")
    for backward in found.backwards:
        yield _skipped(backward.name, _lacks(backward))
    for name in found.classes:
        reason = "check_layer checks it, in Python"
        yield {**_skipped(name, reason), "text": f"not checked: class {name} ({reason})"}


def _lacks(alone: Alone) -> str:
    return f"no {alone.missing}{f'; is it {alone.close}?' * bool(alone.close)}"


def _check_found(pair: Found, case: str, given: Shapes) -> Iterator[dict[str, Any]]:
    title = f"{case}{': ' * bool(case)}{pair.name}"
    try:
        with quiet():
            pair = pair._replace(backward=cache_last(pair.backward))
            guess = find_guess(pair, given)
            double = single_precision(pair, guess)
        rows = [_row(pair, guess, dtype) for dtype in ((np.float64,) if double else (np.float64, np.float32))]
    except Exception as error:              # a guess went wrong, which is no reason to stop
        yield _skipped(title, str(error) if isinstance(error, ValueError) else describe(error))
        return
    yield _note(f'{title}: --shapes "{text_of(guess.shapes)}", from {guess.source}{_left_out(pair, guess)}')
    for row in rows:
        late = OVERRUN.search(row["problem"] or "")
        yield _skipped(f"{title} in {row['dtype']}", row["problem"]) if late else {**row, "case": case}
    if double:
        yield _note(f"{title}: in float64 alone, because {double}")


def _left_out(pair: Found, guess: Guess) -> str:
    """What a check leaves out, in words."""
    default = [name for name in arguments(pair.forward) if name not in guess.shapes]
    constant = [name for name, shape in guess.shapes.items()
                if guess.wrt and name not in guess.wrt and shape.below is None and not shape.setting]
    return (f"{', without a gradient: ' * bool(constant)}{', '.join(constant)}"
            f"{', at their defaults: ' * bool(default)}{', '.join(default)}")


def _row(pair: Found, guess: Guess, dtype: Any, sizes: Mapping[str, int] = FILE_SIZES) -> dict[str, Any]:
    with_sizes = sized(guess.shapes, sizes)
    inputs = draw_inputs(with_sizes, dtype, np.random.default_rng(0))
    # two functions that are named get their inputs by position: their --shapes may use other names
    forward = on_own_settings(with_names(pair.forward, list(guess.shapes)) if guess.source else pair.forward)
    with quiet():
        report = check_pair(forward, pair.backward, inputs, wrt=guess.wrt, axes=axes_names(with_sizes), rng=0)
    report.name = pair.name
    return {**report.to_dict(), "case": "", "backend": "own", "kind": "pairs", "report": report}


def _note(text: str) -> dict[str, Any]:
    return {"kind": "note", "text": text}


def _skipped(name: str, reason: str) -> dict[str, Any]:
    return {"kind": "skipped", "name": name, "reason": " ".join(reason.split())}
