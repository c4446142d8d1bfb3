"""The two checks: check_pair for a forward and its backward, check_model for a loss over a dict of parameters."""
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from gradcheck.axes import Axes, AxisNames, axes_of
from gradcheck.budget import EVALUATIONS, SECONDS, Budget, watched
from gradcheck.contract import check_contract, check_gradients, measurable
from gradcheck.diagnose import diagnose, unexplained
from gradcheck.judge import Noise, Scale, contradicted, judge, tolerance_of
from gradcheck.layouts import check_layouts
from gradcheck.measure import Measured, sample, search_by_projections
from gradcheck.model import Model
from gradcheck.numeric import NoValue, Probe, Trouble, carries_complex, check_method, resolve
from gradcheck.pair import Pair, draw, is_float
from gradcheck.report import Report, entry_line, worst_entries
from gradcheck.traps import cut_to_one

BUDGET = (EVALUATIONS, SECONDS)
MANY = 12                           # arrays of a pair beyond which one complex step is tested for all of them together
CUT = 200                           # evaluations for a pair whose batch or time axis is cut to length 1

Subject = Pair | Model              # what is checked
Gradients = dict[str, np.ndarray]   # by the name of the input
Names = str | Iterable[str] | None
Random = np.random.Generator | int | None


def check_pair(forward: Callable, backward: Callable, inputs: dict[str, Any], *, wrt: Names = None,
               axes: AxisNames = None, method: str = "auto", budget: float | tuple[float, float] = BUDGET,
               rng: Random = None) -> Report:
    """Check a hand-written backward against its forward.

    forward(*inputs) -> (out..., cache) or ((out...), cache); backward(dout..., cache) -> gradients in the order of
    forward's differentiable inputs, with dout a tuple where out is.
    inputs: name -> value in the order of forward's arguments. Arrays of float32 or float64 are differentiated;
    integers, booleans, None and settings (Python numbers, dicts, ...) are passed on.
    wrt: names of the inputs that have a gradient, by default all. axes: names of their axes, "x=N,T,D Wh=H,4H:ifog" or
    {"Wh": ("h", "gate:ifog")}, where :ifog names four equal blocks (all forms: notation.py). Axes named n and t (batch,
    time) are also checked at length 1. method: as in numeric_grad. budget: evaluations of forward, or (evaluations,
    seconds); if it does not suffice for all entries, a sample is checked. rng: Generator or seed of the upstream
    gradients; None is seed 0, so that a report can be repeated.
    -> Report. After a breach of the contract, such as writing to dout, the numbers are checked on copies. A wrong pair,
    also one that raises, gives a Report that is not ok; ValueError means that the arguments of check_pair are wrong.
    """
    check_method(method)
    limit = Budget(budget)
    pair = Pair(forward, backward, inputs, wrt, limit.watch)
    pair.axes, draws = axes_of(pair.inputs, axes), generator(rng)
    dtype = np.result_type(*[np.asarray(pair.inputs[name]).dtype for name in pair.names])
    return _report(pair, dtype, limit, lambda report: _check_pair(pair, pair.axes, method, limit, draws, report))


def check_model(loss: Callable, params: dict[str, np.ndarray], *, wrt: Names = None, axes: AxisNames = None,
                method: str = "auto", budget: float | tuple[float, float] = BUDGET, rng: Random = None,
                burn_in: int = 0, learning_rate: float = 0.1) -> Report:
    """Check the gradients of a loss over a dict of parameters.

    loss() -> (value, grads) with grads name -> array; at every call it has to read `params`, the dict or its arrays.
    burn_in: steps of gradient descent before the check, since a new model may hide mistakes behind gradients of zero;
    the parameters are restored at the end. The other arguments as in check_pair. -> Report.
    """
    check_method(method)
    limit = Budget(budget)
    model = Model(loss, params, wrt, limit)
    named, draws = axes_of(params, axes), generator(rng)
    if not isinstance(burn_in, Integral) or burn_in < 0 or not isinstance(learning_rate, Real):
        raise ValueError(f"burn_in is {burn_in!r} and learning_rate {learning_rate!r}, expected a number of steps, at "
                         "least 0, and a number")
    dtype = np.result_type(*[params[name].dtype for name in model.names])

    def check(report: Report) -> None:
        model.burn_in(burn_in, learning_rate)
        _judge_numbers(model, named, method, limit, draws, [(1.0,)], [model.check_contract()], report)
    with model.restored():
        return _report(model, dtype, limit, check)


def generator(rng: Random) -> np.random.Generator:
    """A Generator from anything that default_rng takes; None is seed 0. Raises ValueError on anything else."""
    try:
        return np.random.default_rng(0 if rng is None else rng)
    except (TypeError, ValueError) as error:
        raise ValueError(f"rng is {rng!r}, expected a Generator, a whole number or None") from error


def _report(subject: Subject, dtype: np.dtype, budget: Budget, check: Callable[[Report], None]) -> Report:
    report = Report(subject.name, dtype)
    try:
        watched(lambda: check(report), budget)
    except Trouble as trouble:
        report = Report(subject.name, dtype, str(trouble), report.verdicts, report.diagnoses, report.places)
    report.evaluations = budget.used
    return report


def _check_pair(pair: Pair, axes: dict[str, Axes], method: str, budget: Budget, rng: np.random.Generator,
                report: Report) -> None:
    try:
        douts, grads = check_contract(pair, rng)
    except Trouble as breach:
        report.problem = str(breach)
        with suppress(Trouble):                 # where nothing can be measured, the breach is all there is to say
            pair, douts, grads = measurable(pair, rng)
            _judge_numbers(pair, axes, method, budget, rng, douts, grads, report)
        return
    _judge_numbers(pair, axes, method, budget, rng, douts, grads, report)
    if report.ok:
        check_layouts(pair, douts[0], grads[0])
        for words, small in cut_to_one(pair.with_inputs(pair.truth()), axes):
            try:
                _check_cut(small, method, budget, rng)
            except Trouble as trouble:
                raise Trouble(f"with {words}: {trouble}") from trouble


def _judge_numbers(subject: Subject, axes: dict[str, Axes], method: str, budget: Budget, rng: np.random.Generator,
                   douts: Sequence[tuple], grads: Sequence[Gradients], report: Report, most: float = math.inf) -> None:
    numbers = measure_all(subject, axes, method, budget, rng, douts, grads, most)
    judge_all(subject, numbers, douts, grads, rng, report)


def _check_cut(pair: Pair, method: str, budget: Budget, rng: np.random.Generator) -> None:
    """Check the numbers of a pair whose batch or time axis was cut to length 1. Raises Trouble if one is wrong."""
    try:
        outs, cache = pair.forward()
    except NoValue:
        return                      # forward may reject this length; if it accepts it, the gradients must be right
    if not all(np.isfinite(out).all() for out in outs if is_float(out)):
        return
    dout, small = draw(outs, rng), Report(pair.name, "")
    grads = pair.backward(dout, cache)
    check_gradients(grads, pair.inputs, pair.names)
    _judge_numbers(pair, axes_of(pair.inputs, None), method, budget, rng, [dout], [grads], small, CUT)
    if not small.ok:
        verdict = next(verdict for verdict in small.verdicts if not verdict.ok)
        raise Trouble(f"{verdict.name} is wrong, {entry_line(worst_entries(verdict)[0])}")


class Numbers(NamedTuple):
    """Numeric gradients of all arrays. Unless an array is sampled, they depend on forward alone."""
    probes: dict[str, Probe]
    measured: dict[str, Measured]
    weights: np.ndarray             # upstream gradients (K, size of all outputs)
    scale: Scale
    measure: Callable[[str, str], Measured]     # (name, method) -> measured again, by another method


def measure_all(subject: Subject, axes: dict[str, Axes], method: str, budget: Budget, rng: np.random.Generator,
                douts: Sequence[tuple], grads: Sequence[Gradients], most: float = math.inf) -> Numbers:
    """Numeric gradients for the upstream gradients `douts` -> Numbers.

    grads: backward's gradients; a sample includes their largest entries. most: another limit on evaluations.
    """
    analytic, truth = _flat(subject, grads), subject.truth()
    probes = {name: Probe(subject.function(name), truth[name], name, axes[name].place, budget.watch)
              for name in subject.names}
    weights = next(iter(probes.values())).weights(douts)
    together = method == "auto" and (isinstance(subject, Model) or len(probes) > MANY)
    if together and _all_carry_complex(subject, {name: truth[name] for name in probes}, rng):
        methods = dict.fromkeys(probes, "complex")
    else:
        methods = {name: resolve(method, probe, axes[name].groups().values(), rng) for name, probe in probes.items()}
    entries = _plan(probes, methods, axes, analytic, budget, rng, most)

    def measure(name: str, by: str) -> Measured:
        found = Measured(probes[name], axes[name], weights, by, entries[name], sure=method != "auto")
        if not found.complete:
            search_by_projections(found, analytic[name], tolerance_of(by, _coarser(subject, grads, name)), rng)
        return found
    measured = {name: measure(name, methods[name]) for name in subject.names}
    largest = np.max([np.abs(found.numeric).max(axis=1, initial=0) for found in measured.values()], axis=0)
    products = np.abs(weights * next(iter(probes.values())).base).max(axis=1, initial=0)
    return Numbers(probes, measured, weights, Scale(largest, np.maximum(largest, products)), measure)


def _all_carry_complex(subject: Subject, truth: Gradients, rng: np.random.Generator) -> bool:
    """Whether the complex step agrees with real differences along one direction that changes all arrays.

    That is a few calls, where a test of each of many arrays would take longer than to measure them.
    """
    ends, function = np.cumsum([x.size for x in truth.values()])[:-1], subject.function(*truth)

    def joint(flat: np.ndarray) -> Any:
        return function(*(part.reshape(x.shape) for part, x in zip(np.split(flat, ends), truth.values())))
    probe = Probe(joint, np.concatenate([x.ravel() for x in truth.values()]), "all arrays", watch=subject.watch)
    return carries_complex(probe, np.arange(probe.x.size), rng)


def judge_all(subject: Subject, numbers: Numbers, douts: Sequence[tuple], grads: Sequence[Gradients],
              rng: np.random.Generator, report: Report) -> None:
    """Add a verdict on every array to the report, and diagnoses if one is wrong."""
    analytic, outs = _flat(subject, grads), next(iter(numbers.probes.values())).outs

    noise = Noise(lambda measured, column, eps: _jittered(subject, measured, column, eps, rng),
                  lambda measured: _in_float64(subject, measured, douts))
    for name in subject.names:
        arguments = analytic[name], _coarser(subject, grads, name), numbers.scale, noise
        one_output = None
        if isinstance(subject, Pair):
            one_output = lambda m, name=name: subject.one_output(outs, m)[name]         # noqa: E731
        numbers.measured[name].one_output = one_output
        verdict = judge(name, numbers.measured[name], *arguments)
        if not verdict.ok and contradicted(verdict):
            measured = numbers.measure(name, "central")
            measured.one_output = one_output
            verdict = judge(name, measured, *arguments)
        report.verdicts.append(verdict)
    if not report.ok:
        report.diagnoses.extend(diagnose(subject, report.verdicts, douts, numbers.weights, numbers.probes))
        report.places.extend(unexplained(subject, report.verdicts, report.diagnoses))


def _coarser(subject: Subject, grads: Sequence[Gradients], name: str) -> np.dtype:
    """The less precise of the dtypes of a gradient and of its array: float64 made of float32 is no better than that."""
    own = np.asarray(subject.inputs[name] if isinstance(subject, Pair) else subject.params[name]).dtype
    found = grads[0][name].dtype
    return min(found, own, key=lambda dtype: dtype.itemsize) if found.kind == "f" else own


def _jittered(subject: Subject, measured: Measured, column: int, eps: float, rng: np.random.Generator) -> float:
    """How far the numeric slope at a column moves when all inputs move by a few eps of their size."""
    if not isinstance(subject, Pair):
        return 0.0
    moved = [np.abs(_slope(subject.jittered(eps, rng), measured, column) - measured.numeric[:, column]).max()
             for _ in range(3)]
    return max(moved)


def _in_float64(subject: Subject, measured: Measured, douts: Sequence[tuple]) -> np.ndarray | None:
    grad = subject.in_float64(douts).get(measured.probe.name) if isinstance(subject, Pair) else None
    return None if grad is None else grad.reshape(len(douts), -1)


def _slope(pair: Pair, measured: Measured, column: int) -> np.ndarray:
    """The numeric gradient of another pair at a column (K,)."""
    name = measured.probe.name
    line = Probe(pair.function(name), pair.truth()[name], name, watch=pair.watch).line(measured.entries[column])
    if measured.method == "complex":
        return measured.weights @ line.slope("complex")
    return line.settle(measured.weights)[0]


def _flat(subject: Subject, grads: Sequence[Gradients]) -> dict[str, np.ndarray]:
    return {name: np.array([np.asarray(grad[name], float).ravel() for grad in grads]) for name in subject.names}


def _plan(probes: dict[str, Probe], methods: dict[str, str], axes: dict[str, Axes], analytic: dict[str, np.ndarray],
          budget: Budget, rng: np.random.Generator, most: float) -> dict[str, np.ndarray]:
    """Flat entries of each array to measure: all, or a sample that the budget allows."""
    calls = {"complex": 1, "central": 2, "richardson": 4}
    for name, probe in probes.items():
        if probe.x.size:
            probe.line(0).slope(methods[name])              # one call, from which the budget learns its cost
    need = {name: calls[methods[name]] * probe.x.size for name, probe in probes.items()}
    left = int(min(most, budget.left()))
    budget.announce(min(left, sum(need.values())))
    share = left // 2 // len(probes)
    return {name: np.arange(probe.x.size) if sum(need.values()) <= left or need[name] <= share else
            sample(axes[name], analytic[name], share // calls[methods[name]], rng)
            for name, probe in probes.items()}
