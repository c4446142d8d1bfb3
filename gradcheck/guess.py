"""Inputs for functions of other people: shapes from --shapes and docstrings that forward and backward take."""
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradcheck import notation
from gradcheck.adapt import on_own_settings, with_names
from gradcheck.budget import Budget, watched
from gradcheck.discover import Found
from gradcheck.docstrings import shapes_in
from gradcheck.numeric import NoValue, Trouble
from gradcheck.pair import Pair, WrongCount, draw, is_float
from gradcheck.shapes import FILE_SIZES, draw_inputs, sized
from gradcheck.vary import numbers_in, on_floats, variants

TRIAL = (10, 10.0)                  # evaluations and seconds for finding out whether the functions take some shapes
LARGEST = 1e6                       # numbers in all inputs
OVERRUN = re.compile(r"over the budget of|longer than its budget of")
TARGET = re.compile(r"(?:y|t|y_true|targets?|labels?|positions?|pos|masks?|idx|index|indices|ids)$", re.I)
ADVICE = "y=N<2 makes whole numbers below 2, such as labels, alpha= a learned number, s=(0.5) a setting"

Shapes = Mapping[str, notation.Shape]
Parameters = Mapping[str, inspect.Parameter]


class Guess(NamedTuple):
    shapes: Shapes
    source: str                     # where they come from
    wrt: list[str] | None = None    # arguments that have a gradient, None for all arrays of floats


def find_guess(pair: Found, given: Shapes) -> Guess:
    """The first inputs that the pair takes. Raises ValueError that says what is missing, or what the functions said."""
    problem, most = "", 0
    for guess in _guesses(pair, given):
        most = max(most, len(guess.shapes))
        if problem.startswith("backward raised") and len(guess.shapes) < most:
            break                           # at its default an argument would hide what backward does wrong
        try:
            guess = guess._replace(wrt=_try(pair, guess))
        except Trouble as error:
            problem = problem or f'{error}, with --shapes "{text_of(guess.shapes)}" from {guess.source}'
            if OVERRUN.search(str(error)):
                break
        else:
            since = f", since {problem}" if problem.startswith("backward") and "other sizes" in guess.source else ""
            return guess._replace(source=guess.source + since)
    raise ValueError(problem)


def text_of(shapes: Shapes) -> str:
    return " ".join(f"{name}={shape}" for name, shape in shapes.items())


def arguments(forward: Callable) -> Parameters:
    """The arguments of forward that have a name. Raises ValueError if it has only others."""
    parameters = inspect.signature(forward).parameters
    others = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {name: parameter for name, parameter in parameters.items() if parameter.kind not in others}
    if parameters and not named:
        raise ValueError(f"forward takes {', '.join(map(str, parameters.values()))}: its arguments have no names")
    return named


def single_precision(pair: Found, guess: Guess) -> str:
    """Why the pair cannot be checked in float32, "" if it can: forward refuses it, or a gradient is float64."""
    def run(trial: Pair) -> str:
        try:
            outs, cache = trial.forward()
        except NoValue as error:
            return f"{error} for float32 inputs"
        grads = trial.backward(draw(outs, np.random.default_rng(0)), cache)
        name = next((name for name, grad in grads.items() if np.asarray(grad).dtype == np.float64), "")
        return f"d{name} is float64 for float32 inputs too" if name else ""
    try:
        return _trial(pair, guess.shapes, guess.wrt, np.float32, run)
    except Trouble:
        return ""                           # which the check describes


def _guesses(pair: Found, given: Shapes) -> Iterator[Guess]:
    """Shapes for forward's arguments, the likeliest first. Raises ValueError if there are none."""
    parameters = arguments(pair.forward)
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    stated = {name: given[name] for name in parameters if name in given}
    both = {**_described(pair, parameters), **stated}
    if missing := [name for name in required if name not in both]:
        template = " ".join(f"{name}={both.get(name, '...')}" for name in required)
        raise ValueError(f'no shape for {", ".join(missing)} in the docstring: give --shapes "{template}"')
    optional = [name for name, shape in both.items()
                if name not in (*required, *stated) and (not shape.setting or isinstance(shape.setting[0], dict))]
    for more in ([optional, []] if optional else [[]]):
        wanted = {*required, *stated, *more}
        yield from _with_source({name: both[name] for name in parameters if name in wanted}, stated)


def _with_source(shapes: Shapes, stated: Shapes) -> Iterator[Guess]:
    if set(shapes) <= set(stated):
        yield Guess(shapes, "--shapes")
        return
    for other, words in [*variants(shapes), (on_floats(shapes), "")]:
        yield Guess({**other, **stated}, f"{'--shapes and ' * bool(stated)}the docstring{words}")
        if stated and words:
            return                          # other sizes would contradict those that are stated


def _described(pair: Found, parameters: Parameters) -> dict[str, notation.Shape]:
    """Shapes in the docstrings of forward and, for names that it leaves out, of backward, in forward's order."""
    forward, backward = (inspect.getdoc(function) for function in (pair.forward, pair.backward))
    found = {**shapes_in(backward, parameters), **shapes_in(forward, parameters)}
    read = {}
    for name in filter(found.__contains__, parameters):
        try:
            read[name] = notation.parse_shape(found[name], name)
            sized({name: read[name]}, FILE_SIZES)
        except ValueError:
            read.pop(name, None)            # it says something else than a shape
    return read


def _try(pair: Found, guess: Guess) -> list[str] | None:
    """Call the pair once -> the arguments that have a gradient. Raises Trouble if it does not take the inputs.

    Inputs that are all given are not doubted: a backward that fails on them is wrong.
    """
    def run(trial: Pair) -> list[str] | None:
        outs, cache = trial.forward()
        numbers = [out for out in outs if is_float(out)]
        if not all(np.isfinite(out).all() for out in numbers):
            raise Trouble("forward returned NaN or infinity for random numbers")
        _takes(pair.backward, 1 if trial.nested else len(numbers))
        try:
            trial.backward(draw(outs, np.random.default_rng(0)), cache)
        except WrongCount as error:
            others = [name for name in trial.differentiable if not TARGET.match(name)]
            if others and len(others) == error.count:
                return others
            if guess.source != "--shapes":
                raise Trouble(f"{str(error).partition(' (')[0]} ({ADVICE})") from None
        except Trouble as error:
            if guess.source != "--shapes" or OVERRUN.search(str(error)):
                raise
        return None
    return _trial(pair, guess.shapes, None, np.float64, run)


def _takes(backward: Callable, count: int) -> None:
    signature = inspect.signature(backward)
    try:
        signature.bind(*range(count + 1))
    except TypeError:
        raise Trouble(f"backward takes {signature}, expected {count} upstream gradient{'s' * (count > 1)}, one for "
                      "each output of forward, and the cache") from None


def _trial(pair: Found, shapes: Shapes, wrt: Sequence[str] | None, dtype: Any, run: Callable[[Pair], Any]) -> Any:
    """run(the pair with random inputs), within TRIAL."""
    if numbers_in(shapes) > LARGEST:
        raise Trouble(f"the inputs have {numbers_in(shapes):.0e} numbers, at most {LARGEST:.0e} are checked")
    inputs = draw_inputs(sized(shapes, FILE_SIZES), dtype, np.random.default_rng(0))
    limit = Budget(TRIAL)
    forward = on_own_settings(with_names(pair.forward, list(shapes)))
    return watched(lambda: run(Pair(forward, pair.backward, inputs, wrt, limit.watch)), limit)
