"""Checks of functions of other people: of two that are named, and of all pairs in a file."""
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from gradcheck import notation
from gradcheck.adapt import cache_last, on_own_settings, with_names
from gradcheck.budget import Budget, watched
from gradcheck.check import check_pair
from gradcheck.discover import Found, look_into
from gradcheck.docstrings import shapes_in
from gradcheck.load import load, loaded, quiet
from gradcheck.numeric import Trouble, describe
from gradcheck.pair import Pair, draw, is_float
from gradcheck.shapes import axes_names, draw_inputs, sized

TRIAL = (10, 10.0)                  # evaluations and seconds for finding out whether forward takes some shapes
# Sizes to try where forward refuses the usual ones; "" is any other axis, and None is the next even number
OTHER_SIZES: tuple[dict[str, int | None], ...] = ({"H": 4, "W": 4, "HH": 3, "WW": 3}, {"": None}, {"": 4})

Shapes = Mapping[str, notation.Shape]


class Guess(NamedTuple):
    shapes: Shapes
    source: str             # where they come from


def check_functions(functions: Sequence[str], shapes: str) -> Iterator[dict[str, Any]]:
    """Check a forward and its backward, named module:function or FILE.py:function. Raises ValueError."""
    parsed = notation.parse_shapes(shapes)
    with ExitStack() as stack:
        forward, backward = [load(name, stack) for name in functions]
        name = getattr(forward, "__name__", type(forward).__name__).removesuffix("_forward")
        for dtype in (np.float64, np.float32):
            yield _row(Found(name, forward, backward), parsed, dtype)


def check_files(files: Sequence[str], shapes: str | None) -> Iterator[dict[str, Any]]:
    """Check all pairs of some files. Raises ValueError on shapes, and on a single file without pairs."""
    given = notation.parse_shapes(shapes) if shapes is not None else {}
    sized(given)
    for file in files:
        case = file if len(files) > 1 else ""
        try:
            yield from _check_file(file, case, given)
        except ValueError as error:
            if not case:
                raise
            yield _skipped(file, str(error))


def _check_file(file: str, case: str, given: Shapes) -> Iterator[dict[str, Any]]:
    with loaded(file) as module:
        found = look_into(module)
        classes = f"check_layer checks the classes {', '.join(found.classes)}" if found.classes else ""
        if not found.pairs:
            raise ValueError(f"{file}: no pair of functions x_forward and x_backward{'; ' * bool(classes)}{classes}")
        for pair in found.pairs:
            yield from _check_found(pair, case, given)
        for forward, backward in found.alone.items():
            yield _note(f"{forward}: no {backward}")
        if classes:
            yield _note(f"in Python, {classes}")


def _check_found(pair: Found, case: str, given: Shapes) -> Iterator[dict[str, Any]]:
    title = f"{case}{': ' * bool(case)}{pair.name}"
    try:
        with quiet():
            guess = _guess(pair, given)
            pair = pair._replace(forward=with_names(pair.forward, list(guess.shapes)),
                                 backward=cache_last(pair.backward))
            double = _double(pair, guess.shapes)
        row = _row(pair, guess.shapes, np.float64)
    except Exception as error:              # a guess went wrong, which is no reason to stop
        yield _skipped(title, str(error) if isinstance(error, ValueError) else describe(error))
        return
    yield _note(f'{title}: --shapes "{_text(guess.shapes)}", from {guess.source}')
    yield {**row, "case": case}
    if double:
        yield _note(f"{title}: in float64 alone, because {double} is float64 for float32 inputs too")
    else:
        yield {**_row(pair, guess.shapes, np.float32), "case": case}


def _row(pair: Found, shapes: Shapes, dtype: Any) -> dict[str, Any]:
    with_sizes = sized(shapes)
    inputs = draw_inputs(with_sizes, dtype, np.random.default_rng(0))
    with quiet():
        report = check_pair(on_own_settings(pair.forward), pair.backward, inputs, axes=axes_names(with_sizes), rng=0)
    report.name = pair.name
    return {**report.to_dict(), "case": "", "backend": "own", "kind": "pairs", "report": report}


def _double(pair: Found, shapes: Shapes) -> str:
    """The first gradient that is float64 although the inputs are float32, "" if there is none."""
    def run(trial: Pair) -> dict[str, Any]:
        outs, cache = trial.forward()
        return trial.backward(draw(outs, np.random.default_rng(0)), cache)
    try:
        grads = _trial(pair, shapes, np.float32, run)
    except Trouble:
        return ""                           # which the check describes
    return next((f"d{name}" for name, grad in grads.items() if np.asarray(grad).dtype == np.float64), "")


def _trial(pair: Found, shapes: Shapes, dtype: Any, run: Callable[[Pair], Any]) -> Any:
    """run(the pair with random inputs), within TRIAL."""
    inputs = draw_inputs(sized(shapes), dtype, np.random.default_rng(0))
    limit = Budget(TRIAL)
    trial = Pair(on_own_settings(pair.forward), pair.backward, inputs, None, limit.watch)
    return watched(lambda: run(trial), limit)


def _guess(pair: Found, given: Shapes) -> Guess:
    """The first shapes that forward takes. Raises ValueError that says what is missing, or what forward said."""
    problem = ""
    for guess in _guesses(pair, given):
        try:
            _try(pair, guess.shapes)
            return guess
        except Trouble as error:
            problem = problem or f'{error}, with --shapes "{_text(guess.shapes)}" from {guess.source}'
    raise ValueError(problem)


def _guesses(pair: Found, given: Shapes) -> Iterator[Guess]:
    """Shapes for forward's arguments, the likeliest first. Raises ValueError if there are none."""
    names = list(inspect.signature(pair.forward).parameters)
    required = _required(pair.forward)
    stated = {name: given[name] for name in names if name in given}
    described = _described(pair, required)
    both = {**described, **stated}
    together = {name: both[name] for name in names if name in both}
    if missing := [name for name in required if name not in together]:
        template = " ".join(f"{name}={together.get(name, '...')}" for name in required)
        raise ValueError(f'no shape for {", ".join(missing)} in the docstring: give --shapes "{template}"')
    if stated:
        yield Guess(together, "--shapes" if set(required) <= set(stated) else "--shapes and the docstring")
    if set(required) <= set(described):
        yield Guess(described, "the docstring")
        for sizes in OTHER_SIZES:
            yield Guess(_with_sizes(described, sizes), "the docstring, with other sizes")


def _required(forward: Callable) -> list[str]:
    return [name for name, parameter in inspect.signature(forward).parameters.items()
            if parameter.default is parameter.empty and parameter.kind not in (
                parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)]


def _described(pair: Found, names: Sequence[str]) -> dict[str, notation.Shape]:
    """Shapes in the docstrings of forward and, for names that it leaves out, of backward, in the order of names."""
    known = inspect.signature(pair.forward).parameters
    forward, backward = (inspect.getdoc(function) for function in (pair.forward, pair.backward))
    found = {**shapes_in(backward, known), **shapes_in(forward, known)}
    return {name: notation.parse_shape(found[name], name) for name in names if name in found}


def _with_sizes(shapes: Shapes, sizes: Mapping[str, int | None]) -> dict[str, notation.Shape]:
    """Shapes in which numbers take the place of some letters."""
    words = dict.fromkeys(axis.word for shape in shapes.values() for axis in shape.axes if axis.word)
    number = {word: sizes.get(word, sizes.get("", 0)) or (2 * place + 4 if "" in sizes else 0)
              for place, word in enumerate(words)}

    def put(axis: notation.Axis) -> notation.Axis:
        known = number.get(axis.word)
        return notation.Axis(axis.times * known, "", axis.blocks) if known else axis
    return {name: shape._replace(axes=tuple(map(put, shape.axes)),
                                 below=put(shape.below) if isinstance(shape.below, notation.Axis) else shape.below)
            for name, shape in shapes.items()}


def _try(pair: Found, shapes: Shapes) -> None:
    """Call forward once. Raises Trouble unless it returns finite numbers and a cache, which backward takes."""
    def run(trial: Pair) -> tuple[list, int]:
        outs, _ = trial.forward()
        numbers = [out for out in outs if is_float(out)]
        return numbers, 1 if trial.nested else len(numbers)
    numbers, count = _trial(pair._replace(forward=with_names(pair.forward, list(shapes))), shapes, np.float64, run)
    if not all(np.isfinite(out).all() for out in numbers):
        raise Trouble("forward returned NaN or infinity for random numbers")
    signature = inspect.signature(pair.backward)
    try:
        signature.bind(*range(count + 1))
    except TypeError:
        raise Trouble(f"backward takes {signature}, expected {count} upstream gradient{'s' * (count > 1)}, one for "
                      "each output of forward, and the cache") from None


def _text(shapes: Shapes) -> str:
    return " ".join(f"{name}={shape}" for name, shape in shapes.items())


def _note(text: str) -> dict[str, Any]:
    return {"kind": "note", "text": text}


def _skipped(name: str, reason: str) -> dict[str, Any]:
    return {"kind": "skipped", "name": name, "reason": " ".join(reason.split())}
